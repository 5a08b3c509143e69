"""`chorus`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.chorus import chorus
from stemfx.testing import apply, check_stage, example_audio

RATE = 44_100


def test_the_laws():
    check_stage(chorus, depth=0.5)


def test_dry_means_not_a_bit_changes():
    audio = example_audio()
    np.testing.assert_array_equal(apply(chorus, audio, mix=0.0)[0].samples, audio.samples)


@pytest.mark.parametrize("centre_delay_ms", [5.0, 20.0])
def test_without_depth_the_voice_is_late_by_the_centre_delay(centre_delay_ms):
    samples = np.zeros((2, RATE), np.float32)
    samples[:, 1000] = 1.0
    out, _ = apply(
        chorus, Audio(samples, RATE), depth=0.0, centre_delay_ms=centre_delay_ms, mix=1.0
    )
    power = out.samples[0].astype(np.float64) ** 2
    late_ms = 1000 * (np.sum(np.arange(RATE) * power) / np.sum(power) - 1000) / RATE
    assert late_ms == pytest.approx(centre_delay_ms, abs=0.05)  # two samples


def test_the_voice_swings_in_pitch_at_the_rate():
    t = np.arange(4 * RATE) / RATE
    tone = Audio(np.sin(2 * np.pi * 1000 * t)[None], RATE)
    out, _ = apply(chorus, tone, rate_hz=2.0, depth=0.5, mix=1.0)
    x = out.samples[0, RATE:]
    spectrum = np.fft.fft(x)
    spectrum[len(x) // 2 :] = 0  # analytic signal
    swing = np.diff(np.unwrap(np.angle(np.fft.ifft(spectrum))))[2000:-2000]
    swing -= swing.mean()
    swings = np.abs(np.fft.rfft(swing * np.hanning(len(swing))))
    swings[0] = 0
    assert np.argmax(swings) * RATE / len(swing) == pytest.approx(2.0, abs=0.4)  # bins of 0.35 Hz


def test_mono_stays_mono_safe():
    audio = example_audio()
    centre = Audio(np.tile(audio.samples[:1], (2, 1)), RATE)
    out, _ = apply(chorus, centre)
    np.testing.assert_array_equal(out.samples[0], out.samples[1])
