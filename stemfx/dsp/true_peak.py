"""Find the peaks of the waveform between its samples: ITU-R BS.1770-5, annex 2.

Twice the rate is soxr's work, or that of `Doubler`, which hears the last tenth below Nyquist, too.
From there to eight times a short filter does, and only where it can matter: where the wave is too
low, or too straight, to hold a new maximum between its samples (`curvature_reach`), it is left
out, and not a bit of the reading changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.filters import FirFilter
from stemfx.dsp.resample import Quality, Resampler
from stemfx.dsp.units import gain_to_db

OVERSAMPLING = 8
"""A sine of any frequency is read at most 0.17 dB low: cos(pi/16); at 4x 0.69 dB.

BS.1770 asks for 192 kHz, which is 4x at 48 kHz and 1x at 192 kHz. Eight times at every rate is
one law for all of them, and at 192 kHz takes as long as decoding the FLAC, no more.
"""
CELLS_PER_S = 10
"""Peaks over time are kept per 100 ms: the hop of the short-term loudness."""

_TAPS = 14
_BEFORE = _TAPS // 2 - 1  # taps before the sample that a point follows; the sample, and 7 after
_GROUP = 128  # samples at twice the rate that are looked at, or left out, together
_CHUNK = 1 << 16  # samples at twice the rate that are gone through at once; 128 kB a channel
_FINE = OVERSAMPLING // 2
_ROUNDING = 1.0001  # of float32, with room


def interpolator() -> NDArray[np.float64]:
    """Return the taps of the points at 1/4, 1/2 and 3/4 between two samples at twice the rate.

    A windowed sinc (Kaiser, beta 10). What was below Nyquist is now below half of it, so 14 taps
    are flat to 0.0004 dB. Shape `(3, 14)`; each row passes a constant and a ramp exactly.
    """
    place = np.arange(1, _FINE) / _FINE
    taps = np.arange(-_BEFORE, _BEFORE + 2)
    away = taps - place[:, None]
    weights: NDArray[np.float64] = np.sinc(away) * np.i0(10 * np.sqrt(1 - (2 * away / _TAPS) ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    slip = place - weights @ taps
    weights[:, _BEFORE] -= slip
    weights[:, _BEFORE + 1] += slip
    return weights


def curvature_reach() -> float:
    """Return how far a point can lie off the line between its neighbours, per second difference.

    The taps less those of the straight line pass no constant and no ramp: they are a filter g of
    the second differences d[n] = x[n-1] - 2 x[n] + x[n+1]. So no point is higher than the higher
    of its neighbours plus sum |g| times the largest |d| under the taps.
    """
    bent = interpolator()
    place = np.arange(1, _FINE) / _FINE
    bent[:, _BEFORE] -= 1 - place
    bent[:, _BEFORE + 1] -= place
    return float(np.abs(bent.cumsum(axis=1).cumsum(axis=1)).sum(axis=1).max())


_STEP = 16
_BATCH = 128  # products of this size stay on one thread


def _step_matrix() -> Block:
    """Return the taps for the points after each of `_STEP` samples: `(samples, points)`."""
    matrix = np.zeros((_STEP + _TAPS - 1, _STEP, _FINE - 1), np.float32)
    for i in range(_STEP):
        matrix[i : i + _TAPS, i] = interpolator().T
    return matrix.reshape(len(matrix), -1)


_MATRIX = _step_matrix()
_RISE = _ROUNDING * float(np.abs(interpolator()).sum(axis=1).max())
"""How far points can rise above all samples around them: 5.1 dB."""
_REACH = _ROUNDING * curvature_reach()
_WINDOW = _GROUP + _TAPS - 1


def _points(windows: Block) -> Block:
    """Return the highest point between the samples of every window, `(n, _WINDOW)`."""
    steps = sliding_window_view(windows, len(_MATRIX), axis=1)[:, ::_STEP]
    steps = steps.reshape(-1, len(_MATRIX))
    highest = [
        np.abs(steps[i : i + _BATCH] @ _MATRIX).max(axis=1) for i in range(0, len(steps), _BATCH)
    ]
    points: Block = np.concatenate(highest).reshape(len(windows), -1).max(axis=1)
    return points


def _sizes(doubled: Block) -> tuple[Block, Block]:
    """Return the highest sample of each group, and of it and its neighbours, for each channel.

    The first and the last group of `doubled` are neighbours only.
    """
    sizes = np.maximum.reduceat(np.abs(doubled), np.arange(0, doubled.shape[1], _GROUP), axis=1)
    around = np.maximum(np.maximum(sizes[:, :-2], sizes[:, 2:]), sizes[:, 1:-1])
    return sizes[:, 1:-1], around


def _rising(
    doubled: Block, around: Block, floor: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Block]:
    """Return the groups, of any channel, in which a point may lie over `floor`, and their windows.

    Args:
        doubled: with one more group on either side.
        around: see `_sizes`.
        floor: `(n_groups,)`.
    """
    channels, groups = np.nonzero(_RISE * around > floor)
    windows = sliding_window_view(doubled, _WINDOW, axis=1)[:, _GROUP - _BEFORE :: _GROUP]
    windows = windows[channels, groups]
    bends = np.abs(np.diff(windows, 2, axis=1)).max(axis=1, initial=0)
    can_rise = around[channels, groups] + _REACH * bends > floor[groups]
    return groups[can_rise], windows[can_rise]


class _Doubling(Protocol):
    def __call__(self, block: Block) -> Block: ...

    def flush(self) -> Block: ...


class Doubler:
    """Twice the rate, flat to 0.98 of Nyquist: `doubler(block)`, and at its end `flush()`.

    soxr's filters begin to fall at 0.91. Of cymbals and noise held at a ceiling, what lies above
    can bring the peaks some tenths of a dB higher, or lower. A windowed sinc (Kaiser, beta 8) of
    256 taps gives the point between two samples; the samples themselves are kept.
    """

    _HALF = 128

    def __init__(self, channels: int) -> None:
        away = np.arange(2 * self._HALF) - self._HALF + 0.5
        window = np.i0(8 * np.sqrt(1 - (away / self._HALF) ** 2)) / np.i0(8)
        self._between = FirFilter(np.sinc(away) * window, channels, self._HALF)
        self._waiting: Block = np.zeros((channels, 0), np.float32)

    def __call__(self, block: Block) -> Block:
        """Return what is ready, `(channels, m)` with m >= 0."""
        return self._interleaved(block, self._between(block))

    def flush(self) -> Block:
        """Return what is left; ends the stream."""
        return self._interleaved(self._waiting[:, :0], self._between.flush())

    def _interleaved(self, block: Block, between: Block) -> Block:
        waiting = np.concatenate((self._waiting, block), axis=1)
        n = between.shape[1]
        self._waiting = waiting[:, n:]
        return np.stack((waiting[:, :n], between), axis=2).reshape(len(block), 2 * n)


class _Chunks:
    """Cut a doubled stream into chunks that have one more group on either side.

    Always at the same places of the stream: blocks change no bit.
    """

    def __init__(self, double: _Doubling, channels: int, n_chunk: int) -> None:
        self._double, self._n = double, n_chunk
        self._waiting: Block = np.zeros((channels, _GROUP), np.float32)

    def __call__(self, block: Block) -> Iterator[Block]:
        return self._cut(self._double(block))

    def flush(self) -> Iterator[Block]:
        """Yield the rest, and silence to fill the last chunk."""
        rest = self._double.flush()
        n_short = -(self._waiting.shape[1] + rest.shape[1]) % self._n + 2 * _GROUP
        yield from self._cut(np.pad(rest, ((0, 0), (0, n_short))))

    def _cut(self, doubled: Block) -> Iterator[Block]:
        waiting = np.concatenate((self._waiting, doubled), axis=1)
        start, n_needed = 0, self._n + 2 * _GROUP
        while start + n_needed <= waiting.shape[1]:
            yield waiting[:, start : start + n_needed]
            start += self._n
        self._waiting = waiting[:, start:]


class TruePeakMeter:
    """Find the highest peak of the waveform between the samples (BS.1770 annex 2), and of them.

    The oversampling filters run on through the whole stream, so a peak at a join of two
    blocks is found like any other. `true_peak` and `cells` end the stream: nothing can be added
    after them.

    Args:
        channels: number of channels.
        quality: of the first doubling: soxr's two differ by up to 0.05 dB above 0.9 Nyquist; "full"
            hears what lies there, see `Doubler`.
        sample_rate: in Hz; with it, peaks are kept over time, too (`cells`).
    """

    def __init__(
        self,
        channels: int,
        quality: Quality | Literal["full"] = "HQ",
        sample_rate: int | None = None,
    ) -> None:
        double = Doubler(channels) if quality == "full" else Resampler(1, 2, channels, quality)
        self._chunks = _Chunks(double, channels, _CHUNK)
        self._rate = sample_rate
        self._ended = False
        self._n_samples = 0
        self._n_groups = 0
        self._cells: list[float] = []
        self.sample_peak = 0.0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        if block.size:
            # Two passes without a temporary are faster than one over |x|.
            self.sample_peak = max(self.sample_peak, float(block.max()), -float(block.min()))
        self._n_samples += block.shape[1]
        for chunk in self._chunks(block):
            self._search(chunk)

    @property
    def true_peak(self) -> float:
        """Largest magnitude, linear; at least the sample peak."""
        self._end()
        return max(self.sample_peak, *self._cells)

    @property
    def true_peak_dbtp(self) -> float | None:
        """True peak in dB relative to full scale; None in silence."""
        return gain_to_db(self.true_peak) if self.true_peak else None

    @property
    def sample_peak_dbfs(self) -> float | None:
        """Sample peak in dB relative to full scale; None in silence."""
        return gain_to_db(self.sample_peak) if self.sample_peak else None

    @property
    def cells(self) -> NDArray[np.float64]:
        """Highest point at 8x of every 100 ms, linear, also of a last one that is not full.

        Their edges lie on every 64th sample.

        Raises:
            ValueError: the meter was not told the sample rate.
        """
        if self._rate is None:
            msg = "peaks over time need the sample rate: TruePeakMeter(channels, sample_rate=...)"
            raise ValueError(msg)
        self._end()
        return np.array(self._cells[: -(-self._n_samples * CELLS_PER_S // self._rate)])

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            for chunk in self._chunks.flush():
                self._search(chunk)

    def _search(self, doubled: Block) -> None:
        """Go through a chunk that has one more group on either side."""
        sizes, around = _sizes(doubled)
        peaks = sizes.max(axis=0)
        cell, starts = self._cells_of(len(peaks))
        self._keep(np.maximum.reduceat(peaks, starts), cell)
        floor = np.repeat(self._cells[cell:], np.diff(starts, append=len(peaks)))
        groups, windows = _rising(doubled, around, floor)
        if len(groups):
            np.maximum.at(peaks, groups, _points(windows))
            self._keep(np.maximum.reduceat(peaks, starts), cell)
        self._n_groups += len(peaks)

    def _cells_of(self, n_groups: int) -> tuple[int, NDArray[np.int64]]:
        """Return the cell of the coming groups' first, and which of them begin a cell."""
        if self._rate is None:
            return 0, np.zeros(1, np.int64)
        groups = np.arange(self._n_groups, self._n_groups + n_groups)
        cells = groups * _GROUP * CELLS_PER_S // (2 * self._rate)
        return int(cells[0]), np.flatnonzero(np.diff(cells, prepend=-1))

    def _keep(self, peaks: Block, cell: int) -> None:
        for peak in peaks.tolist():
            if cell == len(self._cells):
                self._cells.append(0.0)
            self._cells[cell] = max(self._cells[cell], peak)
            cell += 1


class WidePeakMeter:
    """Two meters at once, of which the higher reading counts: with what lies near Nyquist or not.

    Players and other meters filter there as they please, and at a ceiling the two can differ by
    some tenths of a dB either way.
    """

    def __init__(self, channels: int) -> None:
        self._meters = [TruePeakMeter(channels, "VHQ"), TruePeakMeter(channels, "full")]

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        for meter in self._meters:
            meter.add(block)

    @property
    def true_peak(self) -> float:
        """Largest magnitude, linear; ends the stream."""
        return max(meter.true_peak for meter in self._meters)
