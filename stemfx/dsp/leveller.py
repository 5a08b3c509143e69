"""Ride the level of what is loud for long, and leave what is loud for a moment to a clip.

A bass note or a held chord above the ceiling must be turned down: bent, it tears. The tip of a
drum must not: turned down, it takes everything that sounds with it along. The two differ in
how much of the time they are high, so what is looked at is no peak but a mean of some
milliseconds, scaled so that a steady tone reads as its peak. The highest peaks of a mix read 5 to
10 dB less than they are high (three songs; 1 to 6 dB in one whose bass is all there is).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, tee

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.dynamics import CONTROL_SAMPLES, Frames, GainRamp, frame_mean
from stemfx.dsp.limiter import CHUNK_SAMPLES, ReductionCurve
from stemfx.dsp.resample import rechunk
from stemfx.dsp.units import db_to_gain, gain_to_db

WINDOW_MS = 12.0
"""A half-wave of 42 Hz: over a whole number of them a tone's mean is 2/pi of its peak."""
LOOK_AHEAD_MS = 12.0
HOLD_MS = 8.0
RELEASE_MS = 80.0


class Leveller:
    """Turn down, with 12 ms of look-ahead, what would stay above a level for milliseconds.

    Both sides get one gain, from the louder of them. Below the level it is exactly 1.

    Use it once, as `leveller(blocks)`; `max_reduction_db` is what it did so far.

    Args:
        sample_rate: in Hz.
        level_dbfs: peak of the loudest tone that passes as it is.
    """

    def __init__(self, sample_rate: int, level_dbfs: float) -> None:
        frames_per_s = sample_rate / CONTROL_SAMPLES
        self._level = db_to_gain(level_dbfs) * 2 / math.pi
        self._half = max(0, round(WINDOW_MS / 2000 * frames_per_s))
        self._past = np.zeros(2 * self._half + 1)
        self._curve = ReductionCurve(frames_per_s, LOOK_AHEAD_MS, HOLD_MS, RELEASE_MS)
        self._ramp = GainRamp()
        self.max_reduction_db = 0.0

    def __call__(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the same blocks, levelled."""
        dry, probe = tee(rechunk(blocks, CHUNK_SAMPLES))
        gains = rechunk(self._gains(probe), CHUNK_SAMPLES // CONTROL_SAMPLES)
        for block, gain in zip(dry, gains, strict=True):
            yield block * self._ramp(gain[0], block.shape[1])

    def _gains(self, blocks: Iterable[Block]) -> Iterator[Block]:
        early = self._half + self._curve.delay
        means = (frame_mean(np.abs(block)).max(axis=0) for block in blocks)
        for mean in chain(means, [np.zeros(early)]):
            reduction = self._curve(self._needs(mean))
            self.max_reduction_db = max(
                self.max_reduction_db, gain_to_db(math.e) * float(reduction.max(initial=0))
            )
            yield np.exp(-reduction[early:], dtype=np.float32)[None]
            early = max(0, early - len(reduction))

    def _needs(self, mean: Frames) -> Frames:
        """Return the nepers that bring the mean around each frame to the level."""
        width = len(self._past)
        joined = np.concatenate((self._past, mean))
        self._past = joined[len(mean) :]
        total = np.cumsum(joined)
        level = (total[width:] - total[:-width]) / width
        return np.log(np.maximum(level, self._level) / self._level)
