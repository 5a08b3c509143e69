"""What a stage reads: a `Signal`. In memory it is an `Audio`; on disk the cache has its own.

Every array is `(channels, samples)` float32, C-contiguous: demucs, pedalboard (its
zero-copy path) and scipy (`axis=-1`) agree on it. Mono is `(1, n)`, never 1-D, and the
axes are never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Block = NDArray[np.float32]
"""`(channels, n_samples)` float32: a stretch of a signal, n_samples >= 1."""

BLOCK_SAMPLES = 65_536
"""Default length of a block: 1.5 s at 44.1 kHz, 0.5 MB in stereo, so it stays in cache."""


@runtime_checkable
class Signal(Protocol):
    """A stretch of audio that can be read any number of times, whole or block by block.

    Several threads may read one signal at once.
    """

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""

    @property
    def channels(self) -> int:
        """Number of channels: 1 (mono) or 2 (left, right)."""

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples` from the start; the last one is shorter."""

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` (the end), clamped to what is there, read-only."""


def read_only(samples: ArrayLike) -> Block:
    """Return `samples` as a read-only, C-contiguous float32 array (a view where it can be)."""
    view = np.ascontiguousarray(samples, dtype=np.float32).view()
    view.flags.writeable = False
    return view


def peak_of(signal: Signal) -> float:
    """Return the highest absolute sample of a signal; 0 where there is none."""
    return max((float(np.abs(block).max(initial=0.0)) for block in signal.blocks()), default=0.0)


def read_forward(signal: Signal, start: int = 0, stop: int | None = None) -> Block:
    """Return samples `start` up to `stop` of a signal that can only run from its start."""
    start = max(0, start)
    stop = signal.n_samples if stop is None else min(stop, signal.n_samples)
    parts, position = [np.zeros((signal.channels, 0), np.float32)], 0
    for block in signal.blocks():
        if position >= stop:
            break
        parts.append(block[:, max(0, start - position) : stop - position])
        position += block.shape[1]
    return read_only(np.concatenate(parts, axis=1))


@dataclass(frozen=True, eq=False)
class Audio:
    """A signal in memory.

    Args:
        samples: `(channels, n_samples)`; kept as read-only float32, nominal range [-1, 1].
        sample_rate: in Hz, > 0.

    Raises:
        ValueError: `samples` is not 2-D, or has more channels than samples (transposed).
    """

    samples: Block
    sample_rate: int

    def __post_init__(self) -> None:
        samples = read_only(self.samples)
        if samples.ndim != 2:
            msg = f"samples must be (channels, n_samples); got shape {samples.shape}"
            raise ValueError(msg)
        if samples.shape[0] > 8 and samples.shape[0] > samples.shape[1]:
            msg = f"samples of shape {samples.shape} look transposed; pass (channels, n_samples)"
            raise ValueError(msg)
        if self.sample_rate <= 0:
            msg = f"sample_rate must be > 0 Hz; got {self.sample_rate}"
            raise ValueError(msg)
        object.__setattr__(self, "samples", samples)

    @classmethod
    def from_blocks(cls, blocks: Iterable[Block], sample_rate: int, channels: int = 2) -> Audio:
        """Join blocks into one `Audio`; no block at all gives zero samples."""
        parts = list(blocks)
        joined = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), np.float32)
        return cls(joined, sample_rate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only, contiguous block."""
        return read_only(self.samples[:, max(0, start) : stop])
