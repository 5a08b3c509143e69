"""Read a set of stems and its mixture once, side by side: spectra, energies, where each sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.delay import CrossSpectra, beside

SEGMENT_S = 0.25
_STEADY_S = 0.02
_SEGMENTS_A_READ = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weighted:
    """The sum of several signals of one rate, each times its weight; as long as the longest."""

    signals: tuple[Signal, ...]
    weights: tuple[float, ...]

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.signals[0].sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return max(signal.channels for signal in self.signals)

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return max(signal.n_samples for signal in self.signals)

    def _sum(self, row: Sequence[Block]) -> Block:
        weights = np.array(self.weights, np.float32)
        total: Block = np.tensordot(weights, np.stack(row), 1)
        return total

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        return (read_only(self._sum(row)) for row in beside(self.signals, n_samples))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        start = max(0, start)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        row = []
        for signal in self.signals:
            part = signal.read(start, stop)
            full = np.zeros((self.channels, max(0, stop - start)), np.float32)
            full[:, : part.shape[1]] = part
            row.append(full)
        return read_only(self._sum(row))


@dataclass(frozen=True, eq=False)
class SetReading:
    """What one pass over the stems, and the mixture after them, told.

    Args:
        spectra: of all of them, the mixture last.
        gram: `(n, n)` inner products over all samples and channels, exact (float64).
        energies: `(n_segments, n + 2)` in segments of `SEGMENT_S`: of each in turn, of the stems'
            sum, and of the mixture minus that sum.
        steadied_energy: what would be left of the null if the stems' sum had its best gain every
            20 ms: little after a compressor or limiter, nearly all if a stem is missing.
    """

    spectra: CrossSpectra
    gram: Floats
    energies: Floats
    steadied_energy: float

    @property
    def n_stems(self) -> int:
        """How many stems there are."""
        return len(self.gram) - 1

    def residual_energy(self, gains: Floats) -> float:
        """Return the energy of the mixture minus the stems times `gains`."""
        weights = np.append(-gains, 1.0)
        return max(0.0, float(weights @ self.gram @ weights))

    def explained_share(self, stems: Sequence[int]) -> float:
        """Return how much of the null the stems would explain, each through a filter of its own.

        The multiple coherence of the null with these stems (Bendat and Piersol, Random Data,
        ch. 7), without its bias, weighted by energy: 0 to 1.
        """
        matrix, use = self.spectra.matrix, list(stems)
        weights = np.append(-np.ones(self.n_stems), 1.0)
        null = self.spectra.power(weights)
        if not use or not null.any():
            return 0.0
        cross = np.einsum("ijf,j->fi", matrix[use], weights)
        within = matrix[np.ix_(use, use)].transpose(2, 0, 1)
        power = np.einsum("fii->fi", within).real
        ridge = 1e-6 * power.max() + 1e-30
        solved = np.linalg.solve(within + ridge * np.eye(len(use)), cross[..., None])[..., 0]
        explained = np.einsum("fi,fi->f", cross.conj(), solved).real
        bias = min(0.9, len(use) / max(1.0, 0.9 * self.spectra.n_frames))
        share = float(np.sum(np.clip(explained, 0.0, null)) / np.sum(null))
        return max(0.0, (share - bias) / (1.0 - bias))

    @property
    def mixture_energy(self) -> float:
        """Energy of the mixture."""
        return float(self.gram[-1, -1])


def read_set(stems: Sequence[Signal], mixture: Signal) -> SetReading:
    """Read stems and mixture of one rate; silence follows the end of a shorter one."""
    signals = [*stems, mixture]
    n, rate = len(signals), mixture.sample_rate
    spectra = CrossSpectra(rate, n, max(signal.n_samples for signal in signals))
    gram = np.zeros((n, n))
    segment = round(SEGMENT_S * rate)
    rows: list[Floats] = []
    steadied = 0.0
    for blocks in beside(signals, segment * _SEGMENTS_A_READ):
        spectra.add(blocks)
        stacked = np.stack(blocks).astype(np.float64)
        flat = stacked.reshape(n, -1)
        gram += flat @ flat.T
        rows.append(_segment_energies(stacked, segment))
        steadied += _steadied(stacked, round(_STEADY_S * rate))
    spectra.finish()
    energies = np.concatenate(rows) if rows else np.zeros((0, n + 2))
    return SetReading(spectra, gram, energies, steadied)


def _segment_energies(stacked: Floats, segment: int) -> Floats:
    """Return `(n_segments, n + 2)` energies of `(n, channels, n_samples)`, their sum, the null."""
    total = stacked[:-1].sum(axis=0)
    power = np.square(np.stack([*stacked, total, stacked[-1] - total])).sum(axis=1)
    starts = np.arange(0, power.shape[1], segment)
    energies: Floats = np.add.reduceat(power, starts, axis=1).T
    return energies


def _steadied(stacked: Floats, segment: int) -> float:
    mixed, summed = stacked[-1], stacked[:-1].sum(axis=0)
    starts = np.arange(0, mixed.shape[1], segment)
    powers = np.stack([mixed * mixed, summed * summed, mixed * summed]).sum(axis=1)
    own, stems, both = np.add.reduceat(powers, starts, axis=1)
    explained = np.divide(both**2, stems, out=np.zeros_like(both), where=stems > 0)
    return float(np.sum(np.maximum(own - explained, 0.0)))
