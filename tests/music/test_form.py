"""Sections and matched bars of songs whose form is known, because bars of one are put in order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_songs import RATE, made_song

from stemfx.audio import Audio
from stemfx.music import read_music
from stemfx.music.bar_features import CHORDS, N_FEATURES
from stemfx.music.bar_paths import best_path
from stemfx.music.form import BarMatch, match_bars
from stemfx.music_reading import MusicReading, Section

VERSE, CHORUS, BRIDGE = "verse", "chorus", "bridge"
SONG = (("intro", 4), (VERSE, 8), (CHORUS, 8), (VERSE, 8), (CHORUS, 8), (BRIDGE, 4), (CHORUS, 8))
LOOPS = {
    "intro": ((9, 0, 4), (9, 0, 4)),
    VERSE: ((9, 0, 4), (5, 9, 0), (0, 4, 7), (7, 11, 2)),
    CHORUS: ((5, 9, 0), (7, 11, 2), (9, 0, 4), (0, 4, 7)),
    BRIDGE: ((2, 5, 9), (4, 8, 11), (2, 5, 9), (4, 8, 11)),
}
LOUD_DB = {"intro": -12.0, VERSE: -6.0, CHORUS: 0.0, BRIDGE: -9.0}


def take(form: tuple[tuple[str, int], ...], *, up: int = 0, seed: int = 0) -> MusicReading:
    """Return a reading of chord loops with noise, `up` semitones higher."""
    rng = np.random.default_rng(seed)
    rows, sections = [], []
    for kind, n in form:
        first = len(rows)
        for k in range(n):
            chord = np.zeros(12)
            chord[[(note + up) % 12 for note in LOOPS[kind][k % len(LOOPS[kind])]]] = 1
            halves = [chord + 0.25 * rng.random(12) for _ in range(2)]
            halves = [half / np.linalg.norm(half) for half in halves]
            loud = LOUD_DB[kind] + rng.normal(0, 1, 4)
            rows.append((*halves[0], *halves[1], *loud, *(2 + 0.1 * loud)))
        sections.append(Section(kind[0], 2.0 * first, 2.0 * len(rows), first + 1, n))
    bars = tuple(tuple(float(x) for x in row) for row in rows)
    downbeats = tuple(2.0 * k for k in range(len(bars)))
    return MusicReading(
        *(120.0, 1.0, (), downbeats, "A minor", 1.0, "", 0.0, 2.0 * len(bars)),
        sections=tuple(sections),
        bars=bars,
    )


def laid(reference: MusicReading, other: MusicReading) -> list[tuple[int, int, int]]:
    return [
        (m.first_bar, m.first_bar_of_other, m.n_bars) for m in match_bars(reference, other).matches
    ]


@pytest.mark.parametrize("up", range(12))
def test_the_same_form_in_any_key_is_one_match(up: int) -> None:
    found = match_bars(take(SONG), take(SONG, up=up, seed=1))
    assert found.matches == (BarMatch(1, 1, 48),)
    assert found.semitones % 12 == up
    assert found.confidence > 0.9
    assert found.differences == ()


def test_a_longer_intro_moves_all_that_follows() -> None:
    longer = (("intro", 8), *SONG[1:])
    assert laid(take(SONG), take(longer, up=3, seed=1)) == [(1, 5, 48)]
    assert laid(take(longer), take(SONG, up=3, seed=1)) == [(5, 1, 48)]


def test_a_missing_verse_is_a_gap_and_a_doubled_chorus_is_left_out() -> None:
    shorter = (*SONG[:3], *SONG[4:])
    found = match_bars(take(SONG), take(shorter, up=5, seed=1))
    assert [m.n_bars for m in found.matches] == [20, 20]
    assert found.matches[1] == BarMatch(29, 21, 20)
    assert found.differences == ("bars 21-28 of the reference have no counterpart",)
    assert laid(take(shorter), take(SONG, up=5, seed=1)) == [(1, 1, 20), (21, 29, 20)]


def test_an_extra_bar_at_the_end_of_a_section_is_left_out_there() -> None:
    extra = (*SONG[:1], (VERSE, 9), *SONG[2:])
    assert laid(take(SONG), take(extra, up=1, seed=1)) == [(1, 1, 12), (13, 14, 36)]


def test_another_bridge_is_laid_on_the_bridge() -> None:
    reference, other = take(SONG), take(SONG, seed=1)
    strange = np.random.default_rng(2).random((4, N_FEATURES))
    bars = (*other.bars[:36], *(tuple(row) for row in strange.tolist()), *other.bars[40:])
    assert laid(reference, replace(other, bars=bars)) == [(1, 1, 48)]


def test_two_songs_are_laid_bar_on_bar_without_confidence() -> None:
    rng = np.random.default_rng(3)
    for seed in range(5):
        other = take(SONG[2:], seed=seed)
        chords = np.array(other.bars)
        chords[:, CHORDS] = rng.random((len(chords), 24)) ** 3
        unlike = replace(other, bars=tuple(tuple(row) for row in chords.tolist()))
        found = match_bars(take(SONG), unlike)
        assert found.confidence < 0.5
        assert found.matches == (BarMatch(1, 1, 36),)


@pytest.mark.parametrize("octave", [0.5, 2.0])
def test_bars_counted_at_half_the_pace_lie_on_two(octave: float) -> None:
    slow = take((("intro", 2), *((kind, n) for kind, n in SONG[1:])), up=2)
    quick_rows = [row for row in take(slow_form(), up=0, seed=1).bars for _ in range(2)]
    quick = replace(take(SONG), bars=tuple(quick_rows), sections=doubled(take(slow_form())))
    if octave == 2.0:
        found = match_bars(quick, slow, octave=2.0)
        assert found.matches == (BarMatch(1, 1, 2 * len(slow.bars)),)
    else:
        found = match_bars(slow, quick, octave=0.5)
        assert found.matches == (BarMatch(1, 1, len(slow.bars)),)
    assert found.confidence > 0.9


def slow_form() -> tuple[tuple[str, int], ...]:
    return (("intro", 2), *SONG[1:])


def doubled(reading: MusicReading) -> tuple[Section, ...]:
    return tuple(
        replace(s, first_bar=2 * s.first_bar - 1, n_bars=2 * s.n_bars) for s in reading.sections
    )


def test_no_bars_match_nothing() -> None:
    empty = replace(take(SONG), bars=(), sections=())
    assert match_bars(take(SONG), empty).matches == ()
    assert match_bars(empty, take(SONG)).confidence == 0.0


def test_one_bar_lies_on_the_first() -> None:
    one = take((("intro", 1),))
    assert laid(take(SONG), one) == [(1, 1, 1)]


def test_the_best_path_is_that_of_trying_all() -> None:
    """Against a search that tries every pair as the next one."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        worth = rng.normal(0, 1, (5, 6))
        jump, jump_other = rng.random(6), rng.random(7)

        def rest(i: int, j: int) -> float:
            """Return what can still be won after the pair (i, j)."""
            n, m = worth.shape  # noqa: B023
            out = jump[i + 1] + jump_other[j + 1]  # noqa: B023
            best = 0.0 if (i, j) == (n - 1, m - 1) else -out
            for a in range(i + 1, n):
                for b in range(j + 1, m):
                    cost = 0.0 if (a, b) == (i + 1, j + 1) else out + jump[a] + jump_other[b]  # noqa: B023
                    best = max(best, worth[a, b] - cost + rest(a, b))  # noqa: B023
            return best

        starts = [
            worth[a, b] - (jump[a] + jump_other[b] if a or b else 0.0) + rest(a, b)
            for a in range(5)
            for b in range(6)
        ]
        assert best_path(worth, jump, jump_other).worth == pytest.approx(max(starts))


@pytest.fixture(scope="module")
def sung() -> tuple[MusicReading, Audio]:
    """Eight bars in A minor with drums, eight in D major without, the first eight again."""
    bright = made_song("rock", 120, tonic=9, mode="minor", bars=8, start_s=0.0)
    quiet = made_song("rock", 120, tonic=2, mode="major", bars=8, start_s=0.0)
    n = 16 * RATE  # eight bars of two seconds
    loud = bright.mixture.samples[:, :n]
    soft = quiet.mixture.samples[:, :n] - 0.9 * quiet.stems["drums"].samples[:, :n]
    audio = Audio(np.concatenate([loud, soft, loud, soft], axis=1), RATE)
    return read_music(audio, {}), audio


def test_sections_cover_all_bars_and_begin_at_downbeats(
    sung: tuple[MusicReading, Audio],
) -> None:
    reading, audio = sung
    assert len(reading.bars) == len(reading.downbeats_s)
    assert {len(row) for row in reading.bars} == {N_FEATURES}
    next_bar, next_s = 1, reading.downbeats_s[0]
    for section in reading.sections:
        assert (section.first_bar, section.start_s) == (next_bar, next_s)
        assert section.start_s == reading.downbeats_s[section.first_bar - 1]
        next_bar, next_s = next_bar + section.n_bars, section.end_s
    assert next_bar == len(reading.bars) + 1
    assert next_s <= audio.n_samples / RATE


def test_parts_that_come_again_share_a_label(sung: tuple[MusicReading, Audio]) -> None:
    sections = sung[0].sections
    assert [(s.label, s.first_bar, s.n_bars) for s in sections] == [
        *(("A", 1, 8), ("B", 9, 8), ("A", 17, 8), ("B", 25, 8)),
    ]
    assert [s.start_s for s in sections] == pytest.approx([0, 16, 32, 48], abs=0.01)


def test_a_reading_with_sections_goes_through_json(sung: tuple[MusicReading, Audio]) -> None:
    assert MusicReading.from_json(json.loads(json.dumps(sung[0].to_json()))) == sung[0]


def test_noise_has_no_sections() -> None:
    noise = np.random.default_rng(5).standard_normal((1, 6 * RATE)).astype(np.float32)
    reading = read_music(Audio(0.1 * noise, RATE), {})
    assert len(reading.bars) == len(reading.downbeats_s)
    assert bool(reading.sections) == bool(reading.bars)
