"""Bars that are exact copies of earlier ones: loops that a generator ran, not a band that plays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.resample import Resampler
from stemfx.dsp.units import Float64s

RATE_HZ = 8_000
MAX_BARS = 1_024
"""Of a longer song the first ones: 32 MB of them at 120 BPM."""

_SAME = 0.9998  # correlation: what differs is 34 dB down; two bars that were played have more
_SLOTS = 32
_ENVELOPE_OFF_DB = 0.7
_SHIFT_S = 0.03
_FINER = 8  # a copy may lie between two samples
_QUIET = 1e-7  # -70 dBFS
_LEAST_BARS = 4


class BarStore:
    """Keep every bar of a song, mono at 8 kHz in 16 bits, as it streams by.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
        downbeats_s: where bars begin, in seconds.
    """

    def __init__(self, sample_rate: int, channels: int, downbeats_s: Sequence[float]) -> None:
        self._resample = Resampler(sample_rate, RATE_HZ, 1) if sample_rate != RATE_HZ else None
        self._weights = np.array([[0.6, 0.4]] if channels == 2 else [[1 / channels] * channels])
        self._weights = self._weights.astype(np.float32)
        starts = np.round(np.array(downbeats_s[: MAX_BARS + 1]) * RATE_HZ).astype(int)
        self._spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
        self._bars: list[NDArray[np.float16]] = []
        self._waiting = np.zeros(0, np.float32)
        self._first = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        if len(self._bars) == len(self._spans):
            return
        mono = self._weights @ block
        self._take(self._resample(mono)[0] if self._resample else mono[0])

    def _take(self, samples: NDArray[np.float32]) -> None:
        self._waiting = np.concatenate((self._waiting, samples))
        while len(self._bars) < len(self._spans):
            start, stop = self._spans[len(self._bars)]
            if stop > self._first + len(self._waiting):
                break
            bar = self._waiting[max(0, start - self._first) : stop - self._first]
            self._bars.append(bar.astype(np.float16))
            self._waiting, self._first = self._waiting[stop - self._first :].copy(), stop

    def copied_percent(self) -> float | None:
        """Return the share of the bars that an earlier one equals; None for too few bars."""
        if self._resample is not None and len(self._bars) < len(self._spans):
            self._take(self._resample.flush()[0])
        bars = [bar.astype(np.float32) for bar in self._bars]
        loud = [i for i, bar in enumerate(bars) if bar.size and float(np.mean(bar**2)) > _QUIET]
        if len(loud) < _LEAST_BARS:
            return None
        copies = {later for later, earlier in _alike(bars, loud) if _equal(bars, later, earlier)}
        return 100.0 * len(copies) / len(loud)


def _alike(bars: Sequence[Block], loud: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of bars, the later one first, that are equally loud from slot to slot."""
    shapes = np.stack([_envelope_db(bars[i]) for i in loud])
    for k, later in enumerate(loud):
        off = np.abs(shapes[:k] - shapes[k]).mean(axis=1)
        near = np.argsort(off, kind="stable")[:4]
        yield from ((later, loud[int(j)]) for j in near if off[j] < _ENVELOPE_OFF_DB)


def _envelope_db(bar: Block) -> Float64s:
    parts = np.array_split(bar.astype(np.float64), _SLOTS)
    power = np.array([np.mean(part**2) if part.size else 0.0 for part in parts])
    return np.asarray(10 * np.log10(np.maximum(power, 1e-3 * power.max(initial=0.0) + 1e-12)))


def _equal(bars: Sequence[Block], later: int, earlier: int) -> bool:
    """Tell whether two bars are one sound, up to a shift of some ms and a gain."""
    import scipy.fft

    n = min(len(bars[later]), len(bars[earlier]))
    reach = round(_SHIFT_S * RATE_HZ)
    middle = slice(reach, n - reach)
    if n < 8 * reach:
        return False
    a = bars[later][:n].astype(np.float64)
    b = np.zeros(n)
    b[middle] = bars[earlier][middle]
    size = scipy.fft.next_fast_len(2 * n)
    cross = np.conj(scipy.fft.rfft(b, size)) * scipy.fft.rfft(a, size)
    fine = scipy.fft.irfft(np.pad(cross, (0, (_FINER - 1) * size // 2)), size * _FINER) * _FINER
    around = np.concatenate((fine[: reach * _FINER], fine[-reach * _FINER :]))
    best = int(np.argmax(around))
    shift = (best if best < reach * _FINER else best - 2 * reach * _FINER) / _FINER
    first = int(np.clip(round(shift) + reach, 0, n))
    own = a[first : first + n - 2 * reach]
    norm = np.sqrt(np.sum(own**2) * np.sum(b**2))
    return bool(norm > 0 and around[best] > _SAME * norm)
