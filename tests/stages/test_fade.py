"""`fade`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.fade import fade
from stemfx.testing import apply

RATE = 1000
ONES = Audio(np.ones((2, 5 * RATE), np.float32), RATE)
CURVES = ["linear", "equal_power", "s_curve", "log"]


def faded(**params):
    return apply(fade, ONES, **params)[0].samples[0].astype(float)


@pytest.mark.parametrize("curve", CURVES)
def test_a_fade_in_starts_silent_rises_and_is_over_after_in_s(curve):
    gain = faded(in_s=2.0, curve=curve)
    assert gain[0] == 0.0
    assert np.all(np.diff(gain[: 2 * RATE]) >= 0)
    assert np.all(gain[2 * RATE :] == 1.0)
    assert gain[2 * RATE - 10] < 1.0


@pytest.mark.parametrize("curve", CURVES)
def test_a_fade_out_is_a_fade_in_turned_round(curve):
    assert np.array_equal(faded(out_s=1.5, curve=curve), faded(in_s=1.5, curve=curve)[::-1])


@pytest.mark.parametrize(
    ("curve", "half"),
    [("linear", 0.5), ("equal_power", 0.5**0.5), ("s_curve", 0.5), ("log", (1000**0.5 - 1) / 999)],
)
def test_half_way_through_the_gain_is_what_the_curve_says(curve, half):
    assert faded(in_s=2.0, curve=curve)[RATE] == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize(("curve", "power"), [("linear", 1), ("s_curve", 1), ("equal_power", 2)])
def test_a_fade_crosses_over_with_its_mirror_image_at_a_constant_level(curve, power):
    up = faded(in_s=2.0, curve=curve)[: 2 * RATE + 1]
    assert up**power + up[::-1] ** power == pytest.approx(1.0, abs=1e-6)


def test_both_fades_multiply_and_a_track_shorter_than_them_is_pointed_out():
    out, context = apply(fade, ONES, in_s=4.0, out_s=4.0, curve="linear")
    i = np.arange(5 * RATE)
    expected = np.minimum(i / 4000, 1) * np.minimum((4999 - i) / 4000, 1)
    assert out.samples[0] == pytest.approx(expected, abs=1e-6)
    assert [finding.code for finding in context.findings] == ["fades_overlap"]


def test_times_may_be_written_as_a_clock():
    assert fade.params.model_validate({"out_s": "1:30"}).out_s == 90.0


def test_a_log_fade_falls_by_as_many_db_in_every_second():
    gain_db = 20 * np.log10(faded(out_s=4.0, curve="log")[1000:3000])  # down to -37 dB
    # 60 dB in 4 s; the last few dB before silence are steeper, 0.6 dB at -37.
    assert np.diff(gain_db[::500]) == pytest.approx(-7.5, abs=0.5)


def test_no_fade_is_the_same_bits():
    assert np.array_equal(apply(fade, ONES, in_s=0.0, out_s=0.0)[0].samples, ONES.samples)


@pytest.mark.parametrize("curve", CURVES)
def test_a_fade_out_longer_than_the_track_ends_in_silence(curve):
    out, context = apply(fade, ONES, out_s=60.0, curve=curve)
    assert out.samples[0, -1] == 0
    assert np.all(np.diff(out.samples[0]) <= 0)
    assert [finding.code for finding in context.findings] == ["fades_overlap"]
