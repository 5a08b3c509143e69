"""`loudness`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import fftconvolve, resample

from stemfx.audio import Audio
from stemfx.dsp import maximizer
from stemfx.dsp.loudness import measure
from stemfx.dsp.targets import TARGET_NAMES, TARGETS
from stemfx.stages.loudness import loudness
from stemfx.testing import RaggedSignal, apply, check_stage, example_audio


def true_peak_dbtp(audio):
    """The verification: 8x by soxr's better filter, in one piece."""
    return 20 * np.log10(np.abs(soxr.resample(audio.samples.T, 1, 8, "VHQ")).max())


def codes(context):
    return [finding.code for finding in context.findings]


def test_the_laws():
    check_stage(loudness, no_neutral="it always goes to its target", target_lufs=-12.0)


@pytest.mark.parametrize("target_lufs", [-40.0, -30.0, -24.0])
def test_with_room_below_the_ceiling_it_is_one_gain_exactly(target_lufs):
    audio = example_audio(2.0)
    out, context = apply(loudness, audio, target_lufs=target_lufs)
    gain = 10 ** ((target_lufs - measure(audio).lufs) / 20)
    np.testing.assert_array_equal(out.samples, audio.samples * gain)
    assert measure(out).lufs == pytest.approx(target_lufs, abs=1e-4)  # float32
    assert context.measurements["max_gain_reduction_db"] == 0
    assert context.measurements["max_clip_db"] == 0
    assert context.findings == []


@pytest.mark.parametrize("target_lufs", [-16.0, -14.0, -11.0, -9.0])
def test_a_song_gets_to_its_target_under_its_ceiling(corpus, target_lufs):
    songs = sorted((corpus / "songs").glob("*/mix.flac"))
    if not songs:
        pytest.skip("the corpus has no songs")
    for path in songs:
        frames, rate = soundfile.read(path, start=220_500, frames=15 * 44_100, dtype="float32")
        song = Audio(frames.T, rate)
        out, context = apply(loudness, song, target_lufs=target_lufs)
        reading = measure(out)
        assert reading.lufs == pytest.approx(target_lufs, abs=0.1)
        assert true_peak_dbtp(out) <= -1.0 + 0.05
        assert context.measurements["lufs"] == pytest.approx(reading.lufs, abs=0.006)
        assert context.measurements["lufs_before"] == pytest.approx(measure(song).lufs, abs=0.006)
        # The report also hears what lies close to Nyquist, where a song has some.
        assert reading.true_peak_dbtp - 0.02 <= context.measurements["true_peak_dbtp"] <= -0.98
        assert "loudness_target_missed" not in codes(context)


@pytest.mark.parametrize("ceiling_dbtp", [-9.0, -3.0, 0.0])
def test_the_ceiling_holds_wherever_it_is(ceiling_dbtp):
    out, _ = apply(loudness, example_audio(2.0), target_lufs=-12.0, ceiling_dbtp=ceiling_dbtp)
    assert true_peak_dbtp(out) <= ceiling_dbtp + 0.05


def test_a_target_above_what_the_ceiling_allows_is_said_with_what_was_got():
    out, context = apply(loudness, example_audio(1.0), target_lufs=-6.0, ceiling_dbtp=-9.0)
    assert codes(context) == ["loudness_target_missed"]
    got = measure(out).lufs
    assert got < -6.1
    assert f"got {got:.1f}" in context.findings[0].message
    assert true_peak_dbtp(out) <= -9 + 0.05


def test_a_heavily_squashed_master_is_pointed_out():
    _, context = apply(loudness, example_audio(1.0), target_lufs=-9.0)
    assert codes(context) == ["loudness_dense"]
    measured = context.measurements
    crushed = measured["max_clip_db"] + measured["max_gain_reduction_db"] > 10
    assert context.findings[0].level == ("warn" if crushed else "info")


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_a_named_target_is_its_loudness_and_its_ceiling(name):
    named, context = apply(loudness, example_audio(2.0), target=name)
    target = TARGETS[name]
    told = {"target_lufs": target.lufs, "ceiling_dbtp": target.ceiling_dbtp}
    np.testing.assert_array_equal(
        named.samples, apply(loudness, example_audio(2.0), **told)[0].samples
    )
    assert context.measurements["target"] == name
    assert context.measurements["lufs"] == pytest.approx(target.lufs, abs=0.1)


def test_what_is_given_goes_before_what_the_name_says():
    out, _ = apply(loudness, example_audio(2.0), target="club", target_lufs=-30.0)
    assert measure(out).lufs == pytest.approx(-30, abs=1e-3)
    out, _ = apply(loudness, example_audio(2.0), target="club", ceiling_dbtp=-3.0)
    assert measure(out).lufs == pytest.approx(-9, abs=0.1)
    assert true_peak_dbtp(out) <= -3.0 + 0.05


def test_without_a_target_it_is_minus_14_lufs_below_minus_1_dbtp():
    out, _ = apply(loudness, example_audio(2.0))
    assert measure(out).lufs == pytest.approx(-14, abs=0.1)
    assert true_peak_dbtp(out) <= -1.0 + 0.05


def drums_and_bass(seconds=3.0):
    """A bass note, and twice a second a hit of 3 ms that is as high again."""
    t = np.arange(round(seconds * 44_100)) / 44_100
    rng = np.random.default_rng(0)
    hits = rng.standard_normal(t.size) * (t % 0.5 < 0.003)
    return Audio(np.tile(0.1 * (np.sin(2 * np.pi * 55 * t) + hits), (2, 1)), 44_100)


def test_the_tip_of_a_drum_turns_nothing_down_that_sounds_with_it():
    audio = drums_and_bass()
    out, context = apply(loudness, audio, target_lufs=-12.0)
    assert context.measurements["max_clip_db"] > 4
    # 30 ms after a hit the bass is as it is before one: a limiter's release would be heard there.
    t = np.arange(audio.n_samples) / 44_100
    levels = [
        np.abs(out.samples[:, (t % 0.5 > start) & (t % 0.5 < start + 0.0364)]).max()
        for start in (0.03, 0.4)
    ]
    assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(0, abs=0.1)


def test_a_bass_note_is_turned_down_and_not_clipped():
    # A second of 1 kHz, which is heard louder, and a second of 55 Hz, which is 8 dB higher.
    t = np.arange(4 * 44_100) / 44_100
    high = t % 2 < 1
    tones = np.where(high, 0.2 * np.sin(2 * np.pi * 1000 * t), 0.5 * np.sin(2 * np.pi * 55 * t))
    audio = Audio(np.tile(tones, (2, 1)), 44_100)
    out, context = apply(loudness, audio, target_lufs=-7.0, ceiling_dbtp=-3.0)
    held = slice(63_000, 85_000)  # once the leveller has settled
    before, after = (Audio(a.samples[:, held], 44_100) for a in (audio, out))
    assert context.measurements["max_gain_reduction_db"] > 2
    assert distortion_db(before, after) < -27  # -19 dB where it is left to the clip


def test_the_excerpts_of_a_long_song_tell_the_gain_of_the_whole(monkeypatch):
    runs = []
    whole = maximizer._whole
    monkeypatch.setattr(maximizer, "_whole", lambda *args: runs.append(1) or whole(*args))
    monkeypatch.setattr(maximizer, "EXCERPTS_S", 3.0)  # of 12
    audio = example_audio(12.0)
    out, _ = apply(loudness, audio, target_lufs=-10.0)
    assert measure(out).lufs == pytest.approx(-10, abs=0.1)
    assert len(runs) <= 2
    heard = maximizer.excerpts(audio)
    assert heard.n_samples < 0.4 * audio.n_samples
    blocks = maximizer.excerpts(RaggedSignal(audio)).read()
    np.testing.assert_array_equal(heard.read(), blocks)


@pytest.mark.parametrize("name", ["single click", "over full scale", "DC", "mono", "short"])
def test_odd_songs_come_out_at_their_target_or_it_is_said(name):
    song = example_audio(2.0).samples
    click = np.zeros((2, 88_200), np.float32)
    click[:, 44_100] = 0.5
    made = {
        "single click": click,
        "over full scale": 4 * song,  # +6 dBFS in float
        "DC": song + np.float32(0.2),
        "mono": song[:1],
        "short": song[:, :17_700],  # 401 ms
    }
    audio = Audio(made[name], 44_100)
    out, context = apply(loudness, audio, target_lufs=-14.0)
    assert true_peak_dbtp(out) <= -1.0 + 0.05
    missed = {"loudness_target_missed", "loudness_unmeasurable"} & set(codes(context))
    assert len(context.findings) <= 1
    assert missed or measure(out).lufs == pytest.approx(-14, abs=0.1)


def distortion_db(before, after):
    """What is left of the output when the gain is taken out that rides in windows of 20 ms."""
    window = np.hanning(1764)
    x, y = (a.samples.astype(np.float64) for a in (before, after))
    both = fftconvolve((x * y).sum(axis=0), window, "same")
    own = fftconvolve((x * x).sum(axis=0), window, "same") + 1e-9
    rest = y - both / own * x
    return 10 * np.log10(np.mean(rest**2) / np.mean(y**2))


def test_heavy_bass_is_limited_and_not_torn_apart(corpus):
    path = corpus / "real" / "potassium" / "mix.flac"
    if not path.is_file():
        pytest.skip("the corpus has no song with heavy bass")
    samples, rate = soundfile.read(path, dtype="float32")
    song = Audio(samples.T, rate)
    out, context = apply(loudness, song, target_lufs=-9.0)
    assert measure(out).lufs == pytest.approx(-9.0, abs=0.1)
    # -18.9 dB where the clip takes all, -24.9 dB where the limiter does.
    assert distortion_db(song, out) < -23.5
    assert [(f.level, f.code) for f in context.findings] == [("warn", "loudness_dense")]


@pytest.mark.parametrize(
    "audio",
    [
        Audio(np.zeros((2, 44_100)), 44_100),
        Audio(1e-5 * example_audio().samples, 44_100),  # -124 LUFS, below the absolute gate
        Audio(example_audio().samples[:, :17_000], 44_100),  # 385 ms
    ],
    ids=["silence", "below -70 LUFS", "shorter than 400 ms"],
)
def test_what_has_no_loudness_is_left_alone_and_said(audio):
    out, context = apply(loudness, audio, target_lufs=-14.0)
    np.testing.assert_array_equal(out.samples, audio.samples)
    assert codes(context) == ["loudness_unmeasurable"]
    assert context.measurements == {"gain_db": 0.0}


def test_a_gain_that_opens_the_gate_still_lands_on_the_target():
    # Raised by 50 dB, the quiet half comes over the gate of -70 LUFS and pulls the mean down.
    loud = example_audio(2.0).samples
    audio = Audio(np.concatenate((1e-2 * loud, 1e-3 * loud), axis=1), 44_100)
    out, _ = apply(loudness, audio, target_lufs=-30.0)
    assert measure(out).lufs == pytest.approx(-30, abs=1e-3)


def test_where_next_to_nothing_is_over_the_limiter_rests():
    # Held notes under clicks that stand only just over the ceiling, between the samples too: a
    # limiter would turn the notes down around each; the clip touches nothing but the clicks.
    rng = np.random.default_rng(2)
    time_s = np.arange(6 * 44_100) / 44_100
    notes = 0.25 * np.sin(2 * np.pi * 220 * time_s)
    clicks = np.zeros_like(notes)
    for start in range(5_000, len(clicks) - 64, 11_025):
        # No white noise: of what lies close to Nyquist meters make what they like.
        noise = np.interp(np.arange(48), np.arange(0, 48, 1.5), rng.uniform(-1, 1, 32))
        clicks[start : start + 48] += np.hanning(48) * noise
    sound = notes + clicks * (0.9 / np.abs(notes + clicks).max())
    audio = Audio(np.stack((sound, sound)).astype(np.float32), 44_100)
    over_db = measure(audio).true_peak_dbtp + 1.0 - 0.3  # 0.3 dB will be over
    target = measure(audio).lufs - over_db
    _, context = apply(loudness, audio, target_lufs=target)
    assert context.measurements["max_clip_db"] > 0.2
    # A clip that ends just under the ceiling would leave 0.25 dB to it.
    assert context.measurements["max_gain_reduction_db"] <= 0.12


def test_any_meter_finds_the_ceiling_held_wherever_below_nyquist_it_ends():
    # Noise up to Nyquist: held by what soxr reads, which begins to fall at 0.91, a filter that
    # passes all of it reads 1.1 dB more. (0.1 dB is left for the last 2 % below Nyquist.)
    noise = np.random.default_rng(3).standard_normal((2, 5 * 44_100))
    audio = Audio((0.1 * noise).astype(np.float32), 44_100)
    out, _ = apply(loudness, audio, target_lufs=-8.0)
    padded = np.pad(out.samples, ((0, 0), (2_000, 2_000)))
    whole_band = resample(padded, 8 * padded.shape[1], axis=1)
    assert 20 * np.log10(np.abs(whole_band).max()) <= -1.0 + 0.15
    assert true_peak_dbtp(out) <= -1.0 + 0.05


def test_no_more_gain_is_spent_on_a_click_than_its_peak_can_use():
    # Its loudness ends where it is clipped; 40 dB more would only bring up the noise under it.
    samples = 1e-6 * np.random.default_rng(4).standard_normal((2, 4 * 44_100))
    samples[:, 88_200] = 0.5
    _, context = apply(loudness, Audio(samples.astype(np.float32), 44_100), target_lufs=-14.0)
    assert "loudness_target_missed" in codes(context)
    assert context.measurements["gain_db"] < 20 * np.log10(0.891 / 0.5) + 3.0
