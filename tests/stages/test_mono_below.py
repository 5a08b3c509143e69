"""`mono_below`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.mono_below import mono_below
from stemfx.testing import apply, example_audio, null_db, rms_dbfs, tone

SIDE_ONLY = np.array([[1.0], [-1.0]], np.float32)


def side_gain_db(freq_hz, cutoff_hz=120.0):
    audio = Audio(SIDE_ONLY * tone(freq_hz, duration_s=2.0).samples, 44_100)
    out, _ = apply(mono_below, audio, cutoff_hz=cutoff_hz)
    return rms_dbfs(out, 0.5, 1.5) - rms_dbfs(audio, 0.5, 1.5)


@pytest.mark.parametrize(
    ("ratio", "expected_db"), [(0.25, -48.2), (0.5, -24.6), (1.0, -6.02), (2.0, -0.53), (8.0, 0.0)]
)
def test_the_side_has_the_linkwitz_riley_magnitude(ratio, expected_db):
    # 20 log10(r^4 / (1 + r^4)); the taps end at -120 dB of the low-pass, far under -48 dB.
    assert side_gain_db(ratio * 120.0) == pytest.approx(expected_db, abs=0.1)


@pytest.mark.parametrize("cutoff_hz", [20.0, 500.0, 1000.0])
def test_the_side_is_6_db_down_at_every_cutoff(cutoff_hz):
    assert side_gain_db(cutoff_hz, cutoff_hz) == pytest.approx(-6.02, abs=0.05)


def test_the_mono_fold_down_is_unchanged():
    audio = example_audio()
    out, _ = apply(mono_below, audio)
    before, after = (
        Audio(a.samples.sum(axis=0, keepdims=True, dtype=np.float64), 44_100) for a in (audio, out)
    )
    assert null_db(before, after) < -130  # the rounding of two float32 subtractions


def test_the_side_above_the_cutoff_keeps_its_place_in_time():
    audio = Audio(SIDE_ONLY * tone(4000.0).samples, 44_100)
    out, _ = apply(mono_below, audio)
    steady = slice(5000, -5000)
    # (4000/120)^4 = 1.2e6: the low-pass leaves -121 dB, cutting the taps a little more.
    before, after = (Audio(a.samples[:, steady], 44_100) for a in (audio, out))
    assert null_db(before, after) < -100


def test_a_track_that_is_already_mono_is_the_same_bits():
    both = tone(50.0)
    assert np.array_equal(apply(mono_below, both)[0].samples, both.samples)
    single = tone(50.0, channels=1)
    assert np.array_equal(apply(mono_below, single)[0].samples, single.samples)


def test_it_reports_how_much_side_went():
    audio = Audio(SIDE_ONLY * tone(60.0, duration_s=20.0).samples, 44_100)
    _, context = apply(mono_below, audio, cutoff_hz=120.0)
    assert context.measurements["side_reduction_db"] == pytest.approx(24.6, abs=0.5)


def test_a_cutoff_beyond_half_the_sample_rate_is_refused():
    with pytest.raises(StageError, match=r"cutoff_hz: 1000 Hz is not below .* \(1000 Hz\)"):
        apply(mono_below, tone(100.0, sample_rate=2000), cutoff_hz=1000.0)
