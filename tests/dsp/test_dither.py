from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from stemfx.dsp.dither import F_WEIGHTED, LANE_SAMPLES, N_LANES, Dither, Grid, can_shape, quantised


def codes(samples: np.ndarray, rate: int, dither: Dither, block: int = 65_536) -> np.ndarray:
    samples = samples.astype(np.float32)
    blocks = (samples[:, i : i + block] for i in range(0, samples.shape[1], block))
    return np.concatenate(list(quantised(blocks, Grid(16, samples.shape[0], rate), dither)), axis=1)


def sine(rate: int, seconds: float, hz: float, amplitude: float) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def noise_density(samples: np.ndarray, rate: int, dither: Dither) -> tuple[np.ndarray, np.ndarray]:
    error = codes(samples, rate, dither) - samples.astype(np.float64) * 32768
    hz, density = welch(error, rate, nperseg=8192)
    return hz[1:], density[:, 1:].mean(axis=0)


def audible(hz: np.ndarray, density: np.ndarray) -> float:
    # Weighted by the threshold of hearing (Terhardt 1979), another curve than the filter's own.
    khz = hz / 1000
    threshold_db = (
        3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * np.minimum(khz, 18) ** 4
    )
    return float(10 * np.log10(np.sum(density * 10 ** (-threshold_db / 10))))


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_shaped_noise_is_10_db_less_audible_and_as_strong_as_its_filter_makes_it(rate: int) -> None:
    quiet = sine(rate, 20, 1000, 1e-5)
    hz, white = noise_density(quiet, rate, "tpdf")
    _, shaped = noise_density(quiet, rate, "shaped")
    assert audible(hz, white) - audible(hz, shaped) > 10
    # Error power 1/4 step^2 times 1 + sum(c^2): 18.4 dB more in all. 0.1 dB: the lanes' starts.
    expected_db = 10 * np.log10(1 + np.sum(F_WEIGHTED**2))
    assert 10 * np.log10(shaped.sum() / white.sum()) == pytest.approx(expected_db, abs=0.1)
    # Its shape is the filter's, where the starts of the lanes (9 of 4096 samples shaped less, so
    # noise at about -22 dB) do not fill its valley. 1 dB: means over 9 bins of a slope.
    z = np.exp(-2j * np.pi * np.outer(hz / rate, np.arange(1, 10)))
    theory_db = 20 * np.log10(np.abs(1 - z @ F_WEIGHTED))
    measured_db = 10 * np.log10(np.convolve(shaped / 0.25 * rate / 2, np.full(9, 1 / 9), "same"))
    seen = (theory_db > -14) & (hz > 100) & (hz < 0.49 * rate)
    assert np.abs(measured_db - theory_db)[seen].max() < 1


@pytest.mark.parametrize("dither", ["tpdf", "shaped"])
def test_a_tone_of_minus_100_dbfs_survives_at_its_level_without_harmonics(dither: Dither) -> None:
    # A third of a step: rounding alone leaves nothing of it.
    rate, hz = 48_000, 1000
    tone = sine(rate, 20, hz, 1e-5)
    assert not codes(tone, rate, "none").any()
    heard = codes(tone, rate, dither)[0] / 32768
    phase = np.exp(-2j * np.pi * hz * np.arange(heard.size) / rate)
    assert 20 * np.log10(2 * abs(np.mean(heard * phase))) == pytest.approx(-100, abs=0.5)
    for harmonic in (2, 3, 5):
        left = 2 * abs(np.mean(heard * phase**harmonic))
        # White noise of half a step in a band of 1/20 Hz: -149 dB; 15 dB above it is no chance.
        assert 20 * np.log10(left + 1e-12) < -134


def test_the_noise_of_silence_has_no_tones() -> None:
    # Error feedback without dither would settle into a cycle. Every bin of a spectrum of noise
    # averaged over 215 windows is within 2 dB of its neighbours' mean, a tone is not.
    hz, density = noise_density(np.zeros((1, 20 * 44_100)), 44_100, "shaped")
    db = 10 * np.log10(density)
    smooth = 10 * np.log10(np.convolve(density, np.full(9, 1 / 9), "same"))
    inner = (hz > 60) & (hz < 21_900)
    assert np.abs(db - smooth)[inner].max() < 2


@pytest.mark.parametrize("dither", ["tpdf", "shaped", "none"])
@pytest.mark.parametrize("n_samples", [1, 100, LANE_SAMPLES, LANE_SAMPLES * 2 + 5])
def test_blocks_of_any_length_give_the_same_codes(dither: Dither, n_samples: int) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, n_samples))
    whole = codes(noise, 44_100, dither, n_samples)
    assert whole.shape == noise.shape
    np.testing.assert_array_equal(codes(noise, 44_100, dither, 77), whole)


def test_shaping_goes_on_beyond_the_lanes_that_are_worked_at_a_time() -> None:
    n_samples = LANE_SAMPLES * N_LANES + 1000
    error = codes(np.full((1, n_samples), 1e-6), 44_100, "shaped") - 32768e-6
    for part in (error[:, :20_000], error[:, -1000:]):
        assert np.std(part) == pytest.approx(4.16, rel=0.1)  # 0.5 sqrt(1 + sum(c^2)) steps


def test_shaped_noise_never_leaves_the_range_of_the_format() -> None:
    for value in (1.0, -1.0):
        found = codes(np.full((1, 44_100), value), 44_100, "shaped")
        assert -32768 <= found.min() <= found.max() <= 32767
        assert np.abs(found - 32768 * value).max() < 30


def test_rates_that_the_filter_is_not_made_for_get_white_noise() -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 3000))
    for rate in (8000, 32_000, 88_200, 96_000, 192_000):
        assert not can_shape(rate)
        np.testing.assert_array_equal(codes(noise, rate, "shaped"), codes(noise, rate, "tpdf"))
