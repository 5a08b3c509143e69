"""Find how much of every stem of a song lies in every other one, without knowing the truth.

The model: a stem holds its own sound and a little of the others, filtered but always alike,

    E_j = S_j + sum_k h_jk E_k

in each bin of a short-time Fourier transform, `|h_jk|` well below one. Where stem j is quiet and
k plays, E_j is h_jk E_k; where j plays, h is hidden. So h is fitted by least squares, each frame
weighted with the inverse of what the fit leaves of E_j in it: the quiet frames of j decide. (That
is the maximum of the likelihood when S_j is sparse, log-power prior; iterating it is the fixed
point of independent vector analysis, Ono, WASPAA 2011.) One pass over the stems is one iteration.

What is kept of it is a power ratio a band, |h_jk|^2, and only as far as it can be trusted:

- significance: the song is dealt out to eight groups of stretches, and the fit repeated without
  each (jackknife). |h|^2 counts for what it is above ten times its variance;
- coherence: the share of E_j, weighted as in the fit, that the others explain. Stems that were
  played by themselves show 0.02 at most, even in one key and one rhythm;
- the quiet tenth: no leak is louder than stem j itself is, in the quiet frames of those in which
  stem k dominates;
- a separator's masks split one sound between two stems: in phase, and differently in every band.
  A real leak is one filter: with a delay it is not in phase, without it is the same everywhere.
  In stems that look like masks, a "leak" above -24 dB is more likely the stem's own sound.

Statistics are sums, so memory does not grow with the song.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp import stft
from stemfx.dsp.bands import ErbBands, erb_bands
from stemfx.dsp.units import Float64s, power_to_db

N_BANDS = 40
DOMINANCE_DB = 6.0
QUANTILE = 0.1
COHERENCE_MIN = 0.25

COHERENCE_RAMP = 0.2  # full trust this much above the least coherence
CUTOFF_HZ = 16_000.0  # above, codecs leave nothing to fit; the last band below stands for it

_FIRST_STEP = 4  # of the first fit, which only says where to look closer
_STEP = 2  # every second frame: Hann windows that overlap by half lose almost nothing
_CHUNK = 16  # frames at a time, so that their products stay in cache
_GROUPS = 8
_GROUP_FRAMES = 32  # 1.5 s at 44.1 kHz: longer than a note, so that groups are independent
_MOST_STRETCHES = 64  # 95 s at 44.1 kHz: more tells no more about a leak that does not change
_ITERATIONS = 3
_TINY = 1e-30
_RIDGE = 1.0  # pulls |h| of what is hardly there to zero: a prior of 1, where leaks are 0.1
_FLOOR = 1e-6  # of the others' power: 60 dB down, float32 cancels no further
_SILENCE = 1e-9  # power of a bin with an amplitude of -140 dBFS, seen through the window
_VARIANCES = 10.0
_LEAST_FRAMES = 12
_HIGHEST = 0.35**2  # a stem with a third of another in it is a mix, not a leak
_QUIET_SLACK = 2.0  # the quiet tenth of a leak's own power lies below its mean
_SHARED_DB = (-24.0, -18.0)
_IN_PHASE = (0.7, 0.9)
_SPREAD_DB = (1.5, 3.0)
_AUDIBLE = 1e-7  # 70 dB under the stem

Ratios = NDArray[np.float32]
"""`(n_stems, n_stems, n_bands)`: [j, k, b] is the power of k's leak in j, relative to k's."""

Complexes = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Leaks:
    """What leaks from each stem into each other one.

    Args:
        ratios: power of the leak relative to the stem that it comes from; see `Ratios`.
        bands: shares of the bins in the bands.
        powers: `(n_stems, n_bands)`: mean power of the stems.
        mask_likeness: 0 for stems that leak through a filter, 1 for a separator's masks.
    """

    ratios: Ratios
    bands: ErbBands
    powers: Float64s
    mask_likeness: float

    @property
    def matrix_db(self) -> Float64s:
        """`(n_stems, n_stems)`: [j, k] is the level of k's leak in j relative to k itself.

        10 log10(sum_b ratio S_k / sum_b S_k): `FLOOR_DB` on the diagonal and where there is none.
        """
        leaked = np.einsum("jkb,kb->jk", self.ratios, self.powers)
        relative: Float64s = leaked / np.maximum(self.powers.sum(axis=1), _TINY)
        return power_to_db(relative)

    @property
    def total_db(self) -> float:
        """Level of all bleed in all stems relative to all stems."""
        leaked = float(np.einsum("jkb,kb->", self.ratios, self.powers))
        return power_to_db(leaked / max(float(self.powers.sum()), _TINY))


def leak_matrix_db(stems: Sequence[Signal]) -> Float64s:
    """Estimate how loud each stem lies in each other one, in dB re the stem it comes from.

    Shape: `(n_stems, n_stems)`; [j, k] is the leak of k in j; `FLOOR_DB` where there is none and
    on the diagonal. Stems of one rate, channel count and length.
    """
    return find_leaks(stems).matrix_db


def find_leaks(
    stems: Sequence[Signal],
    *,
    n_bands: int = N_BANDS,
    dominance_db: float = DOMINANCE_DB,
    quantile: float = QUANTILE,
    coherence_min: float = COHERENCE_MIN,
) -> Leaks:
    """Estimate the leaks between stems of one rate, channel count and length.

    Args:
        stems: two or more; one alone has no leak.
        n_bands: how finely a leak's filter is told, on the ERB scale.
        dominance_db: stem k dominates j where it is this much louder.
        quantile: of the levels of j in those frames, above which no leak is assumed.
        coherence_min: below, nothing is taken for a leak.
    """
    bands = erb_bands(n_bands, stems[0].sample_rate)
    quiet = _QuietTenth(len(stems), bands, dominance_db, quantile)
    fit = _fit(stems, quiet)
    of_fit = bands[:, : fit.n_bins]
    mass = of_fit.sum(axis=1)
    precision = 1.0 / (fit.variance + 1e-8)
    total = np.maximum(precision @ of_fit.T, 1e-9)
    raw = (precision * fit.power) @ of_fit.T / total
    noise = (precision * fit.variance) @ of_fit.T / total
    in_phase = (precision * fit.in_phase) @ of_fit.T / (total * np.maximum(raw, 1e-12))
    ratios = np.maximum(raw - _VARIANCES * noise, 0.0)
    coherence = (fit.coherence @ of_fit.T) / np.maximum(mass, 1e-9)
    trust = np.clip((coherence - coherence_min) / COHERENCE_RAMP, 0.0, 1.0)
    ratios *= trust[:, np.newaxis]
    _repeat_upwards(ratios, mass < 0.5 * bands.sum(axis=1))
    powers = fit.mean_power @ bands.T.astype(np.float64)
    masks = _mask_likeness(ratios, in_phase, powers)
    level_db = power_to_db(ratios)
    low_db, high_db = _SHARED_DB
    believed = np.clip((high_db - level_db) / (high_db - low_db), 0.0, 1.0)
    ratios *= 1.0 - masks * (1.0 - believed)
    ratios = np.minimum(ratios, _QUIET_SLACK * quiet.ratios)
    return Leaks(np.minimum(ratios, _HIGHEST).astype(np.float32), bands, powers, masks)


def _repeat_upwards(ratios: Float64s, is_above: NDArray[np.bool_]) -> None:
    """Let the highest band that was fitted stand for those above it."""
    if is_above.any():
        top = max(0, int(np.argmax(is_above)) - 1)
        ratios[..., top + 1 :] = ratios[..., top : top + 1]


def _mask_likeness(ratios: Float64s, in_phase: Float64s, powers: Float64s) -> float:
    """Return 1 where leaks are in phase and of another level in every band, 0 for one filter.

    Medians over the pairs that leak, each band weighted with the power that leaks in it.
    Measured: one filter without delay spreads by 0 to 1 dB, with one it is at 0.6 of in phase at
    most; the pairs of a separator are at 0.98 and more, and spread by 3.6 to 5 dB.
    """
    weight = np.minimum(ratios * powers, powers[:, np.newaxis])
    leaked = weight.sum(axis=2)
    pairs = leaked > _AUDIBLE * powers.sum(axis=1)[:, np.newaxis]
    if not pairs.any():
        return 0.0
    weight = weight[pairs] / leaked[pairs][:, np.newaxis]
    level_db = power_to_db(np.maximum(ratios[pairs], 1e-9))
    mean_db = (weight * level_db).sum(axis=1, keepdims=True)
    spread_db = np.sqrt((weight * (level_db - mean_db) ** 2).sum(axis=1))
    phase = (weight * in_phase[pairs]).sum(axis=1)
    return _ramp(float(np.median(phase)), _IN_PHASE) * _ramp(
        float(np.median(spread_db)), _SPREAD_DB
    )


def _ramp(value: float, edges: tuple[float, float]) -> float:
    return min(1.0, max(0.0, (value - edges[0]) / (edges[1] - edges[0])))


# --- the fit -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Fit:
    """Of each pair and bin: |h|^2, its variance, |h| Re h; of each stem: coherence and power."""

    power: Float64s
    variance: Float64s
    in_phase: Float64s
    coherence: Float64s
    mean_power: Float64s  # over all bins, also those that were not fitted

    @property
    def n_bins(self) -> int:
        return int(self.power.shape[-1])


class _Sums:
    """Weighted products of all pairs of stems, for each weight (that is, each stem) and bin.

    Arrays are `(groups, n_stems, n_products, n_bins)`; products are the real and the imaginary
    parts of `E_k conj(E_l)`, k < l, then the powers, all summed over the channels.
    """

    def __init__(self, n_stems: int, n_bins: int) -> None:
        self.pairs = list(combinations(range(n_stems), 2))
        n_products = 2 * len(self.pairs) + n_stems
        self.products = np.zeros((_GROUPS, n_stems, n_products, n_bins))
        self.left = np.zeros((n_stems, n_bins))
        self.counts = np.zeros(_GROUPS)

    def add(
        self,
        group: int,
        spectra: stft.Spectrum,
        powers: NDArray[np.float32],
        h: Complexes | None,
    ) -> None:
        """Take in frames `(n_stems, channels, n_frames, n_bins)`, weighted by what h leaves."""
        n_stems, channels, n_frames, n_bins = spectra.shape
        n_pairs = len(self.pairs)
        products = np.empty((2 * n_pairs + n_stems, n_frames, n_bins), np.float32)
        conjugate = spectra.conj()
        for i, (k, other) in enumerate(self.pairs):
            product = spectra[k, 0] * conjugate[other, 0]
            for channel in range(1, channels):
                product += spectra[k, channel] * conjugate[other, channel]
            products[i], products[n_pairs + i] = product.real, product.imag
        products[2 * n_pairs :] = powers
        left = powers if h is None else _power(_without_leaks(spectra, h))
        smooth = left.copy()
        smooth[..., 1:-1] = (left[..., :-2] + left[..., 1:-1] + left[..., 2:]) / np.float32(3)
        smooth += np.float32(_FLOOR) * (powers.sum(axis=0) - powers)
        weights = np.float32(channels) / (smooth + np.float32(_SILENCE))
        self.products[group] += np.einsum("jnf,qnf->jqf", weights, products)
        self.left += (weights * left).sum(axis=1)
        self.counts[group] += n_frames * channels

    def solve(self, without: int | None = None) -> Complexes:
        """Return h, `(n_stems, n_stems, n_bins)`, from all groups or all but one."""
        sums = self.products.sum(axis=0)
        count = self.counts.sum()
        if without is not None:
            sums = sums - self.products[without]
            count = count - self.counts[without]
        n_stems, _, n_bins = sums.shape
        n_pairs = len(self.pairs)
        h = np.zeros((n_stems, n_stems, n_bins), np.complex128)
        for j in range(n_stems):
            c = np.zeros((n_bins, n_stems, n_stems), np.complex128)
            for i, (k, other) in enumerate(self.pairs):
                c[:, k, other] = sums[j, i] + 1j * sums[j, n_pairs + i]
                c[:, other, k] = c[:, k, other].conj()
            for k in range(n_stems):
                c[:, k, k] = sums[j, 2 * n_pairs + k]
            others = [k for k in range(n_stems) if k != j]
            gram = c[:, others][:, :, others].transpose(0, 2, 1)
            gram = gram + _RIDGE * count * np.eye(n_stems - 1)
            h[j, others] = np.linalg.solve(gram, c[:, j, others][..., np.newaxis])[..., 0].T
        return h

    @property
    def coherence(self) -> Float64s:
        """`(n_stems, n_bins)`: the share of a stem that the others explain, 0 to 1."""
        sums = self.products.sum(axis=0)
        n_stems = sums.shape[0]
        own = np.stack([sums[j, 2 * len(self.pairs) + j] for j in range(n_stems)])
        explained: Float64s = np.clip(1.0 - self.left / np.maximum(own, 1e-9), 0.0, 1.0)
        return explained


def _fit(stems: Sequence[Signal], quiet: _QuietTenth) -> _Fit:
    n_stems, rate = len(stems), stems[0].sample_rate
    n_bins = min(stft.N_BINS, int(CUTOFF_HZ * stft.N_FFT / rate) + 1)
    mean_power = np.zeros((n_stems, stft.N_BINS))
    n_frames = 0
    h: Complexes | None = None
    for iteration in range(_ITERATIONS):
        sums = _Sums(n_stems, n_bins)
        step = _STEP if iteration else _FIRST_STEP
        for group, spectra in _looked_at(stems, step):
            power = _power(spectra)
            sums.add(group, spectra[..., :n_bins], power[..., :n_bins], h)
            if not iteration:
                mean_power += power.sum(axis=1)
                n_frames += power.shape[1]
            elif iteration == _ITERATIONS - 1:
                quiet.add(power, mean_power)
        if not iteration:
            mean_power /= max(1, n_frames)
        h = sums.solve()
    assert h is not None  # noqa: S101 - there is at least one iteration
    groups = np.flatnonzero(sums.counts)
    leak = _of_true_stems(h)
    squared: Float64s = np.square(np.abs(leak), dtype=np.float64)
    if len(groups) < _GROUPS:  # too short to tell chance from leak
        variance = np.maximum(squared, 1.0)
    else:
        others = np.stack([sums.solve(group) for group in groups.tolist()])
        spread = np.square(np.abs(others - others.mean(axis=0))).sum(axis=0)
        variance = spread * (len(groups) - 1) / len(groups)
    return _Fit(squared, variance, np.abs(leak) * leak.real, sums.coherence, mean_power)


def _of_true_stems(h: Complexes) -> Complexes:
    """Turn leaks of the stems as they are, E = S + H E, into those of the true ones, E = A S.

    A = (1 - H)^-1 = 1 + H + H^2 + ..., here up to the cube, with columns scaled to A_kk = 1. The
    series, because it stays near H where that is too large to be believed.
    """
    most = np.sqrt(_HIGHEST)
    size = np.maximum(np.abs(h), _TINY)
    once = np.moveaxis(h * (np.minimum(size, most) / size), -1, 0)
    whole = np.eye(h.shape[0]) + once + once @ once + once @ once @ once
    scaled = whole / np.einsum("fkk->fk", whole)[:, np.newaxis]
    off_diagonal = 1.0 - np.eye(h.shape[0])
    leak: Complexes = np.moveaxis(scaled * off_diagonal, 0, -1)
    return leak


def _looked_at(stems: Sequence[Signal], step: int) -> Iterator[tuple[int, stft.Spectrum]]:
    """Yield the group and the spectra, `(n_stems, channels, up to _CHUNK, N_BINS)`, of a chunk.

    Of a long song `_MOST_STRETCHES`, evenly spread.
    """
    n_looked = -(-stft.n_frames(stems[0].n_samples) // step)
    stretch = min(_GROUP_FRAMES, max(1, -(-n_looked // _GROUPS)))
    n_stretches = -(-n_looked // stretch)
    n_heard = min(n_stretches, _MOST_STRETCHES)
    for i in range(n_heard):
        first = i * n_stretches // n_heard * stretch
        for start in range(first, min(first + stretch, n_looked), _CHUNK):
            stop = min(start + _CHUNK, first + stretch, n_looked)
            spectra = [stft.forward(s, start * step, stop * step, step) for s in stems]
            yield i % _GROUPS, np.stack(spectra)


def _power(spectra: stft.Spectrum) -> NDArray[np.float32]:
    """Sum the power over the channels: `(n_stems, n_frames, n_bins)`."""
    real, imaginary = spectra.real, spectra.imag
    power: NDArray[np.float32] = np.einsum("jcnf,jcnf->jnf", real, real)
    power += np.einsum("jcnf,jcnf->jnf", imaginary, imaginary)
    return power


def _without_leaks(spectra: stft.Spectrum, h: Complexes) -> stft.Spectrum:
    left = spectra.copy()
    single = h.astype(np.complex64)
    for j in range(len(spectra)):
        for k in range(len(spectra)):
            if k != j:
                left[j] -= single[j, k] * spectra[k]
    return left


# --- the quiet tenth ------------------------------------------------------------------------

_LEVELS_DB = np.arange(-90.0, 1.0)  # below the first of them it counts as nothing at all


class _QuietTenth:
    """How far down stem j is in its quiet moments among those in which stem k dominates."""

    def __init__(self, n_stems: int, bands: ErbBands, dominance_db: float, quantile: float) -> None:
        self._bands, self._dominance_db, self._quantile = bands, dominance_db, quantile
        self._counts = np.zeros((n_stems, n_stems, len(bands), len(_LEVELS_DB) + 1))

    def add(self, power: NDArray[np.float32], mean_power: Float64s) -> None:
        """Take in the power of frames, `(n_stems, n_frames, N_BINS)`."""
        in_bands = power @ self._bands.T
        plays = in_bands > 0.25 * (mean_power @ self._bands.T)[:, np.newaxis]
        level_db = power_to_db(in_bands)
        n_levels = self._counts.shape[-1]
        rows = np.arange(len(self._bands)) * n_levels
        for j, k in permutations(range(len(power)), 2):
            ratio_db = level_db[j] - level_db[k]
            places = rows + np.searchsorted(_LEVELS_DB, ratio_db)
            chosen = places[plays[k] & (ratio_db < -self._dominance_db)]
            counts = np.bincount(chosen, minlength=self._counts[j, k].size)
            self._counts[j, k] += counts.reshape(-1, n_levels)

    @property
    def ratios(self) -> Float64s:
        """The quantile of P_j / P_k, `(n_stems, n_stems, n_bands)`; infinite for few frames."""
        total = self._counts.sum(axis=-1)
        reached = np.cumsum(self._counts, axis=-1) >= self._quantile * total[..., np.newaxis]
        levels_db = np.append(_LEVELS_DB, 0.0)[np.argmax(reached, axis=-1)]
        return np.where(total < _LEAST_FRAMES, np.inf, 10.0 ** (levels_db / 10.0))


# --- as plain values ------------------------------------------------------------------------


def to_json(leaks: Leaks, names: Sequence[str]) -> dict[str, Any]:
    """Return what a stage needs as plain values, by the stems' names; zero ratios are left out."""
    return {
        "leak_power_ratios": {
            name: {
                other: [float(f"{ratio:.4g}") for ratio in leaks.ratios[j, k]]
                for k, other in enumerate(names)
                if leaks.ratios[j, k].any()
            }
            for j, name in enumerate(names)
        },
        "mask_likeness": round(leaks.mask_likeness, 3),
        "leak_matrix_db": {
            name: {
                other: round(float(leaks.matrix_db[j, k]), 1)
                for k, other in enumerate(names)
                if k != j
            }
            for j, name in enumerate(names)
        },
    }


def ratios_in(found: Mapping[str, Any], own: str) -> dict[str, NDArray[np.float32]]:
    """Return the ratios a band, `(n_bands,)`, of what leaks into `own`, by the other's name."""
    ratios: Mapping[str, Sequence[float]] = found["leak_power_ratios"][own]
    return {other: np.array(ratio, np.float32) for other, ratio in ratios.items()}
