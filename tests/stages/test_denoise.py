"""`denoise`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from stemfx.audio import Audio
from stemfx.stages.denoise import denoise
from stemfx.testing import RaggedSignal, apply, null_db

RATE = 44_100


def noise(n_samples: int, dbfs: float, *, pink: bool = False, seed: int = 1) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal((2, n_samples))
    if pink:
        bins = np.maximum(np.arange(n_samples // 2 + 1), 20 * n_samples // RATE)
        white = np.fft.irfft(np.fft.rfft(white) / np.sqrt(bins), n_samples)
    return (10 ** (dbfs / 20) * white / white.std()).astype(np.float32)


def notes(duration_s: float = 12) -> Audio:
    """Notes with overtones, 0.4 s of every 0.8; between them nothing."""
    t = np.arange(round(duration_s * RATE)) / RATE
    at = t % 0.8
    envelope = np.where(at < 0.4, np.minimum(1, at / 0.003) * np.exp(-4 * at), 0)
    envelope *= np.clip((0.4 - at) / 0.02, 0, 1)
    hz = 220 * 2 ** (np.floor(t / 0.8) % 5 / 5)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    left = sum(np.sin(k * phase) / k for k in range(1, 20))
    right = sum(np.sin(k * phase + k) / k for k in range(1, 20))
    return Audio((0.2 * envelope * np.stack((left, right))).astype(np.float32), RATE)


def pauses(audio: Audio) -> np.ndarray:
    """What lies further from every note than a window and its smoothing reach, 163 ms."""
    at = np.arange(audio.n_samples) / RATE % 0.8
    return audio.samples[:, (at > 0.565) & (at < 0.635)]


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


def noisy(clean: Audio, dbfs: float, **kind) -> Audio:
    return Audio(clean.samples + noise(clean.n_samples, dbfs, **kind), clean.sample_rate)


@pytest.mark.parametrize("max_reduction_db", [3.0, 6.0, 12.0])
@pytest.mark.parametrize("pink", [False, True])
def test_in_pauses_the_noise_goes_down_by_the_limit(max_reduction_db, pink):
    audio = noisy(notes(), -55, pink=pink)
    out, context = apply(denoise, audio, max_reduction_db=max_reduction_db)
    # Smoothed noise strays over its mean now and then.
    lowered_db = level_db(pauses(audio)) - level_db(pauses(out))
    assert lowered_db == pytest.approx(max_reduction_db, rel=0.02)
    assert context.measurements["noise_dbfs"] == pytest.approx(-55, abs=1.5)
    assert context.measurements["noise_reduction_db"] == pytest.approx(max_reduction_db)
    assert context.measurements["wet"] == 1
    assert not context.findings


@pytest.mark.parametrize("dbfs", [-70.0, -60.0, -50.0])
def test_the_song_comes_nearer_to_its_clean_self_and_keeps_its_presence(dbfs):
    clean = notes()
    audio = noisy(clean, dbfs)
    out, _ = apply(denoise, audio)
    assert null_db(clean, out) < null_db(clean, audio) - 2
    spectra = [np.fft.rfft(a.samples.astype(np.float64)) for a in (clean, out)]
    freq_hz = np.fft.rfftfreq(clean.n_samples, 1 / RATE)
    own, left = (s[:, (freq_hz > 500) & (freq_hz < 10_000)] for s in spectra)
    # How much of the clean sound is in what came out, as an amplitude.
    kept = np.sum(left * own.conj()).real / np.sum(np.abs(own) ** 2)
    assert 20 * np.log10(kept) > -0.5


def test_single_bins_do_not_chirp():
    # Log kurtosis ratio (Uemura et al., IWAENC 2008): over 0 the powers in pauses have grown
    # spikes, which are heard as musical noise. (With 1.5 instead of 2.2 times the noise: 1.1.)
    audio = noisy(notes(), -50)
    out, _ = apply(denoise, audio, max_reduction_db=12.0)
    kurtosis = []
    for a in (audio, out):
        frames = pauses(a)[0][: 3000 * 15].reshape(-1, 1000)
        power = np.abs(np.fft.rfft(frames * np.hanning(1000)))[:, 5:] ** 2
        kurtosis.append(np.mean(power**4) / np.mean(power**2) ** 2)
    assert np.log(kurtosis[1] / kurtosis[0]) < 0.02


def test_an_attack_finds_the_gain_open():
    clean = notes()
    audio = noisy(clean, -50)
    out, context = apply(denoise, audio)
    at = np.arange(clean.n_samples) / RATE % 0.8
    attack = (at > 0) & (at < 0.01)
    loss_db = level_db(audio.samples[:, attack]) - level_db(out.samples[:, attack])
    assert loss_db < 0.1
    assert context.measurements["attack_loss_db"] < 0.3


@pytest.mark.parametrize("audio", [notes(), Audio(notes(5).samples[:1], RATE)])
def test_music_without_a_noise_floor_keeps_every_bit(audio):
    out, context = apply(denoise, audio)
    assert np.array_equal(out.samples, audio.samples)
    assert [f.code for f in context.findings] == ["no_steady_noise"]


def test_the_rounding_of_16_bit_is_no_noise():
    rounded = np.round(notes().samples * 32_768) / 32_768
    rounded += noise(rounded.shape[1], -98)
    audio = Audio(rounded.astype(np.float32), RATE)
    assert np.array_equal(apply(denoise, audio)[0].samples, audio.samples)


def test_a_track_that_is_noise_is_left_alone_and_told():
    rain = Audio(noise(6 * RATE, -30), RATE)
    out, context = apply(denoise, rain)
    assert np.array_equal(out.samples, rain.samples)
    assert [f.code for f in context.findings] == ["steady_sound_is_loud"]


def test_on_generated_songs_it_is_gentler_unless_told_otherwise():
    audio = noisy(notes(), -50)
    _, context = apply(denoise, audio, is_generated=True)
    assert context.measurements["noise_reduction_db"] == pytest.approx(4)
    (finding,) = context.findings
    assert finding.code == "gentler_on_generated"
    assert "- denoise: {max_reduction_db: 6}" in finding.message
    _, context = apply(denoise, audio, is_generated=True, max_reduction_db=6.0)
    assert context.measurements["noise_reduction_db"] == pytest.approx(6)
    assert not context.findings


def test_nothing_is_taken_at_a_limit_of_zero():
    audio = noisy(notes(4), -50)
    assert np.array_equal(apply(denoise, audio, max_reduction_db=0.0)[0].samples, audio.samples)


def test_both_sides_get_one_gain_whatever_the_blocks():
    audio = noisy(notes(6), -50)
    out = apply(denoise, audio)[0].samples
    swapped = apply(denoise, Audio(audio.samples[::-1], RATE))[0].samples
    assert np.array_equal(swapped[::-1], out)
    assert np.array_equal(apply(denoise, RaggedSignal(audio))[0].samples, out)


@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_noise_is_found_at_other_rates(rate):
    audio = noisy(notes(), -50)
    _, context = apply(denoise, Audio(audio.samples, rate))
    assert context.measurements["noise_dbfs"] == pytest.approx(-50, abs=1.5)


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "mix"])
def test_clean_songs_and_stems_keep_every_bit(corpus, name):
    for song in sorted((corpus / "songs").iterdir()):
        samples, rate = sf.read(song / f"{name}.flac", dtype="float32", frames=20 * RATE)
        audio = Audio(samples.T, rate)
        assert np.array_equal(apply(denoise, audio)[0].samples, audio.samples)


def test_a_sung_line_in_noise_comes_nearer_to_the_clean_one(corpus):
    for song in sorted((corpus / "songs").iterdir()):
        samples, rate = sf.read(song / "vocals.flac", dtype="float32", frames=20 * RATE)
        clean = Audio(samples.T, rate)
        audio = noisy(clean, -55)
        out, context = apply(denoise, audio)
        assert null_db(clean, out) < null_db(clean, audio) - 1
        assert context.measurements["max_band_loss_db"] < 0.5
        assert not context.findings
