"""What a producer says of a song goes before what is heard, and is said no surer than it is."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from made_songs import RATE
from made_songs import made_song as make_song

from stemfx.audio import Audio
from stemfx.music import read_music
from stemfx.music_reading import Told

made_song = cache(make_song)


def drone(seconds: float) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    tones = 0.1 * sum(np.sin(2 * np.pi * 110 * k * t) / k for k in range(1, 8))
    return Audio(tones[np.newaxis].astype(np.float32), RATE)


@pytest.mark.parametrize("octave", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("error", [-0.03, 0.0, 0.03])
def test_a_told_tempo_decides_the_octave_and_the_song_the_exact_tempo(
    octave: float, error: float
) -> None:
    song = made_song("rock", 104)
    reading = read_music(song.mixture, {}, told=Told(bpm=104 * octave * (1 + error)))
    assert reading.bpm == pytest.approx(104 * octave, rel=1e-3)
    truth = np.interp(np.arange(0, 52, 0.5), np.arange(52), song.beats_s)
    nearest = np.abs(np.asarray(reading.beats_s)[:, np.newaxis] - truth).min(axis=1)
    assert np.median(nearest) < 0.004  # the kit's soft kick takes that long to rise
    assert reading.bpm_confidence > 0.3
    assert reading.bpm_runner_up == 0


def test_a_tempo_that_the_song_does_not_have_gets_little_confidence() -> None:
    song = made_song("four on the floor", 126)
    right = read_music(song.mixture, {}, told=Told(bpm=126))
    wrong = read_music(song.mixture, {}, told=Told(bpm=97))
    assert wrong.bpm == pytest.approx(97, rel=0.04)
    assert wrong.bpm_confidence < 0.5 * right.bpm_confidence


@pytest.mark.parametrize("beat", [0, 1, 2, 3, 17, 46])
@pytest.mark.parametrize("off_s", [-0.05, 0.05])
def test_bars_begin_where_a_producer_says(beat: int, off_s: float) -> None:
    song = made_song("rock", 112)
    at_s = float(song.beats_s[beat])
    reading = read_music(song.mixture, {}, told=Told(downbeat_s=max(0.0, at_s + off_s)))
    downbeats = np.asarray(reading.downbeats_s)
    assert np.abs(downbeats - at_s).min() < 0.005
    np.testing.assert_allclose(np.diff(downbeats), 4 * 60 / 112, rtol=0.01)
    assert reading.bpm == pytest.approx(112, rel=1e-3)


def test_bars_are_counted_on_from_a_downbeat_before_the_music() -> None:
    song = made_song("rock", 120, start_s=2.3)  # beats at 0.3, 0.8, 1.3, ...
    reading = read_music(song.mixture, {}, told=Told(downbeat_s=0.8))
    at = (np.asarray(reading.downbeats_s) - 0.8) / 2.0
    np.testing.assert_allclose(at, np.round(at), atol=0.005)


@pytest.mark.parametrize(
    ("told", "first_s", "first_bar_s"),
    [
        (Told(bpm=120), 0.0, 0.0),
        (Told(bpm=120, downbeat_s=0.75), 0.25, 0.75),
        (Told(bpm=120, downbeat_s=5.0), 0.0, 1.0),
    ],
)
def test_without_any_rhythm_a_told_tempo_gives_even_beats_that_nothing_confirms(
    told: Told, first_s: float, first_bar_s: float
) -> None:
    reading = read_music(drone(20), {}, told=told)
    assert (reading.bpm, reading.bpm_confidence) == (120, 0)
    assert reading.beats_s[0] == pytest.approx(first_s)
    assert reading.downbeats_s[0] == pytest.approx(first_bar_s)
    np.testing.assert_allclose(np.diff(reading.beats_s), 0.5)
    np.testing.assert_allclose(np.diff(reading.downbeats_s), 2.0)
    assert 20 - 0.5 <= reading.beats_s[-1] < 20


def test_a_downbeat_alone_gives_a_drone_no_beat() -> None:
    assert read_music(drone(10), {}, told=Told(downbeat_s=1.0)).beats_s == ()


@pytest.mark.parametrize(
    ("told", "key"),
    [("A minor", "A minor"), ("Db major", "C# major"), ("C major", "C major")],
)
def test_a_told_key_is_the_key_and_the_song_says_how_sure(told: str, key: str) -> None:
    song = made_song("rock", 112, bars=8)  # in A minor
    reading = read_music(song.mixture, {}, told=Told(key=told))
    assert reading.key == key
    assert (reading.key_confidence == 0) == (key != song.key)
    assert (reading.key_runner_up == song.key) == (key != song.key)


def test_drum_and_bass_has_its_half_tempo_as_runner_up_or_is_clear() -> None:
    song = made_song("drum and bass", 174)
    reading = read_music(song.mixture, {})
    assert 0 <= reading.bpm_margin <= 1
    assert reading.bpm_runner_up > 0
