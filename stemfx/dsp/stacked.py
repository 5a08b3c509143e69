"""Several signals as the channels of one, for what must treat them alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only


@dataclass(frozen=True, eq=False)
class Stacked:
    """The channels of signals of one rate and length, one below the other."""

    signals: Sequence[Signal]

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.signals[0].sample_rate

    @property
    def channels(self) -> int:
        """Number of channels, of all signals together."""
        return sum(signal.channels for signal in self.signals)

    @property
    def n_samples(self) -> int:
        """Length in samples."""
        return self.signals[0].n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        for blocks in zip(*(signal.blocks(n_samples) for signal in self.signals), strict=True):
            yield read_only(np.concatenate(blocks))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        return read_only(np.concatenate([signal.read(start, stop) for signal in self.signals]))
