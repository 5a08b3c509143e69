"""Separate a spectrogram with a multichannel Wiener filter, refined by expectation-maximisation.

A stem is modelled, in every bin, as Gaussian with a power that changes from frame to frame and a
spatial covariance that does not: loud and quiet, but always from the same place (Duong, Vincent,
Gribonval, IEEE TASLP 18(7), 2010). Whoever estimates how loud each stem is, a network for
instance, gets from here the stems that are most likely to have made the mixture.

The iteration is the simplified one of Nugraha, Liutkus and Vincent (IEEE/ACM TASLP 24(9), 2016)
that norbert and Open-Unmix use: powers and covariances of the stems' last estimates, not of their
posterior. It differs from theirs in two things: the little noise that keeps matrices invertible is
given back to the stems, so that they add up to the mixture; and levels are always relative to the
loudest bin, so that a quieter mixture gives quieter stems and nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_FRAMES = 300
"""So many frames Open-Unmix filters at a time: stems may wander from one window to the next."""

_FULL_SCALE = 10.0  # of the loudest bin, as in Open-Unmix; the two numbers below are relative to it
_NOISE_POWER = 1e-5  # 70 dB below the loudest bin
_NO_POWER = 1e-30  # 320 dB below it: where no stem has any, all have equal shares
_CELLS = 4096  # frames times bins at work at a time, so that they stay in cache

_Complex = NDArray[np.complex128]
_Real = NDArray[np.float64]

Stems = NDArray[np.complex64]
"""`(n_stems, channels, n_frames, n_bins)`"""


def wiener(
    mixture: NDArray[np.complexfloating],
    estimates: NDArray[np.inexact],
    iterations: int = 1,
) -> Stems:
    """Return the stems of a mixture, given how loud each of them is.

    They add up to the mixture in every bin, within float32 rounding. What is a fixed factor
    louder comes out that factor louder.

    Time and bins of any transform will do. A stem's place is taken as fixed over all frames that
    are given; `WINDOW_FRAMES` of a hop of 1024 at 44.1 kHz are 7 s. All inside is float64.

    Args:
        mixture: `(channels, n_frames, n_bins)`; mono or stereo.
        estimates: `(n_stems, channels, n_frames, n_bins)`, or with one channel that stands for
            both. Real ones are magnitudes, >= 0, which take the phase of the mixture; complex
            ones are taken as they are.
        iterations: how often power and place of the stems are learnt from their last estimates.
            0 asks for no place: every bin is shared in proportion to power.

    Raises:
        ValueError: shapes do not fit, or iterations < 0.
    """
    n_stems, channels = _check(mixture, estimates, iterations)
    n_frames, n_bins = mixture.shape[1:]
    stems = np.empty((n_stems, channels, n_frames, n_bins), np.complex64)
    peak = float(np.abs(mixture).max(initial=0.0))
    scale = peak / _FULL_SCALE
    if not scale:  # silence, or so near to it that float32 has no tenth of it
        return np.zeros_like(stems)
    step = max(1, _CELLS // n_frames)
    for low in range(0, n_bins, step):
        bins = slice(low, low + step)
        x = mixture[..., bins].astype(np.complex128) / scale
        y = _first(estimates[..., bins], x, scale)
        for _ in range(iterations):
            y = _filtered(x, y, _covariances(y))
        if not iterations:
            y = _shares(_powers(y))[:, np.newaxis] * x
        stems[..., bins] = y * scale
    return stems


def _check(
    mixture: NDArray[np.complexfloating], estimates: NDArray[np.inexact], iterations: int
) -> tuple[int, int]:
    """Return the numbers of stems and channels."""
    if mixture.ndim != 3 or mixture.shape[0] not in {1, 2}:
        msg = f"the mixture must be (1 or 2 channels, n_frames, n_bins), not {mixture.shape}"
        raise ValueError(msg)
    channels = mixture.shape[0]
    fits = estimates.ndim == 4 and estimates.shape[2:] == mixture.shape[1:]
    if not fits or not estimates.shape[0] or estimates.shape[1] not in {1, channels}:
        msg = (
            f"estimates must be (n_stems, {channels}, {mixture.shape[1]}, {mixture.shape[2]}), "
            f"as the mixture is; not {estimates.shape}"
        )
        raise ValueError(msg)
    if iterations < 0:
        msg = f"iterations must be 0 or more, not {iterations}"
        raise ValueError(msg)
    return estimates.shape[0], channels


def _first(estimates: NDArray[np.inexact], x: _Complex, scale: float) -> _Complex:
    """Return the estimates to begin with, `(n_stems, channels, ...)`."""
    if np.iscomplexobj(estimates):
        phase: _Complex = np.ones_like(x)
    else:
        magnitude = np.abs(x)
        phase = np.divide(x, magnitude, out=np.zeros_like(x), where=magnitude > 0)
    first: _Complex = (estimates / np.float64(scale)) * phase
    return first


def _powers(y: _Complex) -> _Real:
    """Return `(n_stems, n_frames, n_bins)`: the mean over channels."""
    powers: _Real = np.mean(y.real**2 + y.imag**2, axis=1)
    return powers


def _shares(powers: _Real) -> _Real:
    """Return each stem's share of the power; they add up to one."""
    some = powers + _NO_POWER
    shares: _Real = some / some.sum(axis=0)
    return shares


def _covariances(y: _Complex) -> _Complex:
    """Return `(n_stems, channels, channels, n_bins)`: covariance over time for a power of one."""
    covariances: _Complex = np.einsum("jatf,jbtf->jabf", y, y.conj())
    covariances /= (_powers(y).sum(axis=1) + 1e-10)[:, np.newaxis, np.newaxis]
    return covariances


def _filtered(x: _Complex, y: _Complex, covariances: _Complex) -> _Complex:
    """Apply the filters `C_j (sum_k C_k)^-1` with `C_j = v_j R_j + noise * share_j`.

    The noise is white and belongs to the stems in proportion to their power: with it the matrices
    have an inverse, and the filters add up to one.
    """
    powers = _powers(y)
    solved = _solve(np.einsum("jtf,jabf->abtf", powers, covariances), x)
    placed: _Complex = np.einsum("jabf,btf->jatf", covariances, solved)
    placed *= powers[:, np.newaxis]
    placed += (_NOISE_POWER * _shares(powers))[:, np.newaxis] * solved
    return placed


def _solve(c: _Complex, x: _Complex) -> _Complex:
    """Return `(c + noise)^-1 x` for `(channels, channels, ...)`, Hermitian, of 1 or 2 channels."""
    a, d, b = c[0, 0].real + _NOISE_POWER, c[-1, -1].real + _NOISE_POWER, c[0, -1]
    solved: _Complex
    if len(c) == 1:
        solved = x / a
    else:
        determinant = a * d - (b.real**2 + b.imag**2)
        solved = np.stack([d * x[0] - b * x[1], a * x[1] - b.conj() * x[0]]) / determinant
    return solved
