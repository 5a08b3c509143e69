"""Pitch classes and keys of tones whose frequencies are known."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp.chroma import read_pitches
from stemfx.dsp.flux import RATE_HZ
from stemfx.dsp.key import PROFILES, key_name, profile_scores


def tones(midi: tuple[float, ...], seconds: float = 2.0, harmonics: int = 5) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hz = [440 * 2 ** ((note - 69) / 12) for note in midi]
    sound = sum(np.sin(2 * np.pi * k * f * t) / k for f in hz for k in range(1, harmonics + 1))
    return (0.1 * sound)[np.newaxis].astype(np.float32)


@pytest.mark.parametrize("note", range(48, 60))
def test_a_tone_is_its_pitch_class_in_any_octave(note: int) -> None:
    for octave in (0, 12, 24):
        chroma = read_pitches([tones((note + octave,))]).chroma().sum(axis=0)
        assert np.argmax(chroma) == note % 12
        assert chroma[note % 12] > 0.5 * chroma.sum()


@pytest.mark.parametrize("cents", [-40, -15, 0, 15, 30, 45])
def test_tuning_is_read_within_two_cents_and_taken_out(cents: float) -> None:
    pitches = read_pitches([tones(tuple(n + cents / 100 for n in (57, 60, 64, 69)))])
    # The third harmonic is 2 cents above a tempered fifth, the fifth one 14 below a third.
    assert pitches.tuning_cents == pytest.approx(cents, abs=2.5)
    chroma = pitches.chroma().sum(axis=0)
    assert set(np.argsort(-chroma)[:3]) == {9, 0, 4}


def test_pitches_do_not_depend_on_how_the_stream_is_cut() -> None:
    x = tones((57, 61, 64))
    whole, pieces = read_pitches([x]), read_pitches(np.split(x, (7, 8_192, 20_000), axis=1))
    assert np.allclose(whole.classes, pieces.classes, atol=1e-4 * whole.classes.max())
    assert whole.tuning_cents == pytest.approx(pieces.tuning_cents, abs=0.01)


def test_the_bass_hears_only_low_notes() -> None:
    pitches = read_pitches([tones((36, 76), harmonics=1)])
    bass = pitches.bass_chroma().sum(axis=0)
    assert np.argmax(bass) == 0
    assert bass[4] < 0.01 * bass[0]


@pytest.mark.parametrize("key", range(24))
def test_each_profile_is_its_own_key(key: int) -> None:
    scores = profile_scores(np.roll(PROFILES[key // 12], key % 12))
    assert np.argmax(scores) == key
    assert scores[key] == pytest.approx(1)
    assert np.sort(scores)[-2] < 0.95


def test_transposing_notes_transposes_the_key() -> None:
    chroma = np.random.default_rng(3).uniform(size=12)
    scores = profile_scores(chroma).reshape(2, 12)
    moved = profile_scores(np.roll(chroma, 5)).reshape(2, 12)
    assert np.allclose(moved, np.roll(scores, 5, axis=1))


def test_all_notes_alike_are_no_key() -> None:
    assert not profile_scores(np.ones(12)).any()
    assert not profile_scores(np.zeros(12)).any()


def test_keys_have_the_names_that_players_use() -> None:
    names = [key_name(k) for k in range(24)]
    assert len(set(names)) == 24
    assert {"C major", "Eb major", "F# minor", "Bb minor"} < set(names)
