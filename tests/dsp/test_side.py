from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.dsp.side import MidSideMeter, band_gain_taps, fold_down_loss_db, least_narrowing

RATE = 44_100


def wide_noise(mid: float, side: float, seconds: float = 4, seed: int = 1) -> NDArray[np.float32]:
    """White noise with these rms levels of mid and side."""
    m, s = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    return np.stack((mid * m + side * s, mid * m - side * s)).astype(np.float32)


def measured(*parts: NDArray[np.float32], rate: int = RATE):
    meter = MidSideMeter(rate)
    for part in parts:
        meter.add(part)
    return meter.result()


@pytest.mark.parametrize(("rho", "loss_db"), [(1.0, 0.0), (0.5, 1.25), (0.0, 3.01), (-0.5, 6.02)])
def test_the_loss_is_that_of_the_correlation(rho: float, loss_db: float) -> None:
    # For equal levels |M|^2 : |S|^2 is 1 + rho : 1 - rho.
    assert fold_down_loss_db(1 + rho, 1 - rho) == pytest.approx(loss_db, abs=0.005)


def test_the_gains_are_the_largest_that_meet_the_limits() -> None:
    here = measured(wide_noise(0.1, 0.15))
    limits_db = [1.0, 4.0, 4.0, 2.0, 40.0]
    gains = least_narrowing(here, limits_db, max_opposed_share=1.0)
    losses_db = here.losses_db(gains)
    assert losses_db[:4] == pytest.approx(limits_db[:4], abs=1e-6)
    # |M|^2/|S|^2 = 0.444, 10^0.4 - 1 = 1.512: g = 0.819 or 1.73 dB; noise strays in a band
    assert gains[1] == pytest.approx(0.819, rel=0.05)
    assert gains[4] == 1


def test_a_song_that_is_wide_for_a_third_of_the_time_is_heard() -> None:
    narrow, wide = wide_noise(0.1, 0.02, 8), wide_noise(0.05, 0.08, 4)
    here = measured(narrow, wide)
    assert here.loss_db(np.ones(5)) < 2  # over the whole song nothing seems wrong
    assert here.opposed_share(np.ones(5)) == pytest.approx(1 / 3, abs=0.05)
    gains = least_narrowing(here, [4.0] * 5, max_opposed_share=0.1)
    assert 0.07 < here.opposed_share(gains) <= 0.1
    assert gains == pytest.approx([0.05 / 0.08] * 5, rel=0.05)


@pytest.mark.parametrize("block", [1_000, 65_536])
def test_what_is_measured_does_not_depend_on_blocks(block: int) -> None:
    x = wide_noise(0.1, 0.1)
    parts = [x[:, i : i + block] for i in range(0, x.shape[1], block)]
    assert measured(*parts).energy == pytest.approx(measured(x).energy, rel=1e-6)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_bands_end_at_half_the_sample_rate(rate: int) -> None:
    here = measured(wide_noise(0.1, 0.1), rate=rate)
    assert here.edges_hz[-1] == min(20_000, rate / 2)
    assert least_narrowing(here, [2.0] * (len(here.edges_hz) - 1), 1.0).max() < 1


@pytest.mark.parametrize("gains", [(0.2, 1.0, 0.5), (1.0, 0.3, 0.0), (2.0, 1.0, 1.5)])
def test_each_band_has_its_gain_and_no_more(gains: tuple[float, ...]) -> None:
    taps = band_gain_taps(RATE, (120.0, 2_000.0), gains)
    response = np.abs(np.fft.rfft(np.concatenate((taps, np.zeros(1 << 17)))))
    freq_hz = np.linspace(0, RATE / 2, len(response))
    in_band = np.digitize(freq_hz, (120.0, 2_000.0))
    # The window rounds the corners of a transition: 3 % of the step.
    assert np.all(response <= np.array(gains)[in_band] + 0.03 * (max(gains) - min(gains)))
    for hz, gain in zip((70.0, 500.0, 6_000.0), gains, strict=True):
        at = response[np.argmin(np.abs(freq_hz - hz))]
        assert at == pytest.approx(gain, abs=0.01)
    assert taps == pytest.approx(taps[::-1], abs=1e-12)


def test_a_guard_keeps_the_lower_gain_beyond_its_edge() -> None:
    taps = band_gain_taps(RATE, (120.0,), (0.2, 1.0), guard_octaves=0.25)
    n = np.arange(len(taps)) - len(taps) // 2
    at = [float(np.sum(taps * np.cos(2 * np.pi * hz * n / RATE))) for hz in (60, 135, 202, 400)]
    assert at == pytest.approx([0.2, 0.2, 1.0, 1.0], abs=0.02)


def test_equal_gains_need_no_filter() -> None:
    assert band_gain_taps(RATE, (120.0, 2_000.0), (0.7, 0.7, 0.7)).tolist() == [0.7]
    assert band_gain_taps(8_000, (5_000.0,), (0.7, 0.2)).tolist() == [0.7]
