"""Filters against their formulas: magnitudes from theory, and nothing lost between blocks."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp import filters
from stemfx.dsp.filters import FirFilter, SosFilter, fir_beside

RATE = 44_100
NYQUIST = RATE / 2


def db_at(sections, freq_hz):
    return float(20 * np.log10(np.abs(filters.response(sections, freq_hz, RATE))))


def noise(n_samples, channels=2, seed=0):
    samples = np.random.default_rng(seed).standard_normal((channels, n_samples))
    return (0.1 * samples).astype(np.float32)


def cut(samples, lengths):
    blocks, start = [], 0
    while start < samples.shape[1]:
        length = lengths[len(blocks) % len(lengths)]
        blocks.append(np.ascontiguousarray(samples[:, start : start + length]))
        start += length
    return blocks


# ------------------------------------------------------------------ designs


@pytest.mark.parametrize("slope", [6, 12, 18, 24, 36, 48])
@pytest.mark.parametrize("cutoff_hz", [40.0, 1000.0, 15_000.0])
def test_a_butterworth_is_3_01_db_down_at_its_cutoff(slope, cutoff_hz):
    expected_db = 10 * np.log10(0.5)
    assert db_at(filters.high_pass(RATE, cutoff_hz, slope), cutoff_hz) == pytest.approx(
        expected_db, abs=1e-3
    )
    assert db_at(filters.low_pass(RATE, cutoff_hz, slope), cutoff_hz) == pytest.approx(
        expected_db, abs=1e-3
    )


@pytest.mark.parametrize("slope", [6, 12, 18, 24, 36, 48])
def test_a_butterworth_high_pass_follows_its_formula_below_the_cutoff(slope):
    # |H|^2 = 1 / (1 + (cutoff/f)^2n); 500 Hz is far enough from 22 kHz for the bilinear
    # transform to bend the axis by less than 0.1 %.
    order, octaves = slope // 6, 3
    expected_db = -10 * np.log10(1 + 2.0 ** (2 * order * octaves))
    measured_db = db_at(filters.high_pass(RATE, 500.0, slope), 500.0 / 2**octaves)
    assert measured_db == pytest.approx(expected_db, abs=0.02 * order)


def test_the_linkwitz_riley_taps_have_the_linkwitz_riley_magnitude():
    cutoff_hz = 120.0
    taps = filters.linkwitz_riley_low_pass(RATE, cutoff_hz)
    n = np.arange(len(taps)) - len(taps) // 2
    for ratio in (0.25, 0.5, 1.0, 2.0):
        # Symmetric taps: the response about their middle is real. A tolerance of 1e-5 of
        # full scale, since the taps are cut off at -120 dB.
        low = float(np.sum(taps * np.cos(2 * np.pi * ratio * cutoff_hz / RATE * n)))
        assert low == pytest.approx(1 / (1 + ratio**4), abs=1e-5)
    assert taps.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.array_equal(taps, taps[::-1])


@pytest.mark.parametrize("freq_hz", [0.0, -10.0, NYQUIST, 30_000.0])
def test_a_frequency_that_the_rate_cannot_carry_is_an_error(freq_hz):
    with pytest.raises(ValueError, match="half the sample rate, 22050 Hz"):
        filters.high_pass(RATE, freq_hz, 12)


def test_a_slope_between_two_orders_is_an_error():
    with pytest.raises(ValueError, match="multiple of 6; got 10"):
        filters.high_pass(RATE, 100.0, 10)


# ------------------------------------------------------------------ running


def test_a_running_filter_has_the_response_it_was_designed_for():
    sections = filters.high_pass(RATE, 1000.0, 12)
    impulse = np.zeros((1, 1 << 15), np.float32)
    impulse[0, 0] = 1.0
    measured = np.abs(np.fft.rfft(SosFilter(sections, 1)(impulse)[0]))
    expected = np.abs(filters.response(sections, np.fft.rfftfreq(1 << 15, 1 / RATE), RATE))
    assert measured == pytest.approx(expected, abs=1e-5)


def test_a_recursive_filter_gives_the_same_bits_for_any_block_size():
    samples = noise(20_000)
    sections = filters.high_pass(RATE, 30.0, 48)
    whole = SosFilter(sections, 2)(samples)
    running = SosFilter(sections, 2)
    parts = np.concatenate([running(b) for b in cut(samples, [1, 7, 1000, 4096])], axis=1)
    assert np.array_equal(whole, parts)


def test_channels_do_not_leak_into_each_other():
    samples = noise(1000)
    samples[1] = 0.0
    out = SosFilter(filters.low_pass(RATE, 100.0, 12), 2)(samples)
    assert not out[1].any()


def test_the_state_of_a_filter_ends_in_silence_not_in_denormals():
    running = SosFilter(filters.high_pass(RATE, 1000.0, 24), 1)
    running(noise(100, channels=1))
    for _ in range(3):
        out = running(np.zeros((1, RATE), np.float32))
    assert not out.any()
    assert not running._state.any()


def test_a_fir_filter_is_a_convolution_without_its_latency():
    samples, taps = noise(30_000, channels=1), np.hanning(301)
    fir = FirFilter(taps, 1)
    out = np.concatenate((fir(samples), fir.flush()), axis=1)
    expected = np.convolve(samples[0].astype(np.float64), taps, "same")
    assert out.shape == samples.shape
    assert out[0] == pytest.approx(expected, abs=1e-5)  # sums of up to 15, in float32


@pytest.mark.parametrize("lengths", [[1], [7, 1000], [65_536, 1, 333], [724, 725]])
def test_a_fir_filter_gives_the_same_bits_for_any_block_size(lengths):
    samples, taps = noise(5000), np.hanning(101) / 50
    whole, parts = FirFilter(taps, 2), FirFilter(taps, 2)
    expected = np.concatenate((whole(samples), whole.flush()), axis=1)
    pieces = [parts(b) for b in cut(samples, lengths)]
    assert np.array_equal(np.concatenate([*pieces, parts.flush()], axis=1), expected)


@pytest.mark.parametrize("n_samples", [1, 10, 923, 924, 925, 974, 975, 3000])
def test_a_fir_filter_gives_back_as_many_samples_as_it_took(n_samples):
    # 101 taps: FFTs of 1024, hops of 924, 50 samples of latency: lengths around each.
    samples = noise(n_samples)
    pairs = list(fir_beside([samples], np.eye(1, 101, 50)[0]))
    dry, filtered = (np.concatenate(side, axis=1) for side in zip(*pairs, strict=True))
    assert np.array_equal(dry, samples)
    assert filtered == pytest.approx(samples, abs=1e-7)  # the taps are an impulse


def test_each_channel_may_have_taps_and_any_tap_may_be_time_zero():
    samples, taps = noise(3000), np.array([[0.5, -1.0, 0.25, 2.0], [1.0, 0.0, 0.0, 0.0]])
    fir = FirFilter(taps, 2, centre=1)
    out = np.concatenate((fir(samples), fir.flush()), axis=1)
    for row, one, given in zip(out, taps, samples.astype(np.float64), strict=True):
        assert row == pytest.approx(np.convolve(given, one)[1:3001], abs=1e-6)


def test_an_even_number_of_taps_is_an_error():
    with pytest.raises(ValueError, match="half a sample"):
        FirFilter(np.ones(4), 1)
