"""`transient`: more or less attack, more or less sustain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal, peak_of
from stemfx.dsp.dynamics import Follower, GainRamp, OnePole, PeakHold, frame_aligned, frame_peak_db
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.stage import StageContext, StageParams, knob, stage

_FLOOR_DB = -60.0  # below the highest peak: bleed and hiss under it are neither onset nor decay
_FALL_DB_PER_S = 250.0  # bridges the half-waves of a 60 Hz tone with 2 dB of ripple
_ATTACK_MS = 20.0
_SUSTAIN_MS = 150.0
_DEAD_DB = 3.0  # ripple and vibrato, not an onset: a steady tone passes untouched
_FULL_DB = 12.0  # as far beyond the dead zone the whole of attack_db or sustain_db applies


class TransientParams(StageParams):
    """Parameters of `transient`."""

    attack_db: float = knob(0.0, low=-12, high=12, unit="dB", help="punch: gain while sounds start")
    sustain_db: float = knob(0.0, low=-12, high=12, unit="dB", help="body: gain while sounds decay")


@stage(TransientParams, version=2)
def transient(signal: Signal, params: TransientParams, context: StageContext) -> Iterator[Block]:
    """Shape how sounds start and how they ring: `attack_db` and `sustain_db`, -12 to 12 dB.

    The level in dB is compared with two slower copies of itself. While it is above one that
    follows within 20 ms, a sound starts; while it is below one that rises at once and falls
    within 150 ms, one decays. The differences beyond 3 dB steer the two gains, which are
    complete at 15 dB: 60 dB in 0.6 s is decay enough for all of `sustain_db`. What lies 60 dB
    under the highest peak counts as silence.

    Because only differences count, quiet hits are shaped like loud ones, no threshold is
    needed, and a steady sound is left alone. Both channels get one gain. No look-ahead: the
    gain rises within a frame (16 samples) of the onset.

    Reports the highest and the lowest gain that was applied.
    """
    rate = signal.sample_rate
    peak = peak_of(signal)
    floor_dbfs = gain_to_db(peak) + _FLOOR_DB
    envelope = PeakHold(rate, _FALL_DB_PER_S)
    before = OnePole(rate, _ATTACK_MS, start=floor_dbfs)
    lingering = Follower(rate, attack_ms=0.0, release_ms=_SUSTAIN_MS, start=floor_dbfs)
    ramp = GainRamp()
    highest_db = lowest_db = 0.0
    for block in frame_aligned(signal.blocks()):
        level_db = envelope(frame_peak_db(block, floor_dbfs))
        starts = np.clip((level_db - before(level_db) - _DEAD_DB) / _FULL_DB, 0.0, 1.0)
        decays = np.clip((lingering(level_db) - level_db - _DEAD_DB) / _FULL_DB, 0.0, 1.0)
        gain_db = params.attack_db * starts + params.sustain_db * decays
        highest_db = max(highest_db, float(gain_db.max()))
        lowest_db = min(lowest_db, float(gain_db.min()))
        yield block * ramp(db_to_gain(gain_db), block.shape[1])
    context.report(max_gain_db=round(highest_db, 2), min_gain_db=round(lowest_db, 2))
