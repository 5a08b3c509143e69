"""Clipping: flat tops, at whatever level they lie now.

A clipped wave runs into its ceiling at full slope, stays on it and leaves at full slope. So a
*flat top* is a run of three or more samples within rounding of the highest sample of its frame,
with shoulders that fall off faster than any smooth top would. A smooth top is a parabola: if k
samples lie within e of its summit, the sample j beyond their end lies within e ((k + 2j) / k)^2.

Clipping has one ceiling. Flat tops count when several frames have theirs at one level (each
channel and each polarity by itself, so one-sided clipping is found), at full scale, where a
converter's own rule is three samples in a row, or when one frame in twenty has them. Turning the
file down moves the ceiling and leaves it flat; lossy coding and resampling bend it, and then
nothing is found.

How far the wave would have gone is told from how it enters and leaves a flat top: a parabola that
meets both ends of a run of k samples with a slope of s a sample rises s k / 4 above them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import gain_to_db

_FRAME = 2048
_RUN = 3
_BEYOND = 2  # samples past a run's end at which its shoulder is looked at
_STEEP = 2.5  # times what a smooth top could fall there
_ROUNDING = 5e-5  # 1.6 steps of 16 bit: a ceiling that was dithered again
_ROUNDING_SHARE = 1e-4
_QUIETEST = 0.02  # -34 dBFS: below, 16 bit has too few steps to tell a top from its shoulders
_SQUARE_SHARE = 0.9  # of what is over half the top lies at it: a square wave, which is meant so
_FULL_SCALE = 1.0 - 1.5 / 32768
_SAME_LEVEL = 2e-3  # 0.02 dB
_MIN_FRAMES = 3
_MIN_RUNS = 4
_MANY_SHARE = 0.05  # music has a flat top by chance in 0.1 % of its frames
_MANY_RUNS = 24
_DEPTH_PERCENTILE = 90  # the highest of all would be one chance


@dataclass(frozen=True)
class ClippingReading:
    """What was clipped.

    Args:
        clipped_samples: samples on the ceiling, over all channels.
        events: flat tops.
        ceiling_dbfs: the highest ceiling; None where nothing is clipped.
        clipped_share: part of the frames of 46 ms (at 44.1 kHz) that have flat tops.
        channels: which channels have them.
        is_one_sided: only tops or only bottoms are flat.
        over_samples: samples beyond full scale, as float files can hold.
        depth_db: how far above the ceiling the highest tops would have gone: the 90th percentile
            of the frames that have flat tops; 0 where nothing is clipped.
        places: channel and first sample of every frame with flat tops, `(n, 2)`, in their order.
    """

    clipped_samples: int
    events: int
    ceiling_dbfs: float | None
    clipped_share: float
    channels: tuple[int, ...]
    is_one_sided: bool
    over_samples: int
    depth_db: float = 0.0
    places: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, 2), np.int64), compare=False
    )


class ClippingMeter:
    """Find flat tops block by block.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        self._framer = Framer(channels, _FRAME)
        # A row a frame with flat tops: channel, polarity, level, flat tops, samples, rise, frame.
        self._flat: list[NDArray[np.float64]] = []
        self._n_frames = 0
        self._over = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        frames = self._framer(block)
        if frames.shape[1]:
            self._look_at(frames)

    def _look_at(self, frames: Block) -> None:
        first, self._n_frames = self._n_frames, self._n_frames + frames.shape[1]
        for channel, rows in enumerate(frames):
            for polarity, tops in ((1, rows.max(axis=1)), (-1, -rows.min(axis=1))):
                if tops.max() > 1.0:
                    self._over += int(np.count_nonzero(polarity * rows > 1.0))
                tolerance = _ROUNDING + _ROUNDING_SHARE * tops
                floors = tops - tolerance
                near = rows >= floors[:, None] if polarity > 0 else rows <= -floors[:, None]
                run = near[:, :-2] & near[:, 1:-1] & near[:, 2:]
                for i in np.flatnonzero(run.any(axis=1) & (tops > _QUIETEST)):
                    row = polarity * rows[i]
                    n_runs, rise = _flat_tops(row, near[i], tops[i], tolerance[i])
                    n_high = np.count_nonzero(row > 0.5 * tops[i])
                    if n_runs and near[i].sum() < _SQUARE_SHARE * n_high:
                        found = [channel, polarity, tops[i], n_runs, near[i].sum(), rise, first + i]
                        self._flat.append(np.array(found, np.float64))

    def reading(self) -> ClippingReading:
        """Return what was found so far."""
        rest = self._framer.rest
        if rest.shape[1] > 2 * _RUN:
            padded = np.zeros((len(rest), 1, _FRAME), np.float32)
            padded[:, 0, : rest.shape[1]] = rest
            self._framer = Framer(len(rest), _FRAME)
            self._look_at(padded)
        flat = np.array(self._flat).reshape(-1, 7)
        rows = self._clipped(flat)
        return ClippingReading(
            clipped_samples=int(rows[:, 4].sum()),
            events=int(rows[:, 3].sum()),
            ceiling_dbfs=gain_to_db(float(rows[:, 2].max())) if len(rows) else None,
            clipped_share=min(1.0, len(rows) / max(1, 2 * len(rest) * self._n_frames)),
            channels=tuple(int(c) for c in np.unique(rows[:, 0])),
            is_one_sided=len(np.unique(rows[:, 1])) == 1,
            over_samples=self._over,
            depth_db=_depth_db(rows),
            places=_places(rows),
        )

    def _clipped(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the frames that belong to a ceiling, `(n, 7)`."""
        sides = np.unique(flat[:, :2], axis=0)
        if len(flat) > _MANY_SHARE * len(sides) * self._n_frames and flat[:, 3].sum() >= _MANY_RUNS:
            return flat  # a fade or a fader moved the ceiling along
        kept = [
            found
            for side in sides
            for found in _at_one_level(flat[(flat[:, :2] == side).all(axis=1)])
        ]
        return np.array(kept).reshape(-1, 7)


def _places(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    at = np.unique(rows[:, (6, 0)].astype(np.int64), axis=0)  # both polarities of a frame are one
    places: NDArray[np.int64] = at[:, ::-1] * np.array([1, _FRAME])
    return places


def _depth_db(rows: NDArray[np.float64]) -> float:
    """Return how far the tops of clipped frames would have gone above their ceilings."""
    if not len(rows):
        return 0.0
    return float(np.percentile(gain_to_db(1.0 + rows[:, 5] / rows[:, 2]), _DEPTH_PERCENTILE))


def _flat_tops(
    samples: NDArray[np.float32], near: NDArray[np.bool_], top: float, tolerance: float
) -> tuple[int, float]:
    """Count the runs of `near` with steep shoulders; one cut by the frame's edge has none.

    Returns:
        Their number, and how far the highest of them would have gone above the top.
    """
    steps = np.abs(np.diff(samples))
    moving = steps[steps > 0]
    if len(moving):  # a coarse quantiser makes tops flat by itself
        tolerance = max(tolerance, float(moving.min()))
    edges = np.diff(near.astype(np.int8))
    starts = np.flatnonzero(edges > 0) + 1
    ends = np.flatnonzero(edges < 0)  # the last sample of each run
    if near[0]:
        ends = ends[1:]
    starts = starts[: len(ends)]
    lengths = ends - starts + 1
    inside = (lengths >= _RUN) & (starts >= _BEYOND) & (ends < len(samples) - _BEYOND)
    starts, ends, lengths = starts[inside], ends[inside], lengths[inside]
    fall = top - 0.5 * (samples[starts - _BEYOND] + samples[ends + _BEYOND])
    smooth = tolerance * ((lengths + 2 * _BEYOND) / lengths) ** 2
    steep = fall > _STEEP * smooth
    # On average the wave leaves the ceiling half a sample after the last one on it.
    rises = 0.25 * (fall / (_BEYOND - 0.5) * lengths)[steep]
    return int(np.count_nonzero(steep)), float(rises.max(initial=0.0))


def _at_one_level(frames: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the frames whose level others share, or that lie at full scale."""
    levels = np.sort(frames[:, 2])
    order = np.argsort(frames[:, 2])
    first = np.searchsorted(levels, levels * (1 - _SAME_LEVEL))
    last = np.searchsorted(levels, levels * (1 + _SAME_LEVEL), side="right")
    runs = np.concatenate(([0.0], np.cumsum(frames[order, 3])))
    enough = (last - first >= _MIN_FRAMES) & (runs[last] - runs[first] >= _MIN_RUNS)
    return list(frames[order][enough | (np.abs(levels - 1.0) < 1.0 - _FULL_SCALE)])
