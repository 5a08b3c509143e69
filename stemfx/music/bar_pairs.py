"""How alike each bar of one song is to each bar of another, in each of twelve transpositions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music.bar_features import CHORDS, LEVELS, ONSETS
from stemfx.music.form_weights import PAIR_WEIGHTS

N_CHORD_CUES = 2
_LEAST_SPREAD_DB = (2.0, 0.5)  # of levels and of onsets: an even song stays even
_RANGE = 2.0  # mean deviations
_REACH = 2  # bars before and after that are looked at too


def pair_odds(
    one: Float64s, other: Float64s, begins: Float64s, begins_other: Float64s
) -> Iterator[Float64s]:
    """Yield the log odds that bars mean one another, `(n_bars, n_bars of the other)`, 12 times.

    The t-th is for the other song lying t semitones higher.

    Args:
        one: rows of `MusicReading.bars`.
        other: likewise.
        begins: for each bar 1 if a section begins there, else 0.
        begins_other: likewise.
    """
    rest = _other_cues(one, other, begins, begins_other)
    base = rest @ PAIR_WEIGHTS[N_CHORD_CUES:-1] + PAIR_WEIGHTS[-1]
    for cues in _chord_cues(one, other):
        yield np.asarray(base + cues @ PAIR_WEIGHTS[:N_CHORD_CUES])


def pair_cues(one: Float64s, other: Float64s, begins: Float64s, begins_other: Float64s) -> Float64s:
    """Return `(12, n_bars, n_bars of the other, n_cues)`: what the odds are made of."""
    rest = _other_cues(one, other, begins, begins_other)
    cues = [np.concatenate([c, rest], axis=2) for c in _chord_cues(one, other)]
    return np.asarray(cues)


def _chord_cues(one: Float64s, other: Float64s) -> Iterator[Float64s]:
    """Yield the cosine between the chords of bars, and its mean over the bars around them."""
    first, second = _centred(one[:, CHORDS]), _centred(other[:, CHORDS])
    for semitones in range(12):
        turned = np.roll(second, -semitones, axis=2)
        alike = first.reshape(len(one), 24) @ turned.reshape(len(other), 24).T
        yield np.stack([alike, _along(alike)], axis=2)


def _other_cues(
    one: Float64s, other: Float64s, begins: Float64s, begins_other: Float64s
) -> Float64s:
    """Return differences in level and in onsets, and whether sections begin at both or at one."""
    cues = []
    for of, least in zip((LEVELS, ONSETS), _LEAST_SPREAD_DB, strict=True):
        a, b = _standard(one[:, of], least), _standard(other[:, of], least)
        apart = np.zeros((len(a), len(b)))
        for k in range(a.shape[1]):
            apart += np.abs(np.subtract.outer(a[:, k], b[:, k])) / a.shape[1]
        cues += [apart, _along(apart)]
    cues += [np.outer(begins, begins_other), np.abs(np.subtract.outer(begins, begins_other))]
    return np.asarray(np.stack(cues, axis=2))


def _centred(chords: Float64s) -> Float64s:
    """Return `(n, 2, 12)` about their mean, each bar with a length of one."""
    halves = chords.reshape(-1, 2, 12)
    halves = halves - halves.mean(axis=2, keepdims=True)
    length = np.sqrt((halves**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(halves / np.maximum(length, 1e-9))


def _standard(rows: Float64s, least: float) -> Float64s:
    """Return rows about their median, in mean deviations of the song."""
    centred = rows - np.median(rows, axis=0)
    spread = np.maximum(np.abs(centred).mean(axis=0), least)
    return np.asarray(np.clip(centred / spread, -_RANGE, _RANGE))


def _along(cells: Float64s) -> Float64s:
    """Return the mean of each cell with those up to `_REACH` before and after on its diagonal."""
    n, m = cells.shape
    total, count = np.zeros((n, m)), np.zeros((n, m))
    for step in range(-min(_REACH, n - 1, m - 1), min(_REACH, n - 1, m - 1) + 1):
        here, there = max(0, -step), max(0, step)
        to = np.s_[here : n - there, here : m - there]
        total[to] += cells[there : n - here, there : m - here]
        count[to] += 1
    return np.asarray(total / count)
