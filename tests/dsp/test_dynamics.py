"""Detector, knee, ballistics and gain against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import dynamics
from stemfx.dsp.dynamics import (
    CONTROL_SAMPLES,
    AutoFollower,
    Follower,
    GainRamp,
    OnePole,
    PeakHold,
    ReductionMeter,
    beside_key,
    frame_aligned,
    frame_peak_db,
    frame_power,
    soft_ramp_db,
)

RATE = 48_000
FRAME_MS = 1000 * CONTROL_SAMPLES / RATE


def in_pieces(run, values, lengths=(1, 5, 64, 3)):
    pieces, start = [], 0
    while start < len(values):
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(run(values[start : start + length]))
        start += length
    return np.concatenate(pieces)


# ------------------------------------------------------------------ cutting


@pytest.mark.parametrize("lengths", [[1] * 50, [16, 16, 18], [7, 40, 3], [50]])
def test_blocks_are_cut_into_whole_frames_and_nothing_is_lost(lengths):
    samples = np.arange(50, dtype=np.float32).reshape(1, -1)
    blocks = np.split(samples, np.cumsum(lengths)[:-1], axis=1)
    cut = list(frame_aligned(blocks))
    assert all(b.shape[1] % CONTROL_SAMPLES == 0 for b in cut[:-1])
    assert np.array_equal(np.concatenate(cut, axis=1), samples)


def test_a_key_runs_beside_the_signal_with_its_look_ahead_and_ends_in_silence():
    signal = Audio(np.zeros((2, 100), np.float32), RATE)
    key = Audio(np.arange(1, 61, dtype=np.float32).reshape(1, -1), RATE)
    steering = np.concatenate([k for _, k in beside_key(signal, key, 10)], axis=1)[0]
    assert steering.tolist() == [*range(11, 61), *[0] * 50]


def test_a_key_at_another_rate_is_an_error():
    signal, key = (Audio(np.zeros((1, 10), np.float32), rate) for rate in (44_100, 48_000))
    with pytest.raises(ValueError, match="48000 Hz"):
        next(beside_key(signal, key))


# ------------------------------------------------------------------ detector


def test_the_level_of_a_frame_is_its_highest_peak_on_either_channel():
    block = np.zeros((2, 40), np.float32)
    block[0, 3], block[1, 17], block[0, 39] = 0.5, -1.0, 0.1
    assert frame_peak_db(block) == pytest.approx([-6.0206, 0.0, -20.0], abs=1e-4)


def test_the_power_of_a_frame_is_the_mean_over_its_channels():
    block = np.stack((np.full(32, 0.5), np.zeros(32))).astype(np.float32)
    assert frame_power(block) == pytest.approx([0.125, 0.125])


# ------------------------------------------------------------------ gain computer


def test_without_a_knee_the_ramp_has_a_corner():
    assert soft_ramp_db(np.array([-5.0, 0.0, 5.0]), 0.0).tolist() == [0.0, 0.0, 5.0]


def test_the_knee_joins_both_lines_smoothly():
    over_db, knee_db = np.linspace(-10, 10, 2001), 6.0
    ramp_db = soft_ramp_db(over_db, knee_db)
    outside = np.abs(over_db) >= knee_db / 2
    assert ramp_db[outside] == pytest.approx(np.maximum(over_db[outside], 0))
    assert ramp_db[1000] == pytest.approx(knee_db / 8)  # (W/2)^2 / 2W at the threshold itself
    slopes = np.diff(ramp_db) / np.diff(over_db)
    assert np.all(np.diff(slopes) >= -1e-9)  # convex: from 0 to 1 without a step back
    assert np.max(np.diff(slopes)) < 0.01  # and without a corner


# ------------------------------------------------------------------ ballistics


@pytest.mark.parametrize("attack_ms", [5.0, 20.0, 100.0])
def test_the_attack_goes_63_percent_of_the_way_in_its_time(attack_ms):
    followed = Follower(RATE, attack_ms=attack_ms, release_ms=100)(np.full(3000, 10.0))
    frame = round(attack_ms / FRAME_MS)
    assert followed[frame - 1] == pytest.approx(10 * (1 - np.exp(-1)), abs=0.3)


@pytest.mark.parametrize("release_ms", [20.0, 100.0])
def test_the_release_goes_63_percent_of_the_way_in_its_time(release_ms):
    follower = Follower(RATE, attack_ms=0, release_ms=release_ms)
    follower(np.full(10, 10.0))
    followed = follower(np.zeros(3000))
    frame = round(release_ms / FRAME_MS)
    assert followed[frame - 1] == pytest.approx(10 * np.exp(-1), abs=0.1)


@pytest.mark.parametrize(
    ("attack_ms", "release_ms"), [(1, 50), (10, 120), (30, 200), (30, 60), (100, 1000)]
)
def test_attack_and_release_are_what_was_asked_on_a_burst(attack_ms, release_ms):
    follower = Follower(RATE, attack_ms=attack_ms, release_ms=release_ms)
    up = follower(np.full(round(1000 / FRAME_MS), 10.0))
    down = follower(np.zeros(round(5000 / FRAME_MS)))
    rise_ms = FRAME_MS * (1 + np.argmax(up >= 10 * (1 - np.exp(-1))))
    fall_ms = FRAME_MS * (1 + np.argmax(down <= 10 * np.exp(-1)))
    assert rise_ms == pytest.approx(attack_ms, rel=0.1, abs=FRAME_MS)
    assert fall_ms == pytest.approx(release_ms, rel=0.1, abs=FRAME_MS)


def test_a_peak_is_held_for_the_hold_time_before_it_is_released():
    follower = Follower(RATE, attack_ms=0, release_ms=0, hold_ms=10)
    followed = follower(np.array([1.0, *[0.0] * 100]))
    assert np.count_nonzero(followed) == 1 + round(10 / FRAME_MS)


def test_a_follower_never_goes_beyond_what_it_follows():
    values = np.random.default_rng(0).uniform(-3, 7, 2000)
    followed = Follower(RATE, attack_ms=2, release_ms=10)(values)
    assert followed.min() >= -3
    assert followed.max() <= 7


@pytest.mark.parametrize(("loud_ms", "left"), [(20.0, 0.06), (5000.0, 0.83)])
def test_an_automatic_release_goes_down_to_the_mean_of_what_was(loud_ms, left):
    # 300 ms later: of the peak e^-3 = 0.05, and what a mean of 20/1200 adds; of the long stretch
    # the mean, 0.98 e^-(300/1200), followed with 100 ms: (1200 e^-0.25 - 100 e^-3) / 1100.
    follower = AutoFollower(RATE, attack_ms=0.0)
    follower(np.full(round(loud_ms / FRAME_MS), 10.0))
    followed = follower(np.zeros(round(300.0 / FRAME_MS)))
    assert followed[-1] / 10.0 == pytest.approx(left, abs=0.03)


def test_longer_frames_keep_the_times():
    short = Follower(RATE, attack_ms=20, release_ms=200)
    long = Follower(RATE, attack_ms=20, release_ms=200, frame=4 * CONTROL_SAMPLES)
    values = np.repeat([10.0, 0.0], 400)
    assert long(values) == pytest.approx(short(np.repeat(values, 4))[3::4], abs=0.2)


def test_an_envelope_that_holds_peaks_falls_at_its_rate():
    envelope = PeakHold(RATE, fall_db_per_s=300.0)(np.array([-10.0, *[-100.0] * 200]))
    assert envelope[0] == -10.0
    assert envelope[100] == pytest.approx(-10.0 - 300 * 0.1 * FRAME_MS, abs=1e-9)
    assert envelope[-1] == pytest.approx(-10.0 - 300 * 0.2 * FRAME_MS, abs=1e-9)


def test_a_one_pole_starts_settled():
    assert OnePole(RATE, 10.0, start=-80.0)(np.full(20, -80.0)) == pytest.approx(-80.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Follower(RATE, attack_ms=3, release_ms=40, hold_ms=2),
        lambda: PeakHold(RATE, 200.0),
        lambda: OnePole(RATE, 15.0, start=-80.0),
        lambda: AutoFollower(RATE, attack_ms=3),
    ],
    ids=["Follower", "PeakHold", "OnePole", "AutoFollower"],
)
def test_ballistics_give_the_same_bits_for_any_block_size(make):
    values = np.random.default_rng(1).uniform(-60, 0, 1000)
    assert np.array_equal(make()(values), in_pieces(make(), values))


# ------------------------------------------------------------------ gain


def test_a_gain_moves_in_straight_lines_from_frame_end_to_frame_end():
    gains = GainRamp(start=1.0)(np.array([0.5, 0.5]), 2 * CONTROL_SAMPLES)
    expected = np.concatenate((np.linspace(1, 0.5, CONTROL_SAMPLES + 1)[1:], np.full(16, 0.5)))
    assert gains == pytest.approx(expected, abs=1e-7)


def test_a_gain_of_one_is_exactly_one():
    assert (GainRamp()(np.ones(10), 155) == 1.0).all()
    assert GainRamp()(np.ones(10), 155).shape == (155,)


def test_the_meter_takes_its_mean_only_over_the_time_at_work():
    meter = ReductionMeter()
    meter(np.array([0.0, 0.0, 2.0]))
    meter(np.array([4.0]))
    assert meter.measurements == {
        "max_gain_reduction_db": 4.0,
        "mean_gain_reduction_db": 3.0,
        "active_percent": 50.0,
    }


def test_a_meter_that_saw_nothing_reads_nothing():
    assert set(dynamics.ReductionMeter().measurements.values()) == {0.0}
