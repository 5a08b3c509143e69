"""`mono_safe`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from stemfx.audio import Audio
from stemfx.dsp.side import MidSideMeter
from stemfx.stages.mono_safe import mono_safe
from stemfx.testing import apply, null_db, tone

OPPOSED = np.array([[1.0], [-1.0]], np.float32)


def mid_side(mid: Audio, side: Audio) -> Audio:
    return Audio(mid.samples + OPPOSED * side.samples, 44_100)


def losses_db(audio: Audio):
    meter = MidSideMeter(audio.sample_rate)
    meter.add(audio.samples)
    measured = meter.result()
    return measured.losses_db(np.ones(len(measured.edges_hz) - 1))


def gain_db(audio: Audio, out: Audio, freq_hz: float) -> float:
    t = np.arange(audio.n_samples) / audio.sample_rate
    probe = np.exp(-2j * np.pi * freq_hz * t) * np.hanning(audio.n_samples)
    before, after = (abs(np.dot(a.samples[0] - a.samples[1], probe)) for a in (audio, out))
    return 20 * np.log10(after / before)


def test_the_side_loses_just_what_its_band_needs():
    # At 60 and 1000 Hz mid and side are equally loud: a loss of 3.01 dB. 1 dB in the bass needs
    # a side of 20 log10 sqrt(10^0.1 - 1) = -5.87 dB; 2 dB above it -2.33 dB. The margin is 0.1 dB
    # of the loss: -6.37 and -2.59 dB of the side.
    both = Audio(tone(60).samples + tone(1000).samples, 44_100)
    audio = mid_side(both, Audio(both.samples[:, ::-1], 44_100))
    out, context = apply(mono_safe, audio, max_mono_loss_db=2.0, max_bass_loss_db=1.0)
    assert gain_db(audio, out, 60) == pytest.approx(-6.37, abs=0.1)
    assert gain_db(audio, out, 1000) == pytest.approx(-2.59, abs=0.1)
    assert context.measurements["side_gain_20_120_hz_db"] == pytest.approx(-6.37, abs=0.1)
    assert context.measurements["mono_loss_before_db"] == pytest.approx(3.01, abs=0.02)
    after_db = context.measurements["worst_band_mono_loss_db"]
    assert after_db == pytest.approx(losses_db(out).max(), abs=0.05)
    assert after_db <= 2.0


def test_the_mono_fold_down_is_unchanged():
    audio = mid_side(tone(60, duration_s=2), tone(90, duration_s=2))
    out, context = apply(mono_safe, audio)
    assert context.measurements["wet"] == 1
    folds = (
        Audio(a.samples.sum(axis=0, keepdims=True, dtype=np.float64), 44_100) for a in (audio, out)
    )
    assert null_db(*folds) < -130  # float32 rounding


def test_a_track_within_the_limits_is_the_same_bits():
    audio = mid_side(tone(900, duration_s=4), tone(700, peak_dbfs=-7, duration_s=4))
    out, context = apply(mono_safe, audio)
    assert np.array_equal(out.samples, audio.samples)
    assert not context.findings
    single = tone(50.0, channels=1)
    assert np.array_equal(apply(mono_safe, single)[0].samples, single.samples)


def test_an_inverted_channel_is_told_and_not_narrowed_away():
    audio = mid_side(tone(440, peak_dbfs=-36), tone(440, peak_dbfs=-6))
    out, context = apply(mono_safe, audio)
    codes = {f.code: f for f in context.findings}
    assert "- polarity: {channels: right}" in codes["channels_opposed"].message
    assert codes["mono_limits_not_met"].level == "warn"
    # 9 dB are the most that a band may lose: 10^(-9/20) of the side, nearly all of the energy.
    assert -9.01 < gain_db(audio, out, 440) < -8.5


def test_the_bass_that_vanishes_in_mono_is_mended(corpus):
    broken, rate = sf.read(corpus / "defects" / "bass_out_of_phase.flac", dtype="float32")
    audio = Audio(broken.T, rate)
    assert losses_db(audio)[0] > 6
    out, context = apply(mono_safe, audio)
    assert losses_db(out)[0] <= 1.0
    assert losses_db(out).max() <= 4.0
    assert not context.findings
    # Above the bass and its transition nothing moves.
    assert set(context.measurements) & {"side_gain_500_2000_hz_db"} == set()


def test_songs_that_are_safe_already_are_the_same_bits(corpus):
    for path in sorted((corpus / "defects").glob("clean_*.flac")):
        samples, rate = sf.read(path, dtype="float32")
        audio = Audio(samples.T, rate)
        assert np.array_equal(apply(mono_safe, audio)[0].samples, audio.samples)
