"""A signal that begins again every so many samples, its tail ringing on over the next round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only


@dataclass(frozen=True, eq=False)
class Looped:
    """`sum over k >= 0 of source[n - k * period]`, for `n_samples`.

    A source as long as the period is tiled bit for bit; a shorter one leaves silence, a longer one
    sounds on under its next rounds.
    """

    source: Signal
    period: int
    n_samples: int

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.source.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.source.channels

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        start = max(0, start)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        out = np.zeros((self.channels, max(0, stop - start)), np.float32)
        first = max(0, (start - self.source.n_samples) // self.period)
        for k in range(first, -(-stop // self.period)):
            begin = k * self.period
            low, high = max(start, begin), min(stop, begin + self.source.n_samples)
            if low < high:
                out[:, low - start : high - start] += self.source.read(low - begin, high - begin)
        return read_only(out)
