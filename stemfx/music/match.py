"""Which bars of two takes of one song mean one another, though tempo, key and band differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music.bar_features import CHORDS
from stemfx.music.bar_pairs import pair_odds
from stemfx.music.bar_paths import Path, Run, best_path
from stemfx.music_reading import MusicReading

LEAST_CONFIDENCE = 0.5
"""Below it the songs are not takes of one song: they are laid bar on bar."""

_JUMP, _JUMP_IN_SECTION = 1.0, 3.0  # at each of the four lines of a jump
_TEMPER, _WORTH = 0.5, (-0.5, 1.5)  # neighbouring bars tell the same twice; odd ones happen
_MARGIN = 4.0  # what bars laid anew must be worth more than bar on bar
_LEAD, _LEAD_SCALE = 0.3, 0.05  # a bar, over all other transpositions; 0.4 to 1.5 in one song,
# 0 to 0.2 between two
_LEAST_RUN = 2


@dataclass(frozen=True)
class BarMatch:
    """A run of bars of the reference, and the bars of the other song that mean the same.

    Args:
        first_bar: of the reference, from 1 on.
        first_bar_of_other: from 1 on.
        n_bars: of the reference; of the other song as many, or `octave` times fewer.
    """

    first_bar: int
    first_bar_of_other: int
    n_bars: int


@dataclass(frozen=True)
class Matching:
    """How the bars of another song lie on those of the reference.

    Args:
        matches: in order, neither song going back; bars of the reference between them have no
            counterpart.
        confidence: 0 (two songs, laid bar on bar) to 1 (two takes of one song).
        semitones: how far the other song lies above the reference, -5 to 6; 0 if not confident.
        differences: sentences that say which bars have no counterpart; empty for the same form.
    """

    matches: tuple[BarMatch, ...]
    confidence: float
    semitones: int = 0
    differences: tuple[str, ...] = ()


class _Song(NamedTuple):
    """Rows of bars, and for each bar 1 if a section begins there."""

    bars: Float64s
    begins: Float64s


def match_bars(reference: MusicReading, other: MusicReading, *, octave: float = 1.0) -> Matching:
    """Find which bars of another take of the reference's song mean the same as which of its own.

    The chords of bars are compared in all twelve transpositions, and how loud and busy bars are
    in their song; runs of bars are laid on one another so that as much as possible agrees and
    they join at borders of sections. The bars stay where they are, bar 1 on bar 1, unless others
    agree clearly better; and if the chords agree in no transposition.

    Args:
        reference: with `bars` and `sections`.
        other: likewise.
        octave: beats of the reference for one of the other's, 0.5, 1 or 2: where one song was
            counted at half the pace, its bars are twice as long.
    """
    if not reference.bars or not other.bars:
        return Matching((), 0.0)
    one, two = _song(reference), _song(other)
    found = _match(one, two) if octave == 1.0 else _match_joined(one, two, octave)
    here = _left_out([(i, i + k) for i, _, k in found.runs], len(one.bars))
    there = _left_out([(j, j + int(k / octave)) for _, j, k in found.runs], len(two.bars))
    words = [f"{bars} of the reference have no counterpart" for bars in here]
    words += [f"{bars} of the other song are left out" for bars in there]
    return Matching(
        tuple(BarMatch(i + 1, j + 1, k) for i, j, k in found.runs),
        found.confidence,
        (found.semitones + 5) % 12 - 5,
        tuple(words) if found.confidence >= LEAST_CONFIDENCE else (),
    )


class _Found(NamedTuple):
    runs: Sequence[Run]
    confidence: float
    semitones: int
    worth: float


def _match(one: _Song, two: _Song) -> _Found:
    n, m = len(one.bars), len(two.bars)
    jumps = [
        np.where(np.append(song.begins, 1) > 0, _JUMP, _JUMP_IN_SECTION) for song in (one, two)
    ]
    paths, straight = [], []
    for odds in pair_odds(one.bars, two.bars, one.begins, two.begins):
        worth = np.clip(_TEMPER * odds, *_WORTH)
        paths.append(best_path(worth, *jumps))
        straight.append(float(np.trace(worth)))
    totals = np.array([max(p.worth - _MARGIN, s) for p, s in zip(paths, straight, strict=True)])
    semitones = int(np.argmax(totals))
    ahead = float(totals[semitones] - np.delete(totals, semitones).max()) / min(n, m)
    confidence = float(1 / (1 + np.exp((_LEAD - ahead) / _LEAD_SCALE)))
    runs: Sequence[Run] = ((0, 0, min(n, m)),)
    if confidence < LEAST_CONFIDENCE:
        return _Found(runs, confidence, 0, 0.0)
    path: Path = paths[semitones]
    if path.worth - straight[semitones] > _MARGIN:
        runs = _tidied(path.runs, n, m)
    return _Found(runs, confidence, semitones, float(totals[semitones]))


def _match_joined(one: _Song, two: _Song, octave: float) -> _Found:
    """Match songs of which one has bars half as long, joined by two from its bar 1 or 2 on."""
    tried = []
    for shift in (0, 1):
        found = _match(_joined(one, shift), two) if octave > 1 else _match(one, _joined(two, shift))
        a, b = (2, 1) if octave > 1 else (1, 2)  # bars for each of those that were matched
        at, at_other = (shift, 0) if octave > 1 else (0, shift)
        runs = [(a * i + at, b * j + at_other, a * k) for i, j, k in found.runs]
        tried.append(found._replace(runs=runs))
    return max(tried, key=lambda found: found.worth)  # the first where neither is sure


def _song(reading: MusicReading) -> _Song:
    bars = np.array(reading.bars, np.float64).reshape(len(reading.bars), -1)
    begins = np.zeros(len(bars))
    for section in reading.sections:
        begins[section.first_bar - 1] = 1.0
    return _Song(bars, begins)


def _joined(song: _Song, shift: int) -> _Song:
    """Join bars by two from bar `shift` on: each gives the chords of one half."""
    shift = min(shift, len(song.bars) - 1)
    n = -(-(len(song.bars) - shift) // 2)
    last = np.minimum(shift + np.arange(2 * n), len(song.bars) - 1)
    song = _Song(song.bars[last], song.begins[last])
    first, second = (song.bars[k::2] for k in (0, 1))
    joined = 0.5 * (first + second)
    halves = [bars[:, CHORDS].reshape(n, 2, 12).sum(axis=1) for bars in (first, second)]
    halves = [
        half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9) for half in halves
    ]
    joined[:, CHORDS] = np.concatenate(halves, axis=1)
    begins = song.begins.reshape(n, 2).max(axis=1)
    return _Song(joined, begins)


def _tidied(runs: Sequence[Run], n: int, m: int) -> list[Run]:
    """Join runs between which as many bars of both are left out, and play on at both ends.

    There the other song has something else, but it is a part of the same form.
    """
    joined: list[Run] = []
    for run in runs:
        if run[2] < _LEAST_RUN:
            continue
        if joined and run[0] - joined[-1][0] == run[1] - joined[-1][1]:
            joined[-1] = (*joined[-1][:2], run[0] + run[2] - joined[-1][0])
        else:
            joined.append(run)
    if not joined:
        return [(0, 0, min(n, m))]
    i, j, k = joined[0]
    back = min(i, j)
    joined[0] = (i - back, j - back, k + back)
    i, j, _ = joined[-1]
    joined[-1] = (i, j, min(n - i, m - j))
    return joined


def _left_out(spans: Sequence[tuple[int, int]], n: int) -> list[str]:
    edges = [(0, 0), *spans, (n, n)]
    gaps = [(a[1] + 1, b[0]) for a, b in pairwise(edges) if b[0] > a[1]]
    return [f"bars {a}-{b}" if b > a else f"bar {a}" for a, b in gaps]
