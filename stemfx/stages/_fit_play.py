"""How `fit` plays what it laid out: exactly as long as the song."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal

_FADE_S = 0.03


def silence(channels: int, n_samples: int) -> Iterator[Block]:
    """Yield so many samples of nothing."""
    for start in range(0, n_samples, BLOCK_SAMPLES):
        yield np.zeros((channels, min(BLOCK_SAMPLES, n_samples - start)), np.float32)


def placed(
    blocks: Iterator[Block], start: int, n_out: int, signal: Signal, *, is_cut: bool
) -> Iterator[Block]:
    """Yield silence up to `start`, then the blocks, and exactly `n_out` samples in all."""
    yield from silence(signal.channels, min(max(0, start), n_out))
    position, drop = min(max(0, start), n_out), max(0, -start)
    fade = min(round(_FADE_S * signal.sample_rate), n_out)
    for block in blocks:
        part = block[:, drop : drop + n_out - position]
        drop = max(0, drop - block.shape[1])
        if not part.shape[1]:
            continue
        ends_here = position + part.shape[1] == n_out
        if is_cut and ends_here and block.shape[1] > part.shape[1]:
            part = part.copy()
            n = min(fade, part.shape[1])
            part[:, -n:] *= np.cos(np.pi / 2 * (np.arange(n) + 1) / n).astype(np.float32) ** 2
        position += part.shape[1]
        yield np.ascontiguousarray(part)
    yield from silence(signal.channels, n_out - position)
