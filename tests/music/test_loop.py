"""Loops: their length in beats, where they begin, their key."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.harmonic import PITCHED_SHARE, harmonic_share
from stemfx.dsp.transpose import key_chroma, semitones_to_key
from stemfx.io import FileSignal, probe
from stemfx.music.bars import song_grid
from stemfx.music.loop import read_loop
from stemfx.music_reading import MusicReading
from stemfx.testing import example_reading, tone

RATE = 44_100


def bars(corpus: Path, song: str, stem: str, first: int, n: int) -> tuple[Audio, float]:
    """Cut bars out of a stem of the corpus."""
    truth = json.loads((corpus / "songs" / song / "song.json").read_text())
    beat_s = 60 / truth["bpm"]
    start = round((truth["first_downbeat_s"] + 4 * first * beat_s) * RATE)
    signal = FileSignal(probe(corpus / "songs" / song / f"{stem}.flac"))
    return Audio(signal.read(start, start + round(4 * n * beat_s * RATE)), RATE), truth["bpm"]


@pytest.mark.parametrize("song", ["harbour_lights", "neon_parade", "iron_tide"])
@pytest.mark.parametrize("stem", ["drums", "other"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_bars_of_a_stem_are_read_to_the_beat(corpus: Path, song: str, stem: str, n: int):
    loop, bpm = bars(corpus, song, stem, 4, n)
    reading = read_loop(loop)
    assert reading.n_beats == 4 * n
    assert reading.bpm == pytest.approx(bpm, abs=0.01)


@pytest.mark.parametrize("song", ["harbour_lights", "neon_parade", "iron_tide"])
@pytest.mark.parametrize("tail_s", [0.25, 0.7])
def test_silence_after_the_last_beat_is_no_part_of_the_loop(corpus: Path, song: str, tail_s: float):
    loop, bpm = bars(corpus, song, "drums", 4, 2)
    reading = read_loop(Audio(np.pad(loop.samples, ((0, 0), (0, round(tail_s * RATE)))), RATE))
    assert reading.n_beats == 8
    assert reading.bpm == pytest.approx(bpm, rel=0.002)  # a loop ends when it is 60 dB down


@pytest.mark.parametrize("song", ["harbour_lights", "neon_parade", "iron_tide"])
def test_a_rest_at_its_end_is_part_of_the_loop(corpus: Path, song: str):
    loop, bpm = bars(corpus, song, "drums", 4, 2)
    rest = loop.samples.copy()
    rest[:, -round(0.2 * RATE) :] = 0.0
    reading = read_loop(Audio(rest, RATE))
    assert reading.n_beats == 8
    assert reading.bpm == pytest.approx(bpm, abs=0.01)


@pytest.mark.parametrize("song", ["harbour_lights", "neon_parade", "iron_tide"])
def test_drums_have_no_key_and_chords_do(corpus: Path, song: str):
    drums, _ = bars(corpus, song, "drums", 4, 4)
    other, _ = bars(corpus, song, "other", 4, 4)
    assert harmonic_share(drums) < PITCHED_SHARE < harmonic_share(other)
    assert read_loop(drums).key == ""
    assert read_loop(other).key


def test_what_the_producer_knows_is_taken():
    audio = tone(220.0, duration_s=4.1)
    assert read_loop(audio, beats=8).beat_s == pytest.approx(4.1 / 8)
    by_tempo = read_loop(audio, bpm=120.0)  # 8.2 beats: two bars, and a tail
    assert (by_tempo.n_beats, by_tempo.period_s) == (8, 4.0)
    both = read_loop(audio, bpm=90.0, beats=6)
    assert (both.n_beats, both.period_s) == (6, pytest.approx(4.0))


def test_silence_before_the_first_beat_is_an_encoders():
    late = np.pad(tone(220.0, duration_s=4.0).samples, ((0, 0), (round(0.026 * RATE), 0)))
    assert read_loop(Audio(late, RATE), bpm=120.0).first_s == pytest.approx(0.026, abs=0.001)
    assert read_loop(tone(220.0, duration_s=4.0), bpm=120.0).first_s == 0.0


def test_a_sine_has_no_beat():
    reading = read_loop(tone(220.0, duration_s=4.0))
    assert reading.n_beats == 0
    assert reading.bpm == 0.0


@pytest.mark.parametrize(
    ("own", "song", "semitones"),
    [
        ("A minor", "A minor", 0),
        ("A minor", "C major", 0),
        ("C major", "A minor", 0),
        ("A minor", "C minor", 3),
        ("C major", "Eb major", 3),
        ("C major", "D minor", 5),
        ("E minor", "F major", -2),
        ("F# major", "C major", 6),
    ],
)
def test_the_nearest_way_to_the_same_notes(own: str, song: str, semitones: int):
    found = semitones_to_key(key_chroma(own), song)
    assert found % 12 == semitones % 12
    assert abs(found) <= 6


def test_the_grid_goes_on_past_the_beats_that_were_heard():
    reading = MusicReading(
        120.0, 1.0, (1.3, 1.8, 2.3, 2.8, 3.3, 3.8), (1.8, 3.8), "", 0.0, "", 0.0, 6.0
    )
    grid = song_grid(reading, 6.0)
    assert grid.beats_s[:3] == pytest.approx([0.3, 0.8, 1.3])
    assert grid.beats_s[-1] > 6.0
    # Bars begin at 1.8 and 3.8 s: the first one whose start is in the song would be at -0.2 s.
    assert grid.bar_starts() == pytest.approx([1.8, 3.8, 5.8], abs=1e-9)
    assert [grid.is_bar(k) for k in range(8)] == [
        False,
        False,
        False,
        True,
        False,
        False,
        False,
        True,
    ]


def test_three_in_a_bar_are_counted():
    beats = tuple(np.arange(0.0, 9.0, 0.5))
    reading = MusicReading(120.0, 1.0, beats, beats[::3], "", 0.0, "", 0.0, 9.0)
    assert song_grid(reading, 9.0).beats_a_bar == 3


def test_a_song_without_a_beat_has_no_grid():
    empty = MusicReading(0.0, 0.0, (), (), "", 0.0, "", 0.0, 9.0)
    with pytest.raises(ValueError, match="no beat"):
        song_grid(empty, 9.0)
    assert song_grid(example_reading(tone(100.0, duration_s=4.0)), 4.0).beat_s == 0.5
