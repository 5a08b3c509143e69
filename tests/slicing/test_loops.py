"""Loops: exact to the sample, at the same bars in every stem, without a seam."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from slicing.drumming import RATE

from stemfx.audio import Audio
from stemfx.dsp.windows import read_windows
from stemfx.io import FileSignal, probe
from stemfx.music_reading import MusicReading
from stemfx.slicing.bars import Bars, Grid, played_bpm
from stemfx.slicing.loops import Loop, find_loops, look_at_bars, phrase_starts


def reading_of(bpm: float, first_s: float, n_bars: int, jitter_s: float = 0.0) -> MusicReading:
    beats = first_s + 60 / bpm * np.arange(4 * n_bars + 1)
    beats += jitter_s * np.random.default_rng(0).uniform(-1, 1, beats.size)
    duration = first_s + n_bars * 240 / bpm
    return MusicReading(bpm, 1, tuple(beats), tuple(beats[::4]), "A minor", 1, "", 0, duration)


def noise_bars(bpm: float, first_s: float, kinds: str, rate: int = RATE) -> Audio:
    """One bar a letter: equal letters are equal bars, `.` is silence."""
    n = round(240 / bpm * rate)
    out = np.zeros((2, round(first_s * rate) + n * len(kinds)), np.float32)
    for k, kind in enumerate(kinds):
        if kind == ".":
            continue
        rng = np.random.default_rng(ord(kind))
        at = round(first_s * rate) + k * n
        bursts = np.repeat(rng.uniform(0, 1, 16) ** 4, -(-n // 16))[:n]
        out[:, at : at + n] = 0.1 * bursts * rng.standard_normal((2, n))
    return Audio(out, rate)


def loops_of(stem: Audio, reading: MusicReading, lengths: dict[int, int], most: int = 99):
    grid = Grid(reading, (), 0.0)
    return find_loops(look_at_bars(stem, grid), grid, lengths, most)


def sound(stem: Audio, loop: Loop) -> np.ndarray:
    (window,) = read_windows(stem, [loop.span(stem.sample_rate)])
    return loop.cut(window, stem.sample_rate)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("bpm", [72.0, 92.0, 104.5, 140.0, 174.0])
@pytest.mark.parametrize("n_bars", [1, 2, 4])
def test_a_loop_is_as_long_as_its_bars_to_the_sample(rate, bpm, n_bars):
    stem = noise_bars(bpm, 0.3, "abcdefgh", rate)
    loops, _ = loops_of(stem, reading_of(bpm, 0.3, 8, jitter_s=0.003), {n_bars: 0})
    assert len(loops) == 8 // n_bars
    for loop in loops:
        assert sound(stem, loop).shape == (2, round(n_bars * 4 * 60 / bpm * rate))


def test_beats_that_are_read_with_jitter_do_not_change_the_tempo():
    grid = Grid(reading_of(120, 0.5, 8, jitter_s=0.004), (), 0.0)
    for first in range(8):
        bars = grid.bars(first, 1)
        assert isinstance(bars, Bars)
        assert bars.bpm == 120


def test_a_song_that_slows_down_has_the_tempo_of_each_place():
    beat_s = 0.5 * 1.002 ** np.arange(65)
    beats = np.concatenate([[0.2], 0.2 + np.cumsum(beat_s)])
    mean = 60 / float(np.polyfit(np.arange(66), beats, 1)[0])
    reading = MusicReading(mean, 1, tuple(beats), tuple(beats[::4]), "", 0, "", 0, beats[-1])
    grid = Grid(reading, (), 0.0)
    for first in (0, 8, 15):
        bars = grid.bars(first, 1)
        assert isinstance(bars, Bars)
        lasts = beats[4 * first + 4] - beats[4 * first]
        # beats that stray 5 ms from the song's tempo still are at that tempo
        assert bars.n_samples(RATE) / RATE == pytest.approx(lasts, abs=0.012)


def test_bars_are_cut_just_before_the_attack_that_the_downbeat_is():
    reading = reading_of(120, 1.0, 4)
    grid = Grid(reading, (0.4, 0.993, 3.011, 5.2), 0.0005)
    starts = [bars.start_s for bars in (grid.bars(k, 1) for k in range(3)) if bars]
    # 7 ms early; 11 ms late; nothing near the third downbeat: where it should be
    assert starts == pytest.approx([0.9925, 3.0105, 4.9995], abs=1e-6)


def test_bars_beyond_the_end_and_without_a_tempo_are_none():
    reading = reading_of(120, 1.0, 4)
    grid = Grid(reading, (), 0.0)
    assert isinstance(grid.bars(3, 1), Bars)
    assert grid.bars(3, 2) == "past the end"
    wild = np.array(reading.beats_s)
    wild[5] += 0.1
    grid = Grid(MusicReading(120, 1, tuple(wild), reading.downbeats_s, "", 0, "", 0, 9.0), (), 0.0)
    assert isinstance(grid.bars(0, 1), Bars)
    assert grid.bars(1, 1) == "no steady beat"


def test_a_waltz_has_bars_of_three():
    beats = tuple(0.5 + 0.5 * np.arange(25))
    grid = Grid(MusicReading(120, 1, beats, beats[::3], "", 0, "", 0, 13.0), (), 0.0)
    bars = grid.bars(0, 2)
    assert isinstance(bars, Bars)
    assert (bars.n_beats, bars.n_samples(RATE)) == (6, 3 * RATE)


def test_silent_bars_likenesses_and_repeats_are_dropped():
    stem = noise_bars(120, 0.3, "aabcabab.d")
    reading = reading_of(120, 0.3, 10)
    loops, dropped = loops_of(stem, reading, {1: 0})
    assert len(loops) == 4  # a, b, c, d
    assert dropped == {"1bar": {"alike": 5, "silent": 1, "past the end": 1}}
    loops, dropped = loops_of(stem, reading, {1: 0, 2: 0})
    assert [loop.where.n_bars for loop in loops] == [1] * 4 + [2] * 2  # bc, ab
    assert dropped["2bar"] == {
        "repeats a shorter one": 1,
        "alike": 1,
        "silent": 1,
        "past the end": 1,
    }


def test_of_likenesses_the_loudest_is_kept():
    stem = noise_bars(120, 0.0, "aaa")
    samples = np.array(stem.samples)
    n = round(2 * RATE)
    samples[:, n : 2 * n] *= 1.2  # 1.6 dB: alike still
    loops, _ = loops_of(Audio(samples, RATE), reading_of(120, 0.0, 3), {1: 0})
    assert [round(loop.where.start_s, 3) for loop in loops] == [2.0]


def test_phrases_begin_where_stems_change():
    kinds = "x" + "aaaa" * 2 + "cccc" * 2 + "aaaa" * 2
    looks = [look_at_bars(noise_bars(120, 0.0, kinds), Grid(reading_of(120, 0.0, 25), (), 0.0))]
    assert [phrase_starts(looks, n_bars) for n_bars in (1, 2, 4, 8)] == [0, 1, 1, 1]


def test_a_tone_that_sounds_through_loops_without_a_click():
    """110 Hz under 120 bpm: 220 cycles a bar, so the loop ends as it begins."""
    t = np.arange(12 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 110 * t + 0.4))[np.newaxis].astype(np.float32)
    loops, _ = loops_of(Audio(tone, RATE), reading_of(120, 0.5, 5), {1: 0})
    looped = np.tile(sound(Audio(tone, RATE), loops[0]), 3)
    steepest = 0.5 * 2 * np.pi * 110 / RATE
    assert np.abs(np.diff(looped)).max() <= steepest * 1.001


def test_music_that_does_not_repeat_loops_without_a_click():
    """A tone whose phase jumps at the bar: no step is much larger than the tone's own."""
    t = np.arange(12 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 233.3 * t))[np.newaxis].astype(np.float32)
    loops, _ = loops_of(Audio(tone, RATE), reading_of(121, 0.5, 5), {1: 0})
    looped = np.tile(sound(Audio(tone, RATE), loops[0]), 3)
    steepest = 0.5 * 2 * np.pi * 233.3 / RATE
    # the crossfade adds its own slope: power gain up to sqrt(2) and the fade itself
    assert np.abs(np.diff(looped)).max() <= 1.6 * steepest


@pytest.mark.parametrize(
    ("read", "meant"), [(119.98, 120), (120.0116, 120), (136.88, 136.88), (0, 0), (92.049, 92)]
)
def test_tempos_that_machines_play_are_whole_numbers(read, meant):
    assert played_bpm(read) == meant


@pytest.mark.parametrize("song", ["iron_tide", "harbour_lights", "neon_parade"])
def test_loops_of_songs_tile_in_time(corpus: Path, song: str) -> None:
    """By the true tempo and downbeats: every length is exact and stems share their bars."""
    folder = corpus / "songs" / song
    truth = json.loads((folder / "song.json").read_text("utf-8"))
    beats, downbeats = tuple(truth["beats_s"]), tuple(truth["downbeats_s"])
    bpm = truth["bpm"]
    reading = MusicReading(bpm, 1, beats, downbeats, "", 0, "", 0, truth["duration_s"])
    grid = Grid(reading, [hit["t"] for hit in truth["drums"]], 0.0005)
    starts = {}
    infos = {name: probe(folder / f"{name}.flac") for name in ("drums", "bass", "other", "vocals")}
    stems = {name: Audio(FileSignal(i).read(), i.sample_rate) for name, i in infos.items()}
    looks = {name: look_at_bars(stem, grid) for name, stem in stems.items()}
    lengths = {n_bars: phrase_starts(list(looks.values()), n_bars) for n_bars in (1, 2, 4)}
    verse_s = truth["sections"][1]["start"]
    assert lengths[4] == int(np.argmin(np.abs(np.array(downbeats) - verse_s))) % 4
    for name, stem in stems.items():
        loops, _ = find_loops(looks[name], grid, lengths, 16)
        assert {loop.where.n_bars for loop in loops} >= {1, 2}
        for loop in loops:
            cut = sound(stem, loop)
            assert cut.shape[1] == round(loop.where.n_bars * 4 * 60 / bpm * stem.sample_rate)
            step = np.abs(cut[:, 0] - cut[:, -1]).max()
            assert step <= 1.001 * np.abs(np.diff(stem.samples)).max()
            # cut at a downbeat, but for what the player is early or late (up to 8 ms)
            assert min(abs(loop.where.start_s - t) for t in downbeats) < 0.025
        starts[name] = {round(loop.where.start_s, 6) for loop in loops}
    assert starts["drums"] & starts["bass"]
