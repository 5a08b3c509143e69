"""`high_pass`."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.high_pass import high_pass
from stemfx.testing import apply, rms_dbfs, tone


def gain_at(freq_hz, **params):
    """Return the steady gain in dB: the first half second is left to settle."""
    audio = tone(freq_hz, sample_rate=96_000)
    out, _ = apply(high_pass, audio, **params)
    return rms_dbfs(out, 0.5) - rms_dbfs(audio, 0.5)


@pytest.mark.parametrize("slope", [6, 12, 24, 48])
def test_the_cutoff_is_3_01_db_down_at_every_slope(slope):
    measured_db = gain_at(1000.0, cutoff_hz=1000.0, slope_db_per_octave=slope)
    assert measured_db == pytest.approx(-3.0103, abs=0.01)


@pytest.mark.parametrize("slope", [6, 12, 18, 24, 36, 48])
def test_an_octave_below_follows_the_butterworth_formula(slope):
    # -10 log10(1 + 2^2n); at 96 kHz the bilinear transform adds less than 0.1 dB per order.
    order = slope // 6
    expected_db = -10 * np.log10(1 + 4.0**order)
    measured_db = gain_at(1000.0 / 2, cutoff_hz=1000.0, slope_db_per_octave=slope)
    assert measured_db == pytest.approx(expected_db, abs=0.1 * order)


def test_three_octaves_on_the_other_side_pass():
    assert gain_at(1000.0 * 8, cutoff_hz=1000.0, slope_db_per_octave=12) == pytest.approx(
        0, abs=0.01
    )


def test_a_cutoff_beyond_half_the_sample_rate_is_refused_with_both_numbers():
    low_rate = tone(100.0, sample_rate=22_050)
    with pytest.raises(StageError, match=r"cutoff_hz: 20000 Hz is not below .* \(11025 Hz\)"):
        apply(high_pass, low_rate, cutoff_hz=20_000)


@pytest.mark.parametrize("bad", [{"slope_db_per_octave": 15}, {"cutoff_hz": "80"}, {"cutof": 80}])
def test_params_are_strict(bad):
    with pytest.raises(ValidationError):
        apply(high_pass, tone(100.0), **bad)


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 192_000])
@pytest.mark.parametrize("slope", [12, 48])
def test_a_cutoff_of_20_hz_is_right_at_every_rate(sample_rate, slope):
    # The impulse is at full scale, so that float32 ends at -150 dB and the formula, with the
    # frequency axis of the bilinear transform, can be told down to -100 dB.
    n = 4 * sample_rate
    impulse = np.zeros((1, n), np.float32)
    impulse[0, 0] = 1.0
    out, _ = apply(
        high_pass, Audio(impulse, sample_rate), cutoff_hz=20.0, slope_db_per_octave=slope
    )
    freq_hz = np.array([5.0, 10.0, 20.0, 40.0, 1000.0])
    measured = np.abs(np.fft.rfft(out.samples[0].astype(np.float64)))[(4 * freq_hz).astype(int)]
    warped = np.tan(np.pi * 20.0 / sample_rate) / np.tan(np.pi * freq_hz / sample_rate)
    expected = 1 / np.sqrt(1 + warped ** (2 * slope // 6))
    assert measured == pytest.approx(expected, abs=1e-5)


def test_bass_through_a_20_hz_high_pass_comes_out_without_noise():
    # 100 Hz at 192 kHz: a float32 recursion would add noise at -60 dB.
    audio = tone(100.0, sample_rate=192_000)
    out, _ = apply(high_pass, audio, cutoff_hz=20.0, slope_db_per_octave=48)
    steady = out.samples[0, 96_000:].astype(np.float64) * np.blackman(96_000)
    spectrum = np.abs(np.fft.rfft(steady))
    whole = spectrum[50]
    spectrum[46:55] = 0  # the tone, as wide as the window; bins of 2 Hz
    assert 20 * np.log10(spectrum[5:].max() / whole) < -110
