"""What is said of a reading: nothing of a clear one, and a way out of every guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stemfx.music.remarks import remarks, tempo_range
from stemfx.music_reading import MusicReading, Told

BEATS = tuple(np.arange(120) * 0.5)
CLEAR = MusicReading(
    bpm=120.0,
    bpm_confidence=0.8,
    beats_s=BEATS,
    downbeats_s=BEATS[::4],
    key="A minor",
    key_confidence=0.9,
    key_runner_up="C major",
    tuning_cents=2.0,
    duration_s=60.0,
    steady=True,
    bpm_runner_up=60.0,
    bpm_margin=0.9,
)
NO_BEAT = replace(CLEAR, bpm=0.0, bpm_confidence=0.0, beats_s=(), downbeats_s=())


def test_a_clear_reading_needs_no_words() -> None:
    assert remarks(CLEAR) == []


@pytest.mark.parametrize(
    ("reading", "told", "code", "words"),
    [
        (NO_BEAT, Told(), "no_beat", "--bpm and --downbeat"),
        (replace(CLEAR, bpm_margin=0.2), Told(), "unsure_tempo", "give `bpm: 60` or `bpm: 120`"),
        (replace(CLEAR, bpm_confidence=0.1), Told(), "unsure_beat", "confidence 0.10"),
        (replace(CLEAR, bpm_confidence=0.0), Told(bpm=120), "told_not_heard", "beats are even"),
        (replace(CLEAR, bpm_confidence=0.1), Told(bpm=120), "told_not_heard", "are a guess"),
        (replace(CLEAR, key="", key_runner_up=""), Told(), "no_key", "give `key:`"),
        (replace(CLEAR, key_confidence=0.1), Told(), "unsure_key", "relatives share all their"),
        (
            replace(CLEAR, key_confidence=0.1, key_runner_up="A major"),
            Told(),
            "unsure_key",
            "share their root",
        ),
        (replace(CLEAR, key_confidence=0.0), Told(key="A minor"), "told_not_heard", "for C major"),
        (replace(CLEAR, tuning_cents=-32.0), Told(), "detuned", "32 cents below"),
        (replace(CLEAR, duration_s=9.0), Told(), "short", "only 9.0 s"),
    ],
)
def test_a_doubt_is_told_once_with_what_to_do(
    reading: MusicReading, told: Told, code: str, words: str
) -> None:
    (finding,) = remarks(reading, told)
    assert finding.code == code
    assert words in finding.message


def test_what_is_told_is_not_doubted() -> None:
    unsure = replace(CLEAR, bpm_margin=0.0, key_confidence=0.1)
    assert remarks(unsure, Told(bpm=120, key="A minor")) == []


def test_a_wandering_tempo_is_told_with_its_range() -> None:
    tempi = np.linspace(100, 120, 119)
    beats = tuple(np.concatenate([[0], np.cumsum(60 / tempi)]))
    reading = replace(CLEAR, bpm=110.0, beats_s=beats, steady=False)
    low, high = tempo_range(reading)
    # A twentieth is left out at each end, and eight beats are a mean of theirs.
    assert (low, high) == (pytest.approx(101.5, abs=0.5), pytest.approx(118.5, abs=0.5))
    (finding,) = remarks(reading)
    assert finding.code == "free_tempo"
    assert f"between {low:.4g} and {high:.4g} BPM" in finding.message
