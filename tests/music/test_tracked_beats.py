"""Beats that a plugin tracks: refined as stemfx's own are, and held to the contract."""

from __future__ import annotations

from typing import Any

import mir_eval
import numpy as np
import pytest
from made_songs import made_song

from stemfx.audio import Audio, Signal
from stemfx.beat_tracker import BeatTracker, TrackedBeats
from stemfx.errors import PluginError
from stemfx.music import read_music
from stemfx.music_reading import Told

SONG = made_song("rock", 100, faster_at_end=0.1)


class Says(BeatTracker):
    name = "says"
    summary = "says what it was told to"
    licence = "CC0-1.0"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def track(self, mixture: Signal) -> TrackedBeats:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def loose(beats_s: np.ndarray) -> np.ndarray:
    """Return beats as trackers give them: in frames of 20 ms, late by one."""
    return np.round(beats_s / 0.02) * 0.02 + 0.02


def error_s(found_s: tuple[float, ...], truth_s: np.ndarray) -> float:
    return float(np.median(np.abs(np.asarray(found_s)[:, np.newaxis] - truth_s).min(axis=1)))


def f_measure(truth_s: np.ndarray, found_s: tuple[float, ...]) -> float:
    return float(mir_eval.beat.f_measure(truth_s, np.asarray(found_s)))


def test_tracked_beats_are_moved_to_the_attacks() -> None:
    tracker = Says(TrackedBeats(loose(SONG.beats_s).tolist()))
    assert error_s(tuple(loose(SONG.beats_s)), SONG.beats_s) > 0.01
    reading = read_music(SONG.mixture, {}, tracker=tracker)
    assert error_s(reading.beats_s, SONG.beats_s) < 0.003
    assert f_measure(SONG.beats_s, reading.beats_s) > 0.98
    assert f_measure(SONG.downbeats_s, reading.downbeats_s) > 0.98  # read among its beats
    assert reading.bpm_confidence > 0.3


def test_a_tracker_decides_the_octave() -> None:
    tracker = Says(TrackedBeats(loose(SONG.beats_s)[::2].tolist()))
    reading = read_music(SONG.mixture, {}, tracker=tracker)
    own = read_music(SONG.mixture, {})
    assert reading.bpm == pytest.approx(own.bpm / 2, rel=0.01)


@pytest.mark.parametrize("first", [0, 1, 3])
def test_its_downbeats_are_taken_even_where_the_song_says_otherwise(first: int) -> None:
    beats_s = loose(SONG.beats_s)
    tracker = Says(TrackedBeats(beats_s.tolist(), beats_s[first::4].tolist()))
    reading = read_music(SONG.mixture, {}, tracker=tracker)
    assert f_measure(SONG.beats_s[first::4], reading.downbeats_s) > 0.95


def test_bars_of_changing_length_are_taken_as_they_are() -> None:
    bars = np.array([0, 4, 8, 11, 15, 19, 23, 27, 31, 35])  # one of three
    beats_s = loose(SONG.beats_s)[:40]
    tracker = Says(TrackedBeats(beats_s.tolist(), beats_s[bars].tolist()))
    reading = read_music(SONG.mixture, {}, tracker=tracker)
    expected = SONG.beats_s[[*bars, *range(39, 51, 4)]]  # the last sound begins at beat 48
    assert f_measure(expected, reading.downbeats_s) > 0.98
    assert reading.beats_per_bar == 4


@pytest.mark.parametrize(("told", "octave"), [(104, 1.0), (52, 0.5), (208, 2.0)])
def test_a_told_tempo_goes_before_the_octave_of_a_tracker(told: float, octave: float) -> None:
    tracker = Says(TrackedBeats(loose(SONG.beats_s).tolist()))
    own = read_music(SONG.mixture, {}, tracker=tracker)
    reading = read_music(SONG.mixture, {}, tracker=tracker, told=Told(bpm=told))
    assert reading.bpm == pytest.approx(octave * own.bpm, rel=0.01)


def test_a_told_downbeat_goes_before_those_of_a_tracker() -> None:
    beats_s = loose(SONG.beats_s)
    tracker = Says(TrackedBeats(beats_s.tolist(), beats_s[2::4].tolist()))
    told = Told(downbeat_s=float(SONG.beats_s[5]))
    reading = read_music(SONG.mixture, {}, tracker=tracker, told=told)
    assert f_measure(SONG.beats_s[1::4], reading.downbeats_s) > 0.95


def test_a_tracker_that_hears_nothing_leaves_a_song_without_beats() -> None:
    reading = read_music(SONG.mixture, {}, tracker=Says(TrackedBeats([])))
    assert (reading.bpm, reading.beats_s) == (0, ())


def test_beats_of_silence_are_kept_but_nothing_confirms_them() -> None:
    silence = Audio(np.zeros((1, 20 * 44_100), np.float32), 44_100)
    tracker = Says(TrackedBeats(np.arange(0.5, 19, 0.5).tolist()))
    reading = read_music(silence, {}, tracker=tracker)
    assert reading.bpm == pytest.approx(120)
    assert reading.bpm_confidence == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (TrackedBeats([0.5, float("nan"), 1.5]), "gave nan s among its beats_s"),
        (TrackedBeats([0.5, 1.5, 1.0]), "gave 1 s after 1.5 s in beats_s; they must rise"),
        (TrackedBeats([0.5, 0.5]), "they must rise"),
        (TrackedBeats([-0.5, 0.5]), "gave -0.5 s among its beats_s; times lie in the song"),
        (TrackedBeats([0.5, 1e4]), "gave 10000 s among its beats_s; times lie in the song"),
        (TrackedBeats([0.5], [float("inf")]), "gave inf s among its downbeats_s"),
        (TrackedBeats("beats"), "no list of times"),  # type: ignore[arg-type]
        (TrackedBeats(np.zeros((2, 2))), "no list of times"),  # type: ignore[arg-type]
        ([0.5, 1.0], "returned [0.5, 1.0] where TrackedBeats are declared"),
        (RuntimeError("out of tune\nmore"), "'says' failed (RuntimeError: out of tune)"),
    ],
)
def test_a_broken_tracker_is_told_in_one_sentence(answer: Any, words: str) -> None:
    with pytest.raises(PluginError) as raised:
        read_music(SONG.mixture, {}, tracker=Says(answer))
    assert words in str(raised.value)
    assert "'says'" in str(raised.value)
    assert "\n" not in str(raised.value)
