"""`width`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.width import width
from stemfx.testing import apply, example_audio, null_db, rms_dbfs, tone


def mid_and_side(audio):
    left, right = audio.samples.astype(np.float64)
    return (left + right) / 2, (left - right) / 2


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.3, 2.0])
def test_the_side_is_scaled_and_the_mono_fold_down_stays(amount):
    audio = example_audio()
    out, _ = apply(width, audio, width=amount)
    (mid, side), (mid_out, side_out) = mid_and_side(audio), mid_and_side(out)
    assert mid_out == pytest.approx(mid, abs=1e-7)
    assert side_out == pytest.approx(amount * side, abs=1e-7)


def test_no_width_is_the_fold_down_on_both_sides():
    left, right = apply(width, example_audio(), width=0.0)[0].samples
    assert np.array_equal(left, right)


def test_width_one_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(width, audio)[0].samples, audio.samples)


def test_a_mono_track_passes_through():
    mono = Audio(example_audio().samples[:1], 44_100)
    assert null_db(mono, apply(width, mono, width=2.0)[0]) == -np.inf


def test_it_reports_the_side_over_the_mid_that_came_out():
    # Uncorrelated sides of equal power: side = mid; at width 0.5 20 log10 0.5 = -6.02 dB.
    noise = np.random.default_rng(0).standard_normal((2, 200_000)).astype(np.float32)
    _, context = apply(width, Audio(0.1 * noise, 44_100), width=0.5)
    assert context.measurements["side_to_mid_db"] == pytest.approx(-6.02, abs=0.05)
    assert not context.findings


def test_a_track_that_vanishes_in_mono_is_a_warning_and_its_clean_twin_is_not():
    noise = np.random.default_rng(0).standard_normal((2, 50_000)).astype(np.float32)
    wide, narrow = (apply(width, Audio(0.1 * noise, 44_100), width=w)[1] for w in (1.5, 0.9))
    assert [finding.code for finding in wide.findings] == ["too_wide"]
    assert not narrow.findings


def side_gain(freq_hz, **params):
    audio = Audio(np.array([[1.0], [-1.0]], np.float32) * tone(freq_hz).samples, 44_100)
    out, _ = apply(width, audio, **params)
    return 10 ** ((rms_dbfs(out, 0.3, 0.7) - rms_dbfs(audio, 0.3, 0.7)) / 20)


BANDS = [{"high_hz": 150.0, "width": 0.25}, {"low_hz": 4000.0, "high_hz": 8000.0, "width": 1.5}]


@pytest.mark.parametrize(
    ("freq_hz", "expected"),
    [(60.0, 0.25), (100.0, 0.25), (700.0, 0.8), (5700.0, 1.5), (15_000.0, 0.8)],
)
def test_each_band_has_its_width_and_the_rest_the_common_one(freq_hz, expected):
    assert side_gain(freq_hz, width=0.8, bands=BANDS) == pytest.approx(expected, rel=0.01)


def test_bands_leave_the_mono_fold_down_alone():
    audio = example_audio()
    out, _ = apply(width, audio, bands=BANDS)
    assert mid_and_side(out)[0] == pytest.approx(mid_and_side(audio)[0], abs=1e-7)


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 192_000])
def test_no_width_of_any_band_changes_the_mono_fold_down(sample_rate):
    audio = example_audio(1.0, sample_rate)
    out, _ = apply(width, audio, width=0.5, bands=BANDS[:1])
    mid, mid_out = (Audio(mid_and_side(a)[0][None], sample_rate) for a in (audio, out))
    assert null_db(mid, mid_out) < -120
    assert null_db(audio, out) > -40


def test_bands_of_width_one_are_the_same_bits():
    audio = example_audio()
    out, _ = apply(width, audio, bands=[{"low_hz": 200.0, "width": 1.0}])
    assert np.array_equal(out.samples, audio.samples)


@pytest.mark.parametrize(
    ("bands", "reason"),
    [
        ([{"low_hz": 500.0, "high_hz": 400.0, "width": 1.0}], "no band"),
        ([{"high_hz": 400.0, "width": 1.0}, {"low_hz": 300.0, "width": 1.0}], "without overlap"),
    ],
)
def test_bands_that_overlap_or_are_empty_are_refused(bands, reason):
    with pytest.raises(StageError, match=reason):
        apply(width, example_audio(), bands=bands)


def test_too_wide_a_band_is_a_warning_with_its_remedy():
    audio = Audio(np.array([[1.0], [-0.2]], np.float32) * tone(6000.0).samples, 44_100)
    _, context = apply(width, audio, bands=[{"low_hz": 3000.0, "width": 2.0}])
    (finding,) = context.findings
    assert finding.code == "too_wide"
    assert "- mono_safe: {}" in finding.message
