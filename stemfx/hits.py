"""Drum hits: what a drum stem plays, as a list that people and programs can edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from stemfx.audio import Signal

DrumClass = Literal["kick", "snare", "hat_closed", "hat_open", "tom", "crash", "clap"]

DRUM_CLASSES: tuple[str, ...] = get_args(DrumClass)
"""The drums that stemfx tells apart, in the order in which they are listed.

Every snare sound is a `snare`, the side stick too; a ride is a `crash`; a pedal hat a `hat_closed`.
"""

GM_NOTES = {
    "kick": (36, 35),
    "snare": (38, 40, 37),
    "hat_closed": (42, 44),
    "hat_open": (46,),
    "tom": (47, 45, 48, 43, 50, 41),
    "crash": (49, 57, 55, 52, 51, 59, 53),
    "clap": (39,),
}
"""The notes of each class in General MIDI level 1 (percussion key map), the usual one first."""

CLASS_OF_NOTE = {note: name for name, notes in GM_NOTES.items() for note in notes}


@dataclass(frozen=True, order=True)
class Hit:
    """One drum, struck once. Drums that sound together are several hits.

    Args:
        time_s: where its attack begins, in seconds from the start of the signal.
        drum_class: one of `DRUM_CLASSES`.
        velocity: (0, 1]; how hard, among the hits of its class in the same song.

    Raises:
        ValueError: a value lies outside its range.
    """

    time_s: float
    drum_class: str
    velocity: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.time_s < float("inf"):
            msg = f"time_s: {self.time_s} is not a time in the song"
            raise ValueError(msg)
        if self.drum_class not in DRUM_CLASSES:
            msg = f"class: {self.drum_class!r} is unknown (known: {', '.join(DRUM_CLASSES)})"
            raise ValueError(msg)
        if not 0.0 < self.velocity <= 1.0:
            msg = f"velocity: {self.velocity} is outside (0, 1]"
            raise ValueError(msg)


class HitClassifier(ABC):
    """Says which drum was struck, and how hard. A plugin offers one by `stemfx_hit_classifiers`.

    `version` is part of the cache key: raise it whenever the answers change.
    """

    name: str
    summary: str
    licence: str
    version: int = 1

    @abstractmethod
    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        """Return the hits of a drum stem, in the order of time.

        Args:
            drums: the stem, mono or stereo.
            onsets_s: where stemfx heard strokes, in seconds, each once however many drums were
                struck. The classifier may leave some out, move them, and add its own.
        """
