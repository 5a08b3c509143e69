"""The outline of a waveform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.pictures.grid import PEAKS_PER_S


class Waveform:
    """Gather the lowest and the highest sample of every 1/50 s, over all channels."""

    def __init__(self, sample_rate: int) -> None:
        self._edges = np.arange(PEAKS_PER_S) * sample_rate // PEAKS_PER_S
        self._parts: list[NDArray[np.float32]] = [np.zeros((0, 2), np.float32)]

    def add(self, second: Block) -> None:
        """Add `(channels, n_samples)`, one second; the last one may be shorter."""
        starts = self._edges[self._edges < second.shape[1]]
        lowest = np.minimum.reduceat(second, starts, axis=1).min(axis=0)
        highest = np.maximum.reduceat(second, starts, axis=1).max(axis=0)
        self._parts.append(np.stack((lowest, highest), axis=1))

    def extremes(self) -> NDArray[np.float32]:
        """Return `(n, 2)`: lowest and highest."""
        return np.concatenate(self._parts)

    def peaks(self, n_joined: int) -> NDArray[np.float64]:
        """Return the largest magnitude of every `n_joined`; the last may be of fewer."""
        sizes: NDArray[np.float64] = np.abs(self.extremes()).max(axis=1).astype(np.float64)
        if not len(sizes):
            return sizes
        peaks: NDArray[np.float64] = np.maximum.reduceat(sizes, np.arange(0, len(sizes), n_joined))
        return peaks
