from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp import stft
from stemfx.dsp.bands import erb_bands, erb_rate


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("n_bands", [10, 40, 120])
def test_the_bands_of_a_bin_add_up_to_one(sample_rate: int, n_bands: int) -> None:
    bands = erb_bands(n_bands, sample_rate)
    assert bands.shape == (n_bands, stft.N_BINS)
    np.testing.assert_allclose(bands.sum(axis=0), 1.0, atol=1e-6)  # float32 rounding
    assert bands.min() >= 0


def test_the_rate_is_that_of_glasberg_and_moore() -> None:
    """21.4 log10(4.37 f/kHz + 1): 15.6 at 1 kHz."""
    assert erb_rate(np.array([0.0, 1000.0])) == pytest.approx([0.0, 15.62], abs=0.01)


def test_a_band_is_as_wide_as_its_neighbours_on_the_erb_scale() -> None:
    bands = erb_bands(40, 44_100)
    rates = erb_rate(np.arange(stft.N_BINS) * 44_100 / stft.N_FFT)
    peaks = rates[bands.argmax(axis=1)]
    # From the eighth band on a band is wider than two bins.
    assert np.diff(peaks[8:]) == pytest.approx(rates[-1] / 39, rel=0.15)
