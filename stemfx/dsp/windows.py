"""Many stretches of a signal in one pass: some signals can only run forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stemfx.audio import Block, Signal

Span = tuple[int, int]
"""First sample and the one after the last; may reach beyond the ends of a signal."""


def read_windows(signal: Signal, spans: Sequence[Span]) -> Iterator[Block]:
    """Yield `(channels, stop - start)` of every span; silence where the signal has nothing.

    Args:
        signal: read once, from its start.
        spans: in the order of their starts; they may overlap.
    """
    blocks = signal.blocks()
    held = np.zeros((signal.channels, 0), np.float32)
    first = 0  # where `held` begins in the signal
    for start, stop in spans:
        first, held = _forget(first, held, start)
        parts = [held]
        end = first + held.shape[1]
        while end < stop and (block := next(blocks, None)) is not None:
            parts.append(block)
            end += block.shape[1]
            if end <= start:
                first, parts = end, []
        if not parts:
            held = held[:, :0]
        elif parts[1:]:
            held = np.concatenate(parts, axis=1)
        else:
            held = parts[0]
        first, held = _forget(first, held, start)
        window = np.zeros((signal.channels, stop - start), np.float32)
        there = held[:, : max(0, stop - first)]
        window[:, first - start : first - start + there.shape[1]] = there
        yield window


def _forget(first: int, held: Block, start: int) -> tuple[int, Block]:
    """Drop what lies before `start`."""
    n_old = min(max(0, start - first), held.shape[1])
    return first + n_old, held[:, n_old:]
