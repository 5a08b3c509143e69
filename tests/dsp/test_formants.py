"""Formants against vowels whose formants are known: transposed with them, and without."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.formants import LIMIT_DB, formants_kept, frame_samples, gains
from stemfx.testing import null_db, rms_dbfs
from stemfx.testing.signals import RAGGED

RATE = 44_100
FORMANTS_HZ = np.array([730.0, 1090.0, 2440.0, 3400.0])  # "a" (Peterson and Barney, 1952)
WIDTHS_HZ = np.array([80.0, 90.0, 120.0, 175.0])


def vowel(f0_hz, formants_hz=FORMANTS_HZ, widths_hz=WIDTHS_HZ, duration_s=1.0):
    """Harmonics that fall by 6 dB an octave, through resonances: `(2, n)`, right at half."""
    t = np.arange(round(duration_s * RATE)) / RATE
    wave = np.zeros(t.size)
    for k in range(1, int(8000 / f0_hz)):
        wave += np.cos(2 * np.pi * k * f0_hz * t + k * k) * response(
            k * f0_hz, formants_hz, widths_hz
        )
    wave *= 0.2 / wave.std()
    return Audio(np.stack([wave, 0.5 * wave]).astype(np.float32), RATE)


def response(hz, formants_hz, widths_hz):
    tract = np.prod(formants_hz**2 / (formants_hz**2 - hz**2 + 1j * widths_hz * hz))
    return abs(tract) * 100.0 / hz


def kept(audio, semitones, block=65_536):
    blocks = formants_kept(audio.blocks(block), semitones, RATE, audio.n_samples)
    return Audio.from_blocks(blocks, RATE, audio.channels)


def levels_db(audio, f0_hz):
    """Level of each harmonic to 4 kHz, all together at 0 dB."""
    wave = audio.samples[0, RATE // 4 : 3 * RATE // 4].astype(float)
    t = np.arange(wave.size) / RATE
    window = np.hanning(wave.size)
    found = [
        abs(np.sum(wave * window * np.exp(-2j * np.pi * k * f0_hz * t)))
        for k in range(1, int(4000 / f0_hz) + 1)
    ]
    db = 20 * np.log10(found)
    return db - 10 * np.log10(np.sum(10 ** (db / 10)))


@pytest.mark.parametrize("semitones", [-5.0, -2.0, 2.0, 5.0])
@pytest.mark.parametrize("f0_hz", [100.0, 140.0])
def test_a_transposed_vowel_becomes_the_vowel_at_the_new_pitch(f0_hz, semitones):
    ratio = 2 ** (semitones / 12)
    moved = vowel(f0_hz * ratio, FORMANTS_HZ * ratio, WIDTHS_HZ * ratio)
    truth = levels_db(vowel(f0_hz * ratio), f0_hz * ratio)
    is_heard = truth > -50
    before = np.abs(levels_db(moved, f0_hz * ratio) - truth)[is_heard].mean()
    after = np.abs(levels_db(kept(moved, semitones), f0_hz * ratio) - truth)[is_heard].mean()
    # Between two harmonics the envelope is a guess: of a resonance of 80 Hz some dB are missed.
    # The wrong direction doubles the error, the harmonics' own shape as envelope leaves it.
    assert after < 2.0
    assert after < 0.4 * before


@pytest.mark.parametrize("semitones", [-5.0, 5.0])
def test_the_pitch_is_not_touched(semitones):
    audio = vowel(150.0, duration_s=2.0)

    def first_harmonics_hz(samples):
        found = []
        spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples)), 4 * len(samples)))
        width = RATE / (4 * len(samples))
        for k in (1, 2, 4, 5):
            near = round(k * 150.0 / width)
            at = near - 40 + int(np.argmax(spectrum[near - 40 : near + 40]))
            a, b, c = np.log(spectrum[at - 1 : at + 2])
            found.append((at + 0.5 * (a - c) / (a - 2 * b + c)) * width / k)
        return np.array(found)

    out = first_harmonics_hz(kept(audio, semitones).samples[0])
    # Interpolation in a spectrum of 2 s is good to 0.05 cents.
    assert np.abs(1200 * np.log2(out / 150.0)).max() < 0.2


def test_it_comes_without_delay():
    """Of a voice with breath the lag is plain: harmonics alone agree once a period."""
    rng = np.random.default_rng(5)
    audio = vowel(110.0)
    audio = Audio(audio.samples + 0.02 * rng.standard_normal((2, RATE)).astype(np.float32), RATE)
    out = kept(audio, 4.0)
    n = 2 * RATE
    cross = np.fft.rfft(out.samples[0], n) * np.conj(np.fft.rfft(audio.samples[0], n))
    assert np.argmax(np.fft.irfft(cross / (np.abs(cross) + 1e-9))) == 0


@pytest.mark.parametrize("n_samples", [1, 700, 2048, 32_768, 32_769, 44_100])
def test_the_length_is_exact(n_samples):
    audio = Audio(vowel(200.0).samples[:, :n_samples], RATE)
    assert kept(audio, 3.0).n_samples == n_samples


def test_no_samples_are_none():
    assert list(formants_kept([], 3.0, RATE, 0)) == []


def test_nothing_transposed_keeps_its_bits():
    audio = vowel(200.0)
    assert np.array_equal(kept(audio, 0.0).samples, audio.samples)


def test_the_size_of_the_blocks_changes_no_bit():
    audio = vowel(200.0, duration_s=2.0)
    whole = kept(audio, -3.0).samples
    for size in (1000, 88_200):
        assert np.array_equal(kept(audio, -3.0, size).samples, whole)
    starts = np.cumsum([0, *RAGGED, audio.n_samples])
    ragged = [audio.samples[:, a:b] for a, b in pairwise(starts)]
    out = np.concatenate(list(formants_kept(ragged, -3.0, RATE, audio.n_samples)), axis=1)
    assert np.array_equal(out, whole)


def test_the_stereo_image_stays():
    # One gain for both channels, and halves are exact in binary.
    out = kept(vowel(200.0), 5.0).samples
    assert np.array_equal(out[1], 0.5 * out[0])


@pytest.mark.parametrize("semitones", [-5.0, 5.0])
def test_the_level_stays(semitones):
    # Each frame keeps its energy; where the frames overlap they agree to a fraction of a dB.
    audio = vowel(200.0)
    assert rms_dbfs(kept(audio, semitones)) == pytest.approx(rms_dbfs(audio), abs=0.3)


def test_silence_stays_silent():
    voice = vowel(200.0).samples.copy()
    voice[:, 10_000:30_000] = 0
    out = kept(Audio(voice, RATE), 5.0).samples
    n = frame_samples(RATE)
    assert not out[:, 10_000 + n : 30_000 - n].any()
    assert not kept(Audio(np.zeros((2, 50_000), np.float32), RATE), 5.0).samples.any()


def test_faint_noise_is_left_alone():
    # Below -80 dBFS there is no voice, only what a gain could make flutter.
    noise = np.random.default_rng(1).standard_normal((2, 40_000)).astype(np.float32)
    faint = Audio(1e-5 * noise, RATE)
    assert null_db(faint, kept(faint, 5.0)) < -110


@pytest.mark.parametrize("semitones", [-12.0, 12.0])
def test_no_gain_is_more_than_its_limit(semitones):
    # A cliff of 100 dB, which asks for as much; beside the limit each frame has its energy's gain.
    power = np.where(np.arange(1025) < 300, 1e3, 1e-7).astype(np.float32)[np.newaxis]
    gain_db = 20 * np.log10(gains(power, semitones, RATE))
    assert 0.9 * LIMIT_DB < np.ptp(gain_db) <= 2 * LIMIT_DB + 1e-3


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_any_rate_will_do(rate):
    samples = vowel(200.0).samples[:, :20_000]
    out = np.concatenate(list(formants_kept([samples], 3.0, rate, 20_000)), axis=1)
    assert out.shape == samples.shape
    assert np.isfinite(out).all()
