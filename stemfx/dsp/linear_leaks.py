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

MIN_SCORE = 6.0
MIN_GAIN = 0.005
"""-46 dB: at that, and at six standard errors, no clean stem of the corpus has a leak."""

_MAX_SPREAD = 0.25  # leaks made of 1 to 10 %: median 0.06 at most; a separator's stems: 0.55
_STEPS = 8
_MAX_LEAK = 0.7
_FLOOR = 1e-7  # -70 dB below the loudest bin: codec noise and rounding
_QUARTERS = 4
_HANN_OVERLAP = 0.9
_HANN_BINS = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearLeaks:
    """What stems hold of each other.

    Args:
        gains: `(n, n)`; `[j, k]` is the amplitude of k's sound in stem j beside its own in stem k;
            one on the diagonal. Stems as they are = gains @ true stems.
        scores: `(n, n)`, each gain in its own standard errors; unrelated stems reach 4.
        spreads: `(n, n)`; how far each gain, told by the four quarters of the spectrum that know
            most about it, strays from the whole's: a leak is one gain for all frequencies, what a
            separator's masks leave is not.
    """

    gains: Floats
    scores: Floats
    spreads: Floats

    @property
    def significant(self) -> NDArray[np.bool_]:
        """Which gains are a leak, and not chance: `(n, n)`, false on the diagonal."""
        sure: NDArray[np.bool_] = (np.abs(self.scores) > MIN_SCORE) & (
            np.abs(self.gains) > MIN_GAIN
        )
        np.fill_diagonal(sure, val=False)
        return sure

    @property
    def is_linear(self) -> bool:
        """The significant ones are one gain for all frequencies each, as a summed signal has."""
        sure = self.significant
        if not sure.any():
            return True
        return bool(np.median(self.spreads[sure] / np.abs(self.gains[sure])) < _MAX_SPREAD)


def linear_leaks(spectra: CrossSpectra, stems: Sequence[int]) -> LinearLeaks:
    """Estimate what some of the signals in `spectra` hold of each other; silent ones hold nothing.

    Args:
        spectra: of the stems, and perhaps of others.
        stems: which of its signals.
    """
    measured = spectra.matrix[np.ix_(stems, stems)].real
    n = len(stems)
    unmixing: Floats = np.eye(n)
    cleaned = measured
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
    return LinearLeaks(gains, scores, _spreads(cleaned, spectra.n_frames))


def _spreads(cleaned: Floats, n_frames: int) -> Floats:
    """Return the root mean square of the leaks left in the quarters of the spectrum."""
    n = len(cleaned)
    spreads = np.zeros((n, n))
    for j in range(n):
        for k in range(n):
            if j == k:
                continue
            pair = cleaned[np.ix_([j, k], [j, k])]
            active = _active(pair[0, 0], pair[1, 1])
            known = np.cumsum(np.where(active, pair[1, 1] / np.where(active, pair[0, 0], 1.0), 0.0))
            if known[-1] <= 0:
                continue
            quarter = np.minimum(_QUARTERS - 1, (_QUARTERS * known / known[-1]).astype(int))
            left = [
                _step(np.where(quarter == q, pair, 0.0), n_frames)[0][0, 1]
                for q in range(_QUARTERS)
            ]
            spreads[j, k] = np.sqrt(np.mean(np.square(left)))
    return spreads


def _active(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Return the bins that are loud enough in both: not DC, not noise."""
    loud: NDArray[np.bool_] = (one > _FLOOR * one.max()) & (other > _FLOOR * other.max())
    loud[:2] = False
    return loud


def _step(matrix: Floats, n_frames: int) -> tuple[Floats, Floats]:
    """Return the leaks, and their standard errors, that each pair's cross spectrum tells."""
    n = len(matrix)
    leak, error = np.zeros((n, n)), np.full((n, n), np.inf)
    independent = _HANN_OVERLAP * n_frames * 2.0 / _HANN_BINS
    for j in range(n):
        for k in range(j):
            pj, pk, cross = matrix[j, j], matrix[k, k], matrix[j, k]
            active = _active(pj, pk)
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
