"""BSS Eval version 4, image variant: what of an estimate is signal, leakage and artefact.

Each estimate is projected on the references delayed by 0 to 511 samples (Vincent, Gribonval and
Févotte 2006; Stöter, Liutkus and Ito 2018, the algorithm of `museval.metrics.bss_eval`):

    O = its projection on the delayed channels of its own reference
    P = its projection on those of all references

with filters that are fixed for the whole song. In each frame, with s the true stem and e the
estimate, over all channels (and the 511 samples that the filters ring on):

    SDR = |s|^2 / |e - s|^2      ISR = |s|^2 / |O - s|^2
    SIR = |O|^2 / |P - O|^2      SAR = |P|^2 / |e - P|^2

and a song's value is the median of its frames, in dB. A frame in which any signal is silent does
not count.

What is ours is the way there. The normal equations need correlations only, which add up block by
block in the frequency domain; they are solved once for all estimates (block Toeplitz, symmetric:
Cholesky); and the energies of a frame are those of its spectra (Parseval), so nothing is
transformed back. The song is read twice and never held.

Arrays are `(sources, channels, n_samples)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from stemfx.dsp.separation_metrics import ratio_db
from stemfx.dsp.units import Float64s, Floats

FILTER_TAPS = 512
_N_FFT = 8192  # the products of all pairs of channels then stay in cache
_CHUNK = _N_FFT - FILTER_TAPS + 1

MAX_SYSTEM_TAPS = 8192
"""Largest system that is solved: eight stereo references, 0.5 GB. Beyond it SIR has no value."""

RIDGES = (1e-14, 1e-10)
"""Added to the diagonal of the normal equations, relative to its largest element.

The first is about what rounding adds: it settles equal channels, and the values are museval's
within 0.001 dB. Bands without sound (a lossy codec's, filtered stems) make the equations singular
all the same; what explains nothing then gets enormous filters that ring at the frames' edges, and
museval reads SIR -45 dB of a leak at -16 dB. There the second one keeps what lies 100 dB below
the references from explaining anything; that costs 0.02 dB of SAR where it is not needed.
"""

MAX_RINGING = 30.0
"""Energy of a reference, if it were white, behind its filter, relative to the estimate's.

A filter that turns a white reference into a part of the estimate has 1 at most; those of music
were seen up to 8, those of singular equations from 100 to 10^10.
"""


class Correlations:
    """Correlations of references with references and estimates: the first reading of a song.

    `energies` are the sums of squares of all channels of references, then of estimates.

    Args:
        n_references: number of true stems.
        n_estimates: number of estimates.
        channels: channels of each.
    """

    def __init__(self, n_references: int, n_estimates: int, channels: int) -> None:
        self.channels = channels
        self.n_references = n_references
        n_from = n_references * channels
        n_to = n_from + n_estimates * channels
        self._spectra = np.zeros((n_from, n_to, _N_FFT // 2 + 1), np.complex128)
        self._past = np.zeros((n_from, FILTER_TAPS - 1))
        self.energies = np.zeros(n_to)

    def add(self, references: Floats, estimates: Floats) -> None:
        """Take the next block of all signals."""
        n_samples = references.shape[-1]
        refs = np.asarray(references, np.float64).reshape(-1, n_samples)
        ests = np.asarray(estimates, np.float64).reshape(-1, n_samples)
        extended = np.concatenate([self._past, refs], axis=1)
        for start in range(0, n_samples, _CHUNK):
            stop = min(start + _CHUNK, n_samples)
            delayed = scipy.fft.rfft(extended[:, start : stop + FILTER_TAPS - 1], _N_FFT)
            now = np.concatenate([refs[:, start:stop], ests[:, start:stop]])
            self.energies += np.sum(np.square(now), axis=1)
            later = np.conj(scipy.fft.rfft(now, _N_FFT))
            for spectrum, products in zip(delayed, self._spectra, strict=True):
                np.add(products, later * spectrum, out=products)
        self._past = extended[:, -(FILTER_TAPS - 1) :].copy()

    def delayed(self, row: int) -> Float64s:
        """Return sum over n of x[n - l] y[n] for reference channel x = `row` and every y.

        Shape: `(all channels of references, then of estimates; FILTER_TAPS)`, by delay l.
        """
        products = scipy.fft.irfft(self._spectra[row], _N_FFT)
        return np.ascontiguousarray(products[:, FILTER_TAPS - 1 :: -1])


@dataclass(frozen=True)
class Projections:
    """The filters of a song: `(out, in, FILTER_TAPS)`, `out` the channels of one estimate.

    `own[k]` filters the channels of the reference that estimate k is of, number
    `references_of[k]`; `shared[k]` those of all references, and is None when these are too many.
    """

    references_of: tuple[int, ...]
    own: tuple[Float64s, ...]
    shared: tuple[Float64s, ...] | None


def projections(
    correlations: Correlations, references: Sequence[int], estimates: Mapping[int, int]
) -> Projections:
    """Solve for the filters that project estimates on the delayed references.

    Args:
        correlations: of the whole song.
        references: which of its references may explain anything; silent ones cannot.
        estimates: which of its estimates to project, each with the number of its reference.
    """
    channels, n_rows = correlations.channels, correlations.n_references * correlations.channels
    rows = [of * channels + side for of in references for side in range(channels)]
    columns = {
        k: list(range(n_rows + k * channels, n_rows + (k + 1) * channels)) for k in estimates
    }
    own = tuple(
        _solve(correlations, list(range(of * channels, (of + 1) * channels)), columns[k])
        for k, of in estimates.items()
    )
    shared = None
    if estimates and len(rows) * FILTER_TAPS <= MAX_SYSTEM_TAPS:
        together = _solve(correlations, rows, [c for k in estimates for c in columns[k]])
        shared = tuple(np.split(together, len(estimates)))
    return Projections(tuple(references.index(of) for of in estimates.values()), own, shared)


def _solve(correlations: Correlations, rows: list[int], columns: list[int]) -> Float64s:
    """Return filters `(columns, rows, FILTER_TAPS)`; those of silent channels are zero."""
    lags = {row: correlations.delayed(row) for row in rows}
    energies = correlations.energies
    sounding = [row for row in rows if energies[row] > 0]
    places = [rows.index(row) for row in sounding]
    wanted = np.concatenate([lags[row][columns] for row in sounding], axis=1).T
    filters = np.zeros((len(columns), len(rows), FILTER_TAPS))
    for ridge in RIDGES:
        system = _system(lags, sounding)
        system[np.diag_indices_from(system)] += ridge * energies[sounding].max()
        try:
            factor = scipy.linalg.cho_factor(system, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            if ridge == RIDGES[-1]:
                raise
            continue
        solved = scipy.linalg.cho_solve(factor, wanted, check_finite=False)
        filters[:, places] = solved.T.reshape(len(columns), len(sounding), FILTER_TAPS)
        ringing = np.sum(filters**2, axis=-1) * energies[rows]
        if np.all(ringing <= MAX_RINGING * energies[columns, None]):
            break
    return filters


def _system(lags: Mapping[int, Float64s], rows: Sequence[int]) -> Float64s:
    """Return the Gram matrix of the delayed channels, a Toeplitz block for every pair.

    It is symmetric and only its upper triangle of blocks is filled.
    """
    taps = FILTER_TAPS
    # In Fortran's order LAPACK factors it in place.
    system = np.zeros((len(rows) * taps, len(rows) * taps), order="F")
    for a, row in enumerate(rows):
        for b, column in enumerate(rows[a:], start=a):
            block = scipy.linalg.toeplitz(lags[row][column], lags[column][row])
            system[a * taps : (a + 1) * taps, b * taps : (b + 1) * taps] = block
    return system


@dataclass(frozen=True)
class BssScores:
    """BSS Eval of one estimate in dB: medians over the frames that count; None if none does."""

    sdr_db: float | None
    isr_db: float | None
    sir_db: float | None
    sar_db: float | None


class FrameScores:
    """BSS Eval frame by frame: the second reading of a song.

    `n_frames` were taken and `n_counted` of them count: those in which every signal sounds.

    Args:
        filters: of the whole song.
        frame_samples: length of a frame; museval's evaluation takes one second.
    """

    def __init__(self, filters: Projections, frame_samples: int) -> None:
        self._filters = filters
        n_fft: int = scipy.fft.next_fast_len(frame_samples + FILTER_TAPS - 1, real=True)
        self._n_fft = n_fft
        self._own = [scipy.fft.rfft(taps, n_fft) for taps in filters.own]
        self._shared = [scipy.fft.rfft(taps, n_fft) for taps in filters.shared or ()]
        self._weights = np.full(n_fft // 2 + 1, 2.0)  # a bin stands for its mirror image too
        self._weights[0] = 1
        if n_fft % 2 == 0:
            self._weights[-1] = 1
        self._rows: list[list[tuple[float | None, ...]]] = [[] for _ in filters.references_of]
        self.n_frames = self.n_counted = 0

    def add(self, references: Floats, estimates: Floats) -> None:
        """Take one whole frame: the chosen references and estimates, in the filters' order."""
        self.n_frames += 1
        refs = np.asarray(references, np.float64)
        ests = np.asarray(estimates, np.float64)
        if not (refs.any(axis=(1, 2)).all() and ests.any(axis=(1, 2)).all()):
            return
        self.n_counted += 1
        r = scipy.fft.rfft(refs, self._n_fft)
        e = scipy.fft.rfft(ests, self._n_fft)
        flat = r.reshape(-1, r.shape[-1])
        for k, reference in enumerate(self._filters.references_of):
            difference = ests[k] - refs[reference]
            own = _filtered(self._own[k], r[reference])
            energy = float(np.sum(refs[reference] ** 2))
            values = [
                ratio_db(energy, float(np.sum(difference**2))),
                ratio_db(energy, self._energy(own - r[reference])),
            ]
            if self._shared:
                shared = _filtered(self._shared[k], flat)
                is_alone = len(refs) == 1  # nothing could leak
                leak = None if is_alone else ratio_db(self._energy(own), self._energy(shared - own))
                values += [leak, ratio_db(self._energy(shared), self._energy(e[k] - shared))]
            else:
                values += [None, None]
            self._rows[k].append(tuple(values))

    def _energy(self, spectra: NDArray[np.complex128]) -> float:
        power = np.square(spectra.real) + np.square(spectra.imag)
        return float(np.sum(power @ self._weights)) / self._n_fft

    def scores(self) -> list[BssScores]:
        """Return the medians for every estimate."""
        return [
            BssScores(*(_median([row[i] for row in rows]) for i in range(4))) for rows in self._rows
        ]


def _filtered(
    responses: NDArray[np.complex128], spectra: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Return sum over inputs of responses `(out, in, bins)` times spectra `(in, bins)`."""
    result: NDArray[np.complex128] = responses[:, 0] * spectra[0]
    product = np.empty_like(result)
    for i in range(1, spectra.shape[0]):
        result += np.multiply(responses[:, i], spectra[i], out=product)
    return result


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.median(there)) if there else None


def bss_eval(references: Floats, estimates: Floats, frame_samples: int) -> list[BssScores]:
    """Score estimates, the k-th against the k-th reference, `(sources, channels, n_samples)`.

    There may be more references than estimates. None of the signals may be silent throughout.
    Samples after the last whole frame shape the filters but are in no frame; a signal shorter
    than a frame is one frame.

    Returns:
        The scores of every estimate.
    """
    n_references, channels, n_samples = references.shape
    correlations = Correlations(n_references, len(estimates), channels)
    correlations.add(references, estimates)
    pairs = {k: k for k in range(len(estimates))}
    frame = min(frame_samples, n_samples)
    frames = FrameScores(projections(correlations, range(n_references), pairs), frame)
    for start in range(0, n_samples - frame + 1, frame):
        window = slice(start, start + frame)
        frames.add(references[..., window], estimates[..., window])
    return frames.scores()
