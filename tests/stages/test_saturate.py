"""`saturate`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.saturate import saturate
from stemfx.testing import apply, check_stage, example_audio

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
    drive_db, amplitude = 12.0, 0.5
    out, _ = apply(saturate, tone(1000, amplitude), drive_db=drive_db)
    phase = 2 * np.pi * np.arange(4096) / 4096
    bent = np.abs(np.fft.rfft(np.tanh((10 ** (drive_db / 20) - 1) * amplitude * np.sin(phase))))
    expected_db = 20 * np.log10(bent[order] / bent[1])
    assert harmonic_db(out, 1000, order) == pytest.approx(expected_db, abs=0.01)
    assert harmonic_db(out, 1000, 2) < -120  # odd function: no even harmonics


def test_harmonics_do_not_alias():
    out, _ = apply(saturate, tone(10_000), drive_db=18.0)
    x = out.samples[0, RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(x * np.blackman(RATE)))
    # 3 x 10 kHz would fold to 14.1 kHz at about -15 dB.
    assert 20 * np.log10(spectrum[14_100] / spectrum[10_000]) < -100


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
