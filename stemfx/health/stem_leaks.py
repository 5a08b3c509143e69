"""Tell a stem that holds some of others from others that are too loud.

A tenth of the drums in the vocals' file, and the drums' file 0.92 dB too loud: both leave the same
null, and the same gains make it vanish. Only the vocals' file knows: does it sound of drums?
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.linear_leaks import linear_leaks
from stemfx.health.stem_reading import SetReading
from stemfx.health.stem_solver import Solution

_MIN_SCORE = 6.0  # standard errors; unrelated stems of one song reach 3.2
_MIN_LEAK = 0.005  # -46 dB
_LIKE = 0.35  # of what a leak would ask for
_SAME_GAIN = 0.02
_SILENT = 1e-8
_DUPLICATE = 0.99

Floats = NDArray[np.float64]


def stem_leaks(reading: SetReading) -> Floats:
    """Return `(n, n)`: what every stem as it is holds of every other, one on the diagonal.

    What is no more than chance is zero; silent stems and copies of others hold nothing.
    """
    gram, n = reading.gram, reading.n_stems
    use: list[int] = []
    for j in range(n):
        norms = np.sqrt(gram[j, j] * np.diag(gram)[use])
        is_copy = np.any(np.abs(gram[j, use]) > _DUPLICATE * norms)
        if gram[j, j] > _SILENT * max(gram[-1, -1], 1e-12) and not is_copy:
            use.append(j)
    found = linear_leaks(reading.spectra, use)
    sure = (np.abs(found.scores) > _MIN_SCORE) & (np.abs(found.gains) > _MIN_LEAK)
    leaks = np.eye(n)
    leaks[np.ix_(use, use)] = np.where(sure, found.gains, 0.0)
    return leaks


def without_leaks(leaks: Floats, solution: Solution) -> Solution:
    """Return the solution with the gains taken back to one that leaks explain.

    Stems as they are, s' = A s, add up to the mixture of the true stems with the gains
    A^-T 1: what the null asks for when nothing but a leak is wrong.

    Args:
        leaks: A.
        solution: what the null alone says.
    """
    asked = np.linalg.solve(leaks.T, np.ones(len(leaks)))
    if np.allclose(asked, 1.0):
        return solution
    moves = tuple(
        replace(move, gain=1.0)
        if abs(move.gain - want) < _LIKE * abs(1.0 - want) + _SAME_GAIN
        else move
        for move, want in zip(solution.moves, asked, strict=True)
    )
    changed = any(new is not old for new, old in zip(moves, solution.moves, strict=True))
    return replace(solution, moves=moves, common=None) if changed else solution
