"""How every stem leaks into every other one through a room: one short FIR filter a pair.

The model is that of `unmixing_linear`, at every frequency its own complex matrix: e(f) = A(f) s(f).
Every Newton step on Pham's criterion gives, at each frequency, a target and how far it can be
trusted. What ties frequencies together is that a room is short: the filter of a pair is the one of
`LONGEST_S` that fits the targets best, each weighted by its trust, under a prior of the power that
its taps seem to have. That prior is learnt from the taps themselves, against those that come long
before the direct sound, where there is only noise; so it finds delay and decay on its own, and
shrinks a filter that is not there to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp.units import Float64s
from stemfx.dsp.unmixing_linear import (
    frame_samples,
    frames_of,
    mean_correlation,
    stretches,
)

FRAME_S = 4096 / 44_100
CELL_FRAMES = 4
LONGEST_S = 0.055
EARLIEST_S = -0.0136
"""Taps are sought from here on; those up to `_NOISE_UNTIL_S` measure the noise."""
LISTEN_S = 60.0
STRETCH_S = 6.0

_NOISE_UNTIL_S = -0.0023
_STEPS = 3
_HOPE = 60.0  # evidence after a step below which no later step finds a leak
_FLOOR = 1e-4  # of a stem's mean power at this frequency
_ROUNDING = 1e-9  # of a stem's mean power at all frequencies
# A matrix a frequency is no exact convolution, and what was cancelled by chance in a cell must not
# count as a rest: a stem is never taken as quieter than this part of the others there.
_MODEL_ERROR = 1e-2
_TRUST = 6.0  # times the variance that the model itself promises, at least
_SMOOTH_BINS = 17
_LARGEST = 0.5  # gain of a leak at one frequency
_PRIOR_TAPS = 1e-2 / 600  # mean square of a tap before anything is known: -20 dB over 14 ms
_LOWEST_BIN, _EVERY_BIN = 8, 6  # where correlations are looked at
_SCALES = (16, 64, 256)  # taps over which their power is averaged
# Of the variance that two channels' targets should differ by: one filter gives 0.01 to 0.1, as the
# variances are generous, and a room of its own for either side 0.2 (at 3 %) to 30.
_SHARED = 0.2
_SIGNIFICANT = 4.0  # standard deviations of such an average

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Filters:
    """The leak of every ordered pair.

    Args:
        taps: `(n_stems, n_stems, channels, n_taps)`: [j, k] is the leak of stem k in stem j.
        first: the lag of tap 0 in samples, below zero.
        evidence: `(n_stems, n_stems)`: how far the strongest stretch of a filter's taps stands
            out of their noise, in standard deviations of such a stretch of white noise.
    """

    taps: Float64s
    first: int
    evidence: Float64s

    def spectra(self, size: int) -> Complex:
        """Return A(f) of all channels: `(channels, size / 2 + 1, n_stems, n_stems)`."""
        import scipy.fft

        padded = np.zeros((*self.taps.shape[:-1], size))
        padded[..., : self.taps.shape[-1]] = self.taps
        leak = scipy.fft.rfft(np.roll(padded, self.first, axis=-1))
        matrices: Complex = leak.transpose(2, 3, 0, 1) + np.eye(len(self.taps))
        return matrices

    def only(self, pairs: NDArray[np.bool_]) -> Filters:
        """Return the filters of some pairs; the others do not leak."""
        kept = np.where(pairs[:, :, np.newaxis, np.newaxis], self.taps, 0.0)
        return Filters(kept, self.first, self.evidence)


def dependence(covariances: NDArray[np.complex64], filters: Filters | None) -> Float64s:
    """Return the mean correlations that are left once a leak is undone; see `unmixing_linear`."""
    size = 2 * (covariances.shape[1] - 1)
    bins = slice(_LOWEST_BIN, None, _EVERY_BIN)
    some = covariances[:, bins]
    if filters is not None:
        some = undone(some, filters.spectra(size)[:, bins])
    power = some.real.transpose(2, 3, 0, 4, 1).astype(np.float64) / (0.375 * size)
    return mean_correlation(power, np.full(power.shape[-1], 2.0 * CELL_FRAMES))


def listen(stems: Sequence[Signal], listen_s: float = LISTEN_S) -> NDArray[np.complex64]:
    """Gather covariances `(channels, n_bins, n_stems, n_stems, n_cells)`, sums over a cell."""
    rate, channels = stems[0].sample_rate, stems[0].channels
    size = frame_samples(rate, FRAME_S)
    gathered = []
    listen_s *= min(1.0, 16 / len(stems) ** 2)  # as much work for eight stems as for four
    stretch = round(STRETCH_S * rate)
    for start, stop in stretches(stems[0].n_samples, round(listen_s * rate), stretch):
        samples = np.stack([stem.read(start, stop) for stem in stems])
        if samples.shape[-1] < size:
            continue
        spectra = frames_of(samples, size, size // 2)
        cells = spectra.shape[2] // CELL_FRAMES
        spectra = spectra[:, :, : cells * CELL_FRAMES].reshape(
            len(stems), channels, cells, CELL_FRAMES, -1
        )
        products = np.empty((channels, size // 2 + 1, *2 * (len(stems),), cells), np.complex64)
        for j in range(len(stems)):
            for k in range(j + 1):
                summed = (spectra[j] * spectra[k].conj()).sum(axis=2).swapaxes(1, 2)
                products[:, :, j, k] = summed
                products[:, :, k, j] = summed.conj()
        gathered.append(products)
    if not gathered:
        return np.zeros((channels, size // 2 + 1, len(stems), len(stems), 0), np.complex64)
    return np.concatenate(gathered, axis=-1)


def estimate(covariances: NDArray[np.complex64], sample_rate: int) -> Filters:
    """Return the filters that make the stems most independent."""
    channels, n_bins, n_stems = covariances.shape[:3]
    size = 2 * (n_bins - 1)
    first = round(EARLIEST_S * sample_rate)
    n_taps = min(round(LONGEST_S * sample_rate) - first, size)
    noise_taps = round(_NOISE_UNTIL_S * sample_rate) - first
    evidence = np.zeros((n_stems, n_stems))
    filters = Filters(np.zeros((n_stems, n_stems, channels, n_taps)), first, evidence)
    for _ in range(_STEPS):
        matrices = filters.spectra(size)
        target, variance = _newton(covariances, matrices)
        taps = np.zeros_like(filters.taps)
        for j in range(n_stems):
            for k in range(n_stems):
                if j != k:
                    taps[j, k], evidence[j, k] = _short(
                        target[:, :, j, k], variance[:, :, j, k], first, n_taps, noise_taps
                    )
        filters = Filters(taps, first, evidence)
        if evidence.max() < _HOPE:
            break
    return filters


def undone(covariances: NDArray[np.complex64], matrices: Complex) -> NDArray[np.complex64]:
    """Return the covariances of the stems once the leak is undone."""
    size = matrices.shape[-1]
    if np.array_equal(matrices, np.broadcast_to(np.eye(size), matrices.shape)):
        return covariances
    inverse = np.linalg.inv(matrices).astype(np.complex64)
    # B C B^H of all cells at once: (B kron conj B) vec(C), one matrix product a frequency.
    both = np.einsum("cfij,cfkl->cfikjl", inverse, inverse.conj())
    flat = covariances.reshape(*covariances.shape[:2], size * size, -1)
    through = both.reshape(*both.shape[:2], size * size, size * size) @ flat
    return np.asarray(through.reshape(covariances.shape), np.complex64)


def _newton(covariances: NDArray[np.complex64], matrices: Complex) -> tuple[Complex, Float64s]:
    """Return where A(f) should be, and the variance of each of its elements.

    Shape: `(channels, n_bins, n_stems, n_stems)` twice.
    """
    from scipy.ndimage import uniform_filter1d

    seen = undone(covariances, matrices)
    power = np.ascontiguousarray(np.einsum("cfjjt->jcft", seen).real)
    scale = np.float32(1 / (power.mean(dtype=np.float64) + 1e-30))
    power *= scale
    power += np.float32(_MODEL_ERROR) * (power.sum(axis=0) - power)
    power += np.float32(_FLOOR) * power.mean(axis=3, keepdims=True) + np.float32(_ROUNDING)
    inverse = 1 / power
    n_stems, n_cells = len(power), power.shape[3]
    target = matrices.copy()
    variance = np.ones(matrices.shape)
    for j in range(n_stems):
        for k in range(j):
            cross = scale * seen[:, :, j, k]
            ratio_jk, ratio_kj = power[k] * inverse[j], power[j] * inverse[k]
            h_jk = ratio_jk.sum(axis=-1, dtype=np.float64)
            h_kj = ratio_kj.sum(axis=-1, dtype=np.float64)
            determinant = np.maximum(h_jk * h_kj - n_cells**2, 0.02 * h_jk * h_kj)
            for a, b, x, h_ab, h_ba, ratio in (
                (j, k, cross, h_jk, h_kj, ratio_jk),
                (k, j, cross.conj(), h_kj, h_jk, ratio_kj),
            ):
                parts = _column(h_ba / determinant) * inverse[a]
                parts -= _column(n_cells / determinant) * inverse[b]
                parts = parts * x
                step = parts.sum(axis=-1, dtype=np.complex128)
                parts -= (step / h_ab).astype(np.complex64)[..., np.newaxis] * ratio
                scatter = np.einsum("cft,cft->cf", parts, parts.conj()).real.astype(np.float64)
                promised = _TRUST * h_ba / (CELL_FRAMES * determinant)
                smooth = uniform_filter1d(scatter, _SMOOTH_BINS, axis=-1)
                variance[:, :, a, b] = np.maximum(smooth, promised) + 1e-8
                moved = matrices[:, :, a, b] + step
                moved *= np.minimum(1, _LARGEST / np.maximum(np.abs(moved), 1e-9))
                target[:, :, a, b] = moved
    return target, variance


def _column(values: Float64s) -> NDArray[np.float32]:
    return values.astype(np.float32)[..., np.newaxis]


def _short(
    target: Complex, variance: Float64s, first: int, n_taps: int, noise_taps: int
) -> tuple[Float64s, float]:
    """Return the filters of all channels, `(channels, n_taps)`, and the evidence for them.

    Channels share one filter unless their targets differ by more than their variances explain.
    """
    weights = 1 / variance
    weights[:, 0] = 0
    if len(target) == 2 and _agree(target, variance):
        total = weights.sum(axis=0)
        mean = (weights * target).sum(axis=0) / np.maximum(total, 1e-30)
        one, evidence = _fit(mean, total, first, n_taps, noise_taps)
        return np.stack([one, one]), evidence
    each = [_fit(t, w, first, n_taps, noise_taps) for t, w in zip(target, weights, strict=True)]
    return np.stack([taps for taps, _ in each]), max(evidence for _, evidence in each)


def _agree(target: Complex, variance: Float64s) -> bool:
    """Say whether both channels' targets are the same, as far as they can be trusted."""
    trust = 1 / variance[:, 1:].sum(axis=0)
    apart = np.abs(target[0, 1:] - target[1, 1:]) ** 2
    return bool(np.sum(apart * trust**2) < _SHARED * np.sum(trust))


def _fit(
    target: Complex, weights: Float64s, first: int, n_taps: int, noise_taps: int
) -> tuple[Float64s, float]:
    """Return the most likely taps, given one target and its weight a frequency; and evidence."""
    import scipy.fft
    from scipy.ndimage import uniform_filter1d

    size = 2 * (len(target) - 1)
    right = np.roll(scipy.fft.irfft(weights * target, size), -first)[:n_taps]
    around = scipy.fft.irfft(weights, size)
    wide = np.zeros(2 * size)  # so that no tap wraps round onto another
    wide[: size // 2], wide[-size // 2 :] = around[: size // 2], around[size // 2 :]
    spectrum = scipy.fft.rfft(wide).real
    guess = _solve(spectrum, np.full(n_taps, 1 / (size * _PRIOR_TAPS)), right)
    noise = np.mean(guess[:noise_taps] ** 2)
    power, evidence = np.zeros(n_taps), 0.0
    for scale in _SCALES:
        average, deviation = uniform_filter1d(guess**2, scale), noise * np.sqrt(2 / scale)
        evidence = max(evidence, float(np.max(average[noise_taps:] - noise) / (deviation + 1e-30)))
        np.maximum(power, average - noise - _SIGNIFICANT * deviation, out=power)
    if not power.any():
        return np.zeros(n_taps), evidence
    precision = np.minimum(1 / (size * np.maximum(power, 1e-9)), 1e3 * spectrum.mean())
    taps = _solve(spectrum, precision, right)
    taps[power == 0] = 0
    return taps, evidence


def _solve(spectrum: Float64s, precision: Float64s, right: Float64s) -> Float64s:
    """Solve (Toeplitz + diagonal) x = right by conjugate gradients."""
    import scipy.fft

    wide, n = 2 * (len(spectrum) - 1), len(right)

    def product(x: Float64s) -> Float64s:
        through: Float64s = scipy.fft.irfft(spectrum * scipy.fft.rfft(x, wide), wide)[:n]
        return through + precision * x

    scale = spectrum.mean() + precision
    x = np.zeros(n)
    rest = right.copy()
    direction = z = rest / scale
    energy = float(rest @ z)
    for _ in range(30):
        if energy <= 0:
            break
        q = product(direction)
        step = energy / float(direction @ q)
        x = x + step * direction
        rest = rest - step * q
        z = rest / scale
        before, energy = energy, float(rest @ z)
        direction = z + (energy / before) * direction
    return x
