"""Whether a signal keeps to one tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.chroma import CLASSES, FRAME_HZ, Pitches, read_pitches
from stemfx.dsp.flux import RATE_HZ
from stemfx.dsp.resample import rechunk, resample_blocks

_WINDOW_S = 4.0
_CLEAR = 0.2
"""Of all partials pulling one way: drums and speech have 0.1, songs 0.4 and more."""
_LEAST_WINDOWS = 2


@dataclass(frozen=True)
class Tuning:
    """How a signal is tuned.

    Args:
        cents: from A4 = 440 Hz, (-50, 50]; None where nothing is clear.
        clarity: 0 where pitches lie anywhere, 1 where all lie on one scale.
        wander_cents: how far stretches of 4 s are off that, on the whole; None for less than two.
    """

    cents: float | None
    clarity: float
    wander_cents: float | None


def read_tuning(signal: Signal) -> Tuning:
    """Read the tuning of a signal."""
    return tuning_of(read_pitches(mono_blocks(signal)))


def mono_blocks(signal: Signal) -> Iterator[Block]:
    """Yield a signal at the rate at which music is read, `(1, n)`."""
    n_out = ceil(signal.n_samples / signal.sample_rate * RATE_HZ)
    blocks = resample_blocks(_mono(signal), signal.sample_rate, RATE_HZ, 1, n_out)
    return rechunk(blocks, BLOCK_SAMPLES)


def _mono(signal: Signal) -> Iterator[Block]:
    """Yield one channel in which opposite phases do not cancel."""
    for block in signal.blocks():
        weights = np.full((1, len(block)), 1 / len(block), np.float32)
        if len(block) == 2:
            weights[:] = 0.6, 0.4
        yield weights @ np.nan_to_num(block, posinf=0.0, neginf=0.0)


def tuning_of(pitches: Pitches) -> Tuning:
    """Return the tuning of pitches: the circular mean of their distances from the semitones."""
    classes = pitches.classes.astype(np.float64)
    if not classes.any():
        return Tuning(None, 0.0, None)
    turns = np.exp(2j * np.pi * np.arange(CLASSES) / (CLASSES / 12))
    frames = classes @ turns
    weights = classes.sum(axis=1)
    clarity = float(np.abs(frames.sum()) / weights.sum())
    wander = _wander_cents(frames, weights)
    return Tuning(pitches.tuning_cents if clarity >= _CLEAR else None, clarity, wander)


def _wander_cents(
    frames: np.ndarray[tuple[int], np.dtype[np.complex128]],
    weights: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> float | None:
    """Return the rms distance of stretches from the mean of those whose tuning is clear."""
    n = max(1, round(_WINDOW_S * FRAME_HZ))
    starts = np.arange(0, max(1, len(frames) - n // 2), n)
    sums, sizes = np.add.reduceat(frames, starts), np.add.reduceat(weights, starts)
    clear = np.abs(sums) > _CLEAR * np.maximum(sizes, 1e-12)
    if clear.sum() < _LEAST_WINDOWS:
        return None
    units = sums[clear] / np.abs(sums[clear])
    mean = np.angle((units * sizes[clear]).sum())
    off = np.angle(units * np.exp(-1j * mean)) * 100 / (2 * np.pi)
    return float(np.sqrt(np.average(off**2, weights=sizes[clear])))
