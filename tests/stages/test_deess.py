"""`deess`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.deess import deess
from stemfx.testing import apply, null_db, rms_dbfs, tone

RATE = 44_100


def vowel(duration_s=1.0, f0_hz=150.0):
    """Harmonics that fall 12 dB an octave, as a voice does: little above 5 kHz."""
    t = np.arange(round(duration_s * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * k * f0_hz * t) / k**2 for k in range(1, 100))
    return 0.2 * np.tile(voice, (2, 1))


def sibilant(duration_s=1.0, seed=0):
    """Noise from 6 to 12 kHz, made in the frequency domain."""
    n_samples = round(duration_s * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((2, n_samples)))
    freq_hz = np.fft.rfftfreq(n_samples, 1 / RATE)
    return 0.2 * np.fft.irfft(spectrum * ((freq_hz > 6000) & (freq_hz < 12_000)), n_samples)


def audio_of(samples):
    return Audio(np.asarray(samples, np.float32), RATE)


def test_a_vowel_is_the_same_bits():
    voice = audio_of(vowel())
    out, context = apply(deess, voice)
    assert np.array_equal(out.samples, voice.samples)
    assert context.measurements["max_gain_reduction_db"] == 0.0


def test_a_sibilant_is_reduced_by_the_maximum_and_no_more():
    audio = audio_of(np.concatenate((vowel(), sibilant(), vowel()), axis=1))
    out, context = apply(deess, audio, freq_hz=4000.0, max_reduction_db=6.0)
    # Nearly all of it lies in the band (at 6 kHz the split is at 1/(1 + (4/6)^4) = 0.84).
    assert rms_dbfs(audio, 1.1, 1.9) - rms_dbfs(out, 1.1, 1.9) == pytest.approx(5.7, abs=0.5)
    assert context.measurements["max_gain_reduction_db"] == 6.0


def test_the_vowel_before_and_well_after_a_sibilant_is_untouched():
    audio = audio_of(np.concatenate((vowel(), sibilant(0.2), vowel(2.0)), axis=1))
    out, _ = apply(deess, audio)
    for start, stop in ((0.0, 0.99), (2.2, 3.2)):
        before, after = (
            Audio(a.read(round(start * RATE), round(stop * RATE)), RATE) for a in (audio, out)
        )
        assert null_db(before, after) < -100


def test_a_quiet_take_is_treated_like_a_loud_one():
    loud = np.concatenate((vowel(), sibilant(), vowel()), axis=1)
    out, _ = apply(deess, audio_of(loud))
    quiet_out, _ = apply(deess, audio_of(loud / 30))
    assert null_db(Audio(out.samples / np.float32(30), RATE), quiet_out) < -100


def test_hiss_between_the_words_is_no_sibilant():
    hiss = audio_of(sibilant() * 10 ** (-70 / 20))
    out, _ = apply(deess, hiss)
    assert np.array_equal(out.samples, hiss.samples)


def test_what_lies_far_below_the_band_keeps_its_level_under_a_sibilant():
    bass = tone(200.0, peak_dbfs=-30).samples
    both = audio_of(bass + sibilant())
    out, _ = apply(deess, both, max_reduction_db=24.0)

    def at_200_hz(samples):
        return np.abs(np.fft.rfft(samples[0].astype(float))[200])

    change_db = 20 * np.log10(at_200_hz(out.samples) / at_200_hz(both.samples))
    assert change_db == pytest.approx(0.0, abs=0.1)


def test_a_band_beyond_half_the_sample_rate_is_refused():
    with pytest.raises(StageError, match=r"freq_hz: 5500 Hz is not below .* \(4000 Hz\)"):
        apply(deess, tone(100.0, sample_rate=8000))
