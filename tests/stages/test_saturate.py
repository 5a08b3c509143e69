"""`saturate`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from stemfx.audio import Audio
from stemfx.stages.saturate import saturate
from stemfx.testing import apply, check_stage, example_audio, null_db

RATE = 44_100


def tone(freq_hz, amplitude=0.5):
    t = np.arange(2 * RATE) / RATE
    return Audio(np.tile(amplitude * np.sin(2 * np.pi * freq_hz * t), (2, 1)), RATE)


def harmonic_db(audio, freq_hz, order):
    """Level of a harmonic relative to the tone, over a second in the middle (bins of 1 Hz)."""
    x = audio.samples[0, RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(x * np.blackman(RATE)))
    return 20 * np.log10(spectrum[order * freq_hz] / spectrum[freq_hz])


@pytest.mark.parametrize("kind", ["soft", "tape", "clip"])
def test_the_laws(kind):
    check_stage(saturate, drive_db=12.0, kind=kind)


@pytest.mark.parametrize("neutral", [{"drive_db": 0.0}, {"drive_db": 30.0, "mix": 0.0}])
def test_without_drive_or_without_mix_not_a_bit_changes(neutral):
    audio = example_audio()
    np.testing.assert_array_equal(apply(saturate, audio, **neutral)[0].samples, audio.samples)


@pytest.mark.parametrize("drive_db", [3.0, 12.0, 24.0, 36.0])
def test_the_level_stays(drive_db):
    _, context = apply(saturate, example_audio(), drive_db=drive_db)
    # What the bent wave has above 20 kHz is counted in the make-up, but not in the result.
    assert context.measurements["level_change_db"] == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("kind", ["soft", "tape"])
def test_direct_current_is_not_made_up_for(kind):
    def swing_db(audio):
        return 20 * np.log10(audio.samples.std(axis=1, dtype=np.float64).mean())

    audio = tone(440, 0.2)
    off = Audio(audio.samples + np.float32(0.2), RATE)
    # The tape drops it: by rms it was 4.8 dB quieter then, and was raised by as much.
    assert swing_db(apply(saturate, off, kind=kind)[0]) == pytest.approx(swing_db(audio), abs=0.05)
    constant = Audio(np.full((1, RATE), 0.3, np.float32), RATE)
    assert np.abs(apply(saturate, constant, kind=kind)[0].samples).max() < 0.32


@pytest.mark.parametrize("order", [3, 5])
def test_the_harmonics_are_those_of_tanh(order):
    drive_db, amplitude = 12.0, 0.25
    out, _ = apply(saturate, tone(1000, amplitude), drive_db=drive_db)
    phase = 2 * np.pi * np.arange(4096) / 4096
    peak = 10 ** (-12 / 20) * np.sqrt(2)  # of a tone at the reference, whatever its own level
    bent = np.abs(np.fft.rfft(np.tanh((10 ** (drive_db / 20) - 1) * peak * np.sin(phase))))
    expected_db = 20 * np.log10(bent[order] / bent[1])
    assert harmonic_db(out, 1000, order) == pytest.approx(expected_db, abs=0.01)
    assert harmonic_db(out, 1000, 2) < -120  # odd function: no even harmonics


@pytest.mark.parametrize(
    ("drive_db", "allowed_db"), [(12.0, -115), (18.0, -115), (24.0, -115), (36.0, -55)]
)
def test_harmonics_do_not_alias(drive_db, allowed_db):
    freq_hz = 9_997
    out, _ = apply(saturate, tone(freq_hz), drive_db=drive_db)
    x = out.samples[0, RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(x * np.blackman(RATE)))
    whole = spectrum[freq_hz]
    for true in (0, freq_hz, 2 * freq_hz):
        spectrum[max(0, true - 3) : true + 4] = 0  # width of the window
    # The third harmonic at -10 dB and all others would fold down from above 22 kHz.
    assert 20 * np.log10(spectrum.max() / whole) < allowed_db


@pytest.mark.parametrize("gain_db", [-40.0, -20.0, 12.0])
def test_the_drive_does_the_same_at_every_level(gain_db):
    audio, gain = example_audio(2.0), np.float32(10 ** (gain_db / 20))
    as_is, context = apply(saturate, audio)
    moved, _ = apply(saturate, Audio(gain * audio.samples, RATE))
    assert context.measurements["residual_db"] > -35
    assert null_db(Audio(gain * as_is.samples, RATE), moved) < -100  # float32


def test_pauses_do_not_change_the_drive():
    audio = example_audio(2.0)
    before, _ = apply(saturate, audio)
    padded = np.pad(audio.samples, ((0, 0), (0, 6 * RATE)))
    after, _ = apply(saturate, Audio(padded, RATE))
    # What the gate takes away is silence, up to windows of 400 ms at the join.
    ratio_db = 20 * np.log10(np.std(after.samples[:, : 2 * RATE]) / np.std(before.samples))
    assert ratio_db == pytest.approx(0, abs=0.05)
    middle = slice(RATE // 4, RATE)
    a, b = (Audio(out.samples[:, middle], RATE) for out in (before, after))
    assert null_db(a, b) < -30


def test_on_a_song_6_db_are_heard_and_3_db_are_a_touch(corpus):
    songs = sorted((corpus / "songs").glob("*/mix.flac"))
    if not songs:
        pytest.skip("the corpus has no songs")
    for path in songs:
        frames, rate = soundfile.read(path, start=220_500, frames=15 * RATE, dtype="float32")
        song = Audio(frames.T, rate)
        residual_db = {
            drive: apply(saturate, song, drive_db=drive)[1].measurements["residual_db"]
            for drive in (3.0, 6.0)
        }
        assert residual_db[6.0] == pytest.approx(-24.5, abs=2.5)
        assert residual_db[3.0] == pytest.approx(-38.5, abs=2.5)


def test_more_drive_means_more_distortion():
    residual_db = [
        apply(saturate, example_audio(), drive_db=drive)[1].measurements["residual_db"]
        for drive in (3.0, 9.0, 18.0, 36.0)
    ]
    assert residual_db == sorted(residual_db)
    assert residual_db[-1] > residual_db[0] + 20


def test_half_the_mix_halves_the_harmonics():
    whole, half = (
        apply(saturate, tone(1000, 0.25), drive_db=9.0, mix=mix)[0] for mix in (1.0, 0.5)
    )
    # To first order; the make-up of 0.2 dB changes the rest.
    change_db = harmonic_db(half, 1000, 3) - harmonic_db(whole, 1000, 3)
    assert change_db == pytest.approx(-6.02, abs=0.1)


# ------------------------------------------------------------------ tape and clip

KINDS = ["soft", "tape", "clip"]


def second_in_the_middle(audio):
    x = audio.samples[0, RATE // 2 : RATE // 2 + RATE].astype(np.float64)
    return np.abs(np.fft.rfft(x * np.blackman(RATE)))


@pytest.mark.parametrize("kind", ["tape", "clip"])
@pytest.mark.parametrize("drive_db", [3.0, 12.0])
def test_harmonics_of_every_kind_fold_back_below_80_db(kind, drive_db):
    freq_hz = 9_997
    spectrum = second_in_the_middle(apply(saturate, tone(freq_hz), drive_db=drive_db, kind=kind)[0])
    whole = spectrum[freq_hz]
    for true in (0, freq_hz, 2 * freq_hz):
        spectrum[max(0, true - 3) : true + 4] = 0  # width of the window
    assert 20 * np.log10(spectrum.max() / whole) < -80


@pytest.mark.parametrize("kind", KINDS)
def test_no_direct_current_comes_out(kind):
    out, _ = apply(saturate, tone(997), drive_db=12.0, kind=kind)
    steady = out.samples[:, RATE:].astype(np.float64)  # a second: a whole number of periods
    assert np.abs(steady.mean(axis=1)).max() < 1e-6 * np.abs(steady).max()


def test_tape_has_a_second_harmonic_below_the_third():
    out, _ = apply(saturate, tone(1000, 0.25), drive_db=6.0, kind="tape")
    second, third, fifth = (harmonic_db(out, 1000, order) for order in (2, 3, 5))
    assert -55 < second < third - 6
    assert fifth < third - 20


def test_tape_bends_the_treble_before_the_bass():
    added_db = [
        apply(saturate, tone(freq_hz, 0.25), drive_db=6.0, kind="tape")[1].measurements["makeup_db"]
        for freq_hz in (300, 10_000)  # where the playback's tone is flat, and 0.3 dB down
    ]
    assert added_db[1] > added_db[0] + 0.5


@pytest.mark.parametrize(("drive_db", "bump_db"), [(3.0, 0.25), (12.0, 1.0), (24.0, 1.0)])
def test_the_tone_of_the_tape_grows_with_the_drive_up_to_1_db(drive_db, bump_db):
    # A whisper of 65 and 1000 Hz after a loud second: straight, but for the tone.
    t = np.arange(3 * RATE) / RATE
    whisper = 1e-3 * (np.sin(2 * np.pi * 65 * t) + np.sin(2 * np.pi * 1000 * t))
    loud = 0.5 * np.sin(2 * np.pi * 440 * t) * (t < 1)
    audio = Audio(np.tile(whisper + loud, (2, 1)), RATE)
    spectrum = [
        np.abs(np.fft.rfft(a.samples[0, 2 * RATE :] * np.hanning(RATE)))
        for a in (audio, apply(saturate, audio, drive_db=drive_db, kind="tape")[0])
    ]
    gain_db = 20 * np.log10(spectrum[1] / spectrum[0])[[65, 1000]]
    assert gain_db[0] - gain_db[1] == pytest.approx(bump_db, abs=0.05)


def test_the_residual_of_tape_is_its_distortion_without_its_tone():
    out, context = apply(saturate, tone(1000, 0.25), drive_db=12.0, kind="tape")
    added = [10 ** (harmonic_db(out, 1000, order) / 10) for order in range(2, 12)]
    # Also counted: the direct current, which the tone takes out after it.
    assert context.measurements["residual_db"] == pytest.approx(10 * np.log10(sum(added)), abs=1.2)


def test_a_silent_intro_stays_silent_on_tape():
    audio = example_audio()
    late = Audio(np.pad(audio.samples, ((0, 0), (RATE, 0))), RATE)
    out, _ = apply(saturate, late, drive_db=12.0, kind="tape")
    assert np.abs(out.samples[:, : RATE - 2000]).max() < 1e-6


def test_clip_takes_the_drive_off_the_highest_peak_and_no_bit_off_what_lies_below():
    # Two chords; the second stays 12 dB below the peak of the first.
    t = np.arange(2 * RATE) / RATE
    chord = sum(0.1 * np.sin(2 * np.pi * freq_hz * t) for freq_hz in (110, 277, 659, 3001))
    audio = Audio(np.tile(np.where(t < 1, chord, chord / 4), (2, 1)), RATE)
    out, context = apply(saturate, audio, drive_db=4.0, kind="clip")
    peak_db = 20 * np.log10(np.abs(out.samples).max() / np.abs(audio.samples).max())
    assert peak_db == pytest.approx(-4.0, abs=0.1)
    assert context.measurements["max_clip_db"] == pytest.approx(4.0, abs=0.1)
    assert "makeup_db" not in context.measurements
    # But for the resampler's ringing after the last tip.
    later = slice(RATE + 4000, None)
    assert np.array_equal(out.samples[:, later], audio.samples[:, later])


def test_tape_on_a_song_is_as_gentle_as_soft_and_clip_touches_tips_only(corpus):
    songs = sorted((corpus / "songs").glob("*/mix.flac"))
    if not songs:
        pytest.skip("the corpus has no songs")
    frames, rate = soundfile.read(songs[0], start=220_500, frames=8 * RATE, dtype="float32")
    song = Audio(frames.T, rate)
    residual_db = {
        kind: apply(saturate, song, drive_db=3.0, kind=kind)[1].measurements["residual_db"]
        for kind in KINDS
    }
    assert residual_db["tape"] == pytest.approx(residual_db["soft"], abs=2)
    assert residual_db["clip"] < -30
