"""Bands as wide as the ear's, for powers and gains over the bins of `stft`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.stft import N_BINS, N_FFT
from stemfx.dsp.units import Float64s, Floats

ErbBands = NDArray[np.float32]
"""`(n_bands, N_BINS)`: each bin's shares in the bands; the shares of a bin add up to one."""


def erb_rate(hz: Floats) -> Float64s:
    """Return the number of equivalent rectangular bandwidths below a frequency.

    21.4 log10(1 + 0.00437 f) (Glasberg and Moore, Hearing Research 47, 1990).
    """
    rate: Float64s = 21.4 * np.log10(1.0 + 0.00437 * np.asarray(hz, np.float64))
    return rate


def erb_bands(n_bands: int, sample_rate: int) -> ErbBands:
    """Return triangles of equal width on the ERB scale from 0 Hz up to half the sample rate.

    The law: `bands.sum(axis=0) == 1`, so a gain of one in each band is a gain of one.
    """
    rates = erb_rate(np.arange(N_BINS) * (sample_rate / N_FFT))
    centres = np.linspace(0.0, rates[-1], n_bands)
    shares = np.maximum(0.0, 1.0 - np.abs(rates - centres[:, np.newaxis]) / centres[1])
    bands: ErbBands = (shares / shares.sum(axis=0)).astype(np.float32)
    return bands
