"""Separate a song of any length in segments that overlap and cross-fade, in bounded memory.

A network hears a few seconds at a time. Its estimates are weighted with a triangle and added up
where segments overlap, so there is no seam and no step in level: what the network gives alike in
both segments stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.separator import SeparationContext, StemBlock
from stemfx.separators.threads import in_order

LARGEST_SHIFT_S = 0.5  # as in Demucs (Défossez et al., arXiv 1911.13254, section 5)

Estimate = Callable[[int, int], StemBlock]
"""From a segment's first sample and length to its stems, `(n_stems, 2, length)`.

It is called in several threads at once and has to give the same bits in each of them.
"""


@dataclass(frozen=True)
class Schedule:
    """Where the segments of one pass over a song are.

    Args:
        starts: first sample of each, ascending; that of a shifted pass lies before the song.
        length: of a segment in samples; the last one may be cut by the end of the song.
    """

    starts: tuple[int, ...]
    length: int

    @classmethod
    def even(
        cls, n_samples: int, length: int, overlap: float, *, lead: int = 0, tail: int = 0
    ) -> Schedule:
        """Spread the fewest segments of which neighbours share at least `overlap` of their length.

        The last one ends with the song: none is spent on a leftover of a few samples, and none
        hears silence after the end. A song shorter than a segment is one segment.

        Args:
            n_samples: of the song, >= 1.
            length: of a segment, >= 1.
            overlap: within [0, 1).
            lead: samples before the song at which the first segment begins.
            tail: samples after the song at which the last segment ends.
        """
        whole = lead + n_samples + tail
        length = min(length, whole)
        way = whole - length
        n_steps = math.ceil(way / max(1, int((1 - overlap) * length)))
        return cls(tuple(way * k // max(n_steps, 1) - lead for k in range(n_steps + 1)), length)


def schedules(
    n_samples: int, length: int, overlap: float, sample_rate: int, context: SeparationContext
) -> list[Schedule]:
    """Return the schedule of each pass over a song: one, or as many as `effort.shifts` asks for.

    `overlap` is the model's own. Leads of shifted passes come
    from `context.seed` and nothing else, so that equal songs give equal stems.
    """
    effort = context.effort
    overlap = effort.overlap_for(overlap)
    if effort.shifts == 0:
        return [Schedule.even(n_samples, length, overlap)]
    most = min(int(LARGEST_SHIFT_S * sample_rate), length - 1)
    leads = np.random.default_rng(context.seed).integers(0, most, effort.shifts, endpoint=True)
    return [
        Schedule.even(n_samples, length, overlap, lead=lead, tail=most - lead)
        for lead in leads.tolist()
    ]


def read_padded(signal: Signal, start: int, n_samples: int) -> Block:
    """Return `n_samples` from `start` on, with zeros outside the signal."""
    near = signal.read(max(0, start), max(0, min(start + n_samples, signal.n_samples)))
    padded = np.zeros((signal.channels, n_samples), np.float32)
    at = max(0, -start)
    padded[:, at : at + near.shape[1]] = near
    return padded


def measure(mixture: Signal) -> tuple[float, float]:
    """Return mean and standard deviation of a whole file in mono, as demucs takes them."""
    total = squares = 0.0
    for block in mixture.blocks():
        mono = block.mean(axis=0, dtype=np.float64)
        total += mono.sum()
        squares += mono @ mono
    n = mixture.n_samples
    mean = total / max(n, 1)
    variance = max(0.0, squares - n * mean**2) / max(n - 1, 1)
    return mean, math.sqrt(variance) + 1e-8


def stream(
    passes: Sequence[Schedule],
    estimate: Estimate,
    n_samples: int,
    *,
    start: int = 0,
    workers: int = 1,
) -> Iterator[StemBlock]:
    """Yield the average of all passes from sample `start` to the last one.

    Args:
        passes: at least one.
        estimate: what the network makes of a segment.
        n_samples: of the song, >= 1.
        start: first sample wanted; from there on the bits are those of a stream from 0.
        workers: segments at work at a time.
    """
    networks = [(passes, estimate)]
    for blocks in side_by_side(networks, n_samples, start=start, workers=workers):
        yield blocks[0]


def side_by_side(
    networks: Sequence[tuple[Sequence[Schedule], Estimate]],
    n_samples: int,
    *,
    start: int,
    workers: int,
) -> Iterator[list[StemBlock]]:
    """Yield the streams of several networks, each with passes of its own, in blocks of one length.

    The workers are shared; see `stream` for the arguments.
    """
    with ThreadPoolExecutor(workers) as pool:
        streams = [
            _averaged(passes, estimate, n_samples, start=start, pool=pool, ahead=workers)
            for passes, estimate in networks
        ]
        yield from _in_step(streams)


def _averaged(
    passes: Sequence[Schedule],
    estimate: Estimate,
    n_samples: int,
    *,
    start: int,
    pool: Executor,
    ahead: int,
) -> Iterator[StemBlock]:
    each = [
        _joined(schedule, estimate, n_samples, start=start, pool=pool, ahead=ahead)
        for schedule in passes
    ]
    for blocks in _in_step(each):
        yield blocks[0] if len(blocks) == 1 else np.mean(blocks, axis=0, dtype=np.float32)


def _joined(
    schedule: Schedule,
    estimate: Estimate,
    n_samples: int,
    *,
    start: int,
    pool: Executor,
    ahead: int,
) -> Iterator[StemBlock]:
    """Yield one pass from sample `start` on: the estimates of its segments, cross-faded.

    Segments that end before `start` are not computed; those that reach it are added up in the
    same order as always, so the bits do not depend on `start`.
    """
    length = schedule.length
    rise = np.arange(1, length + 1)
    triangle = (np.minimum(rise, rise[::-1]) / ((length + 1) // 2)).astype(np.float32)
    starts = [begin for begin in schedule.starts if min(begin + length, n_samples) > start]
    segments = [(begin, min(length, n_samples - begin)) for begin in starts]

    at = start  # of the first sample that is held
    total: StemBlock | None = None
    weight: NDArray[np.float32] = np.zeros(0, np.float32)
    estimates = in_order(pool, lambda segment: estimate(*segment), segments, ahead)
    for (begin, n), stems in zip(segments, estimates, strict=True):
        if total is None:
            total = np.zeros((*stems.shape[:2], 0), np.float32)
        done = max(0, begin - at)  # no later segment reaches these
        if done:
            yield total[..., :done] / weight[:done]
            total, weight, at = total[..., done:], weight[done:], begin
        inside = slice(at - begin, n)
        more = begin + n - at - weight.size
        total = np.pad(total, ((0, 0), (0, 0), (0, max(0, more))))
        weight = np.pad(weight, (0, max(0, more)))
        here = triangle[inside]
        total[..., : here.size] += here * stems[..., inside]
        weight[: here.size] += here
    if total is not None and weight.size:
        yield total / weight


def _in_step(streams: Sequence[Iterator[StemBlock]]) -> Iterator[list[StemBlock]]:
    """Cut streams of equal total length into blocks of equal length."""
    held = [next(stream, None) for stream in streams]
    while held[0] is not None:
        blocks = [block for block in held if block is not None]
        n = min(block.shape[-1] for block in blocks)
        yield [block[..., :n] for block in blocks]
        held = [
            block[..., n:] if block.shape[-1] > n else next(stream, None)
            for block, stream in zip(blocks, streams, strict=True)
        ]
