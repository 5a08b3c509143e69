"""How much of each stem is in each other one, when stems leaked into each other linearly.

Stem j holds a_jk of stem k: then their cross spectrum is a_jk times the power of k plus a_kj times
the power of j, in every bin, plus chance. Sources of different colour tell the two apart. Weighted
by what chance does in a bin (1 / P_jj P_kk: only where j is quiet does it tell what leaked into
it) this is one step of the maximum-likelihood joint diagonalization of spectral matrices (D. T.
Pham, SIAM J. Matrix Anal. Appl. 22(4), 2001), repeated on the spectra without the leaks found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.delay import CrossSpectra

_STEPS = 8
_MAX_LEAK = 0.7
_FLOOR = 1e-7  # -70 dB below the loudest bin: codec noise and rounding
_HANN_OVERLAP = 0.9
_HANN_BINS = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearLeaks:
    """What stems hold of each other.

    Args:
        gains: `(n, n)`; `[j, k]` is the amplitude of k's sound in stem j beside its own in stem k;
            one on the diagonal. Stems as they are = gains @ true stems.
        scores: `(n, n)`, each gain in its own standard errors; unrelated stems reach 3.
    """

    gains: Floats
    scores: Floats


def linear_leaks(spectra: CrossSpectra, stems: Sequence[int]) -> LinearLeaks:
    """Estimate what some of the signals in `spectra` hold of each other; silent ones hold nothing.

    Args:
        spectra: of the stems, and perhaps of others.
        stems: which of its signals.
    """
    measured = spectra.matrix[np.ix_(stems, stems)].real
    n = len(stems)
    unmixing: Floats = np.eye(n)
    errors: Floats = np.full((n, n), np.inf)
    for _ in range(_STEPS):
        cleaned = np.einsum("ij,jkf,lk->ilf", unmixing, measured, unmixing)
        leak, errors = _step(cleaned, spectra.n_frames)
        if np.abs(leak).max(initial=0.0) < 1e-6:
            break
        unmixing = np.asarray(np.linalg.solve(np.eye(n) + leak, unmixing), np.float64)
    mixing = np.linalg.inv(unmixing)
    gains = mixing / np.diag(mixing)
    scores = np.where(np.isfinite(errors), gains / np.where(errors > 0, errors, 1.0), 0.0)
    np.fill_diagonal(scores, np.inf)
    return LinearLeaks(gains, scores)


def _step(matrix: Floats, n_frames: int) -> tuple[Floats, Floats]:
    """Return the leaks, and their standard errors, that each pair's cross spectrum tells."""
    n = len(matrix)
    leak, error = np.zeros((n, n)), np.full((n, n), np.inf)
    independent = _HANN_OVERLAP * n_frames * 2.0 / _HANN_BINS
    for j in range(n):
        for k in range(j):
            pj, pk, cross = matrix[j, j], matrix[k, k], matrix[j, k]
            active = (pj > _FLOOR * pj.max()) & (pk > _FLOOR * pk.max())
            active[:2] = False
            if not active.any():
                continue
            pj, pk, cross = pj[active], pk[active], cross[active]
            # cross = a pk + b pj, with a variance of pj pk / (2 independent frames).
            normal = np.array([[np.sum(pk / pj), len(pj)], [len(pj), np.sum(pj / pk)]])
            if np.linalg.det(normal) < 1e-6 * normal[0, 0] * normal[1, 1]:
                continue  # one colour: nothing tells which leaked into which
            right = np.array([np.sum(cross / pj), np.sum(cross / pk)])
            inverse = np.linalg.inv(normal)
            leak[j, k], leak[k, j] = np.clip(inverse @ right, -_MAX_LEAK, _MAX_LEAK)
            error[j, k], error[k, j] = np.sqrt(np.diag(inverse) / independent)
    return leak, error
