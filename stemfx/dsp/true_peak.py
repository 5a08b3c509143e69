"""Find the peaks of the waveform between its samples: ITU-R BS.1770-5, annex 2.

Twice the rate is soxr's work; from there to eight times a short filter does, and only where it
can matter: where the wave is too low, or too straight, to hold a new maximum between its samples
(`curvature_reach`), it is left out, and not a bit of the reading changes.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemfx.audio import Block
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
_STARTS = np.arange(0, _CHUNK + 2 * _GROUP, _GROUP)


def _points(windows: Block) -> Block:
    """Return the highest point between the samples of every window, `(n, _WINDOW)`."""
    steps = sliding_window_view(windows, len(_MATRIX), axis=1)[:, ::_STEP]
    steps = steps.reshape(-1, len(_MATRIX))
    highest = [
        np.abs(steps[i : i + _BATCH] @ _MATRIX).max(axis=1) for i in range(0, len(steps), _BATCH)
    ]
    points: Block = np.concatenate(highest).reshape(len(windows), -1).max(axis=1)
    return points


class TruePeakMeter:
    """Find the highest peak of the waveform between the samples (BS.1770 annex 2), and of them.

    The oversampling filters run on through the whole stream, so a peak at a join of two
    blocks is found like any other. `true_peak` and `cells` end the stream: nothing can be added
    after them.

    Args:
        channels: number of channels.
        quality: of the first doubling; the two differ by up to 0.05 dB above 0.9 Nyquist.
        sample_rate: in Hz; with it, peaks are kept over time, too (`cells`).
    """

    def __init__(
        self, channels: int, quality: Quality = "HQ", sample_rate: int | None = None
    ) -> None:
        self._double = Resampler(1, 2, channels, quality)
        # One group before what was not yet gone through: the filter looks back.
        self._waiting: Block = np.zeros((channels, _GROUP), np.float32)
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
        self._go_on(self._double(block))

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
            rest = self._double.flush()
            n_short = -(self._waiting.shape[1] + rest.shape[1]) % _CHUNK + 2 * _GROUP
            self._go_on(np.pad(rest, ((0, 0), (0, n_short))))

    def _go_on(self, doubled: Block) -> None:
        waiting = np.concatenate((self._waiting, doubled), axis=1)
        start, n_needed = 0, _CHUNK + 2 * _GROUP
        # Always cut at the same places of the stream: blocks change no bit.
        while start + n_needed <= waiting.shape[1]:
            self._search(waiting[:, start : start + n_needed])
            start += _CHUNK
        self._waiting = waiting[:, start:]

    def _search(self, doubled: Block) -> None:
        """Go through a chunk that has one more group on either side."""
        sizes = np.maximum.reduceat(np.abs(doubled), _STARTS, axis=1)
        around = np.maximum(np.maximum(sizes[:, :-2], sizes[:, 2:]), sizes[:, 1:-1])
        peaks = sizes[:, 1:-1].max(axis=0)
        cell, starts = self._cells_of(len(peaks))
        self._keep(np.maximum.reduceat(peaks, starts), cell)
        floor = np.repeat(self._cells[cell:], np.diff(starts, append=len(peaks)))
        channels, groups = np.nonzero(_RISE * around > floor)
        windows = sliding_window_view(doubled, _WINDOW, axis=1)[:, _GROUP - _BEFORE :: _GROUP]
        windows = windows[channels, groups]
        bends = np.abs(np.diff(windows, 2, axis=1)).max(axis=1, initial=0)
        can_rise = around[channels, groups] + _REACH * bends > floor[groups]
        if can_rise.any():
            np.maximum.at(peaks, groups[can_rise], _points(windows[can_rise]))
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
