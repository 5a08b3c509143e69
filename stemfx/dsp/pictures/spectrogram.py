"""Power over time and frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.frame_spectra import Powers, Spectra, band_powers, powers_of
from stemfx.dsp.pictures.grid import FLOOR_DB, N_BANDS, STEP_DB, PictureGrid
from stemfx.dsp.units import power_to_db


class Spectrogram:
    """Gather columns of a spectrogram from `FrameSpectra`.

    A level is of the power (mean square) in a band, the mean over a column's time and over the
    channels: a sine of amplitude a on all channels reads 20 log10 a - 3.01 dB. Below 250 Hz a
    sine is wider than a band, and its bands add up to that.
    """

    def __init__(self, grid: PictureGrid, sample_rate: int) -> None:
        self._grid, self._rate = grid, sample_rate
        self._edges_hz = grid.edges_hz
        self._frames: Powers = np.zeros((0, N_BANDS))  # of the column that is not full
        self._columns: list[NDArray[np.uint8]] = []

    def add(self, spectra: Spectra) -> NDArray[np.float32]:
        """Add frames; return their powers, `(channels, n_frames, n_bins)`."""
        powers = powers_of(spectra)
        bands = band_powers(powers.mean(axis=0), self._edges_hz, self._rate)
        frames, length = np.concatenate((self._frames, bands)), self._grid.frames_per_column
        full = len(frames) // length * length
        if full:
            columns = frames[:full].reshape(-1, length, N_BANDS).mean(axis=1)
            self._columns.append(_codes(columns))
        self._frames = frames[full:]
        return powers

    def columns(self) -> NDArray[np.uint8]:
        """Return `(n_bands, n_columns)`: 0 at -127 dB or less, then steps of 0.5 dB."""
        rest = [_codes(self._frames.mean(axis=0, keepdims=True))] if len(self._frames) else []
        columns = np.concatenate((*self._columns, *rest, np.zeros((0, N_BANDS), np.uint8)))
        return np.ascontiguousarray(columns.T)


def _codes(powers: Powers) -> NDArray[np.uint8]:
    steps = (power_to_db(powers, FLOOR_DB) - FLOOR_DB) / STEP_DB
    codes: NDArray[np.uint8] = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
    return codes
