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


def test_the_laws():
    check_stage(saturate, drive_db=12.0)


@pytest.mark.parametrize("neutral", [{"drive_db": 0.0}, {"drive_db": 30.0, "mix": 0.0}])
def test_without_drive_or_without_mix_not_a_bit_changes(neutral):
    audio = example_audio()
    np.testing.assert_array_equal(apply(saturate, audio, **neutral)[0].samples, audio.samples)


@pytest.mark.parametrize("drive_db", [3.0, 12.0, 24.0, 36.0])
def test_the_level_stays(drive_db):
    _, context = apply(saturate, example_audio(), drive_db=drive_db)
    # What the bent wave has above 20 kHz is counted in the make-up, but not in the result.
    assert context.measurements["level_change_db"] == pytest.approx(0, abs=0.3)


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
