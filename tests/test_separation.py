from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stemfx.audio import Audio, Signal
from stemfx.dsp.stft import n_frames
from stemfx.errors import PluginError
from stemfx.separation import (
    FRAMES,
    _crossfaded,
    _stretches,
    combine,
    estimates,
    fit,
    remask,
    residual_of,
)
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState

RATE = 44_100
RNG = np.random.default_rng(5)


def noise(n: int = 30_000, channels: int = 2) -> Audio:
    return Audio((0.1 * RNG.standard_normal((channels, n))).astype(np.float32), RATE)


def joined(blocks: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(blocks), axis=-1)


def level_db(error: np.ndarray, signal: np.ndarray) -> float:
    return float(10 * np.log10((error**2).sum() / (signal**2).sum() + 1e-20))


# --- the contract of a model ----------------------------------------------------------------


class Odd(Separator):
    """Gives whatever blocks it is told to."""

    card = ModelCard("odd", "test", ("a", "b"), RATE, "CC0", "")

    def __init__(self, *blocks: np.ndarray) -> None:
        self._blocks = blocks

    def weights(self) -> WeightsState:
        return "here"

    def identity(self) -> str:
        return "1"

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        assert mixture.channels == 2
        yield from self._blocks


def block(*shape: int, value: float = 0.0) -> np.ndarray:
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([block(2, 2, 50)], "gave 50 samples for 100 of the mixture"),
        ([block(2, 2, 60), block(2, 2, 60)], "gave more samples than the mixture has"),
        ([block(3, 2, 100)], r"a block of shape \(3, 2, 100\); \(2, 2, n\) is the contract"),
        ([block(2, 1, 100)], r"a block of shape \(2, 1, 100\)"),
        ([block(2, 100)], r"a block of shape \(2, 100\)"),
        ([block(2, 2, 100, value=np.nan)], "gave samples that are not numbers"),
    ],
)
def test_a_model_that_breaks_its_contract_is_blamed(blocks: list[np.ndarray], said: str) -> None:
    with pytest.raises(PluginError, match=f"model 'odd' {said}|model 'odd' gave {said}"):
        list(estimates(noise(100, channels=1), Odd(*blocks), ("a", "b"), SeparationContext()))


def test_a_model_that_goes_on_gives_only_the_rest() -> None:
    context = SeparationContext(start=70)
    parts = list(estimates(noise(100), Odd(block(2, 2, 30)), ("a", "b"), context))
    assert [part.shape for part in parts] == [(2, 2, 30)]
    with pytest.raises(PluginError, match="gave 99 samples for 100"):
        list(estimates(noise(100), Odd(block(2, 2, 29)), ("a", "b"), context))


# --- fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_come_to_the_rate_channels_and_length_of_the_mixture(
    rate: int, channels: int
) -> None:
    t = np.arange(rate) / rate
    tones = [0.3 * np.sin(2 * np.pi * hz * t) for hz in (300, 1_000)]
    mixture = Audio(np.tile(sum(tones), (channels, 1)).astype(np.float32), rate)
    at = np.arange(RATE) / RATE
    model = [
        Audio(np.tile(0.3 * np.sin(2 * np.pi * hz * at), (2, 1)).astype(np.float32), RATE)
        for hz in (300, 1_000)
    ]
    stems = joined(fit(model, mixture))
    assert stems.shape == (2, channels, rate)
    middle = slice(rate // 10, -rate // 10)  # a tone that begins at once has a wide spectrum
    for stem, tone in zip(stems, tones, strict=True):
        # soxr's HQ filter is flat and free of images to -120 dB
        assert level_db(stem[0, middle] - tone[middle], tone[middle]) < -100


def test_mono_is_the_mean_of_the_models_sides() -> None:
    stem = noise(1_000)
    [[mono]] = joined(fit([stem], noise(1_000, channels=1)))
    np.testing.assert_allclose(mono, stem.samples.mean(axis=0), atol=1e-8)


# --- combine --------------------------------------------------------------------------------


def test_an_average_is_weighted() -> None:
    a, b = noise(), noise()
    made = joined(combine([a, b], "average", (3.0, 1.0)))
    np.testing.assert_allclose(made, 0.75 * a.samples + 0.25 * b.samples, atol=1e-7)


def test_a_median_ignores_one_model_that_fails() -> None:
    true = noise()
    wrong = Audio(true.samples + 5, RATE)
    close = Audio(true.samples + 1e-4, RATE)
    made = joined(combine([wrong, true, close], "median", (1.0, 1.0, 1.0)))
    assert np.abs(made - true.samples).max() <= 1.1e-4


@pytest.mark.parametrize(("method", "best"), [("max", 1.0), ("min", 0.25)])
def test_max_and_min_choose_by_magnitude_in_every_bin(method: str, best: float) -> None:
    """Of one signal at three levels they take the loudest or the softest everywhere."""
    stem = noise()
    levels = [Audio(gain * stem.samples, RATE) for gain in (0.5, 1.0, 0.25)]
    made = joined(combine(levels, method, (1.0, 1.0, 1.0)))  # type: ignore[arg-type]
    assert level_db(made - best * stem.samples, stem.samples) < -120  # the transform's rounding


def test_max_keeps_what_each_model_alone_has() -> None:
    t = np.arange(40_000) / RATE
    low, high = (
        np.tile(np.sin(2 * np.pi * hz * t), (2, 1)).astype(np.float32) for hz in (200, 5e3)
    )
    models = [Audio(low, RATE), Audio(high, RATE)]
    made = joined(combine(models, "max", (1.0, 1.0)))
    middle = slice(4_096, -4_096)
    # a Hann window's sidelobes far away are below -60 dB of the other tone
    assert level_db((made - low - high)[:, middle], low) < -55
    assert level_db(joined(combine(models, "min", (1.0, 1.0)))[:, middle], low) < -55


@pytest.mark.parametrize("method", ["average", "median", "max", "min"])
def test_equal_models_change_nothing(method: str) -> None:
    stem = noise(FRAMES * 1024 + 5_000)  # more than one stretch of frames
    made = joined(combine([stem, stem], method, (1.0, 1.0)))  # type: ignore[arg-type]
    assert made.shape == stem.samples.shape
    assert level_db(made - stem.samples, stem.samples) < -120


# --- masks ----------------------------------------------------------------------------------

MASKS = ("ratio", "binary", "complex", "wiener")


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("n", [1, 5_000, FRAMES * 1024 // 2, FRAMES * 1024 * 2 + 77])
def test_all_stems_of_a_song_add_up_to_it_again(mask: str, n: int) -> None:
    stems = [noise(n), noise(n)]
    mixture = Audio(stems[0].samples + stems[1].samples, RATE)
    leaky = [Audio(s.samples + 0.3 * mixture.samples, RATE) for s in stems]
    made = joined(remask(mixture, leaky, mask, is_complete=True))  # type: ignore[arg-type]
    assert made.shape == (2, 2, n)
    # float32: transform, mask and inverse
    assert level_db(made.sum(axis=0) - mixture.samples, mixture.samples) < -115


@pytest.mark.parametrize("mask", MASKS)
def test_one_stem_alone_is_masked_against_the_rest_of_the_song(mask: str) -> None:
    t = np.arange(60_000) / RATE
    voice = np.tile(np.sin(2 * np.pi * 440 * t), (2, 1)).astype(np.float32)
    bass = np.tile(np.sin(2 * np.pi * 60 * t), (2, 1)).astype(np.float32)
    mixture = Audio(voice + bass, RATE)
    [made] = joined(remask(mixture, [Audio(voice, RATE)], mask, is_complete=False))  # type: ignore[arg-type]
    middle = slice(4_096, -4_096)
    assert level_db((made - voice)[:, middle], voice) < -50  # sidelobes of the Hann window


@pytest.mark.parametrize("n", [1_000, FRAMES * 1024, FRAMES * 1024 * 2 + 77, FRAMES * 1024 * 3])
def test_stretches_in_which_the_filter_learns_other_places_cross_fade(n: int) -> None:
    shared = FRAMES // 2
    stretches = list(_stretches(noise(n), shared))
    values = [
        np.full((1, 1, stop - start, 3), k, np.complex64)
        for k, (start, stop) in enumerate(stretches)
    ]
    parts = list(_crossfaded(iter(values), shared))
    joined_frames = np.concatenate(parts, axis=-2)[0, 0, :, 0].real
    assert len(joined_frames) == n_frames(n)
    # values of neighbours differ by one, and the fade takes `shared` frames
    assert np.abs(np.diff(joined_frames)).max(initial=0) <= 1.001 / shared
    assert joined_frames[-1] > len(stretches) - 1.01


# --- residual -------------------------------------------------------------------------------


def test_stems_and_residual_are_the_mixture_whatever_the_stems() -> None:
    mixture, stems = noise(200_000), [noise(200_000), noise(200_000)]
    for whole, parts, rest in residual_of(mixture, stems):
        error = whole - (parts.sum(axis=0, dtype=np.float64) + rest)
        assert np.abs(error).max() < 2.0**-24  # half a step of float32 at full scale
