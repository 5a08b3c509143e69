from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.dsp import stft
from stemfx.dsp.leaks import find_leaks, leak_matrix_db

RATE = 44_100
Stems = NDArray[np.float64]


def players(n_stems: int = 3, seconds: float = 8.0, seed: int = 0) -> Stems:
    """Make stereo stems that play now and then: noise, each with its own rhythm and tone."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    made = []
    for _ in range(n_stems):
        plays = np.repeat(rng.random(-(-n // 11_025)) < 0.6, 11_025)[:n]
        noise = rng.standard_normal((2, n))
        level = np.convolve(plays * rng.uniform(0.03, 0.3), np.hanning(2000) / 1000, "same")
        made.append(level * noise + 1e-4 * rng.standard_normal((2, n)))
    return np.stack(made)


def as_signals(stems: Stems) -> list[Audio]:
    return [Audio(stem.astype(np.float32), RATE) for stem in stems]


@pytest.mark.parametrize("level_db", [-14.0, -20.0, -30.0, -40.0])
def test_a_leak_is_as_loud_as_it_is(level_db: float) -> None:
    stems = players()
    stems[0] += 10 ** (level_db / 20) * stems[2]
    matrix = leak_matrix_db(as_signals(stems))
    # Two or three seconds of gaps tell it to a tenth; noise under -40 dB costs half a dB.
    assert matrix[0, 2] == pytest.approx(level_db, abs=0.6)
    others = matrix[~np.eye(3, dtype=bool)]
    assert np.sort(others)[-2] < level_db - 20, "a leak was seen where there is none"


def test_stems_that_were_played_by_themselves_have_no_leak() -> None:
    for seed in range(3):
        leaks = find_leaks(as_signals(players(seed=seed)))
        assert not leaks.ratios.any()
        assert leaks.mask_likeness == 0


def test_a_leak_through_a_filter_with_a_delay_is_found_band_by_band() -> None:
    """The other stem low-passed at 2 kHz, first order, and 3 ms late."""
    from scipy.signal import lfilter

    stems = players()
    pole = np.exp(-2 * np.pi * 2000 / RATE)
    late = np.roll(lfilter([1 - pole], [1, -pole], stems[1], axis=1), 132, axis=1)
    stems[0] += 0.2 * late
    leaks = find_leaks(as_signals(stems))
    hz = np.arange(stft.N_BINS) * RATE / stft.N_FFT
    filtered = np.abs((1 - pole) / (1 - pole * np.exp(-2j * np.pi * hz / RATE))) ** 2
    expected = 0.04 * (leaks.bands @ filtered) / leaks.bands.sum(axis=1)
    bands = slice(10, 32)  # 360 Hz to 8 kHz
    error_db = 10 * np.log10(leaks.ratios[0, 1, bands] / expected[bands])
    # The window of 93 ms holds all but 3 ms of what leaks into it: 0.3 dB; the rest is chance.
    assert np.abs(error_db).max() < 1.5
    assert leaks.mask_likeness == 0


def test_the_order_of_the_stems_does_not_matter() -> None:
    stems = players()
    stems[0] += 0.1 * stems[2]
    stems[1] += 0.05 * stems[0]
    order = [2, 0, 1]
    straight = leak_matrix_db(as_signals(stems))
    turned = leak_matrix_db(as_signals(stems[order]))
    assert turned == pytest.approx(straight[np.ix_(order, order)], abs=0.01)


def test_masks_on_one_mixture_are_told_from_leaks() -> None:
    """Soft masks from rough estimates, as a separator makes them."""
    stems = players(2, seconds=12.0)
    mixture = Audio(stems.sum(axis=0).astype(np.float32), RATE)
    n = stft.n_frames(mixture.n_samples)
    rng = np.random.default_rng(1)
    powers = [np.abs(stft.forward(signal, 0, n)).sum(axis=0) ** 2 for signal in as_signals(stems)]
    tilt = 10 ** (rng.uniform(-1.3, 1.3, stft.N_BINS // 64 + 1)).repeat(64)[: stft.N_BINS]
    guess = powers[0] + 0.05 * tilt * powers[1]
    mask = guess / (guess + powers[1] + 0.05 / tilt * powers[0] + 1e-12)
    spectrum = stft.forward(mixture, 0, n)
    masked = [
        np.concatenate(list(stft.inverse([spectrum * m.astype(np.float32)], mixture.n_samples)), 1)
        for m in (mask, 1 - mask)
    ]
    assert find_leaks([Audio(m, RATE) for m in masked]).mask_likeness > 0.5
    leaked = stems + 0.1 * stems[::-1]
    assert find_leaks(as_signals(leaked)).mask_likeness == 0


def test_of_a_moment_nothing_is_said() -> None:
    stems = players(seconds=0.1)
    stems[0] += 0.1 * stems[2]
    assert not find_leaks(as_signals(stems)).ratios.any()


def test_silent_stems_leak_nothing() -> None:
    stems = players()
    stems[1] = 0
    assert not find_leaks(as_signals(stems)).ratios.any()
    assert not find_leaks(as_signals(0 * stems)).ratios.any()


def test_one_stem_alone_has_no_leak() -> None:
    assert leak_matrix_db(as_signals(players(1))).shape == (1, 1)
