"""Tell a stem that holds some of others from others that are too loud.

A tenth of the drums in the vocals' file, and the drums' file 0.92 dB too loud: both leave the same
null, and the same gains make it vanish. Only the vocals' file knows: does it sound of drums?
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.linear_leaks import linear_leaks
from stemfx.health.stem_reading import SetReading
from stemfx.health.stem_solver import Solution

_LIKE = 0.35  # of what a leak would ask for
_SAME_GAIN = 0.02
_SILENT = 1e-8
_DUPLICATE = 0.99

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StemLeaks:
    """What every stem as it is holds of every other.

    Args:
        gains: `(n, n)`, one on the diagonal; what is no more than chance is zero.
        are_linear: each is one gain for all frequencies, as when signals were summed; else they
            are what a separator's masks left, and the gains only tell about how much.
    """

    gains: Floats
    are_linear: bool


def stem_leaks(reading: SetReading) -> StemLeaks:
    """Estimate the leaks; silent stems and copies of others hold nothing."""
    gram, n = reading.gram, reading.n_stems
    use: list[int] = []
    for j in range(n):
        norms = np.sqrt(gram[j, j] * np.diag(gram)[use])
        is_copy = np.any(np.abs(gram[j, use]) > _DUPLICATE * norms)
        if gram[j, j] > _SILENT * max(gram[-1, -1], 1e-12) and not is_copy:
            use.append(j)
    found = linear_leaks(reading.spectra, use)
    leaks = np.eye(n)
    leaks[np.ix_(use, use)] += np.where(found.significant, found.gains, 0.0)
    return StemLeaks(leaks, found.is_linear)


def without_leaks(leaks: StemLeaks, solution: Solution) -> Solution:
    """Return the solution with the gains taken back to one that leaks explain.

    Stems as they are, s' = A s, add up to the mixture of the true stems with the gains
    A^-T 1: what the null asks for when nothing but a leak is wrong.

    Args:
        leaks: A.
        solution: what the null alone says.
    """
    asked = np.linalg.solve(leaks.gains.T, np.ones(len(leaks.gains)))
    if np.allclose(asked, 1.0) or not leaks.are_linear:
        return solution
    moves = tuple(
        replace(move, gain=1.0)
        if abs(move.gain - want) < _LIKE * abs(1.0 - want) + _SAME_GAIN
        else move
        for move, want in zip(solution.moves, asked, strict=True)
    )
    changed = any(new is not old for new, old in zip(moves, solution.moves, strict=True))
    return replace(solution, moves=moves, common=None) if changed else solution
