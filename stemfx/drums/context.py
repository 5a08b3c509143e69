"""What the second network is told: a stroke against what was heard in the whole song.

The drums of one song are the same sounds over and over, and patterns return. So a stroke is
compared with the typical kick, snare, hat ... of its own song, and with the strokes one bar
earlier and later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.drums.description import FIRST_AFTER, LAST_ATTACK, attack_levels, gaps

Floats = NDArray[np.floating[Any]]

GROUPS = ((0, 2), (2, 7), (7, 13), (13, 17), (17, 22))
"""Short bands in groups: 20-108, 108-480, 480-1700, 1700-4800 and 4800-16000 Hz."""
DECAY_GROUPS = ((0, 3), (3, 7), (13, 17), (17, 22))

ABSENT = -5.0
"""Log odds beyond the first and last stroke."""

BAR_S = (0.9, 4.2)
SAME_PLACE_S = 0.04
ENOUGH = 3.0
"""Strokes of a class that make its typical sound sure."""

_CLOSED, _OPEN, _TOM, _KICK, _CRASH = 2, 3, 4, 0, 5


def in_song(short_db: Floats, times_s: NDArray[np.float64], odds: Floats) -> Floats:
    """Return the numbers that describe each stroke within its song, `(strokes, n)`.

    Args:
        short_db: as `stroke_levels` returns them.
        times_s: of the strokes.
        odds: what the first network heard, log odds `(strokes, classes)`.
    """
    n = len(odds)
    chance = 1 / (1 + np.exp(-odds.clip(-30, 30)))
    edge = np.full_like(odds[:1], ABSENT)
    attack = attack_levels(short_db)
    groups = _means(attack, GROUPS)
    decays = _decays(short_db, attack)
    told = [odds, np.concatenate([edge, odds[:-1]]), np.concatenate([odds[1:], edge])]
    told += _against_typical(attack, groups, chance)
    told += [np.tile(20 * chance.mean(axis=0), (n, 1)), np.tile(10 * chance.max(axis=0), (n, 1))]
    told += _one_bar_away(times_s, chance)
    told += [gaps(times_s), 0.5 * attack, 0.5 * decays]
    told += _decays_against_typical(decays, chance)
    told.append(_means(short_db[:, :FIRST_AFTER].max(axis=1), GROUPS))
    return np.concatenate(told, axis=1).astype(np.float32)


def _means(levels: Floats, groups: tuple[tuple[int, int], ...]) -> Floats:
    return np.stack([levels[:, first:last].mean(axis=1) for first, last in groups], axis=1)


def _decays(short_db: Floats, attack: Floats) -> Floats:
    """Return how far groups of bands have fallen, 65 to 320 ms after the attack, flat."""
    fallen = short_db[:, LAST_ATTACK:] - attack[:, np.newaxis]
    by_group = [fallen[:, :, first:last].mean(axis=2) for first, last in DECAY_GROUPS]
    return np.concatenate(by_group, axis=1)


def _against_typical(attack: Floats, groups: Floats, chance: Floats) -> list[Floats]:
    """Compare with the typical sound of each class: the strokes that are it and nothing else."""
    told: list[Floats] = []
    for drum in range(chance.shape[1]):
        alone = np.prod(np.delete(1 - chance, drum, axis=1), axis=1)
        weights = chance[:, drum] ** 2 * (alone + 0.02)
        known = min(1.0, float(weights.sum()) / ENOUGH)
        off = (attack - _typical(attack, weights)).clip(-25, 25)
        shape = np.abs(off - off.mean(axis=1, keepdims=True)).mean(axis=1, keepdims=True)
        level = (groups - _typical(groups, weights)).clip(-30, 30)
        told += [known * level, known * shape, np.full_like(shape, 10 * known)]
    return told


def _decays_against_typical(decays: Floats, chance: Floats) -> list[Floats]:
    """Compare decays with those of each class: high bands for metal, low ones for skins."""
    told: list[Floats] = []
    half = decays.shape[1] // 2
    for drum in (_CLOSED, _OPEN, _CRASH, _KICK, _TOM):
        weights = chance[:, drum] ** 2
        known = min(1.0, float(weights.sum()) / ENOUGH)
        off = (decays - _typical(decays, weights)).clip(-30, 30)
        told.append(known * (off[:, :half] if drum in (_KICK, _TOM) else off[:, half:]))
    return told


def _typical(values: Floats, weights: Floats) -> Floats:
    mean: Floats = weights @ values / max(float(weights.sum()), 1e-6)
    return mean


def _one_bar_away(times_s: NDArray[np.float64], chance: Floats) -> list[Floats]:
    """Return the mean chances at the strokes one and two bars earlier and later, and how many."""
    bar_s = _bar(times_s, chance)
    total, count = np.zeros_like(chance), np.zeros((len(chance), 1), np.float32)
    for bars in (-2, -1, 1, 2):
        there_s = times_s + bars * bar_s
        within = (there_s > times_s[0] - 0.1) & (there_s < times_s[-1] + 0.1)
        after = np.searchsorted(times_s, there_s).clip(1, max(1, times_s.size - 1))
        after = np.minimum(after, times_s.size - 1)
        before = np.maximum(after - 1, 0)
        is_nearer = np.abs(times_s[after] - there_s) < np.abs(times_s[before] - there_s)
        nearest = np.where(is_nearer, after, before)
        same = within & (np.abs(times_s[nearest] - there_s) < SAME_PLACE_S)
        total += np.where(same[:, np.newaxis], chance[nearest], 0)
        count += within[:, np.newaxis]
    return [10 * total / np.maximum(count, 1), 2 * count]


def _bar(times_s: NDArray[np.float64], chance: Floats) -> float:
    """Return the time after which the song repeats itself best: a bar, or some of its beats."""
    import scipy.fft

    step_s = 0.01
    if times_s.size < 8:
        return 2.0
    n = int(times_s[-1] / step_s) + 50
    played = np.zeros((chance.shape[1], n), np.float32)
    for drum, row in enumerate(played):
        np.maximum.at(row, np.round(times_s / step_s).astype(int), chance[:, drum])
    played /= np.sqrt(played.sum(axis=1, keepdims=True) + 1)  # hats would drown all others
    blurred = (
        played
        + 0.7 * (np.roll(played, 1, axis=1) + np.roll(played, -1, axis=1))
        + 0.3 * (np.roll(played, 2, axis=1) + np.roll(played, -2, axis=1))
    )
    spectra = scipy.fft.rfft(blurred, scipy.fft.next_fast_len(2 * n, real=True), axis=1)
    alike = scipy.fft.irfft((np.abs(spectra) ** 2).sum(axis=0))[:n]
    alike /= np.maximum(1 - np.arange(n) / n, 0.2)
    shortest, longest = int(BAR_S[0] / step_s), min(n - 1, int(BAR_S[1] / step_s))
    if longest <= shortest:
        return 2.0
    return float((shortest + np.argmax(alike[shortest:longest])) * step_s)
