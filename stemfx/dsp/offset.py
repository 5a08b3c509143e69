"""A constant offset (DC): how large it is, and where in the signal it is there.

Digital silence holds no offset: the means are over what sounds, and an offset that is taken away
is taken from there alone. Where a stretch of sound begins with a step, the offset is taken at once,
and the step with it; where it begins near zero (somebody faded it in), that would make a step, so
it goes over 50 ms, likewise at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.units import Float64s

_SILENCE_S = 0.05  # shorter runs of zeros are part of the sound
_FADE_S = 0.05
_EDGE_S = 0.001
_DRIFT_S = 5.0


@dataclass(frozen=True, eq=False)
class Offset:
    """The constant offset of a signal.

    Args:
        values: of each channel, `(channels,)`.
        drift: the largest distance of any 5 s from it, over all channels.
        stretches: `(n, 2)`: samples from and to which something sounds.
    """

    values: Float64s
    drift: float
    stretches: NDArray[np.intp]

    def without(self, signal: Signal) -> Iterator[Block]:
        """Yield `signal` less the offset."""
        rate = signal.sample_rate
        fade = round(_FADE_S * rate)
        edge = max(1, round(_EDGE_S * rate))
        sounds = [
            _Sound(
                start,
                stop,
                fade * (not self._is_there(signal.read(start, min(start + edge, stop)))),
                fade * (not self._is_there(signal.read(max(start, stop - edge), stop))),
            )
            for start, stop in self.stretches.tolist()
        ]
        at = 0
        values = self.values[:, None]
        for block in signal.blocks():
            share = np.zeros(block.shape[1])
            for sound in sounds:
                if sound.start < at + block.shape[1] and sound.stop > at:
                    share += sound.share(at, at + block.shape[1])
            at += block.shape[1]
            yield (block - values * share).astype(np.float32)

    def _is_there(self, edge: Block) -> bool:
        return bool(np.abs(edge).max() > 0.5 * np.abs(self.values).max())


@dataclass(frozen=True)
class _Sound:
    start: int
    stop: int
    fade_in: int
    fade_out: int

    def share(self, start: int, stop: int) -> Float64s:
        """Return how much of the offset is taken at samples `start` up to `stop`, 0 to 1."""
        n = np.arange(start, stop)
        shares: Float64s = ((n >= self.start) & (n < self.stop)).astype(np.float64)
        for length, distance in (
            (self.fade_in, n - self.start),
            (self.fade_out, self.stop - 1 - n),
        ):
            if length:
                place = np.clip((distance + 1) / (length + 1), 0.0, 1.0)
                shares *= 0.5 - 0.5 * np.cos(np.pi * place)
        return shares


def measure_offset(signal: Signal) -> Offset:
    """Return the mean of each channel over what sounds, with its drift."""
    rate = signal.sample_rate
    stretches = _stretches(signal, round(_SILENCE_S * rate))
    n_span = round(_DRIFT_S * rate)
    window = np.hanning(n_span + 2)[1:-1]  # the rest of a bass note's period is no drift
    window /= window.sum()
    sums, spans = np.zeros(signal.channels), []
    for start, stop in stretches.tolist():
        for first in range(start, stop, n_span):
            last = min(first + n_span, stop)
            stretch = signal.read(first, last)
            sums += stretch.sum(axis=1, dtype=np.float64)
            if last - first == n_span:
                spans.append(stretch @ window)
    n_sounding = int(np.diff(stretches).sum())
    values = sums / max(1, n_sounding)
    drift = float(np.abs(np.array(spans) - values).max()) if spans else 0.0
    return Offset(values, drift, stretches)


def _stretches(signal: Signal, n_silence: int) -> NDArray[np.intp]:
    """Return where something sounds; runs of `n_silence` zeros in all channels are silence."""
    found: list[NDArray[np.intp]] = []
    at, last = 0, -n_silence - 1
    first: int | None = None
    for block in signal.blocks():
        sounding = np.flatnonzero(block.any(axis=0)) + at
        at += block.shape[1]
        if not sounding.size:
            continue
        if first is None:
            first, last = int(sounding[0]), int(sounding[0])
        gaps = np.diff(sounding, prepend=last) > n_silence
        starts = sounding[gaps]
        ends = np.concatenate(([last], sounding))[:-1][gaps] + 1
        found.append(np.stack((ends, starts), axis=1))
        last = int(sounding[-1])
    if first is None:
        return np.zeros((0, 2), np.intp)
    silences = np.concatenate(found)
    return np.stack((np.append(first, silences[:, 1]), np.append(silences[:, 0], last + 1)), axis=1)
