"""What a picture of a file shows beside its measurements: waveform and spectrogram, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.frame_spectra import FrameSpectra, Spectra
from stemfx.dsp.framing import Framer
from stemfx.dsp.pictures.grid import FLOOR_DB, STEP_DB, PictureGrid
from stemfx.dsp.pictures.spectrogram import Spectrogram
from stemfx.health import FileHealth
from stemfx.stage import Finding

COLUMNS = 800
"""A waveform has so many columns: about one a pixel."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a file looks like.

    Args:
        lowest: lowest sample of every column, `(channels, n_columns)`.
        highest: likewise.
        rms: likewise, linear.
        levels_db: power in each band and column in dB, `(n_bands, n_spectra)`.
        edges_hz: of the bands, `(n_bands + 1,)`.
        column_s: length of a column of `levels_db`; the last may be shorter.
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    rms: NDArray[np.float64]
    levels_db: NDArray[np.float64]
    edges_hz: NDArray[np.float64]
    column_s: float


@dataclass(frozen=True, eq=False)
class Pictured:
    """One file to be drawn; `health` and `seen` are None when it could not be read."""

    name: str
    health: FileHealth | None
    seen: Seen | None
    findings: Sequence[Finding]


class Looking:
    """Gather `Seen` block by block, in flat memory.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
        n_samples: length as the header says; what comes beyond it goes to the last column.
    """

    def __init__(self, sample_rate: int, channels: int, n_samples: int) -> None:
        n_columns = max(1, min(COLUMNS, n_samples))
        self._edges = np.arange(n_columns + 1) * max(1, n_samples) // n_columns
        self._lowest = np.full((channels, n_columns), np.inf)
        self._highest = np.full((channels, n_columns), -np.inf)
        self._squares = np.zeros((channels, n_columns))
        self._counts = np.zeros(n_columns)
        self._n_samples = 0
        self._grid = PictureGrid.of(n_samples / sample_rate)
        self._seconds = Framer(channels, sample_rate)
        self._spectra = FrameSpectra(sample_rate)
        self._spectrogram = Spectrogram(self._grid, sample_rate)

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        self._add_wave(block)
        for second in np.moveaxis(self._seconds(block), 1, 0):
            self._add_spectra(self._spectra(second))

    def seen(self) -> Seen:
        """Return what was gathered; nothing can be added after it."""
        if self._seconds.rest.shape[1]:
            self._add_spectra(self._spectra(self._seconds.rest))
        self._add_spectra(self._spectra.flush())
        return Seen(
            lowest=np.where(self._counts, self._lowest, 0.0),
            highest=np.where(self._counts, self._highest, 0.0),
            rms=np.sqrt(self._squares / np.maximum(self._counts, 1)),
            levels_db=FLOOR_DB + STEP_DB * self._spectrogram.columns().astype(np.float64),
            edges_hz=self._grid.edges_hz,
            column_s=self._grid.column_s,
        )

    def _add_wave(self, block: Block) -> None:
        start, stop = self._n_samples, self._n_samples + block.shape[1]
        last = len(self._counts) - 1
        first = min(last, int(np.searchsorted(self._edges, start, "right")) - 1)
        after = min(last, int(np.searchsorted(self._edges, stop, "left")) - 1) + 1
        starts = np.maximum(self._edges[first:after] - start, 0)
        columns = slice(first, after)
        self._lowest[:, columns] = np.minimum(
            self._lowest[:, columns], np.minimum.reduceat(block, starts, axis=1)
        )
        self._highest[:, columns] = np.maximum(
            self._highest[:, columns], np.maximum.reduceat(block, starts, axis=1)
        )
        squares = np.square(block, dtype=np.float64)
        self._squares[:, columns] += np.add.reduceat(squares, starts, axis=1)
        self._counts[columns] += np.diff(starts, append=block.shape[1])
        self._n_samples = stop

    def _add_spectra(self, found: Iterable[Spectra]) -> None:
        for spectra in found:
            self._spectrogram.add(spectra)
