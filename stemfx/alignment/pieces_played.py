"""Pieces of a song one after another on the timeline: cross-faded where they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block
from stemfx.dsp.stretch import crossfade_gains, likeness

FADE_S = 0.03
LEAD_S = 0.01
"""A fade ends that long before the beat on which a piece begins: players are up to 10 ms early."""


@dataclass(frozen=True)
class Played:
    """A piece of the timeline, `[start, stop)` in samples; `blocks(first)` plays it from there.

    `first` may lie before `start`: what is faded in is heard a little earlier. `begins` and `ends`
    tell that the song itself begins or ends with it, which is no cut.
    """

    start: int
    stop: int
    blocks: Callable[[int], Iterator[Block]]
    begins: bool
    ends: bool


def in_line(
    pieces: Sequence[Played], channels: int, n_samples: int, sample_rate: int
) -> Iterator[Block]:
    """Yield exactly `n_samples`: the pieces, silence between them, and 30 ms of fade at each cut.

    Args:
        pieces: in order, none overlapping.
        channels: of all of them.
        n_samples: length of the timeline.
        sample_rate: in Hz.
    """
    fade, lead = max(1, round(FADE_S * sample_rate)), round(LEAD_S * sample_rate)
    done, held = 0, np.zeros((channels, 0), np.float32)
    for k, piece in enumerate(pieces):
        following = pieces[k + 1] if k + 1 < len(pieces) else None
        meets_next = following is not None and following.start <= piece.stop
        first = piece.start if piece.begins else max(0, piece.start - lead - fade)
        if done + held.shape[1] < first:
            yield from _silence(channels, first - done)
            done = first
        head = held
        stop = min(piece.stop - lead if meets_next else piece.stop, n_samples)
        rest = _after_fade(piece, first, done, head, fade)
        held = np.zeros((channels, 0), np.float32)
        for block in rest:
            left = block[:, : max(0, stop - done - held.shape[1])]
            held = np.concatenate((held, left), axis=1)
            ready = held.shape[1] - fade
            if ready > 0:
                yield np.ascontiguousarray(held[:, :ready])
                held, done = held[:, ready:], done + ready
        if not meets_next:
            if stop < n_samples and not piece.ends:
                fall, _ = crossfade_gains(held.shape[1], 0.0)
                held = held * fall
            if held.shape[1]:
                yield held
                done += held.shape[1]
            held = held[:, :0]
    yield from _silence(channels, n_samples - done)


def _after_fade(piece: Played, first: int, done: int, head: Block, fade: int) -> Iterator[Block]:
    """Yield a piece from the sample `done` on, its first ones faded with `head` or from silence."""
    if piece.begins:
        yield from piece.blocks(first)
        return
    blocks = piece.blocks(done)
    start = next(blocks, None)
    if start is None:
        return
    while start.shape[1] < fade and (more := next(blocks, None)) is not None:
        start = np.concatenate((start, more), axis=1)
    n = min(fade, start.shape[1])
    start = start.copy()
    if head.shape[1]:
        n = min(n, head.shape[1])
        fall, rise = crossfade_gains(n, likeness(head[:, :n], start[:, :n]))
        start[:, :n] = fall * head[:, :n] + rise * start[:, :n]
    else:
        start[:, :n] *= crossfade_gains(n, 0.0)[1]
    yield start
    yield from blocks


def _silence(channels: int, n_samples: int) -> Iterator[Block]:
    for start in range(0, n_samples, BLOCK_SAMPLES):
        yield np.zeros((channels, min(BLOCK_SAMPLES, n_samples - start)), np.float32)
