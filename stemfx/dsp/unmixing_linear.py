"""How much of every stem lies in every other one, when the leak is a plain gain.

The model is e = A s: the given stems are the true ones through a matrix near the identity, the
same in every channel, at every time and frequency. True stems are taken as independent and, cell
by cell of a time-frequency plane, Gaussian of unknown power. Then the most likely A makes all
cells' covariances as diagonal as can be (Pham, SIAM J. Matrix Anal. 22(4), 2001; Pham and
Cardoso, IEEE Trans. Signal Process. 49(9), 2001): no contrast function, no random start, and all
that has to be kept of a song is one small matrix a cell. Rests decide: where one stem is quiet
and another plays, whatever the first one holds is leak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp.units import Float64s

FRAME_S = 2048 / 44_100
"""Length of a Hann window; frames overlap by half."""
CELL_FRAMES = 4
NARROWEST_BINS = 4
RELATIVE_WIDTH = 0.08
"""Bands are this wide, relative to their lowest bin, and never under `NARROWEST_BINS`."""

LISTEN_S = 120.0
"""So much of a song is heard, in stretches spread over all of it."""
STRETCH_S = 6.0

_SILENT = 1e-11  # power of a sample, -110 dBFS: below the rounding of 16 bits
_FLOOR = 1e-9  # of the loudest stem in a cell: 90 dB below it nothing is told from rounding
_STEPS = 12
_LARGEST_STEP = 0.3
_CONVERGED = 1e-7
_CLUSTER_CELLS = 12  # cells in time that count as one draw: about a second
_AUDIBLE, _FAINT = 0.01, 1e-6  # of a band's mean power, of all: cells where a stem plays
_ALIKE = 10.0
_ENOUGH_CELLS = 200


@dataclass(frozen=True)
class Cells:
    """Covariances of the stems in every channel and cell of the time-frequency plane.

    Args:
        covariances: `(n_stems, n_stems, channels, n_times, n_bands)`, sums over a cell.
        weights: `(n_bands,)`, real numbers that a cell of this band sums over.
    """

    covariances: Float64s
    weights: Float64s

    def through(self, matrix: Float64s) -> Float64s:
        """Return the covariances of `matrix @ stems`."""
        size = len(matrix)
        mixed = np.kron(matrix, matrix) @ self.covariances.reshape(size * size, -1)
        return mixed.reshape(self.covariances.shape)

    def of(self, stems: NDArray[np.intp]) -> Cells:
        """Return the covariances of some of the stems."""
        return Cells(self.covariances[np.ix_(stems, stems)], self.weights)


def plays(cells: Cells) -> NDArray[np.bool_]:
    """Say of each stem whether there is anything in it but rounding."""
    own = np.einsum("jj...->j...", cells.covariances)
    return np.asarray(np.any(own > _SILENT * cells.weights, axis=(1, 2, 3)))


def frame_samples(sample_rate: int, seconds: float) -> int:
    """Return the power of two nearest to a frame's length."""
    return int(2 ** max(4, round(np.log2(seconds * sample_rate))))


def stretches(n_samples: int, listen: int, stretch: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of stretches that hear at most `listen` samples, evenly spread."""
    count = max(1, min(n_samples, listen) // stretch)
    length = min(stretch, n_samples) if n_samples > listen else n_samples // count
    for k in range(count):
        start = round(k * (n_samples - length) / max(1, count - 1))
        yield start, start + length


def frames_of(samples: NDArray[np.float32], size: int, hop: int) -> NDArray[np.complex64]:
    """Return the Hann spectra `(..., n_frames, size / 2 + 1)` of whole frames."""
    import scipy.fft

    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(samples, size, axis=-1)[..., ::hop, :]
    spectra: NDArray[np.complex64] = scipy.fft.rfft(views * window).astype(np.complex64, copy=False)
    return spectra


def listen(stems: Sequence[Signal], listen_s: float = LISTEN_S) -> Cells:
    """Gather the stems' covariances; 1 MB for ten seconds of four stereo stems."""
    rate, channels = stems[0].sample_rate, stems[0].channels
    size = frame_samples(rate, FRAME_S)
    starts = _band_starts(size // 2 + 1)
    widths = np.diff(np.append(starts, size // 2 + 1))
    gathered = []
    stretch = round(STRETCH_S * rate)
    for start, stop in stretches(stems[0].n_samples, round(listen_s * rate), stretch):
        samples = np.stack([stem.read(start, stop) for stem in stems])
        if samples.shape[-1] >= size:
            gathered.append(_covariances(frames_of(samples, size, size // 2), starts))
    shape = (len(stems), len(stems), channels, 0, len(starts))
    joined = np.concatenate(gathered, axis=3) if gathered else np.zeros(shape)
    # Power of a sample, times the window's mean square (3/8) and its length (Parseval).
    joined /= 0.375 * size
    return Cells(joined, 2.0 * CELL_FRAMES * widths)


def _band_starts(n_bins: int) -> NDArray[np.intp]:
    starts = [1]
    while (after := starts[-1] + max(NARROWEST_BINS, int(starts[-1] * RELATIVE_WIDTH))) < n_bins:
        starts.append(after)
    return np.array(starts)


def _covariances(spectra: NDArray[np.complex64], starts: NDArray[np.intp]) -> Float64s:
    """Sum the real parts of all cross-spectra over cells."""
    n_stems, channels, n_frames, _ = spectra.shape
    n_times = n_frames // CELL_FRAMES
    spectra = spectra[:, :, : n_times * CELL_FRAMES]
    out = np.empty((n_stems, n_stems, channels, n_times, len(starts)))
    for j in range(n_stems):
        for k in range(j + 1):
            cross = spectra[j].real * spectra[k].real + spectra[j].imag * spectra[k].imag
            summed = cross.reshape(channels, n_times, CELL_FRAMES, -1).sum(axis=2)
            out[j, k] = out[k, j] = np.add.reduceat(summed, starts, axis=-1)
    return out


def powers_of(covariances: Float64s, weights: Float64s) -> Float64s:
    """Return each stem's power in every cell, never so low that rounding would count as leak."""
    own = np.einsum("jj...->j...", covariances)
    floor = np.maximum(_FLOOR * own.max(axis=0), _SILENT * weights)
    return np.asarray(np.maximum(own, floor), np.float64)


# --- the mixing matrix -------------------------------------------------------------------


def diagonalise(cells: Cells, allowed: NDArray[np.bool_] | None = None) -> Float64s:
    """Return the most likely mixing matrix, its diagonal one.

    Newton steps on Pham's criterion from the identity on. For each pair of stems,

        (h_jk  N  ) (d_jk)   (g_jk)       g_jk = sum n C_jk / C_jj
        (N    h_kj) (d_kj) = (g_kj)       h_jk = sum n C_kk / C_jj,   N = sum n

    Args:
        cells: what was heard.
        allowed: which elements may differ from the identity's; all, if not given.
    """
    size = len(cells.covariances)
    mixing = np.eye(size)
    if allowed is None:
        allowed = ~np.eye(size, dtype=bool)
    is_full = int(allowed.sum()) == size * (size - 1)
    for _ in range(_STEPS):
        step = np.zeros((size, size))
        seen = cells.through(_inverse(mixing))
        power = powers_of(seen, cells.weights)
        total = cells.weights.sum() * seen[0, 0, ..., 0].size
        for j in range(size):
            for k in range(j):
                g, h = _pair(seen, power, cells.weights, j, k)
                if allowed[j, k] and allowed[k, j]:
                    determinant = max(h[0] * h[1] - total * total, 1e-6 * h[0] * h[1])
                    step[j, k] = (h[1] * g[0] - total * g[1]) / determinant
                    step[k, j] = (h[0] * g[1] - total * g[0]) / determinant
                else:
                    step[j, k], step[k, j] = g[0] / h[0], g[1] / h[1]
        step = np.where(allowed, np.clip(step, -_LARGEST_STEP, _LARGEST_STEP), 0.0)
        # The step is seen through what was undone already, which is near the identity; so, where
        # zeros must stay, it is added. Both end where all g of allowed pairs are zero.
        mixing = mixing @ (np.eye(size) + step) if is_full else mixing + step
        mixing /= np.diag(mixing)
        if not np.isfinite(mixing).all() or np.linalg.cond(mixing) > 1e3:
            return np.eye(size)
        if np.abs(step).max() < _CONVERGED:
            break
    return mixing


def _pair(
    seen: Float64s, power: Float64s, weights: Float64s, j: int, k: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (g_jk, g_kj) and (h_jk, h_kj)."""
    at_j, at_k = weights / power[j], weights / power[k]
    g = float(np.sum(at_j * seen[j, k])), float(np.sum(at_k * seen[j, k]))
    h = float(np.sum(at_j * power[k])), float(np.sum(at_k * power[j]))
    return g, h


def deviations(cells: Cells, mixing: Float64s) -> Float64s:
    """Return the standard deviation of every element of a mixing matrix.

    From how much its estimate's parts scatter, not from the model: cells of one second, of one
    band, and single cells are each taken as the independent draws, and the largest counts.
    Music repeats itself and holds notes, so that the model's own answer would be too small.

    Shape: `(n_stems, n_stems)`, zero on the diagonal.
    """
    out = np.zeros(mixing.shape)
    for j, k, parts in _scatter(cells, mixing):
        sums = parts, _by_second(parts), parts.sum(axis=0)
        out[j, k] = np.sqrt(max(float(np.sum(p**2)) for p in sums))
    return out


def without_accidents(cells: Cells, mixing: Float64s) -> Cells:
    """Leave out the seconds that alone make an element uncertain.

    Two stems that are cut at one sample, or hit by one click, are alike in all bands at once; a
    second that holds more than half of the scatter of an element is taken as that.
    """
    n_times = cells.covariances.shape[3]
    kept = np.ones(n_times, dtype=bool)
    for _, _, parts in _scatter(cells, mixing):
        scatter = _by_second(parts) ** 2
        worst = int(scatter.argmax())
        if scatter[worst] > 0.5 * scatter.sum():
            kept[worst * _CLUSTER_CELLS : (worst + 1) * _CLUSTER_CELLS] = False
    return Cells(cells.covariances[:, :, :, kept], cells.weights)


def _scatter(cells: Cells, mixing: Float64s) -> Iterator[tuple[int, int, Float64s]]:
    """Yield j, k and what each cell adds to the error of a_jk: `(n_times, n_bands)`."""
    seen = cells.through(_inverse(mixing))
    power = powers_of(seen, cells.weights)
    total = cells.weights.sum() * seen[0, 0, ..., 0].size
    for j in range(len(mixing)):
        for k in set(range(len(mixing))) - {j}:
            at_j, at_k = cells.weights / power[j], cells.weights / power[k]
            h = at_j * power[k]
            h_jk, h_kj = float(h.sum()), float(np.sum(at_k * power[j]))
            determinant = max(h_jk * h_kj - total * total, 1e-6 * h_jk * h_kj)
            parts = (h_kj * at_j - total * at_k) * seen[j, k] / determinant
            # channels belong together
            yield j, k, (parts - parts.sum() * h / h_jk).sum(axis=0)


def _by_second(parts: Float64s) -> Float64s:
    starts = np.arange(0, len(parts), _CLUSTER_CELLS)
    return np.asarray(np.add.reduceat(parts.sum(axis=1), starts))


def dependence(cells: Cells, mixing: Float64s) -> Float64s:
    """Return what ties the stems together once a mixture is undone; see `mean_correlation`."""
    return mean_correlation(cells.through(_inverse(mixing)), cells.weights)


def mean_correlation(covariances: Float64s, weights: Float64s) -> Float64s:
    """Return the mean real correlation of each pair over the cells where both play alike.

    Only cells count where neither of them is more than 10 dB louder, of the channels the one
    farther from zero. Independent stems come to zero. Those of a separator do not, however they
    are unmixed, because masks lend both the phase of one mixture.

    Args:
        covariances: `(n_stems, n_stems, channels, n_times, n_bands)`.
        weights: `(n_bands,)`, as in `Cells`.

    Shape: `(n_stems, n_stems)`, zero on the diagonal.
    """
    power = powers_of(covariances, weights)
    audible = np.maximum(
        _AUDIBLE * power.mean(axis=2, keepdims=True),
        _FAINT * power.max(axis=(2, 3), keepdims=True),
    )
    plays = power > audible
    size = len(power)
    out = np.zeros((size, size))
    for j in range(size):
        for k in range(j):
            alike = (power[j] < _ALIKE * power[k]) & (power[k] < _ALIKE * power[j])
            both = plays[j] & plays[k] & alike
            rho = np.where(both, covariances[j, k] / np.sqrt(power[j] * power[k]), 0.0)
            count = both.sum(axis=(1, 2))
            means = (rho.sum(axis=(1, 2)) / np.maximum(count, 1))[count >= _ENOUGH_CELLS]
            if means.size:
                out[j, k] = out[k, j] = means[np.abs(means).argmax()]
    return out


def _inverse(mixing: Float64s) -> Float64s:
    return np.asarray(np.linalg.inv(mixing), np.float64)
