"""Restore flat tops: what a wave was before it ran into a ceiling.

What is known of a clipped sample is one inequality: it was at the ceiling or beyond. Among the
waves that agree with all that is known, the one with the sparsest spectrum is sought, frame by
frame, by A-SPADE (S. Kitić, N. Bertin, R. Gribonval, "Sparsity and cosparsity for audio declipping:
a flexible non-convex approach", LVA/ICA 2015), which led the survey of P. Záviška, P. Rajmic,
A. Ozerov, L. Rencker, IEEE JSTSP 15(1), 2021: alternate between the k largest bins of the spectrum
and the nearest wave that is consistent, with k growing until the two agree.

Of ours: the number of bins stays below a tenth of the spectrum, since a frame of drums that is not
sparse is better left with flat tops than filled with a guess; and no top rises further than the
slopes on its two sides allow, which sparsity alone made it do in kicks (4 dB further from the truth
than the flat top), or beyond a stated limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal

Sample = TypeVar("Sample", bound=np.generic)

_RUN = 3
_BEYOND = 2  # samples past a flat top at which its shoulders are looked at
_STEEP = 2.5  # times what a smooth top could fall there
_ROUNDING = 1e-4  # 3.3 steps of 16 bit: a ceiling that was lowered and dithered again
_ROUNDING_SHARE = 1e-4
_QUIETEST = 0.02
_FULL_SCALE = 1.0 - 1.5 / 32_768
_MIN_TOPS = 4
_LOOK = 65_536
_OVERLAP = 4_096

_FRAME_S = 0.046  # 2048 samples at 44.1 kHz
_STEP = 4
_MAX_STEPS = 100
_AGREE = 0.05
_SLOPE_SAMPLES = (1, 2, 4, 8)
_ROUND = 0.7
_STRETCH_FRAMES = 128
_MEMORY_SAMPLES = 1 << 24
_BATCH = 32  # frames at a time: a megabyte


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Where the waves of each channel end; infinite where nothing is clipped.

    Args:
        above: what lies here or higher is clipped, `(channels, 1)`.
        below: what lies here or lower, negative.
        level: the highest of them, as an amplitude; 0 where nothing is clipped.
        n_clipped: samples on either, over all channels.
    """

    above: NDArray[np.float32]
    below: NDArray[np.float32]
    level: float = 0.0
    n_clipped: int = 0

    def is_clipped(self, samples: Block) -> NDArray[np.bool_]:
        """Tell which samples lie on the ceiling."""
        return (samples >= self.above) | (samples <= self.below)


def find_ceiling(signal: Signal) -> Ceiling:
    """Find the level that flat tops share, in each channel and polarity by itself.

    That is the highest sample, if at least four tops of three or more samples end there (one, at
    full scale) with shoulders steeper than any smooth top of their length has: a parabola of which
    n samples lie within e of its summit has its sample j beyond them within e ((n + 2j) / n)^2.
    Either the samples of a top are equal, or, if it was turned down and dithered, equal within
    3.3 steps of 16 bit. Resampled or lossy files have no flat tops left.
    """
    peaks = np.zeros((2, signal.channels), np.float32)
    for block in signal.blocks():
        peaks = np.maximum(peaks, (block.max(axis=1), -block.min(axis=1)))
    floors = np.stack((peaks, peaks * np.float32(1 - _ROUNDING_SHARE) - np.float32(_ROUNDING)))
    tops = np.zeros(floors.shape, int)
    for start in range(0, signal.n_samples, _LOOK):
        # A top belongs to the stretch in which its shoulder ends; few are as long as the overlap.
        rows = signal.read(max(0, start - _OVERLAP), start + _LOOK)
        for at in np.ndindex(floors.shape):
            _, side, channel = at
            if peaks[side, channel] > _QUIETEST:
                row = rows[channel] if not side else -rows[channel]
                tops[at] += _flat_tops(row, np.float32(floors[at]), min(start, _OVERLAP))
    found = (tops >= _MIN_TOPS) | ((tops >= 1) & (peaks >= _FULL_SCALE))
    # Dither leaves some tops with equal samples by chance, and most without.
    is_exact = found[0] & (tops[0] > 0.8 * tops[1])
    edges = np.where(is_exact, floors[0], np.where(found[1], floors[1], np.float32(np.inf)))
    ceiling = Ceiling(edges[0][:, None], -edges[1][:, None])
    if not found.any():
        return ceiling
    n_clipped = sum(int(ceiling.is_clipped(block).sum()) for block in signal.blocks())
    level = float(edges[np.isfinite(edges)].max())
    return Ceiling(ceiling.above, ceiling.below, level, n_clipped)


def _flat_tops(row: NDArray[np.float32], floor: np.float32, first: int) -> int:
    """Count the flat tops of `row` above `floor` whose shoulder ends at `first` or later."""
    near = np.concatenate(([False], row >= floor, [False]))
    if not near.any():
        return 0
    edges = np.diff(near.astype(np.int8))
    starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)  # from, up to
    inside = (
        (ends - starts >= _RUN)
        & (starts >= _BEYOND)
        & (ends + _BEYOND <= len(row))
        & (ends + _BEYOND > first)
    )
    starts, ends = starts[inside], ends[inside]
    length = ends - starts
    fall = floor - 0.5 * (row[starts - _BEYOND] + row[ends + _BEYOND - 1])
    steps = np.abs(np.diff(row))
    rounding = max(_ROUNDING, float(steps[steps > 0].min(initial=1.0)))  # of few bits
    smooth = rounding * ((length + 2 * _BEYOND) / np.maximum(length, 1)) ** 2
    return int(np.count_nonzero(fall > _STEEP * smooth))


def declipped(
    signal: Signal,
    ceiling: Ceiling,
    max_gain_db: float,
    memory: dict[int, NDArray[np.float32]] | None = None,
) -> Iterator[Block]:
    """Yield `signal` with its clipped samples restored; every other sample keeps its bits.

    No restored sample lies below the ceiling, or more than `max_gain_db` above it; towards that
    limit tops are rounded, not cut.

    Args:
        signal: what was clipped.
        ceiling: where.
        max_gain_db: how far a top may rise.
        memory: takes the restored samples, up to 64 MB of them, so that a second call with the
            same arguments need not seek them again.
    """
    memory = {} if memory is None else memory
    room = _MEMORY_SAMPLES - sum(len(values) for values in memory.values())
    n = 1 << max(6, round(math.log2(_FRAME_S * signal.sample_rate)))
    length = _STRETCH_FRAMES * n // 4
    for start in range(0, signal.n_samples, length):
        stop = min(start + length, signal.n_samples)
        block = signal.read(start, stop)
        clipped = ceiling.is_clipped(block)
        if not clipped.any():
            yield block
            continue
        if start in memory:
            values = memory[start]
        else:
            restored, apex = _stretch(signal, ceiling, start, stop, n)
            values = _limited(restored[clipped], block[clipped], apex[clipped], max_gain_db)
            if len(values) <= room:
                memory[start] = values
                room -= len(values)
        mended = block.copy()
        mended[clipped] = values
        yield mended


def _stretch(
    signal: Signal, ceiling: Ceiling, start: int, stop: int, n: int
) -> tuple[Block, Block]:
    """Return samples `start` up to `stop` restored, with frames of `n`, and the room of each."""
    margin = 3 * n // 4  # frames that touch the stretch begin and end up to here beyond it
    length = -(-(stop - start) // n) * n
    around = np.zeros((signal.channels, length + 2 * margin), np.float32)
    first = max(0, start - margin)
    there = signal.read(first, start + length + margin)
    around[:, first - (start - margin) :][:, : there.shape[1]] = there
    clipped = ceiling.is_clipped(around)
    rows = list(zip(around, clipped & (around > 0), clipped & (around < 0), strict=True))
    inside = slice(margin, margin + stop - start)
    restored = np.stack([_restored(*row, n)[inside] for row in rows])
    apex = np.stack([np.maximum(_apex(x, up), _apex(-x, down))[inside] for x, up, down in rows])
    return restored, apex


def _apex(row: NDArray[np.float32], is_top: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return for each flat top how far its sides' slopes let it rise; 0 elsewhere.

    Over a length n slopes a and b meet at a height of n a b / (a + b). A parabola with these
    slopes reaches half of that; 0.7 of it gave the least errors on songs. A slope is the steepest
    of those to 1, 2, 4 and 8 samples away.
    """
    edges = np.diff(np.concatenate(([False], is_top, [False])).astype(np.int8))
    first, last = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) - 1
    reach = _SLOPE_SAMPLES[-1]
    padded = np.pad(row, reach)
    rising, falling = (
        np.max([(row[at] - padded[at + reach + side * n]) / n for n in _SLOPE_SAMPLES], axis=0)
        for side, at in ((-1, first), (1, last))
    )
    both = np.maximum(rising, 0) + np.maximum(falling, 0)
    product = np.maximum(rising, 0) * np.maximum(falling, 0)
    length = last - first + 2  # between the samples beside it
    height = _ROUND * length * np.divide(product, both, out=np.zeros_like(both), where=both > 0)
    heights = np.zeros_like(row)
    heights[is_top] = np.repeat(height, last - first + 1)
    return heights


def _limited(restored: Block, block: Block, apex: Block, max_gain_db: float) -> Block:
    """Let no sample rise over `apex`, or by `max_gain_db`: straight halfway, then bending."""
    level = np.abs(block).astype(np.float64)
    room = np.minimum(level * (10 ** (max_gain_db / 20) - 1), apex)
    rise = np.minimum(np.maximum(np.sign(block) * restored - level, 0), 1e6 * room)
    share = np.divide(rise, room, out=np.zeros_like(rise), where=room > 0)
    limited: Block = (np.sign(block) * (level + rise / (1 + share**4) ** 0.25)).astype(np.float32)
    return limited


def _restored(
    row: NDArray[np.float32], is_up: NDArray[np.bool_], is_down: NDArray[np.bool_], n: int
) -> NDArray[np.float32]:
    """Return `row` with its clipped samples made anew, frame by frame, where four overlap."""
    hop = n // 4
    # Squares of this window at a quarter of its length add up to 2.
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n).astype(np.float32)
    waves, ups, downs = _frames(row, n), _frames(is_up, n), _frames(is_down, n)
    which = np.flatnonzero(ups.any(axis=1) | downs.any(axis=1))
    made = np.zeros_like(row)
    for part in np.array_split(which, -(-len(which) // _BATCH)) if len(which) else []:
        frames = _sparsest(waves[part] * window, ups[part], downs[part])
        for k, frame in zip(part.tolist(), frames * (window / 2), strict=True):
            made[k * hop : k * hop + n] += frame
    return made


def _frames(row: NDArray[Sample], n: int) -> NDArray[Sample]:
    views: NDArray[Sample] = np.lib.stride_tricks.sliding_window_view(row, n)[:: n // 4]
    return views


def _sparsest(y: Block, is_up: NDArray[np.bool_], is_down: NDArray[np.bool_]) -> Block:
    """Return for each row of `y` the sparsest wave that agrees with it; see the module.

    Args:
        y: `(frames, n)`, clipped and windowed.
        is_up: where the true wave lies at `y` or above.
        is_down: where it lies at `y` or below.
    """
    import scipy.fft

    n = y.shape[1]
    found = y.copy()
    left = np.arange(len(y))
    enough = np.float32(_AGREE) ** 2 * np.square(y).sum(axis=1)
    X = scipy.fft.rfft(y, 2 * n, norm="ortho")
    U = np.zeros_like(X)
    for step in range(1, _MAX_STEPS + 1):
        Z = X + U
        power = np.square(Z.real) + np.square(Z.imag)
        nth = power.shape[1] - min(step * _STEP, power.shape[1] - 1)
        Z[power < np.partition(power, nth, axis=1)[:, nth : nth + 1]] = 0
        x = scipy.fft.irfft(Z - U, 2 * n, norm="ortho")[:, :n]
        x = np.where(is_up, np.maximum(x, y), np.where(is_down, np.minimum(x, y), y))
        X = scipy.fft.rfft(x, 2 * n, norm="ortho")
        apart = X - Z
        U += apart
        found[left] = x
        unsure = (np.square(apart.real) + np.square(apart.imag)).sum(axis=1) > enough
        if not unsure.any():
            break
        if not unsure.all():
            left, y, is_up, is_down = left[unsure], y[unsure], is_up[unsure], is_down[unsure]
            X, U, enough = X[unsure], U[unsure], enough[unsure]
    return found
