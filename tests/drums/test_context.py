"""A stroke within its song."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.drums.context import _bar, in_song
from stemfx.drums.strokes import N_SHORT
from stemfx.hits import DRUM_CLASSES

RNG = np.random.default_rng(3)


def pattern(bars: int, bar_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return times and chances of a beat whose bars are alike and whose beats are not."""
    times, chances = [], []
    for bar in range(bars):
        for place, drum in ((0, 0), (0.3, 0), (0.25, 1), (0.55, 2), (0.75, 1), (0.9, 4)):
            times.append((bar + place) * bar_s + 0.2)
            chances.append(np.eye(len(DRUM_CLASSES))[drum])
    order = np.argsort(times)
    return np.array(times)[order], np.array(chances)[order]


@pytest.mark.parametrize("bar_s", [1.5, 2.0, 2.4])
def test_the_bar_is_the_time_after_which_the_song_repeats(bar_s):
    # Two bars repeat as well where they are short enough; the steps are 10 ms.
    found = _bar(*pattern(12, bar_s))
    assert found == pytest.approx(bar_s * round(found / bar_s), abs=0.015)


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_short_songs_are_described_too(n):
    short = RNG.uniform(-75, 0, (n, *N_SHORT)).astype(np.float32)
    times = np.sort(RNG.uniform(0, 5, n))
    odds = RNG.normal(0, 4, (n, len(DRUM_CLASSES))).astype(np.float32)
    told = in_song(short, times, odds)
    assert told.shape[0] == n
    assert np.isfinite(told).all()
    np.testing.assert_array_equal(told[:, : odds.shape[1]], odds)


def test_where_a_song_begins_does_not_matter():
    n = 40
    short = RNG.uniform(-75, 0, (n, *N_SHORT)).astype(np.float32)
    times = np.cumsum(RNG.choice([0.25, 0.5], n))
    odds = RNG.normal(0, 4, (n, len(DRUM_CLASSES))).astype(np.float32)
    moved = in_song(short, times + 30.0, odds)
    np.testing.assert_allclose(in_song(short, times, odds), moved, atol=1e-3)
