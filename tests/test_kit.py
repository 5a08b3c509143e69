import numpy as np
import pytest

from stemfx.kits import stemfx_kits
from stemfx.kits.synth import SynthKit

KIT = SynthKit()
CLASSES = ("kick", "snare", "hat_closed", "hat_open", "tom", "crash", "clap")
RATES = (8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000)

each_drum = pytest.mark.parametrize("drum_class", CLASSES)
each_rate = pytest.mark.parametrize("sample_rate", RATES)


def hit(drum_class, velocity=1.0, sample_rate=44_100):
    return KIT.sample(drum_class, velocity, sample_rate).samples[0].astype(np.float64)


def power_above(samples, cutoff_hz, sample_rate=44_100):
    """Share of a sound's energy that lies above a frequency."""
    energy = np.abs(np.fft.rfft(samples)) ** 2
    return energy[np.fft.rfftfreq(samples.size, 1 / sample_rate) > cutoff_hz].sum() / energy.sum()


def test_the_kit_comes_with_stemfx_and_has_every_class():
    (kit,) = stemfx_kits()
    assert (kit.name, kit.licence, kit.classes) == ("synth", "CC0-1.0", CLASSES)


@each_rate
@each_drum
def test_a_hit_is_mono_never_clips_and_ends_in_silence(drum_class, sample_rate):
    sound = KIT.sample(drum_class, 1.0, sample_rate)
    assert sound.channels == 1
    assert np.max(np.abs(sound.samples)) <= 1.0
    # One step of 16 bit is -90 dBFS: no click where the sound stops.
    assert np.max(np.abs(sound.samples[0, -3:])) < 2.0**-15


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("velocity", [0.2, 1.0])
@each_drum
def test_the_attack_is_at_the_start(drum_class, velocity, sample_rate):
    # Within 1 ms the level is no more than 6 dB below the loudest moment of the hit.
    sound = np.abs(hit(drum_class, velocity, sample_rate))
    assert sound[: sample_rate // 1000].max() > 0.5 * sound.max()


@each_drum
def test_a_harder_hit_is_louder_and_brighter(drum_class):
    hits = [hit(drum_class, velocity) for velocity in (0.1, 0.3, 0.6, 1.0)]
    levels_db = [10 * np.log10(np.sum(samples**2)) for samples in hits]
    # The amplitude follows the velocity, and the low-pass takes its share on top.
    velocity_steps_db = 20 * np.log10(np.divide((0.3, 0.6, 1.0), (0.1, 0.3, 0.6)))
    assert np.all(np.diff(levels_db) > velocity_steps_db - 0.01)
    assert np.all(np.diff([power_above(samples, 2_000) for samples in hits]) > 0)


@each_rate
@each_drum
def test_a_drum_sounds_the_same_at_every_rate(drum_class, sample_rate):
    # Below the resampler's transition band (from 0.9 of the lower Nyquist frequency) its spectrum
    # in V/Hz does not depend on the rate. Relative to the whole hit at 48 kHz what differs is
    # below -35 dB: the filter's ringing before the attack, which is cut off.
    top_hz = 0.9 * min(sample_rate, 48_000) / 2
    spectra = [
        np.abs(np.fft.rfft(hit(drum_class, 0.8, rate), 4 * rate)) / rate
        for rate in (48_000, sample_rate)
    ]
    reference, sound = (spectrum[: int(4 * top_hz)] for spectrum in spectra)
    whole, difference = np.sum(spectra[0] ** 2), np.sum((sound - reference) ** 2)
    assert 10 * np.log10((difference + 1e-30) / whole) < -35


def test_an_open_hat_rings_longer_than_a_closed_one():
    # The closed hat is over after 250 ms; the open one still rings then, and to the end.
    assert hit("hat_open").size > 3 * hit("hat_closed").size
    later = slice(4_410, 8_820)
    ratio = np.sum(hit("hat_open")[later] ** 2) / np.sum(hit("hat_closed")[later] ** 2)
    assert 10 * np.log10(ratio) > 20


def test_the_drums_lie_where_drums_lie():
    assert power_above(hit("kick"), 200) < 0.1
    assert power_above(hit("tom"), 300) < 0.1
    assert 0.2 < power_above(hit("snare"), 1_000) < 0.8
    assert power_above(hit("hat_closed"), 5_000) > 0.9
    assert power_above(hit("crash"), 2_000) > 0.8


def test_an_impossible_velocity_is_refused():
    for velocity in (0.0, -0.5, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"velocity must be in \(0, 1\]"):
            KIT.sample("kick", velocity, 44_100)
