"""The best way through two songs: runs of bars that mean one another, and jumps between runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stemfx.dsp.units import Float64s

Run = tuple[int, int, int]
"""First bar, first bar of the other, both from 0 on, and number of bars."""

_START = -1


class Path(NamedTuple):
    """Runs in order, and what they are worth."""

    worth: float
    runs: tuple[Run, ...]


def best_path(worth: Float64s, jump: Float64s, jump_other: Float64s) -> Path:
    """Return the best runs through `(n, m)` worths of bars that are laid on one another.

    Local alignment with jumps, by dynamic programming. A run begins at any bars after those of the
    run before it. Jumping costs what `jump` says of the two lines that are left and the two that
    are reached; so does beginning or ending anywhere but at the outer lines of both songs.

    Args:
        worth: of each pair of bars.
        jump: `(n + 1,)`: the cost at each line before, between and after the bars.
        jump_other: `(m + 1,)`, likewise.
    """
    n, m = worth.shape
    columns = np.arange(m)
    best = np.zeros((n, m))
    came = np.zeros((n, m), np.int64)  # i * m + j of the pair before
    left, left_at = np.full(m + 1, -np.inf), np.full(m + 1, _START)
    # left[j]: the best of all pairs of earlier bars, columns below j, with leaving them paid
    for i in range(n):
        enter = -(jump[i] + jump_other[:m])
        jumped = left[:m] + enter
        if i == 0:
            enter[0] = 0.0
        origin = np.where(jumped > enter, left_at[:m], _START)
        enter = np.maximum(jumped, enter)
        if i:
            follow = np.concatenate([[-np.inf], best[i - 1, :-1]])
            origin = np.where(follow >= enter, (i - 1) * m + columns - 1, origin)
            enter = np.maximum(follow, enter)
        best[i], came[i] = enter + worth[i], origin
        leave = best[i] - (jump[i + 1] + jump_other[1:])
        left_at[1:] = np.where(leave > left[1:], i * m + columns, left_at[1:])
        left[1:] = np.maximum(leave, left[1:])
        highest = np.maximum.accumulate(left)
        left_at = left_at[np.maximum.accumulate(np.where(left >= highest, np.arange(m + 1), 0))]
        left = highest
    ends = best - (jump[1:, np.newaxis] + jump_other[1:])
    ends[-1, -1] = best[-1, -1]
    at = int(np.argmax(ends))
    total, pairs = float(ends.flat[at]), []
    while at != _START:
        pairs.append(divmod(at, m))
        at = int(came.flat[at])
    return Path(total, _as_runs(pairs[::-1]))


def _as_runs(pairs: list[tuple[int, int]]) -> tuple[Run, ...]:
    """Join pairs of bars that follow one another."""
    runs: list[Run] = []
    for i, j in pairs:
        if runs and i - runs[-1][0] == j - runs[-1][1] == runs[-1][2]:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((i, j, 1))
    return tuple(runs)
