"""A compressor: what turns the level of one signal into the gain of another.

The parts are those of `stemfx.dsp.dynamics`; here they are put together, for the stages that
differ only in what they ask of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.dynamics import (
    AutoFollower,
    Follower,
    Frames,
    GainRamp,
    OnePole,
    beside_key,
    frame_peak_db,
    frame_power,
    soft_ramp_db,
)
from stemfx.dsp.filters import SosFilter, high_pass
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LevelMeter
from stemfx.dsp.units import FLOOR_DB, db_to_gain, power_to_db

_SIDECHAIN_DB_PER_OCTAVE = 12


@dataclass(frozen=True)
class Compressor:
    """How a compressor listens and how it moves.

    Args:
        ratio: dB in for one dB out above the threshold; 1 does nothing.
        knee_db: width of the soft threshold.
        attack_ms: time constant.
        release_ms: time constant; None heeds the programme (`AutoFollower`).
        rms_ms: time constant of the mean square that is held against the threshold; 0 holds
            peaks against it.
        sidechain_hz: it does not hear what lies below (12 dB/octave); 0 hears all.
        max_reduction_db: it never asks for more.
    """

    ratio: float
    knee_db: float
    attack_ms: float
    release_ms: float | None
    rms_ms: float = 0.0
    sidechain_hz: float = 0.0
    max_reduction_db: float = math.inf

    def loudness_of(self, key: Signal) -> float | None:
        """Return the gated loudness of what it hears of a key; None in silence.

        In LUFS for a detector of peaks. For one of mean squares per channel: a tone of 1 kHz, on
        one channel or on both, is as loud as its rms level.
        """
        level, heard = LevelMeter(key.sample_rate, key.channels), self._ear(key)
        for block in key.blocks(METER_BLOCK_SAMPLES):
            level.add(heard(block))
        if level.level_lufs is None or not self.rms_ms:
            return level.level_lufs
        return level.level_lufs - power_to_db(float(key.channels))

    def makeup_db(self, signal: Signal, key: Signal, threshold_dbfs: float) -> float:
        """Return the gain that brings the compressed signal back to its loudness."""
        before, after = (LevelMeter(signal.sample_rate, signal.channels) for _ in range(2))
        ramp = GainRamp()
        for block, _, reduction_db in self.reduced(signal, key, threshold_dbfs):
            before.add(block)
            after.add(block * ramp(db_to_gain(-reduction_db), block.shape[1]))
        return after.gain_to(before)

    def reduced(
        self, signal: Signal, key: Signal, threshold_dbfs: float
    ) -> Iterator[tuple[Block, Frames, Frames]]:
        """Yield blocks of the signal, the key's level in dBFS beside them, the reduction in dB."""
        rate = signal.sample_rate
        heard, mean = self._ear(key), OnePole(rate, self.rms_ms)
        follower = (
            AutoFollower(rate, attack_ms=self.attack_ms)
            if self.release_ms is None
            else Follower(rate, attack_ms=self.attack_ms, release_ms=self.release_ms)
        )
        for block, steering in beside_key(signal, key):
            ear = heard(steering)
            level_dbfs = (
                power_to_db(mean(frame_power(ear)), FLOOR_DB) if self.rms_ms else frame_peak_db(ear)
            )
            over_db = soft_ramp_db(level_dbfs - threshold_dbfs, self.knee_db)
            wanted_db = (1.0 - 1.0 / self.ratio) * over_db
            yield block, level_dbfs, follower(wanted_db.clip(max=self.max_reduction_db))

    def _ear(self, key: Signal) -> SosFilter:
        rate, hz = key.sample_rate, self.sidechain_hz
        return SosFilter(
            high_pass(rate, hz, _SIDECHAIN_DB_PER_OCTAVE) if hz else np.zeros((0, 6)), key.channels
        )
