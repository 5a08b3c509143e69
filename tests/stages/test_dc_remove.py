"""`dc_remove`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from stemfx.audio import Audio
from stemfx.stages.dc_remove import dc_remove
from stemfx.testing import apply, example_audio, null_db, tone

OFFSET = np.array([[0.05], [-0.02]], np.float32)


def test_the_offset_goes_and_nothing_else():
    clean = tone(100, duration_s=2)  # whole periods: a mean of zero
    out, context = apply(dc_remove, Audio(clean.samples + OFFSET, 44_100))
    assert null_db(clean, out) < -120  # float32 rounding at 0.55
    assert context.measurements["dc_before_dbfs"] == pytest.approx(-26.0, abs=0.05)
    assert context.measurements["dc_dbfs"] == -120
    assert not context.findings


def test_an_offset_under_the_limit_leaves_every_bit():
    audio = Audio(tone(100).samples + np.float32(0.0009), 44_100)
    out, context = apply(dc_remove, audio)
    assert np.array_equal(out.samples, audio.samples)
    assert context.measurements["dc_dbfs"] == pytest.approx(-60.9, abs=0.05)
    assert apply(dc_remove, audio, above_dbfs=-80.0)[1].measurements["dc_dbfs"] == -120


def silent_around(sound: np.ndarray) -> Audio:
    silence = np.zeros((2, 10_000), np.float32)
    return Audio(np.concatenate((silence, sound, silence, sound, silence), axis=1), 44_100)


def test_silence_stays_silent_and_the_offset_is_that_of_the_sound():
    clean = tone(100, duration_s=2).samples
    out, _ = apply(dc_remove, silent_around(clean + OFFSET))
    assert np.abs(out.samples - silent_around(clean).samples).max() < 1e-6
    assert not out.samples[:, :10_000].any()


def test_where_the_sound_is_faded_in_no_step_is_made():
    fade = np.minimum(1, np.arange(88_200) / 22_050)
    faded = ((tone(100, duration_s=2).samples + OFFSET) * fade * fade[::-1]).astype(np.float32)
    audio = silent_around(faded)
    out, _ = apply(dc_remove, audio)
    steepest = [float(np.abs(np.diff(a.samples)).max()) for a in (audio, out)]
    # A step of the whole offset, 0.05, would be five times the steepest of the tone.
    assert steepest[1] == pytest.approx(steepest[0], rel=0.02)
    assert not out.samples[:, :10_000].any()


def test_a_wandering_offset_is_told_with_its_remedy():
    t = np.arange(20 * 44_100) / 44_100
    drift = (0.02 * np.sin(2 * np.pi * t / 20)).astype(np.float32)
    _, context = apply(dc_remove, Audio(np.tile(drift, (2, 1)), 44_100))
    (finding,) = context.findings
    assert finding.code == "dc_drifts"
    assert "- high_pass: {cutoff_hz: 10}" in finding.message


def test_loud_bass_is_no_wandering_offset():
    assert not apply(dc_remove, tone(41.3, peak_dbfs=-3, duration_s=12))[1].findings


def test_the_song_with_an_offset_becomes_its_clean_twin(corpus):
    broken, rate = sf.read(corpus / "defects" / "dc_offset_plus005.flac", dtype="float32")
    clean, _ = sf.read(corpus / "defects" / "clean_harbour.flac", dtype="float32")
    out, context = apply(dc_remove, Audio(broken.T, rate))
    # What the clean song's own mean is stays out; 0.9 is the gain of the defect.
    rest = out.samples - np.float32(0.9) * clean.T
    assert np.abs(rest.mean(axis=1)).max() < 10 ** (-60 / 20)
    assert 20 * np.log10(np.std(rest)) < -90  # 16-bit rounding
    assert context.measurements["dc_before_dbfs"] == pytest.approx(-26.0, abs=0.3)


def test_clean_songs_keep_every_bit(corpus):
    for path in sorted((corpus / "defects").glob("clean_*.flac")):
        samples, rate = sf.read(path, dtype="float32")
        audio = Audio(samples.T, rate)
        assert np.array_equal(apply(dc_remove, audio)[0].samples, audio.samples)


def test_blocks_of_silence_and_scraps_pass():
    for samples in (np.zeros((2, 0)), np.zeros((1, 500)), example_audio().samples[:, :3]):
        audio = Audio(np.asarray(samples, np.float32), 44_100)
        assert apply(dc_remove, audio)[0].n_samples == audio.n_samples
