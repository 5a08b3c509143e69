"""The sections of a song: where they begin, and which are alike.

Every bar line has odds of being a border, from what changes and what repeats there
(`music.borders`). Of all ways to cut the song into runs of bars the likeliest is taken, lengths
counted too: people write in fours and eights. Sections that are alike bar by bar share a label.
"""

from __future__ import annotations

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music.bar_features import Bars
from stemfx.music.borders import border_cues, distances
from stemfx.music.form_weights import ALIKE_WEIGHTS, BORDER_WEIGHTS, LENGTH_ODDS
from stemfx.music_reading import Section

_LEAST_BARS = 4  # a song of fewer is one section
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def find_sections(bars: Bars) -> tuple[Section, ...]:
    """Cut a song into sections, without gaps; empty if it has no bars."""
    n = len(bars.starts_s)
    if not n:
        return ()
    apart = distances(bars)
    borders = find_borders(apart)
    ends_s = np.append(bars.starts_s[borders[1:]], bars.end_s)
    labels = find_labels(apart, [*borders, n])
    return tuple(
        Section(labels[i], float(bars.starts_s[b]), float(ends_s[i]), b + 1, length)
        for i, (b, length) in enumerate(zip(borders, np.diff([*borders, n]).tolist(), strict=True))
    )


def find_borders(apart: Float64s) -> list[int]:
    """Return the bar, from 0 on, that each section begins with.

    The best sum of log odds of borders and of lengths, by dynamic programming; the last section
    may be of any length, since songs end with a last bar or fade.
    """
    n = apart.shape[1]
    if n < _LEAST_BARS:
        return [0]
    odds = border_cues(apart) @ BORDER_WEIGHTS[:-1] + BORDER_WEIGHTS[-1]
    lengths = np.array([0.0, *(length_odds(k) for k in range(1, n + 1))])
    best, came = np.zeros(n + 1), np.zeros(n + 1, int)
    for end in range(1, n + 1):
        worth = best[:end].copy()
        if end < n:
            worth += lengths[end:0:-1] + odds[end]
        came[end] = int(np.argmax(worth))
        best[end] = worth[came[end]]
    borders = [n]
    while borders[-1]:
        borders.append(int(came[borders[-1]]))
    return borders[:0:-1]


def length_odds(n_bars: int) -> float:
    """Return the log odds of a length against any other."""
    return LENGTH_ODDS.get(n_bars, LENGTH_ODDS[1] if n_bars % 2 else LENGTH_ODDS[2])


def find_labels(apart: Float64s, edges: list[int]) -> list[str]:
    """Return a letter for each section, in order of appearance.

    Groups are joined while the mean log odds that their members are alike is positive, the
    likeliest first.
    """
    n = len(edges) - 1
    odds = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            cues = likeness(apart, (edges[i], edges[i + 1]), (edges[j], edges[j + 1]))
            odds[i, j] = odds[j, i] = cues @ ALIKE_WEIGHTS[:-1] + ALIKE_WEIGHTS[-1]
    groups = [[i] for i in range(n)]
    while len(groups) > 1:
        pairs = [
            (float(odds[np.ix_(groups[a], groups[b])].mean()), a, b)
            for a in range(len(groups))
            for b in range(a)
        ]
        worth, a, b = max(pairs)
        if worth <= 0:
            break
        groups[b] += groups.pop(a)
    order = sorted(range(len(groups)), key=lambda g: min(groups[g]))
    labels = [""] * n
    for rank, g in enumerate(order):
        for i in groups[g]:
            labels[i] = _letter(rank)
    return labels


def _letter(rank: int) -> str:
    more, first = divmod(rank, len(_LABELS))
    return _LABELS[first] + (str(more) if more else "")


def likeness(apart: Float64s, one: tuple[int, int], other: tuple[int, int]) -> Float64s:
    """Return cues of two runs of bars being alike.

    For each kind of distance: bar by bar from their first bars on, and whichever bar is nearest;
    then how unequal their lengths are, in octaves.
    """
    a, b = one[1] - one[0], other[1] - other[0]
    if a > b:
        one, other, a, b = other, one, b, a
    cues = []
    for kind in apart:
        block = kind[one[0] : one[1], other[0] : other[1]]
        aligned = min(
            float(np.diagonal(block, shift).mean()) for shift in sorted({0, (b - a) // 4 * 4})
        )
        nearest = float(block.min(axis=1).mean() + block.min(axis=0).mean()) / 2
        cues += [min(aligned, 2.0), min(nearest, 2.0), min(float(block.mean()), 2.0)]
    cues.append(float(np.log2(b / a)))
    return np.array(cues)
