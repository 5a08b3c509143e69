"""Mixture consistency: what a mixture has and its stems have not, shared out among them.

With r = x - sum_k e_k, every stem becomes e_j + w_j r, where the weights add up to one: then the
stems add up to the mixture, and no others that do are nearer (Wisdom et al., ICASSP 2019, with
weights by power).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.units import power_to_db


@dataclass(frozen=True, eq=False)
class Consistent:
    """A stem with its share of what is missing, computed as it is read."""

    stem: Signal
    stems: Sequence[Signal]
    mixture: Signal
    weight: float

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.stem.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.stem.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self.stem.n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield blocks of `n_samples`."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`."""
        missing = missing_block(self.stems, self.mixture, start, stop)
        return read_only(self.stem.read(start, stop) + np.float32(self.weight) * missing)


def missing_block(
    stems: Sequence[Signal], mixture: Signal, start: int = 0, stop: int | None = None
) -> Block:
    """Return mixture - sum of stems."""
    missing = np.array(mixture.read(start, stop))
    for stem in stems:
        missing -= stem.read(start, stop)
    return missing


def missing_and_weights(
    stems: Sequence[Signal], mixture: Signal
) -> tuple[float, tuple[float, ...]]:
    """Return the level of what the stems lack, in dB re the mixture, and each stem's weight.

    `FLOOR_DB` when they add up to it; the weights are the stems' shares of the power.
    """
    whole = lacking = 0.0
    energies = np.zeros(len(stems))
    for start in range(0, mixture.n_samples, BLOCK_SAMPLES):
        stop = start + BLOCK_SAMPLES
        whole += _energy(mixture.read(start, stop))
        lacking += _energy(missing_block(stems, mixture, start, stop))
        energies += [_energy(stem.read(start, stop)) for stem in stems]
    total = energies.sum()
    weights = energies / total if total else np.full(len(stems), 1.0 / len(stems))
    return power_to_db(lacking / max(whole, 1e-30)), tuple(map(float, weights))


def _energy(block: Block) -> float:
    flat = block.reshape(-1)
    return float(flat @ flat)
