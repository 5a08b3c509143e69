"""Delays are known because the tests make them, by a phase ramp over the whole excerpt."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.delay import (
    CrossSpectra,
    beside,
    estimate_channel_delay,
    estimate_delay,
    gather,
)
from stemfx.io import probe, read_blocks
from stemfx.testing import RaggedSignal, example_audio

RATE = 44_100
SONGS = ("songs/harbour_lights", "songs/iron_tide", "songs/neon_parade", "real/potassium")
WITHIN_SAMPLES = 0.2  # the goal: 2 degrees of phase at 1 kHz, where a sum still cancels 30 dB


def later(audio: Audio, delay_samples: float) -> Audio:
    """Shift by a phase ramp; what leaves the end is gone."""
    n = audio.n_samples
    padded = n + 8192
    freq = np.fft.rfftfreq(padded)
    spectrum = np.fft.rfft(audio.samples.astype(np.float64), padded)
    shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * freq * delay_samples), padded)
    return Audio(shifted[:, :n].astype(np.float32), audio.sample_rate)


def inverted(audio: Audio) -> Audio:
    return Audio(-audio.samples, audio.sample_rate)


def noisy(audio: Audio, snr_db: float) -> Audio:
    rms = np.sqrt(np.mean(np.square(audio.samples, dtype=np.float64)))
    noise = np.random.default_rng(3).standard_normal(audio.samples.shape)
    return Audio(
        audio.samples + (rms * 10 ** (-snr_db / 20) * noise).astype(np.float32), audio.sample_rate
    )


def added(*parts: Audio) -> Audio:
    return Audio(np.sum([part.samples for part in parts], axis=0), parts[0].sample_rate)


def stems_of(corpus: Path, song: str, start_s: float = 8.0, length_s: float = 5.0):
    """The stems of an excerpt, by name."""
    found = {}
    for path in sorted((corpus / song).glob("*.flac")):
        if path.stem != "mix":
            info = probe(path)
            first, count = (round(seconds * info.sample_rate) for seconds in (start_s, length_s))
            whole = np.concatenate(list(read_blocks(info)), axis=1)
            found[path.stem] = Audio(whole[:, first : first + count], info.sample_rate)
    return found


@pytest.mark.parametrize("delay", [0.0, 0.13, -0.5, 7.25, -33.7, 222.4, -881.6])
def test_a_delay_is_found_to_a_hundredth_of_a_sample(delay: float):
    song = example_audio(4.0)
    found = estimate_delay(later(song, delay), song)
    assert found.delay_samples == pytest.approx(delay, abs=0.01)
    assert (found.polarity, found.is_same_source) == (1, True)
    assert found.delay_ms == pytest.approx(1e3 * delay / RATE, abs=1e-3)


def test_an_early_signal_has_the_negative_delay_of_its_counterpart():
    song = example_audio(3.0)
    late = later(song, 100.3)
    there, back = estimate_delay(late, song), estimate_delay(song, late)
    assert there.delay_samples == pytest.approx(-back.delay_samples, abs=1e-3)


def test_polarity_is_found_with_the_delay():
    song = example_audio(3.0)
    found = estimate_delay(inverted(later(song, -12.6)), song)
    assert found.polarity == -1
    assert found.delay_samples == pytest.approx(-12.6, abs=0.01)


def test_the_gain_is_that_of_the_copy():
    song = example_audio(3.0)
    half = Audio(0.5 * song.samples, RATE)
    assert estimate_delay(later(half, 20.0), song).gain == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000, 96_000])
def test_a_delay_in_milliseconds_is_found_at_any_rate(rate: int):
    song = example_audio(4.0, rate)
    found = estimate_delay(later(song, 5e-3 * rate), song)
    assert found.delay_ms == pytest.approx(5.0, abs=0.002)


def test_signals_that_share_nothing_have_no_delay():
    rng = np.random.default_rng(5)
    one, other = (
        Audio(0.1 * rng.standard_normal((2, 4 * RATE)).astype(np.float32), RATE) for _ in "ab"
    )
    found = estimate_delay(one, other)
    assert not found.has_common_source
    assert found.coherence < 0.01


def test_two_tones_of_one_pitch_are_not_one_source():
    """A tone is coherent with any other of its frequency; only bandwidth makes a delay."""
    t = np.arange(4 * RATE) / RATE
    one = np.sin(2 * np.pi * 440.0 * t)[None]
    other = np.cos(2 * np.pi * 440.0 * t)[None]
    one[:, t % 1.0 < 0.3] = 0
    found = estimate_delay(Audio(one, RATE), Audio(other, RATE))
    assert not found.has_common_source


@pytest.mark.parametrize("n_samples", [0, 1, 100, 3000])
def test_what_is_too_short_or_silent_has_nothing_in_common(n_samples: int):
    silence = Audio(np.zeros((2, n_samples), np.float32), RATE)
    assert not estimate_delay(silence, silence).has_common_source
    noise = Audio(np.random.default_rng(1).random((2, n_samples), np.float32), RATE)
    assert estimate_delay(noise, noise).delay_samples == pytest.approx(0.0, abs=0.01)


def test_the_block_size_changes_no_bit():
    song = example_audio(5.0)
    other = noisy(later(song, 40.0), 6.0)
    whole = gather([other, song])
    pieces = CrossSpectra(RATE, 2, song.n_samples)
    for left, right in zip(RaggedSignal(other).blocks(), RaggedSignal(song).blocks(), strict=True):
        pieces.add([left, right])
    pieces.finish()
    assert np.array_equal(whole.matrix, pieces.matrix)


def test_spectra_of_a_sum_are_those_of_the_summed_signals():
    song, other = example_audio(3.0), example_audio(3.0, seed=4)
    three = gather([song, other, song])
    direct = gather([Audio(song.samples - 0.5 * other.samples, RATE), song])
    expected = direct.delay((1, 0), (0, 1)).coherence
    assert three.delay((1, -0.5, 0), (0, 0, 1)).coherence == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(
        three.power((1, -0.5, 0)), direct.power((1, 0)), rtol=1e-3, atol=1e-3
    )


def test_side_by_side_the_short_one_is_followed_by_silence_and_mono_is_on_both():
    long = Audio(np.ones((2, 10), np.float32), RATE)
    short = Audio(np.full((1, 3), 2.0, np.float32), RATE)
    blocks = list(beside([long, short], 4))
    assert [row[0].shape for row in blocks] == [(2, 4), (2, 4), (2, 2)]
    assert blocks[0][1].tolist() == [[2, 2, 2, 0]] * 2
    assert not blocks[1][1].any()


def test_a_delay_between_the_channels_is_the_rights():
    song = example_audio(3.0)
    late = later(song, 22.0)
    pair = Audio(np.stack((song.samples[0], late.samples[0])), RATE)
    assert estimate_channel_delay(pair).delay_samples == pytest.approx(22.0, abs=0.01)


# --------------------------------------------------------------------------- music


@pytest.mark.parametrize("song", SONGS)
def test_stems_of_one_song_are_not_taken_for_one_source(corpus: Path, song: str):
    """They play to one beat and in one key, and yet share no sound."""
    stems = stems_of(corpus, song)
    spectra = gather(list(stems.values()))
    unit = np.eye(len(stems))
    for i, j in combinations(range(len(stems)), 2):
        found = spectra.delay(unit[i], unit[j])
        assert not found.has_common_source, (song, list(stems)[i], list(stems)[j], found)
        assert found.coherence < 0.15


@pytest.mark.parametrize("song", SONGS)
def test_a_stem_is_found_in_its_mixture_where_it_is(corpus: Path, song: str):
    stems = stems_of(corpus, song)
    spectra = gather(list(stems.values()))
    for index, name in enumerate(stems):
        found = spectra.delay(np.eye(len(stems))[index], np.ones(len(stems)))
        assert found.has_common_source, (name, found)
        assert found.polarity == 1
        assert not found.is_late_or_early, (name, found)


@pytest.mark.parametrize("song", SONGS)
@pytest.mark.parametrize(("delay", "polarity"), [(0.13, 1), (-33.7, -1), (441.0, 1)])
def test_a_late_or_inverted_stem_is_found_in_its_mixture(
    corpus: Path, song: str, delay: float, polarity: int
):
    stems = stems_of(corpus, song)
    mixture = added(*stems.values())
    for name, stem in stems.items():
        moved = later(stem, delay)
        found = estimate_delay(inverted(moved) if polarity < 0 else moved, mixture)
        # A bass of three harmonics under all the others is known to a sample or two only, and
        # its own standard error says so.
        within = max(WITHIN_SAMPLES, 4 * found.uncertainty_samples if name == "bass" else 0)
        assert found.delay_samples == pytest.approx(delay, abs=within), (name, found)
        assert found.polarity == polarity, (name, found)


@pytest.mark.parametrize("song", SONGS)
def test_a_late_stem_in_noise_of_its_own_level_is_found(corpus: Path, song: str):
    for name, stem in stems_of(corpus, song).items():
        found = estimate_delay(noisy(later(stem, -87.3), 0.0), stem)
        within = max(WITHIN_SAMPLES, 4 * found.uncertainty_samples if name == "bass" else 0)
        assert found.delay_samples == pytest.approx(-87.3, abs=within), (name, found)
        assert found.is_same_source, (name, found)
