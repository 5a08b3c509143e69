"""True stems are independent, so what is mixed into them here is all the leak there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.delay import gather
from stemfx.dsp.linear_leaks import LinearLeaks, linear_leaks
from stemfx.io import probe, read_blocks

SONGS = ("songs/harbour_lights", "songs/iron_tide", "songs/neon_parade", "real/potassium")
EXACT = 0.01  # a leak of -40 dB at worst is left of what is unmixed by it


def stems_of(corpus: Path, song: str, length_s: float = 8.0) -> np.ndarray:
    paths = [path for path in sorted((corpus / song).glob("*.flac")) if path.stem != "mix"]
    whole = [np.concatenate(list(read_blocks(probe(path))), axis=1) for path in paths]
    first = 5 * 44_100
    return np.stack([one[:, first : first + round(length_s * 44_100)] for one in whole])


def found_in(stems: np.ndarray) -> LinearLeaks:
    spectra = gather([Audio(one, 44_100) for one in stems])
    return linear_leaks(spectra, range(len(stems)))


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


@pytest.mark.parametrize("leak", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("song", SONGS)
def test_what_leaked_is_found_exactly(corpus: Path, song: str, leak: float):
    stems = stems_of(corpus, song)
    mixing = np.eye(len(stems)) + leak * (1 - np.eye(len(stems)))
    found = found_in(np.tensordot(mixing, stems, 1).astype(np.float32))
    np.testing.assert_allclose(found.gains, mixing, atol=EXACT)


@pytest.mark.parametrize("song", SONGS)
def test_one_leak_is_found_where_it_is_and_nowhere_else(corpus: Path, song: str):
    """The cross spectrum is the same both ways; only the colours tell which way it went."""
    stems = stems_of(corpus, song)
    leaky = stems.copy()
    leaky[0] += 0.1 * stems[1]
    found = found_in(leaky)
    expected = np.eye(len(stems))
    expected[0, 1] = 0.1
    np.testing.assert_allclose(found.gains, expected, atol=EXACT)
    assert found.scores[0, 1] > 10
    others = np.abs(found.scores)
    others[0, 1] = 0
    assert off_diagonal(others).max() < 4


@pytest.mark.parametrize("song", SONGS)
def test_clean_stems_have_no_significant_leak(corpus: Path, song: str):
    scores = found_in(stems_of(corpus, song)).scores
    assert np.abs(off_diagonal(scores)).max() < 4


@pytest.mark.parametrize("song", SONGS)
def test_a_summed_leak_is_told_from_one_that_differs_with_frequency(corpus: Path, song: str):
    """As masks leave it: a tenth here, nothing there."""
    stems = stems_of(corpus, song)
    assert found_in(stems + 0.1 * (stems.sum(axis=0) - stems)).is_linear
    masked = np.fft.rfft(stems, axis=2)
    octave = np.log2(np.arange(1, masked.shape[2] + 1)).astype(int)
    masked *= octave % 2
    patchy = np.fft.irfft(masked, stems.shape[2]).astype(np.float32)
    found = found_in(stems + 0.1 * (patchy.sum(axis=0) - patchy))
    assert found.significant.any()
    assert not found.is_linear


def test_silence_and_copies_give_finite_numbers():
    noise = np.random.default_rng(1).standard_normal((2, 50_000)).astype(np.float32)
    found = found_in(np.stack([noise, noise, np.zeros_like(noise)]))
    assert np.isfinite(found.gains).all()
    assert off_diagonal(found.gains).tolist() == [0.0] * 6
