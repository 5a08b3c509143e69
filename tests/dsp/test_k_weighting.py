"""The K-weighting: the standard's table, and the same response at every rate."""

import numpy as np
import pytest

from stemfx.dsp.filters import response
from stemfx.dsp.k_weighting import k_weighting


def test_at_48_khz_it_is_the_standards_own_table():
    # BS.1770-5, tables 1 and 2: the de Man prototypes are within 3e-6 of the rounded table.
    shelf_b = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf = (shelf_b, [-1.69065929318241, 0.73248077421585])
    high_pass = ([1, -2, 1], [-1.99004745483398, 0.99007225036621])
    table = [[*b, 1, *a] for b, a in (shelf, high_pass)]
    np.testing.assert_allclose(k_weighting(48_000), table, atol=3e-6)


RATES = [8_000, 11_025, 22_050, 32_000, 44_099, 44_100, 88_200, 96_000, 192_000, 9_973, 31_337]


@pytest.mark.parametrize("rate", RATES)
def test_it_is_the_same_at_every_rate(rate):
    # The bilinear transform alone is 0.4 dB off at 8 kHz and 0.04 dB at 192 kHz.
    freq_hz = np.geomspace(20, min(20_000, 0.45 * rate), 300)
    here, there = (
        20 * np.log10(np.abs(response(k_weighting(r), freq_hz, r))) for r in (rate, 48_000)
    )
    np.testing.assert_allclose(here, there, atol=0.01)


def test_it_is_stable_at_every_rate():
    for rate in range(8_000, 50_000, 499):
        poles = [np.roots(section[3:]) for section in k_weighting(rate)]
        assert np.abs(poles).max() < 1
