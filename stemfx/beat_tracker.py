"""Beat trackers: where a plugin says that the beats of a song are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from stemfx.audio import Signal

OWN_TRACKER = "stemfx"
"""The name of stemfx's own beat tracker, which is no plugin: it hears the stems too."""


@dataclass(frozen=True)
class TrackedBeats:
    """What a tracker heard.

    Args:
        beats_s: every beat, rising, in seconds from the start of the song.
        downbeats_s: where bars begin, rising; empty where the tracker does not say.
    """

    beats_s: Sequence[float]
    downbeats_s: Sequence[float] = ()


class BeatTracker(ABC):
    """Says where the beats of a song are. A plugin offers one by `stemfx_beat_trackers`.

    Its beats decide the tempo octave and the phase; stemfx then moves each to the attack that it
    means and lays a grid through them, so a tracker need not be finer than 40 ms. Where it names
    no downbeats, the bars are read among its beats.

    `version` is part of the cache key: raise it whenever the answers change.
    """

    name: str
    summary: str
    licence: str
    version: int = 1

    @abstractmethod
    def track(self, mixture: Signal) -> TrackedBeats:
        """Return the beats of a song; none where it hears no beat.

        Args:
            mixture: the whole song, mono or stereo, at any rate; read it by blocks.
        """
