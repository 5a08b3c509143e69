"""Tracks from several takes."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.alignment.comp import Cut, comped
from stemfx.audio import Audio

RATE = 8000
FADE, LEAD = round(0.03 * RATE), round(0.01 * RATE)


def noise(seed: int, n: int = 4 * RATE, channels: int = 1) -> Audio:
    rng = np.random.default_rng(seed)
    return Audio(rng.standard_normal((channels, n)).astype(np.float32), RATE)


def joined(takes: list[Audio], cuts: list[Cut], n: int = 4 * RATE) -> np.ndarray:
    return np.concatenate(list(comped(takes, cuts, n)), axis=1)


def test_each_take_plays_its_own_stretch_bit_for_bit() -> None:
    a, b = noise(1), noise(2)
    out = joined([a, b], [Cut(0, 2, 0), Cut(2, 4, 1)])
    start = 2 * RATE - LEAD - FADE
    np.testing.assert_array_equal(out[:, :start], a.samples[:, :start])
    np.testing.assert_array_equal(out[:, start + FADE :], b.samples[:, start + FADE :])


def test_the_new_takes_attack_is_whole_and_the_old_one_is_gone() -> None:
    clicks = np.zeros((1, 4 * RATE), np.float32)
    clicks[0, 2 * RATE - LEAD] = 1  # played 10 ms before the bar line
    silent = Audio(np.zeros((1, 4 * RATE), np.float32), RATE)
    cuts = [Cut(0, 2, 0), Cut(2, 4, 1)]
    assert joined([silent, Audio(clicks, RATE)], cuts).max() == 1
    assert joined([Audio(clicks, RATE), silent], cuts).max() == 0


def test_one_take_over_a_bar_line_has_no_fade() -> None:
    a, b = noise(1), noise(2)
    out = joined([a, b], [Cut(0, 1, 0), Cut(1, 2, 0), Cut(2, 4, 1)])
    start = 2 * RATE - LEAD - FADE
    np.testing.assert_array_equal(out[:, :start], a.samples[:, :start])


def test_a_fade_between_equal_takes_changes_nothing() -> None:
    a = noise(1)
    out = joined([a, a], [Cut(0, 2, 0), Cut(2, 4, 1)])
    np.testing.assert_allclose(out, a.samples, atol=1e-6)  # float32 rounding of gains that sum to 1


def test_the_level_of_strangers_stays_in_the_fade() -> None:
    # Independent noises: the expected power is 1 throughout; 400 draws of it are within 1 dB.
    power = np.zeros(FADE)
    for seed in range(200):
        out = joined(
            [noise(seed, RATE), noise(seed + 999, RATE)], [Cut(0, 0.5, 0), Cut(0.5, 1, 1)], RATE
        )
        start = RATE // 2 - LEAD - FADE
        power += out[0, start : start + FADE] ** 2 / 200
    smooth = np.convolve(power, np.ones(20) / 20, "valid")
    assert np.abs(10 * np.log10(smooth)).max() < 1


def test_where_nobody_plays_it_is_silent_and_edges_are_soft() -> None:
    ones = Audio(np.ones((1, 4 * RATE), np.float32), RATE)
    out = joined([ones], [Cut(1, 2, 0), Cut(3, 4, 0)])[0]
    assert not out[: RATE - LEAD - FADE].any()
    assert not out[2 * RATE : 3 * RATE - LEAD - FADE].any()
    assert np.abs(np.diff(out)).max() < 0.02  # a fade of 240 samples steps by 1/120 at most
    assert out[-1] == 1  # it goes on to the end


def test_a_short_take_ends_in_silence_and_mono_is_widened() -> None:
    a, b = noise(1, RATE), noise(2, channels=2)
    out = joined([a, b], [Cut(0, 2, 0), Cut(2, 4, 1)])
    assert out.shape == (2, 4 * RATE)
    np.testing.assert_array_equal(out[0, :RATE], out[1, :RATE])
    assert not out[:, RATE : 2 * RATE - LEAD - FADE].any()


@pytest.mark.parametrize("stop", [0.001, 0.02, 0.05])
def test_the_shortest_cuts_do_not_break(stop: float) -> None:
    out = joined([noise(1), noise(2)], [Cut(0, 1, 0), Cut(1, 1 + stop, 1), Cut(1 + stop, 4, 0)])
    assert out.shape == (1, 4 * RATE)
    assert np.isfinite(out).all()
