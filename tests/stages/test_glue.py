"""`glue`, and what `compress` has of it."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.errors import StageError
from stemfx.stages.compress import compress
from stemfx.stages.glue import glue
from stemfx.testing import apply, example_audio, null_db, rms_dbfs, tone

RATE = 44_100


def gains_db(before, after):
    """Return the gain of every 10 ms in dB."""
    n = RATE // 100
    x, y = (
        a.samples[0, : a.n_samples // n * n].astype(float).reshape(-1, n) for a in (before, after)
    )
    return 20 * np.log10((x * y).sum(axis=1) / (x * x).sum(axis=1))


def swing_db(before, after):
    low, high = np.percentile(gains_db(before, after), [5, 95])
    return high - low


def chord_and_kick():
    t = np.arange(6 * RATE) / RATE
    chord = sum(0.05 * np.sin(2 * np.pi * hz * t) for hz in (220, 277.2, 329.6, 440))
    since = t % 0.5
    kick = 0.5 * np.exp(-9 * since) * np.sin(2 * np.pi * 52 * since)
    return Audio(np.float32([chord + kick]), RATE)


@pytest.mark.parametrize(("channels", "ratio"), [(1, 1.5), (2, 2.0), (1, 4.0), (2, 10.0)])
def test_a_tone_12_lu_over_the_threshold_is_reduced_by_its_ratio(channels, ratio):
    # At 1 kHz the loudness is the rms level, on one channel as on two.
    audio = Audio(np.repeat(tone(1000, duration_s=3.0).samples[:1], channels, axis=0), RATE)
    _, context = apply(glue, audio, threshold_lu=-12.0, ratio=ratio, max_reduction_db=24.0)
    reduction_db = context.measurements["max_gain_reduction_db"]
    assert reduction_db == pytest.approx(12 * (1 - 1 / ratio), abs=0.1)


def test_the_kick_does_not_pull_the_chord_down():
    audio = chord_and_kick()
    params = {"ratio": 4.0, "threshold_lu": -6.0, "max_reduction_db": 24.0}
    filtered, _ = apply(glue, audio, **params)
    unfiltered, _ = apply(glue, audio, **params, sidechain_hz=0.0)
    assert swing_db(audio, filtered) < swing_db(audio, unfiltered) / 3


def test_compress_hears_what_lies_above_its_side_chain_filter():
    audio = chord_and_kick()
    filtered, _ = apply(compress, audio, ratio=4.0, sidechain_hz=120.0)
    unfiltered, _ = apply(compress, audio, ratio=4.0)
    assert swing_db(audio, filtered) < swing_db(audio, unfiltered) / 2


@pytest.mark.parametrize(
    ("stage", "params"), [(glue, {}), (compress, {"release_ms": "auto", "threshold_lu": -3.0})]
)
def test_the_automatic_release_is_fast_after_a_peak_and_slow_after_a_chorus(stage, params):
    left = []
    for loud_s in (0.03, 5.0):
        n = round(loud_s * RATE)
        t = np.arange(n + 2 * RATE) / RATE
        level = np.where(np.arange(t.size) < n, 0.5, 0.02)
        audio = Audio(np.float32([level * np.sin(2 * np.pi * 1000 * t)]), RATE)
        out, context = apply(stage, audio, ratio=4.0, **params)
        gain_db = gains_db(audio, out)
        at = round((loud_s + 0.3) * 100)
        left.append((gain_db.max() - gain_db[at]) / context.measurements["max_gain_reduction_db"])
    assert left[0] < 0.15
    assert left[1] > 0.5


@pytest.mark.parametrize(("mix", "tolerance_lu"), [(1.0, 0.01), (0.5, 0.1)])
def test_it_comes_out_as_loud_as_it_went_in(mix, tolerance_lu):
    audio = example_audio(4.0)
    out, context = apply(glue, audio, ratio=4.0, mix=mix)
    assert context.measurements["max_gain_reduction_db"] > 1
    assert measure(out).lufs == pytest.approx(measure(audio).lufs, abs=tolerance_lu)


@pytest.mark.parametrize("gain_db", [-25.0, 12.0])
def test_a_quiet_mix_is_treated_like_a_loud_one(gain_db):
    audio, gain = example_audio(4.0), np.float32(10 ** (gain_db / 20))
    as_is, _ = apply(glue, audio)
    moved, _ = apply(glue, Audio(gain * audio.samples, RATE))
    assert null_db(Audio(gain * as_is.samples, RATE), moved) < -100


def test_it_never_takes_more_than_it_may():
    audio = example_audio(4.0)
    _, context = apply(glue, audio, threshold_lu=-20.0, ratio=10.0, max_reduction_db=2.0)
    assert context.measurements["max_gain_reduction_db"] == pytest.approx(2.0, abs=0.01)


def test_a_bass_note_is_not_distorted():
    # A detector that follows the half-waves would: compress at its fastest reads -35 dB here.
    audio = tone(55.0, peak_dbfs=-6, duration_s=4.0)
    out, context = apply(glue, audio, threshold_lu=-8.0, sidechain_hz=0.0)
    assert context.measurements["max_gain_reduction_db"] > 2
    settled = np.float64(out.samples[0, 2 * RATE :])
    gain = np.dot(settled, audio.samples[0, 2 * RATE :]) / np.sum(
        np.square(audio.samples[0, 2 * RATE :], dtype=float)
    )
    residual = Audio(np.float32([settled - gain * audio.samples[0, 2 * RATE :]]), RATE)
    assert rms_dbfs(residual) - rms_dbfs(out, 2.0) < -65


def test_a_side_chain_filter_above_the_band_is_refused():
    with pytest.raises(StageError, match="sidechain_hz: 900 Hz"):
        apply(glue, example_audio(0.5, 1600), sidechain_hz=900.0)


@pytest.mark.parametrize("name", ["songs/iron_tide", "real/potassium"])
def test_the_defaults_take_1_to_4_db_of_a_mix(corpus, name):
    import soundfile

    samples, rate = soundfile.read(corpus / name / "mix.flac", frames=15 * RATE, dtype="float32")
    _, context = apply(glue, Audio(np.ascontiguousarray(samples.T), rate))
    assert 1.0 <= context.measurements["max_gain_reduction_db"] <= 4.0
    assert 0.2 <= context.measurements["mean_gain_reduction_db"] <= 3.0
