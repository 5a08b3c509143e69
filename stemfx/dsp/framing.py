"""Cut a stream into frames that begin at fixed samples, however it comes in blocks."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Block


class Framer:
    """Deal out frames of `length` samples, one every `hop`: `frames = framer(block)`.

    Frame k covers the samples from `k * hop` up to `k * hop + length`.

    Args:
        channels: of the blocks to come.
        length: of a frame in samples.
        hop: from one frame's start to the next; `length` by default.
    """

    def __init__(self, channels: int, length: int, hop: int | None = None) -> None:
        self._length, self._hop = length, hop or length
        self._skip = 0  # samples before the next frame, where the hop is longer than a frame
        self._waiting: Block = np.zeros((channels, 0), np.float32)

    def __call__(self, block: Block) -> Block:
        """Return the frames that are whole now, `(channels, n_frames, length)`; maybe none."""
        samples = np.concatenate((self._waiting, block), axis=1) if self._waiting.size else block
        if self._skip:
            dropped = min(self._skip, samples.shape[1])
            samples, self._skip = samples[:, dropped:], self._skip - dropped
        n_frames = max(0, (samples.shape[1] - self._length) // self._hop + 1)
        if not n_frames:
            self._waiting = samples.copy()
            return np.zeros((len(block), 0, self._length), np.float32)
        used = n_frames * self._hop
        self._skip = max(0, used - samples.shape[1])
        self._waiting = samples[:, used:].copy()
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._length, axis=1)
        return windows[:, : used - self._hop + 1 : self._hop]

    @property
    def rest(self) -> Block:
        """The samples after the last whole frame's hop, `(channels, fewer than length)`."""
        return self._waiting
