"""A signal made as long and as wide as those that it is heard beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.channels import widen


@dataclass(frozen=True, eq=False)
class Fitted:
    """A signal of one or two channels, with another number of channels and another length.

    It ends in silence or is cut; mono is heard on both channels, stereo folded to its mean.
    """

    signal: Signal
    channels: int
    n_samples: int

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.signal.sample_rate

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        done = 0
        for block in self.signal.blocks(n_samples):
            left = self.n_samples - done
            if left <= 0:
                return
            is_end = done + block.shape[1] >= self.signal.n_samples
            yield self._fit(block[:, :left], min(left, n_samples if is_end else block.shape[1]))
            done += n_samples if is_end else block.shape[1]
        while done < self.n_samples:
            length = min(n_samples, self.n_samples - done)
            yield read_only(np.zeros((self.channels, length), np.float32))
            done += length

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        start = max(0, start)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        heard = self.signal.read(start, min(stop, self.signal.n_samples))
        return self._fit(heard, max(0, stop - start))

    def _fit(self, heard: Block, length: int) -> Block:
        if heard.shape[0] > self.channels:
            heard = heard.mean(axis=0, keepdims=True, dtype=np.float32)
        missing = length - heard.shape[1]
        if missing > 0:
            heard = np.pad(heard, ((0, 0), (0, missing)))
        return read_only(widen(heard) if self.channels == 2 else heard)
