from __future__ import annotations

import numpy as np
import pytest
import soxr

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.speed import Slowed, find_drift, find_speed, put_right

RATE = 44_100


@pytest.fixture(scope="module")
def drums() -> Audio:
    return Audio(demo_song()["drums"].samples[:, : 14 * RATE], RATE)


@pytest.fixture(scope="module")
def mixture() -> Audio:
    whole = np.sum([stem.samples for stem in demo_song().values()], axis=0)
    return Audio(whole[:, : 14 * RATE], RATE)


def sped(stem: Audio, speed: float) -> Audio:
    played = soxr.resample(stem.samples.T, RATE * speed, RATE, "VHQ").T
    return Audio(np.ascontiguousarray(played), RATE)


@pytest.mark.parametrize("speed", [1.01, 0.96, 1.0003, 48_000 / 44_100, 44_100 / 48_000])
def test_a_speed_is_found_to_two_parts_in_a_million(drums: Audio, mixture: Audio, speed: float):
    """That is 0.4 ms in an album side of 3 min: the drift a producer would hear is ten times it."""
    found = find_speed(sped(drums, speed), mixture)
    assert found is not None
    assert found.is_exact
    assert found.speed == pytest.approx(speed, rel=2e-6)
    assert found.delay_s == pytest.approx(0.0, abs=1e-5)
    assert found.percent == pytest.approx(100 * (speed - 1), abs=1e-3)


@pytest.mark.parametrize("offset_s", [2.5, -3.0])
def test_a_late_or_early_start_is_found_whatever_it_is(
    drums: Audio, mixture: Audio, offset_s: float
):
    n = round(abs(offset_s) * RATE)
    moved = drums.samples[:, n:] if offset_s < 0 else np.pad(drums.samples, ((0, 0), (n, 0)))
    found = find_speed(Audio(moved, RATE), mixture)
    assert found is not None
    assert found.speed == pytest.approx(1.0, abs=1e-7)
    assert found.delay_s == pytest.approx(offset_s, abs=1e-5)


def test_a_drift_of_ten_in_a_million_is_found(drums: Audio, mixture: Audio):
    found = find_drift(sped(drums, 1.00001), mixture)
    assert found is not None
    assert found.speed == pytest.approx(1.00001, abs=2e-6)


def test_another_song_has_no_speed(drums: Audio):
    backwards = Audio(np.ascontiguousarray(demo_song()["vocals"].samples[:, ::-1]), RATE)
    assert find_speed(drums, backwards) is None


def test_what_is_too_short_has_no_speed(drums: Audio):
    for n in (0, 1, 3000, RATE):
        assert find_speed(Audio(drums.samples[:, :n], RATE), drums) is None


def test_put_right_it_nulls_with_the_original(drums: Audio):
    found = find_speed(sped(drums, 1.01), drums)
    assert found is not None
    n = drums.n_samples - RATE
    right = put_right(sped(drums, 1.01), found).read()[:, :n]
    error = right - drums.samples[:, :n]
    # Resampled there and back the top octave is gone above 0.91 of half the rate: -45 dB of drums.
    assert 10 * np.log10(np.sum(error**2) / np.sum(drums.samples**2)) < -40


def test_slowed_by_one_percent_it_is_one_percent_longer(drums: Audio):
    slowed = Slowed(drums, 1.01)
    assert slowed.n_samples == round(1.01 * drums.n_samples)
    assert sum(block.shape[1] for block in slowed.blocks(10_000)) == slowed.n_samples
