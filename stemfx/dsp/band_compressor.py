"""Compress one band of a `BandSplit`: from its power in each frame to its gain.

The detector is the rms level; ballistics and knee are those of `stemfx.dsp.dynamics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.dynamics import Follower, OnePole, ReductionMeter, soft_ramp_db
from stemfx.dsp.units import FLOOR_DB, db_to_gain, gain_to_db, power_to_db

KNEE_DB = 8.0
_PIECE_FRAMES = 65_536  # are worked on at once, so that an hour takes little more memory
_WINDOW_S = 0.4  # of BS.1770's gate
_RELATIVE_GATE_DB = -10.0
_HEARD_DB = -60.0

# Time constants of a band around 70 Hz; those of others go with its middle frequency.
_BASS_HZ = 70.0
_BASS_RMS_MS = 18.0  # as f^-1/4, like the attack: bridges the half-waves of the lowest tone
_BASS_ATTACK_MS = 36.0
_BASS_RELEASE_MS = 300.0  # as f^-1/3
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 13_000.0  # where the outer bands end, as to their middle


@dataclass(frozen=True)
class Times:
    """Time constants in ms: of the mean square, and of the gain."""

    rms_ms: float
    attack_ms: float
    release_ms: float

    @classmethod
    def between(cls, low_hz: float, high_hz: float) -> Times:
        """Return those that suit a band: slow in the bass, fast in the treble.

        >>> Times.between(0, 120), Times.between(5000, 20000).release_ms < 70
        (Times(rms_ms=18.05, attack_ms=36.1, release_ms=301.0), True)
        """
        share = _BASS_HZ / math.sqrt(max(low_hz, _LOWEST_HZ) * min(high_hz, _HIGHEST_HZ))
        return cls(
            rms_ms=round(_BASS_RMS_MS * share ** (1 / 4), 2),
            attack_ms=round(_BASS_ATTACK_MS * share ** (1 / 4), 1),
            release_ms=round(_BASS_RELEASE_MS * share ** (1 / 3), 1),
        )


def own_level_dbfs(powers: NDArray[np.float32], frame_s: float) -> float | None:
    """Return the rms level of a band where something is heard of it; None in silence.

    Gated as BS.1770 gates loudness, by 400 ms and at 10 dB under the mean; but silence is what
    lies 60 dB under the loudest 400 ms, so that a quiet song is read like a loud one.

    Args:
        powers: `(n_frames,)`, mean squares.
        frame_s: length of a frame.
    """
    window = max(1, min(len(powers), round(_WINDOW_S / frame_s)))
    whole = len(powers) // window * window
    means = powers[:whole].reshape(-1, window).mean(axis=1, dtype=np.float64)
    heard = means[means > means.max(initial=0.0) * 10 ** (_HEARD_DB / 10)]
    if not len(heard):
        return None
    gate = heard.mean() * 10 ** (_RELATIVE_GATE_DB / 10)
    return power_to_db(float(heard[heard > gate].mean()))


@dataclass(frozen=True)
class BandReading:
    """What was done to a band."""

    threshold_dbfs: float
    max_reduction_db: float
    mean_reduction_db: float
    makeup_db: float


@dataclass(frozen=True)
class BandCompressor:
    """How one band is compressed.

    Args:
        ratio: dB in for one dB out above the threshold; 1 does nothing.
        threshold_lu: above the band's own level, as `own_level_dbfs` reads it.
        threshold_dbfs: the same as an rms level, in its place; or None.
        times: of the detector and the gain.
        mix: wet share.
        gain_db: on top.
    """

    ratio: float
    threshold_lu: float
    threshold_dbfs: float | None
    times: Times
    mix: float
    gain_db: float

    @property
    def is_neutral(self) -> bool:
        """Whether it leaves its band alone."""
        return (self.ratio == 1 or self.mix == 0) and self.gain_db == 0

    def turn_into_gain(
        self, powers: NDArray[np.float32], sample_rate: int, frame: int
    ) -> BandReading:
        """Put the gain of each frame in place of its power, `(n_frames,)`.

        Make-up is part of it: the band keeps its energy, except for `gain_db`.
        """
        threshold_dbfs = self._threshold_dbfs(powers, frame / sample_rate)
        mean = OnePole(sample_rate, self.times.rms_ms, frame=frame)
        follower = Follower(
            sample_rate,
            attack_ms=self.times.attack_ms,
            release_ms=self.times.release_ms,
            frame=frame,
        )
        meter = ReductionMeter()
        before = after = 0.0
        for start in range(0, len(powers), _PIECE_FRAMES):
            piece = powers[start : start + _PIECE_FRAMES]
            power = piece.astype(np.float64)
            over_db = soft_ramp_db(power_to_db(mean(power), FLOOR_DB) - threshold_dbfs, KNEE_DB)
            reduction_db = follower((1.0 - 1.0 / self.ratio) * over_db)
            meter(reduction_db)
            gain = (1.0 - self.mix) + self.mix * db_to_gain(-reduction_db)
            before += float(power.sum())
            after += float((power * gain**2).sum())
            piece[:] = gain
        makeup = math.sqrt(before / after) if after else 1.0
        powers *= np.float32(makeup * db_to_gain(self.gain_db))
        done = meter.measurements
        return BandReading(
            threshold_dbfs=round(threshold_dbfs, 2),
            max_reduction_db=done["max_gain_reduction_db"],
            mean_reduction_db=done["mean_gain_reduction_db"],
            makeup_db=round(gain_to_db(makeup), 2),
        )

    def _threshold_dbfs(self, powers: NDArray[np.float32], frame_s: float) -> float:
        if self.threshold_dbfs is not None:
            return self.threshold_dbfs
        level_dbfs = own_level_dbfs(powers, frame_s)
        return 0.0 if level_dbfs is None else level_dbfs + self.threshold_lu
