from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import stft
from stemfx.dsp.wiener import wiener

ANY = [0, 1, 2]


def spectrum(samples: np.ndarray) -> np.ndarray:
    return stft.forward(Audio(samples.astype(np.float32), 44_100), 0, 40)


def sources() -> np.ndarray:
    """Make three stems: a chord in the middle, clicks on the left, noise on the right."""
    t = np.arange(60_000) / 44_100
    rng = np.random.default_rng(0)
    chord = sum(np.sin(2 * np.pi * f * t) for f in (110, 220.5, 331, 1_760)) / 8
    clicks = np.where(np.arange(t.size) % 11_025 < 60, rng.standard_normal(t.size), 0)
    hiss = 0.05 * rng.standard_normal(t.size) * (np.sin(2 * np.pi * 1.3 * t) > 0)
    places = np.array([[0.7, 0.7], [0.9, 0.3], [0.2, 0.8]])
    return places[:, :, np.newaxis] * np.stack([chord, clicks, hiss])[:, np.newaxis]


@pytest.fixture(scope="module")
def stems() -> np.ndarray:
    return np.stack([spectrum(source) for source in sources()])


def noisy(stems: np.ndarray) -> np.ndarray:
    """Make magnitudes as a network guesses them: right within some decibels."""
    rng = np.random.default_rng(1)
    return (np.abs(stems) * np.exp(0.7 * rng.standard_normal(stems.shape))).astype(np.float32)


def sdr_db(estimate: np.ndarray, truth: np.ndarray) -> float:
    ratio = np.sum(np.abs(truth) ** 2) / np.sum(np.abs(estimate - truth) ** 2)
    return float(10 * np.log10(ratio))


@pytest.mark.parametrize("iterations", ANY)
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_add_up_to_the_mixture(iterations: int, channels: int, stems: np.ndarray) -> None:
    mixture = stems.sum(axis=0)[:channels]
    estimate = wiener(mixture, noisy(stems)[:, :channels], iterations)
    assert estimate.dtype == np.complex64
    assert estimate.shape == (3, *mixture.shape)
    # three float32 roundings of values up to the peak
    assert np.abs(estimate.sum(axis=0) - mixture).max() < 4e-7 * np.abs(mixture).max()


@pytest.mark.parametrize("iterations", ANY)
def test_guesses_that_explain_nothing_still_give_the_mixture(
    iterations: int, stems: np.ndarray
) -> None:
    mixture = stems.sum(axis=0)
    estimate = wiener(mixture, np.zeros(stems.shape, np.float32), iterations)
    # nobody knows: all have equal shares
    assert np.allclose(estimate, mixture / 3, atol=1e-6 * np.abs(mixture).max())


def test_true_magnitudes_give_back_the_stems(stems: np.ndarray) -> None:
    estimate = wiener(stems.sum(axis=0), np.abs(stems))
    # What is left is where stems share a bin and a frame: masks of true magnitudes gain more
    # than 10 dB over the mixture as an estimate (7, -8 and -16 dB here) on any music.
    before = [sdr_db(stems.sum(axis=0), stem) for stem in stems]
    after = [sdr_db(*pair) for pair in zip(estimate, stems, strict=True)]
    assert min(np.subtract(after, before)) > 10


def test_the_true_stems_are_kept(stems: np.ndarray) -> None:
    estimate = wiener(stems.sum(axis=0), stems, iterations=1)
    # Each stem comes from one place. Two channels hold two places apart, down to the noise at
    # -70 dB of the loudest bin; the third one shares them.
    assert min(sdr_db(*pair) for pair in zip(estimate, stems, strict=True)) > 20
    pair = stems[1:]
    estimate = wiener(pair.sum(axis=0), pair, iterations=1)
    assert min(sdr_db(*two) for two in zip(estimate, pair, strict=True)) > 60


def test_places_separate_what_is_equally_loud(stems: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    voices = rng.standard_normal((2, 1, 60_000)) * 0.1
    left, right = (spectrum(np.array(p)[:, None] * v) for p, v in zip(PLACES, voices, strict=True))
    truth = np.stack([left, right])
    mixture = truth.sum(axis=0)
    # The guesses know only which channel each voice is louder in, and nothing of time.
    level = np.sqrt(np.mean(np.abs(truth) ** 2, axis=(2, 3), keepdims=True))
    guesses = np.broadcast_to(level, truth.shape)
    sdrs = [sdr_db(wiener(mixture, guesses, iterations), truth) for iterations in ANY]
    assert sdrs[0] < sdrs[1] < sdrs[2]
    assert sdrs[2] > sdrs[0] + 3


PLACES = ([0.9, 0.1], [0.1, 0.9])


@pytest.mark.parametrize("iterations", ANY)
def test_one_stem_is_the_mixture(iterations: int, stems: np.ndarray) -> None:
    mixture = stems.sum(axis=0)
    estimate = wiener(mixture, noisy(stems)[:1], iterations)[0]
    assert np.abs(estimate - mixture).max() < 2e-7 * np.abs(mixture).max()


@pytest.mark.parametrize("iterations", ANY)
@pytest.mark.parametrize("gain", [2.0**-30, 2.0**-3, 2.0**20])
def test_louder_in_louder_out(gain: float, iterations: int, stems: np.ndarray) -> None:
    mixture, guesses = stems.sum(axis=0), noisy(stems)
    estimate = wiener(mixture * np.float32(gain), guesses * np.float32(gain), iterations)
    # a power of two changes no mantissa, until the quietest cells leave float32's range
    once = wiener(mixture, guesses, iterations)
    assert np.abs(estimate / np.float32(gain) - once).max() < 1e-7 * np.abs(once).max()


@pytest.mark.parametrize("iterations", ANY)
def test_swapped_channels_swap_the_stems_channels(iterations: int, stems: np.ndarray) -> None:
    mixture, guesses = stems.sum(axis=0), noisy(stems)
    swapped = wiener(mixture[::-1], guesses[:, ::-1], iterations)
    once = wiener(mixture, guesses, iterations)
    assert np.abs(swapped[:, ::-1] - once).max() < 1e-6 * np.abs(once).max()


def test_guesses_of_one_channel_stand_for_both(stems: np.ndarray) -> None:
    mixture, guesses = stems.sum(axis=0), noisy(stems)[:, :1]
    both = np.repeat(guesses, 2, axis=1)
    assert np.array_equal(wiener(mixture, guesses, 1), wiener(mixture, both, 1))


@pytest.mark.parametrize("iterations", ANY)
def test_silence_stays_silent(iterations: int, stems: np.ndarray) -> None:
    guesses = noisy(stems)
    silence = np.zeros(stems.shape[1:], np.complex64)
    assert not wiener(silence, guesses, iterations).any()
    # a silent stem, silent frames and silent bins within music
    guesses += 0.01  # so that in no cell it is the only one left
    guesses[1] = 0
    mixture = stems.sum(axis=0)
    mixture[:, 10:20] = 0
    mixture[:, :, 1_000:] = 0
    estimate = wiener(mixture, guesses, iterations)
    assert np.isfinite(estimate).all()
    assert not estimate[:, :, 10:20].any()
    assert not estimate[:, :, :, 1_000:].any()
    assert np.abs(estimate[1]).max() < 1e-6 * np.abs(mixture).max()


@pytest.mark.parametrize("iterations", ANY)
def test_nothing_gives_nothing(iterations: int) -> None:
    for frames, bins in ((0, 5), (5, 0)):
        mixture = np.zeros((2, frames, bins), np.complex64)
        estimate = wiener(mixture, np.zeros((3, 2, frames, bins), np.float32), iterations)
        assert estimate.shape == (3, 2, frames, bins)


def test_what_does_not_fit_is_refused() -> None:
    mixture = np.zeros((2, 5, 9), np.complex64)
    with pytest.raises(ValueError, match=r"1 or 2 channels, n_frames, n_bins\), not \(3, 5, 9\)"):
        wiener(np.zeros((3, 5, 9), np.complex64), np.zeros((1, 3, 5, 9)))
    for shape in ((4, 2, 5, 8), (0, 2, 5, 9), (4, 3, 5, 9), (2, 5, 9)):
        with pytest.raises(ValueError, match=r"estimates must be \(n_stems, 2, 5, 9\)"):
            wiener(mixture, np.zeros(shape))
    with pytest.raises(ValueError, match="iterations must be 0 or more, not -1"):
        wiener(mixture, np.zeros((4, 2, 5, 9)), -1)
