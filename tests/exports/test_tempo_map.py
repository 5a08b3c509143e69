"""The grid of a project lies on the beats of the song."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_readings import made_reading

from stemfx.exports.tempo_map import Meter, Tempo, TempoMap, tempo_map

RATE = 48_000
CLOSE_S = 0.005


def bar_lines(made: TempoMap, end_s: float) -> np.ndarray:
    """Return the bar lines of a project, in seconds of the song."""
    beats = made.beats_in_bars(end_s + made.song_start_s)
    return np.array([made.time_s(beat) for beat, inside in beats if inside == 0]) - (
        made.song_start_s
    )


def furthest(downbeats_s, lines_s) -> float:
    return float(np.abs(np.subtract.outer(np.array(downbeats_s), lines_s)).min(axis=1).max())


@pytest.mark.parametrize("bpm", [120.0, 93.7, 174.0, 127.99])
@pytest.mark.parametrize("downbeat_s", [0.0, 0.37, 1.9, 5.01])
def test_a_machines_tempo_is_one_tempo_and_every_downbeat_a_bar_line(bpm, downbeat_s):
    reading = made_reading(bpm, downbeat_s=downbeat_s, n_bars=100)
    made = tempo_map(reading, RATE)
    assert made is not None
    assert [tempo.bpm for tempo in made.tempos] == [bpm]
    assert furthest(reading.downbeats_s, bar_lines(made, reading.duration_s)) < 2 / RATE
    assert 0 <= made.song_start_s < 4 * 60 / bpm
    assert made.song_start_s * RATE == pytest.approx(round(made.song_start_s * RATE), abs=1e-6)


def test_a_song_that_begins_on_its_downbeat_begins_with_the_project():
    made = tempo_map(made_reading(120, downbeat_s=0.0), RATE)
    assert made == TempoMap((Tempo(0.0, 0.0, 120.0),), (Meter(0, 4),))


def test_a_pick_up_is_played_before_the_second_bar():
    made = tempo_map(made_reading(120, downbeat_s=0.37), RATE)
    assert made is not None
    assert (made.song_start_s, made.n_bars_before) == (pytest.approx(2.0 - 0.37), 1)


def test_beats_that_a_reading_got_a_little_wrong_still_give_the_round_tempo():
    reading = made_reading(126.0, n_bars=60)
    jitter = np.random.default_rng(1).uniform(-0.001, 0.001, len(reading.beats_s))
    beats_s = np.array(reading.beats_s) + jitter
    n_before = reading.beats_s.index(reading.downbeats_s[0])
    made = tempo_map(
        replace(reading, beats_s=tuple(beats_s), downbeats_s=tuple(beats_s[n_before::4])), RATE
    )
    assert made is not None
    assert [tempo.bpm for tempo in made.tempos] == [126.0]


@pytest.mark.parametrize("sway", [0.02, 0.1])
@pytest.mark.parametrize("downbeat_s", [0.0, 0.37, 3.3])
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_a_swaying_tempo_keeps_every_beat_on_the_grid_and_nothing_adds_up(
    sway, downbeat_s, beats_per_bar
):
    reading = made_reading(
        100, downbeat_s=downbeat_s, n_bars=150, sway=sway, beats_per_bar=beats_per_bar
    )
    made = tempo_map(reading, RATE)
    assert made is not None
    assert len(made.tempos) > 10
    assert furthest(reading.downbeats_s, bar_lines(made, reading.duration_s)) < CLOSE_S
    beats = [made.time_s(beat) for beat in range(1000)]
    assert furthest(reading.beats_s, np.array(beats) - made.song_start_s) < CLOSE_S


def test_a_band_that_breathes_a_little_needs_fewer_changes_than_bars():
    reading = made_reading(100, n_bars=150, sway=0.01)
    made = tempo_map(reading, RATE)
    assert made is not None
    assert 1 < len(made.tempos) < 150


def test_a_song_that_speeds_up_once_changes_its_tempo_once_or_twice():
    slow = np.arange(0, 32) * 0.6
    beats_s = np.concatenate((slow, slow[-1] + 0.6 + np.arange(0, 32) * 0.5))
    reading = replace(
        made_reading(), beats_s=tuple(beats_s), downbeats_s=tuple(beats_s[::4]), steady=False
    )
    made = tempo_map(reading, RATE)
    assert made is not None
    assert made.tempos[0].bpm == pytest.approx(100, abs=0.1)
    assert made.tempos[-1].bpm == pytest.approx(120, abs=0.1)
    assert len(made.tempos) <= 3


def test_a_bar_of_two_beats_is_a_change_of_meter():
    reading = made_reading(120, downbeat_s=0.0, n_bars=8)
    beats = np.array(reading.beats_s)
    made = tempo_map(replace(reading, downbeats_s=tuple(beats[[0, 4, 8, 10, 14, 18]])), RATE)
    assert made is not None
    assert made.meters == (Meter(0, 4), Meter(8, 2), Meter(10, 4))
    assert furthest(beats[[0, 4, 8, 10, 14, 18]], bar_lines(made, reading.duration_s)) < 1e-9


def test_times_and_beats_are_each_others_inverse():
    made = tempo_map(made_reading(97, downbeat_s=0.2, n_bars=50, sway=0.08), RATE)
    assert made is not None
    for time_s in np.linspace(0, 130, 400):
        assert made.time_s(made.beat(time_s)) == pytest.approx(time_s, abs=1e-9)


@pytest.mark.parametrize("beats_s", [(), (1.0,)])
def test_without_beats_there_is_no_tempo_map(beats_s):
    assert tempo_map(replace(made_reading(), beats_s=beats_s, downbeats_s=()), RATE) is None
    assert tempo_map(replace(made_reading(), bpm=0.0), RATE) is None
