"""Move a signal in time by a fraction of a sample: a windowed sinc, its latency taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.filters import FirFilter, filtered
from stemfx.dsp.resample import rechunk

_HALF = 64  # taps on either side: flat to 0.48 of the sample rate
_KAISER_BETA = 9.0


def fractional_delay_taps(fraction: float) -> NDArray[np.float64]:
    """Return 129 taps that delay by `fraction` of a sample, -0.5 to 0.5, their middle at zero.

    A sinc in a Kaiser window (beta 9), both centred on the delay; the sum is one. Below 0.48 of
    the sample rate a copy moved there and back nulls with the original at -80 dB.
    """
    t = np.arange(-_HALF, _HALF + 1) - fraction
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - (t / (_HALF + 1)) ** 2, 0.0, 1.0)))
    taps: NDArray[np.float64] = np.sinc(t) * window
    taps /= taps.sum()
    return taps


@dataclass(frozen=True, eq=False)
class Shifted:
    """A signal moved in time, and scaled, anew whenever it is read; by default its length stays.

    Args:
        source: the signal.
        delay_samples: positive is later, negative earlier; fractions count.
        gain: amplitude factor; negative inverts.
        length: in samples; the source's if not given.

    What leaves one end is gone, silence comes in at the other. Whole samples and a gain of one
    change no bit.
    """

    source: Signal
    delay_samples: float
    gain: float = 1.0
    length: int | None = None

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.source.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.source.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self.source.n_samples if self.length is None else self.length

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        return map(read_only, rechunk(self._moved(), n_samples))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        whole = round(self.delay_samples)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        start = max(0, start)
        if stop <= start:
            return read_only(np.zeros((self.channels, 0), np.float32))
        margin = 0 if whole == self.delay_samples else _HALF
        first, last = start - whole - margin, stop - whole + margin
        there = self.source.read(max(0, first), max(0, min(last, self.source.n_samples)))
        padded = np.zeros((self.channels, last - first), np.float32)
        lead = max(0, -first)
        padded[:, lead : lead + there.shape[1]] = there
        if margin:
            taps = fractional_delay_taps(self.delay_samples - whole)
            padded = np.stack(
                [np.convolve(row.astype(np.float64), taps, "valid") for row in padded]
            ).astype(np.float32)
        return read_only(padded if self.gain == 1.0 else padded * np.float32(self.gain))

    def _moved(self) -> Iterator[Block]:
        whole, left = round(self.delay_samples), self.n_samples
        margin = 0 if whole == self.delay_samples else _HALF
        silence = np.zeros((self.channels, min(max(0, whole - margin), left)), np.float32)
        left -= silence.shape[1]
        if silence.shape[1]:
            yield silence
        skip = max(0, margin - whole)
        for block in self._filtered(self.delay_samples - whole, margin):
            part = block[:, skip : skip + left]
            skip = max(0, skip - block.shape[1])
            left -= part.shape[1]
            if part.shape[1]:
                yield part if self.gain == 1.0 else part * np.float32(self.gain)
        if left:
            yield np.zeros((self.channels, left), np.float32)

    def _filtered(self, fraction: float, margin: int) -> Iterator[Block]:
        """Yield the source moved by less than a sample, `margin` samples longer at both ends."""
        if not margin:
            yield from self.source.blocks(BLOCK_SAMPLES)
            return
        fir = FirFilter(fractional_delay_taps(fraction), self.channels)
        around = np.zeros((self.channels, margin), np.float32)
        longer = chain([around], self.source.blocks(BLOCK_SAMPLES), [around])
        yield from filtered(longer, fir)
