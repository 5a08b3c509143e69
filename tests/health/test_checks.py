"""Verdicts: what is told never contradicts what is judged, and the remedy is named."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.phase import PhaseMeter
from stemfx.health import examine
from stemfx.health.check_kinds import KINDS, width_for_correlation
from stemfx.health.check_readings import HEARD, read_for_checks
from stemfx.health.checks import FAILED, Check, judge, rounded


def verdict(name, low, high, value, level="error"):
    (found,) = judge([Check(name, low, high, level)], {name: value})
    return found


def test_limits_are_inclusive_and_judged_as_they_are_told():
    assert verdict("lufs", -14.5, -13.5, -14.504).passed  # told as -14.50
    assert not verdict("lufs", -14.5, -13.5, -14.506).passed
    assert verdict("mono_loss_db", None, 3, 3.0).passed
    assert not verdict("mono_loss_db", None, 3, 3.01).passed
    assert verdict("correlation", 0, None, -0.00004).passed
    assert not verdict("clipped_samples", None, 0, 1).passed


def test_a_true_peak_may_be_over_its_limit_by_what_the_limiter_promises():
    assert verdict("true_peak_dbtp", None, -1, -0.95).passed
    assert "0.05 dBTP over it pass" in verdict("true_peak_dbtp", None, -1, -0.95).line
    assert not verdict("true_peak_dbtp", None, -1, -0.94).passed
    assert not verdict("sample_peak_dbfs", None, -1, -0.99).passed


def test_lines_are_short_and_say_which_failed():
    assert verdict("lufs", -14.5, -13.5, -14.02).line == "lufs -14.02 in [-14.5, -13.5]"
    assert verdict("plr_lu", 8, None, 7.5).line == "FAILED: plr_lu 7.50 not at least 8"
    assert (
        verdict("clipped_samples", None, 0, 12).line == "FAILED: clipped_samples 12 not at most 0"
    )
    none = verdict("lra_lu", 3, 12, None)
    assert none.line == "FAILED: lra_lu not measured, has to be in [3, 12]"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("side", ["under", "over", "missing"])
def test_every_failure_is_one_sentence_that_says_what_why_and_what_to_do(name, side):
    kind = KINDS[name]
    low, high = kind.range
    third = (high - low) / 3
    value = {"under": low, "over": high, "missing": None}[side]
    found = verdict(name, low + third, high - third, value, "warn")
    finding = found.finding
    assert finding is not None
    assert (finding.level, finding.code) == ("warn", FAILED)
    assert kind.what in finding.message
    assert f"`checks` ask for {name} in [" in finding.message
    assert "GOAL" not in finding.message
    assert ("cannot be measured" if side == "missing" else "To mend it: ") in finding.message
    assert verdict(name, low, high, 0.5 * (low + high)).finding is None


@pytest.mark.parametrize(
    ("name", "low", "high", "value", "line"),
    [
        ("lufs", -14.5, -13.5, -9, "- loudness: {target_lufs: -14}"),
        ("lufs", None, -13.5, -9, "- loudness: {target_lufs: -13.7}"),
        ("lufs", -16, None, -20, "- loudness: {target_lufs: -15.8}"),
        ("true_peak_dbtp", None, -1, 0.3, "- limiter: {ceiling_dbtp: -1}"),
        ("true_peak_dbtp", None, 3, 5, "- limiter: {ceiling_dbtp: 0}"),
        ("mono_loss_db", None, 3, 4, "- mono_safe: {max_mono_loss_db: 3}"),
        ("correlation", 0.0, None, -0.5, "- width: {width: 0.57}; where a channel is upside down"),
        ("correlation", 0.5, None, 0.0, "- width: {width: 0.57}"),
        ("dc_offset", None, 0.001, 0.1, "- dc_remove: {above_dbfs: -120}"),
    ],
)
def test_a_remedy_asks_for_what_the_limit_needs(name, low, high, value, line):
    finding = verdict(name, low, high, value).finding
    assert finding is not None
    assert line in finding.message


@pytest.mark.parametrize(("value", "limit"), [(0.2, 0.5), (-0.3, 0.0), (0.9, 0.3), (0.4, 0.4)])
def test_the_width_for_a_correlation_brings_it_there(value, limit):
    rng = np.random.default_rng(3)
    mid, side = rng.standard_normal((2, 200_000))
    side -= mid * (mid @ side) / (mid @ mid)  # so that left and right are of one level
    side *= np.sqrt((1 - value) / (1 + value) * (mid @ mid) / (side @ side))
    side *= width_for_correlation(value, limit)
    meter = PhaseMeter(44_100)
    meter.add(np.stack([mid + side, mid - side]).astype(np.float32))
    assert meter.reading().correlation == pytest.approx(limit, abs=1e-4)  # float32


def test_a_file_is_told_by_its_name():
    checks = [Check("lufs", -14.5, -13.5)]
    (found,) = judge(checks, {"lufs": -12.0}, of="song.mp3")
    assert found.finding is not None
    assert "the integrated loudness of 'song.mp3' is -12.00 LUFS" in found.finding.message
    assert found.to_json() == {
        "name": "lufs",
        "of": "song.mp3",
        "value": -12.0,
        "min": -14.5,
        "max": -13.5,
        "level": "error",
        "passed": False,
    }


def test_a_line_of_a_file_names_it_and_limits_have_no_rounding_of_their_own():
    assert judge([Check("lufs", -15, -13)], {"lufs": -14.0}, of="c.mp3")[0].line.startswith(
        "c.mp3: "
    )
    for limit in np.arange(-300, 1) / 100:
        assert verdict("true_peak_dbtp", None, float(limit), float(limit) + 0.05).passed


def test_readings_are_those_of_the_check_command(song):
    clipped = Audio(np.clip(song.samples * 4 + 0.01, -0.9, 0.9), song.sample_rate)
    told = examine(clipped).to_json()
    found = read_for_checks(clipped, HEARD)
    assert set(found) == HEARD
    assert found["clipped_samples"] > 100
    for name, value in found.items():
        expected = abs(told[name]) if name == "dc_offset" else told[name]
        assert rounded(name, found) == pytest.approx(expected, abs=1e-9), (name, value)


def test_only_what_is_named_is_measured(song, monkeypatch):
    def fails(*_):
        raise AssertionError

    for meter in ("DcMeter", "ClippingMeter"):
        monkeypatch.setattr(f"stemfx.health.check_readings.{meter}", fails)
    assert set(read_for_checks(song, ["correlation"])) == {"correlation"}
    monkeypatch.undo()
    monkeypatch.setattr("stemfx.health.check_readings.PhaseMeter", fails)
    assert set(read_for_checks(song, ["dc_offset"])) == {"dc_offset"}


def test_a_gain_is_heard_by_all_that_it_changes(song):
    names = ("dc_offset", "correlation", "mono_loss_db")
    as_is, half = read_for_checks(song, names), read_for_checks(song, names, 0.5)
    assert half["dc_offset"] == pytest.approx(0.5 * as_is["dc_offset"], rel=1e-4)
    for name in names[1:]:
        assert half[name] == pytest.approx(as_is[name], abs=1e-6)


def test_mono_is_the_same_on_both_sides_and_loses_nothing(song):
    mono = Audio(song.samples[:1], song.sample_rate)
    found = read_for_checks(mono, ["mono_loss_db", "correlation"])
    assert found == {"mono_loss_db": 0.0, "correlation": 1.0}


def test_silence_has_no_sides_and_nothing_wrong(song):
    found = read_for_checks(Audio(np.zeros((2, 44_100), np.float32), 44_100), HEARD)
    assert found == {
        "mono_loss_db": None,
        "correlation": None,
        "clipped_samples": 0,
        "dc_offset": 0.0,
    }
