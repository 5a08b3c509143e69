"""Clicks: single samples that jump, where nothing around them does.

A click (a lost clock, a bad edit, a damaged sample) is over within a fraction of a millisecond.
A drum hit or a consonant begins as fast but goes on, so its second difference is as high for
milliseconds after it. A place is a click when its second difference stands `_RATIO` above all of
the 5 ms before *and* all of the 5 ms after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block

_CELL_S = 8 / 44_100  # second differences are looked at by their highest in a cell
_AROUND_S = 0.005
_NEAR_CELLS = 1  # the click's own cell and its neighbours are not compared
_RATIO = 10.0
_QUIETEST = 0.02  # a jump of -34 dBFS: less is not heard under music
_KEPT = 100_000


@dataclass(frozen=True)
class ClickReading:
    """Where clicks are.

    Args:
        at_s: times in seconds, ascending, of the first hundred thousand; a click in both channels
            counts once.
        count: how many there are.
    """

    at_s: NDArray[np.float64]
    count: int


class ClickMeter:
    """Find clicks block by block.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._cell = max(4, round(_CELL_S * sample_rate))
        self._around = max(2, round(_AROUND_S * sample_rate / self._cell))
        self._samples: Block = np.zeros((channels, 0), np.float32)
        self._cells: Block = np.zeros((channels, 0), np.float32)
        self._first = 0  # number of the first of `_cells`
        self._at: list[int] = []
        self._count = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        samples = np.concatenate((self._samples, block), axis=1)
        n_cells = (samples.shape[1] - 2) // self._cell
        if n_cells < 1:
            self._samples = samples
            return
        used = n_cells * self._cell
        bend = np.diff(samples[:, : used + 2], n=2)
        np.abs(bend, out=bend)
        self._samples = samples[:, used:].copy()
        highest = bend.reshape(len(bend), n_cells, self._cell).max(axis=2)
        self._cells = np.concatenate((self._cells, highest), axis=1)
        self._look()

    def _look(self) -> None:
        from scipy.ndimage import maximum_filter1d

        cells, reach = self._cells, self._around + _NEAR_CELLS
        n_ready = cells.shape[1] - 2 * reach
        if n_ready < 1:
            return
        here = cells[:, reach : reach + n_ready]
        width = self._around
        # Entry i is the highest of the `width` cells around i.
        highest = maximum_filter1d(cells, width, axis=1)
        middle = width // 2
        before = highest[:, middle : middle + n_ready]
        start = reach + _NEAR_CELLS + 1 + middle
        after = highest[:, start : start + n_ready]
        loud = (here > _QUIETEST) & (here > _RATIO * before) & (here > _RATIO * after)
        found = np.flatnonzero(loud.any(axis=0))
        for cell in (found + self._first + reach).tolist():
            is_new = not self._at or cell - self._at[-1] > 2 * _NEAR_CELLS
            self._count += is_new
            if is_new and len(self._at) < _KEPT:
                self._at.append(cell)
        self._cells = cells[:, n_ready:].copy()
        self._first += n_ready

    def reading(self) -> ClickReading:
        """Return what was found so far; the last 5 ms are not judged."""
        middles = (np.array(self._at, np.float64) + 0.5) * self._cell
        return ClickReading(middles / self._rate, self._count)
