"""One sound over another, in time and in phase."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.placing import HitSpectra, excerpts, match
from stemfx.dsp.shift import Shifted
from stemfx.kits.synth import SynthKit
from stemfx.testing import RaggedSignal, example_audio

RATE = 44_100
BEFORE = 441


def hit(drum_class, delay_samples=0.0, gain=1.0):
    sound = SynthKit().sample(drum_class, 0.9, RATE).samples
    padded = np.pad(sound, ((0, 0), (BEFORE, 0)))[:, : BEFORE + 13_230]
    return Shifted(Audio(padded, RATE), delay_samples, gain).read()


def test_excerpts_are_slices_however_the_signal_is_cut():
    audio = example_audio()
    starts = [-100, 0, 5, 1_000, 1_500, 40_000, 43_900, 50_000]
    found = list(excerpts(RaggedSignal(audio), starts, 700))
    padded = np.pad(audio.samples, ((0, 0), (100, 10_000)))
    for start, excerpt in zip(starts, found, strict=True):
        assert np.array_equal(excerpt, padded[:, start + 100 : start + 800])


def test_a_band_holds_no_more_than_itself():
    # Thousands of them are held for a long song: a view would keep the whole spectrum of each.
    spectra = HitSpectra(RATE, 40.0, 160.0, 4_410)
    assert spectra.band(np.ones(4_410)).flags.owndata


@pytest.mark.parametrize("delay_ms", [-2.4, 0.0, 0.7])
@pytest.mark.parametrize("gain", [1.0, -0.6])
def test_the_shift_and_polarity_of_the_low_end_are_found(delay_ms, gain):
    old, new = hit("kick", delay_ms * RATE / 1000, gain), hit("kick")
    spectra = HitSpectra(RATE, 40.0, 160.0, new.shape[1])
    spectra.add(spectra.band(old[0]), spectra.band(new[0]))
    found = spectra.placement(0.003)
    assert 1000 * found.shift_s == pytest.approx(delay_ms, abs=0.02)  # the grid
    assert found.polarity == np.sign(gain)
    # E(a + b) / (E(a) + E(b)) of equal shapes with amplitudes 1 and g
    g = abs(gain)
    assert found.gain_db == pytest.approx(10 * np.log10(1 + 2 * g / (1 + g * g)), abs=0.05)


def test_a_quarter_turn_apart_nothing_is_gained_at_the_attack_and_all_by_shifting():
    t = np.arange(-4_410, 8_820) / RATE
    bell = np.exp(-((t / 0.03) ** 2))
    old, new = (bell * f(2 * np.pi * 80 * t) for f in (np.sin, np.cos))
    spectra = HitSpectra(RATE, 40.0, 160.0, t.size)
    spectra.add(spectra.band(old), spectra.band(new))
    assert abs(spectra.gains(np.zeros(1))[0]) < 0.01
    # sin is a quarter of 12.5 ms later than cos; so is -cos earlier.
    assert abs(spectra.placement(0.0035).shift_s) == pytest.approx(0.003125, abs=5e-5)
    assert spectra.placement(0.0035).gain_db > 2.8


@pytest.mark.parametrize("delay", [-3.37, 0.0, 41.25])
@pytest.mark.parametrize("drum_class", ["kick", "snare"])
def test_the_same_sound_is_known_and_placed_to_a_part_of_a_sample(drum_class, delay):
    found = match(hit(drum_class, delay, -0.5), hit(drum_class), BEFORE, RATE, (20.0, 9_000.0))
    assert found.likeness > 0.95
    # 2 microseconds; what a shift brings in from beyond the stretch is faded, not known.
    assert found.shift_s * RATE == pytest.approx(delay, abs=0.1)
    assert found.gain == pytest.approx(-0.5, rel=0.02)


@pytest.mark.parametrize("other", ["snare", "tom", "clap", "hat_closed"])
def test_another_sound_is_not_taken_for_it(other):
    assert match(hit("kick"), hit(other), BEFORE, RATE, (20.0, 9_000.0)).likeness < 0.45


def test_silence_is_like_nothing():
    assert match(0 * hit("kick"), hit("kick"), BEFORE, RATE, (20.0, 4_000.0)).likeness == 0.0
