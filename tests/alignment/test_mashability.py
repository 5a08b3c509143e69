from __future__ import annotations

import numpy as np
import pytest

from stemfx.alignment.mashability import harmony_fit
from stemfx.music_reading import MusicReading

TRIAD = np.array([1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0], float)


def song(*tonics: int) -> MusicReading:
    bars = tuple(tuple(np.tile(np.roll(TRIAD, t), 2).tolist()) for t in tonics)
    return MusicReading(120, 1, (), (), "A minor", 1, "", 0.0, 60.0, bars=bars)


def test_the_same_chords_agree_wholly_in_any_key() -> None:
    first, other = song(9, 5, 0, 7, 9, 5), song(2, 10, 5, 0, 2, 10)  # the same, five semitones up
    assert harmony_fit(first, other, -5) == pytest.approx(1)
    assert (harmony_fit(first, other, 0) or 0) < 0.5


def test_chords_that_are_shuffled_agree_less() -> None:
    first, shuffled = song(9, 5, 0, 7), song(7, 0, 9, 5)
    # Triads that share one note of three, less what chance has (3/12 each): (1 - 9/12) / (3 - 9/12)
    assert (harmony_fit(first, shuffled, 0) or 1) < 0.4


def test_bars_that_sound_at_once_are_compared() -> None:
    late = song(1, 1, 9, 5, 0, 7)
    first = song(9, 5, 0, 7)
    assert harmony_fit(first, late, 0, [(i, i + 2) for i in range(4)]) == pytest.approx(1)


def test_too_few_bars_say_nothing() -> None:
    assert harmony_fit(song(9, 5, 0), song(9, 5, 0), 0) is None
    assert harmony_fit(song(), song(9, 5, 0, 7), 0) is None
