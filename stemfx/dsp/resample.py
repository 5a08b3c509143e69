"""Change the sampling rate of a stream (soxr), and cut streams into blocks of one size.

soxr is linear-phase and takes its own delay out: an instant in the input keeps its place in
the output, and neither the block size nor the joins between blocks change a single bit of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_forward, read_only

Quality = Literal["HQ", "VHQ"]
"""soxr's 20-bit and 28-bit filters: aliases below -120 and -150 dB, flat to 0.91 Nyquist."""


class Resampler:
    """Resample a stream block by block: `resampler(block)`, and at its end `resampler.flush()`.

    Args:
        from_hz: rate of what comes in; only the ratio to `to_hz` matters.
        to_hz: rate of what goes out.
        channels: number of channels.
        quality: see `Quality`.
    """

    def __init__(
        self, from_hz: float, to_hz: float, channels: int, quality: Quality = "HQ"
    ) -> None:
        import soxr

        # One mono stream a channel: soxr would split interleaved frames anyway, and planar
        # arrays need no transpose (a quarter of the time at 8x).
        self._streams = [
            soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)
            for _ in range(channels)
        ]
        # Zeros that bring out at least one sample more than soxr's rounded length.
        self._tail = np.zeros((channels, int(from_hz / to_hz) + 2), np.float32)

    def __call__(self, block: Block, *, last: bool = False) -> Block:
        """Return what is ready, `(channels, m)` with m >= 0: soxr holds back about 1000 samples."""
        return np.stack(
            [
                stream.resample_chunk(np.ascontiguousarray(samples), last=last)
                for stream, samples in zip(self._streams, block, strict=True)
            ]
        )

    def flush(self) -> Block:
        """Return what is left, with silence after the end of the input; ends the stream."""
        return self(self._tail, last=True)


def resample_blocks(
    blocks: Iterable[Block],
    from_hz: float,
    to_hz: float,
    channels: int,
    n_out: int,
    *,
    quality: Quality = "HQ",
) -> Iterator[Block]:
    """Yield exactly `n_out` samples of `blocks` at `to_hz`, in blocks as they become ready.

    A longer input is cut, a shorter one followed by silence. Equal rates pass samples unchanged.
    """
    if from_hz == to_hz:
        resampled = iter(blocks)
    else:
        resampler = Resampler(from_hz, to_hz, channels, quality)
        resampled = chain(map(resampler, blocks), (resampler.flush() for _ in range(1)))
    left = n_out
    for block in resampled:
        part = block[:, :left]
        if part.shape[1]:
            left -= part.shape[1]
            yield np.ascontiguousarray(part)
        if not left:
            return
    while left:
        silence = np.zeros((channels, min(left, BLOCK_SAMPLES)), np.float32)
        left -= silence.shape[1]
        yield silence


def rechunk(blocks: Iterable[Block], n_samples: int) -> Iterator[Block]:
    """Yield the same samples in blocks of `n_samples`; the last one may be shorter."""
    parts: list[Block] = []
    missing = n_samples
    for block in blocks:
        start = 0
        while start < block.shape[1]:
            part = block[:, start : start + missing]
            parts.append(part)
            start += part.shape[1]
            missing -= part.shape[1]
            if not missing:
                yield _joined(parts)
                parts, missing = [], n_samples
    if parts:
        yield _joined(parts)


def _joined(parts: list[Block]) -> Block:
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class Resampled:
    """A signal at another rate, resampled anew whenever it is read.

    Its length is `ceil(n * to / from)`: every sample whose instant lies inside the source.
    `read` runs from the start of the signal, so read it whole or take `blocks`.
    """

    source: Signal
    sample_rate: int
    quality: Quality = "VHQ"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.source.channels

    @property
    def n_samples(self) -> int:
        """Length in samples at the new rate."""
        return -(-self.source.n_samples * self.sample_rate // self.source.sample_rate)

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        resampled = resample_blocks(
            self.source.blocks(),
            self.source.sample_rate,
            self.sample_rate,
            self.channels,
            self.n_samples,
            quality=self.quality,
        )
        return map(read_only, rechunk(resampled, n_samples))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        return read_forward(self, start, stop)
