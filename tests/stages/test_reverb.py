"""`reverb`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.reverb import reverb
from stemfx.testing import apply, check_stage, example_audio

RATE = 44_100


def click(duration_s=3.0):
    samples = np.zeros((2, round(duration_s * RATE)), np.float32)
    samples[:, 0] = 0.5
    return Audio(samples, RATE)


def centred_pink_noise(duration_s=10.0):
    """Equal power in every octave from 40 Hz to 16 kHz, in the centre."""
    rng, n_samples = np.random.default_rng(0), round(duration_s * RATE)
    freq_hz = np.fft.rfftfreq(n_samples, 1 / RATE)
    within = (freq_hz >= 40) & (freq_hz <= 16_000)
    size = np.where(within, np.maximum(freq_hz, 1) ** -0.5, 0)
    noise = np.fft.irfft(size * np.exp(2j * np.pi * rng.random(len(size))), n_samples)
    return Audio(np.tile(0.1 * noise / np.std(noise), (2, 1)), RATE)


def test_the_laws():
    check_stage(reverb, mix=0.5, pre_delay_ms=20.0)


def test_dry_means_not_a_bit_changes():
    audio = example_audio()
    np.testing.assert_array_equal(apply(reverb, audio, mix=0.0)[0].samples, audio.samples)


@pytest.mark.parametrize("damping", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("room_size", [0.0, 0.5, 0.8])
def test_the_wet_signal_is_as_loud_as_the_dry_in_every_room(room_size, damping):
    audio = centred_pink_noise()
    _, context = apply(reverb, audio, room_size=room_size, damping=damping, mix=1.0)
    # The room needs a second or two of the ten to fill: 0.7 dB.
    assert context.measurements["level_change_db"] == pytest.approx(0, abs=0.7)


def test_a_little_room_costs_the_dry_sound_next_to_nothing():
    out, _ = apply(reverb, click(), mix=0.085)
    lost_db = -20 * np.log10(out.samples[0, 0] / 0.5)
    assert lost_db == pytest.approx(-20 * np.log10(np.cos(0.085 * np.pi / 2)), abs=1e-3)
    assert lost_db < 0.1


def test_the_reported_decay_is_when_the_tail_has_fallen_by_60_db():
    out, context = apply(reverb, click(), room_size=0.3, mix=1.0)
    energy = np.cumsum(out.samples[0, ::-1].astype(np.float64) ** 2)[::-1]
    fallen_s = np.argmax(energy < 1e-6 * energy[0]) / RATE  # Schroeder, ISO 3382
    assert context.measurements["decay_s"] == pytest.approx(fallen_s, abs=0.02)


def test_a_larger_room_rings_longer_and_damping_shortens_it():
    def decay_s(**params):
        return apply(reverb, click(0.1), **params)[1].measurements["decay_s"]

    decays = [decay_s(room_size=size) for size in (0.0, 0.3, 0.6, 0.9)]
    assert decays == sorted(decays)
    assert decay_s(damping=1.0) < decay_s(damping=0.0)


@pytest.mark.parametrize("pre_delay_ms", [0.0, 10.0, 100.0])
def test_the_room_answers_after_the_pre_delay(pre_delay_ms):
    out, _ = apply(reverb, click(1.0), mix=1.0, pre_delay_ms=pre_delay_ms)
    first_ms = 1000 * np.argmax(np.abs(out.samples[0]) > 1e-6) / RATE
    # Freeverb's own first reflection: its shortest comb, 1116 samples.
    assert first_ms == pytest.approx(pre_delay_ms + 1000 * 1116 / RATE, abs=0.05)


def test_no_width_is_a_room_in_mono():
    out, _ = apply(reverb, example_audio(), mix=1.0, width=0.0)
    np.testing.assert_array_equal(out.samples[0], out.samples[1])
