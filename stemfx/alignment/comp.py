"""One track from several takes, switched at bar lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.channels import widen
from stemfx.dsp.stretch import crossfade_gains, likeness
from stemfx.dsp.units import db_to_gain

_FADE_S = 0.03
_LEAD_S = 0.01  # players are up to 10 ms early: the attack on the new take's one is whole


@dataclass(frozen=True)
class Cut:
    """A stretch of the timeline, in seconds, that one take plays, at a gain in dB."""

    start_s: float
    stop_s: float
    take: int
    gain_db: float = 0.0


@dataclass(frozen=True)
class _Voice:
    """What a take plays, `[start, stop)` in samples, and the gains of its first and last ones."""

    take: int
    start: int
    stop: int
    level: np.float32
    rise: NDArray[np.float32]
    fall: NDArray[np.float32]

    def gain(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the gain of samples `start` up to `stop`, all of which it plays."""
        gains = np.full(stop - start, self.level, np.float32)
        head = self.rise[start - self.start : stop - self.start]
        gains[: len(head)] *= head
        first = max(start, self.stop - len(self.fall))
        if first < stop:
            at = first - (self.stop - len(self.fall))
            gains[first - start :] *= self.fall[at : at + stop - first]
        return gains


def comped(takes: Sequence[Signal], cuts: Sequence[Cut], n_samples: int) -> Iterator[Block]:
    """Yield a track that plays one take after the other.

    From one take to the next it fades within 30 ms that end 10 ms before the bar line, so the new
    attack is whole; the fade is scaled by how alike the takes are there, so that the level neither
    dips nor bumps. Where a take goes on over a bar line no bit changes; where nobody plays it is
    silent, after and before a fade of the same length.

    Args:
        takes: of one rate, on one timeline, mono or stereo; a short one ends in silence.
        cuts: in order, none overlapping.
        n_samples: length of the track.
    """
    channels = max(take.channels for take in takes)
    voices = _voices(takes, _joined(cuts), n_samples)
    for start in range(0, n_samples, BLOCK_SAMPLES):
        stop = min(start + BLOCK_SAMPLES, n_samples)
        out = np.zeros((channels, stop - start), np.float32)
        for voice in voices:
            first, last = max(start, voice.start), min(stop, voice.stop)
            if first >= last:
                continue
            part = takes[voice.take].read(first, last)
            part = widen(part) if channels == 2 else part
            gains = voice.gain(first, last)[: part.shape[1]]
            out[:, first - start : first - start + part.shape[1]] += gains * part
        yield out


def _joined(cuts: Sequence[Cut]) -> list[Cut]:
    """Make one cut of neighbours that the same take plays."""
    joined: list[Cut] = []
    for cut in cuts:
        if (
            joined
            and replace(joined[-1], start_s=cut.start_s, stop_s=cut.stop_s) == cut
            and (joined[-1].stop_s == cut.start_s)
        ):
            joined[-1] = replace(joined[-1], stop_s=cut.stop_s)
        else:
            joined.append(cut)
    return joined


def _voices(takes: Sequence[Signal], cuts: Sequence[Cut], n_samples: int) -> list[_Voice]:
    rate = takes[0].sample_rate
    fade, lead = max(1, round(_FADE_S * rate)), round(_LEAD_S * rate)
    nothing = np.zeros(0, np.float32)
    voices: list[_Voice] = []
    for i, cut in enumerate(cuts):
        start, stop = round(cut.start_s * rate), min(round(cut.stop_s * rate), n_samples)
        follows = i > 0 and cuts[i - 1].stop_s == cut.start_s
        begin = min(max(0, start - lead - fade), stop)  # where its fade begins, if it has one
        n_fade = min(fade, stop - begin) if start > 0 else 0
        level = np.float32(db_to_gain(cut.gain_db))
        rise = nothing
        if n_fade:
            before = cuts[i - 1].take if follows else None
            fall, rise = _gains(takes, before, cut.take, begin, n_fade)
            if follows and voices:
                voices[-1] = replace(voices[-1], stop=begin + n_fade, fall=fall)
        ends_alone = i + 1 == len(cuts) or cuts[i + 1].start_s != cut.stop_s
        tail = nothing
        if ends_alone and stop < n_samples:
            tail, _ = crossfade_gains(min(fade, stop - begin), 0.0)
        voices.append(_Voice(cut.take, begin if n_fade else start, stop, level, rise, tail))
    return voices


def _gains(
    takes: Sequence[Signal], before: int | None, after: int, start: int, n: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gains of a fade from one take (or from silence) to another."""
    if before is None:
        return crossfade_gains(n, 0.0)
    old, new = (widen(takes[take].read(start, start + n)) for take in (before, after))
    length = min(old.shape[1], new.shape[1])
    return crossfade_gains(n, likeness(old[:, :length], new[:, :length]))
