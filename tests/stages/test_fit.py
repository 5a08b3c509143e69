"""`fit`: in tempo, in key, and as long as the song."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.demo_song import BEAT_S, demo_song
from stemfx.dsp.onsets import find_onsets
from stemfx.errors import StageError
from stemfx.kits.synth import SynthKit
from stemfx.music_reading import MusicReading
from stemfx.stages.fit import fit
from stemfx.testing import apply, tone

RATE = 44_100


def reading(bpm=100.0, duration_s=12.0, key="A minor", first_s=0.3, beats_s=None):
    """What a song is read as; 4 beats a bar."""
    if beats_s is None:
        beats_s = tuple(np.arange(first_s, duration_s, 60 / bpm)) if bpm else ()
    return MusicReading(
        bpm, 1.0, tuple(beats_s), tuple(beats_s[::4]), key, 1.0, "", 0.0, duration_s
    )


def drum_loop(bpm=92.0, bars=2):
    """Kick and snare in quarters, a hat in eighths, cut to whole bars."""
    beat = 60 / bpm * RATE
    samples = np.zeros((1, round(4 * bars * beat) + RATE), np.float32)
    kit = SynthKit()
    for eighth in range(8 * bars):
        names = ["hat_closed"] + ([["kick", "snare"][eighth // 2 % 2]] if eighth % 2 == 0 else [])
        for name in names:
            hit = kit.sample(name, 0.8, RATE).samples[:1]
            start = round(eighth * beat / 2)
            stop = min(samples.shape[1], start + hit.shape[1])
            samples[:, start:stop] += 0.5 * hit[:, : stop - start]
    return Audio(samples[:, : round(4 * bars * beat)], RATE)


def chords(roots=(57, 53, 48, 55), bpm=92.0, minor=(True, False, False, False)):
    """A bar of each chord, struck on every beat: Am F C G by default."""
    beat = round(60 / bpm * RATE)
    t = np.arange(beat) / RATE
    bars = []
    for root, is_minor in zip(roots, minor, strict=True):
        notes = [root - 12, root, root + (3 if is_minor else 4), root + 7]
        partials = [
            np.sin(2 * np.pi * k * 440 * 2 ** ((n - 69) / 12) * t) / k
            for n in notes
            for k in (1, 2, 3)
        ]
        bars += [np.sum(partials, axis=0) * np.minimum(1, t / 0.005) * np.exp(-2 * t)] * 4
    return Audio((0.05 * np.concatenate(bars)[None]).astype(np.float32), RATE)


def fitted(loop, song=None, **params):
    return apply(fit, loop, readings={"to": song or reading()}, to="song", **params)


def codes(context):
    return [finding.code for finding in context.findings]


def test_the_result_is_as_long_as_the_song():
    out, context = fitted(drum_loop())
    assert out.n_samples == 12 * RATE
    # 92 to 100 BPM: every beat is 92/100 as long.
    assert context.measurements["stretch_percent"] == pytest.approx(-8.0, abs=0.01)
    assert context.measurements["loop_bpm"] == pytest.approx(92.0, abs=0.01)


@pytest.mark.parametrize("method", ["slice", "stretch"])
def test_the_beats_of_the_loop_lie_on_those_of_the_song(method):
    out, context = fitted(drum_loop(), method=method)
    assert context.measurements["method"] == method
    beats_s = np.arange(0.3, 11.5, 0.6)
    found = find_onsets(out)
    late_ms = [1000 * (found[np.argmin(np.abs(found - beat))] - beat) for beat in beats_s]
    assert np.percentile(np.abs(late_ms), 95) <= 5.0
    assert abs(context.measurements["drift_ms"]) <= 2.0
    assert context.measurements["beat_error_p95_ms"] <= 5.0


def test_slices_keep_the_attacks_that_stretching_smears():
    loop, errors = drum_loop(), {}
    for method in ("slice", "stretch"):
        found = find_onsets(fitted(loop, method=method)[0])
        grid = np.arange(0.3, 11.5, 0.3)
        errors[method] = np.median([np.abs(found - beat).min() for beat in grid])
    assert errors["slice"] < 0.0005
    assert errors["slice"] < errors["stretch"]


@pytest.mark.parametrize(
    ("method", "limit_ms"),
    # What stretching smears is heard to begin up to 4 ms before its attack; the map adds 2 ms.
    [("auto", 5.0), ("stretch", 8.0)],
)
def test_it_follows_a_song_whose_tempo_wanders(method, limit_ms):
    # From 96 to 104 BPM within 24 s: a single tempo would be off by up to 240 ms in the middle.
    beats = [0.3]
    while beats[-1] < 24:
        beats.append(beats[-1] + 60 / (96 + 8 * beats[-1] / 24))
    song = reading(100.0, 24.0, beats_s=beats[:-1])
    out, context = fitted(drum_loop(), song, method=method)
    found = find_onsets(out)
    late_ms = [1000 * np.abs(found - beat).min() for beat in beats[:-2]]
    assert np.percentile(late_ms, 95) <= limit_ms
    assert context.measurements["joints"] > 0


def test_at_the_own_tempo_and_key_every_sample_is_untouched():
    loop = drum_loop(bpm=100.0)
    out, context = fitted(loop, reading(100.0, first_s=0.5))
    start = RATE // 2
    tiled = np.tile(loop.samples, 3)[:, : 11 * RATE]
    assert np.array_equal(out.samples[:, start : start + tiled.shape[1]], tiled)
    assert not out.samples[:, :start].any()
    assert context.measurements["method"] == "copy"


def test_half_time_counts_as_the_same_tempo():
    out, context = fitted(drum_loop(bpm=60.0), reading(120.0, first_s=0.0), bpm=60.0)
    assert context.measurements["stretch_percent"] == pytest.approx(0.0, abs=1e-6)
    assert out.samples[:, : RATE // 10].any()


@pytest.mark.parametrize(
    ("key", "semitones"),
    # The loop is in A minor, which has the notes of C major; the nearest way, up or down.
    [
        ("A minor", 0),
        ("C major", 0),
        ("C minor", 3),
        ("Eb major", 3),
        ("F# minor", -3),
        ("B minor", 2),
    ],
)
def test_it_goes_to_the_songs_key_or_its_relative(key, semitones):
    _, context = fitted(chords(), reading(92.0, key=key))
    assert context.measurements["semitones"] == semitones


def test_a_transposed_tone_is_within_five_cents():
    out, context = fitted(
        tone(220.0, duration_s=4.8, channels=1), reading(100.0), beats=8, semitones=3.0
    )
    middle = out.samples[0, 2 * RATE : 10 * RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle)), 1 << 20))
    found_hz = np.argmax(spectrum) * RATE / (1 << 20)
    assert abs(1200 * np.log2(found_hz / 220.0) - 300) < 5
    assert context.measurements["semitones"] == 3.0


def test_percussion_is_not_transposed():
    _, context = fitted(drum_loop(), reading(key="C# major"))
    assert context.measurements["semitones"] == 0.0
    assert "no_key" in codes(context)


def test_it_begins_where_it_is_told():
    for params, start_s in (({"start_bar": 3}, 0.3 + 2 * 2.4), ({"start_s": 6.4}, 6.3)):
        out, _ = fitted(drum_loop(bpm=100.0), **params)
        assert np.flatnonzero(out.samples[0])[0] == pytest.approx(start_s * RATE, abs=100)


def test_it_may_play_once():
    loop = drum_loop(bpm=100.0)
    out, _ = fitted(loop, repeat=False)
    assert np.flatnonzero(out.samples[0])[-1] <= 0.3 * RATE + loop.n_samples
    assert out.n_samples == 12 * RATE


def test_a_pad_without_a_beat_becomes_whole_bars():
    t = np.arange(round(4.6 * RATE)) / RATE
    pad = Audio(
        (0.1 * np.sin(2 * np.pi * 220 * t) * np.sin(np.pi * t / 4.6))[None].astype("f4"), RATE
    )
    _, context = fitted(pad, key=False)
    assert "no_beat" in codes(context)
    assert context.measurements["stretch_percent"] == pytest.approx(100 * (4.8 / 4.6 - 1), abs=0.01)


def test_too_much_stretch_is_refused_and_much_is_told():
    with pytest.raises(StageError, match=r"28\.0 % longer .*92 BPM, the song at 143\.8.*25 %"):
        fitted(drum_loop(), reading(143.75), beats=8)
    _, context = fitted(drum_loop(), reading(110.0), method="stretch")
    assert "far_stretched" in codes(context)


def test_a_song_without_a_beat_is_told_what_to_set():
    with pytest.raises(StageError, match=r"no beat was found in 'song'.*tempo: false"):
        fitted(drum_loop(), reading(0.0))
    out, _ = fitted(drum_loop(), reading(0.0), tempo=False, start_s=2.0)
    assert np.flatnonzero(out.samples[0])[0] == pytest.approx(2.0 * RATE, abs=100)


def test_a_one_shot_is_sent_to_the_stage_for_one_shots():
    hit = SynthKit().sample("kick", 0.8, RATE)
    short = Audio(hit.samples[:, : round(0.2 * RATE)], RATE)
    with pytest.raises(StageError, match=r"shorter than a beat.*`layer`"):
        fitted(short)


def test_silence_stays_silence_and_is_told():
    out, context = fitted(Audio(np.zeros((2, RATE), np.float32), RATE))
    assert out.samples.shape == (2, 12 * RATE)
    assert not out.samples.any()
    assert codes(context) == ["loop_silent"]


def test_a_start_after_the_end_is_told():
    with pytest.raises(
        StageError, match="start_bar: 40 is after the end of 'song', which is 5 bars"
    ):
        fitted(drum_loop(), start_bar=40)


def test_a_key_that_is_none_is_told():
    with pytest.raises(ValueError, match="'H minor' is no key"):
        fitted(drum_loop(), own_key="H minor")


def test_a_stem_of_the_demo_song_fits_a_song_in_another_key_and_tempo():
    stem = demo_song()["other"]
    bars = Audio(np.ascontiguousarray(stem.samples[:, : round(16 * BEAT_S * RATE)]), RATE)
    _, context = fitted(bars, reading(98.0, key="C minor"))
    assert context.measurements["stretch_percent"] == pytest.approx(100 * (104 / 98 - 1), abs=0.01)
    assert context.measurements["semitones"] == 3.0
    assert context.measurements["beat_error_p95_ms"] <= 5.0
