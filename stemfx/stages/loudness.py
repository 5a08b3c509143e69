"""`loudness`: the master at the level that a platform or a club asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from stemfx.audio import Block, Signal
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LoudnessMeter, metered
from stemfx.dsp.maximizer import Loud, maximize
from stemfx.dsp.targets import TARGETS, TargetName
from stemfx.dsp.true_peak import WidePeakMeter
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage

DEFAULT_LUFS = -14.0
DEFAULT_CEILING_DBTP = -1.0
TOLERANCE_LU = 0.1
HEAVY_DB = 6.0
CRUSHED_DB = 10.0


class LoudnessParams(StageParams):
    """Parameters of `loudness`."""

    target: TargetName | None = knob(
        None, help="where it will play: gives target_lufs and ceiling_dbtp, unless they are given"
    )
    target_lufs: float | None = knob(
        None,
        low=-40,
        high=-6,
        unit="LUFS",
        help="integrated loudness; -14 if neither it nor target is given",
    )
    ceiling_dbtp: float | None = knob(
        None,
        low=-9,
        high=0,
        unit="dBTP",
        help="highest level, also between the samples; -1 if neither it nor target is given",
    )

    @property
    def wanted(self) -> tuple[float, float]:
        """Target in LUFS and ceiling in dBTP, after what is left to the named target."""
        named = TARGETS[self.target] if self.target else None
        lufs = named.lufs if named else DEFAULT_LUFS
        ceiling_dbtp = named.ceiling_dbtp if named else DEFAULT_CEILING_DBTP
        return (
            lufs if self.target_lufs is None else self.target_lufs,
            ceiling_dbtp if self.ceiling_dbtp is None else self.ceiling_dbtp,
        )


@stage(LoudnessParams, version=3, ceiling=lambda params: params.wanted[1])
def loudness(signal: Signal, params: LoudnessParams, context: StageContext) -> Iterator[Block]:
    """Bring the integrated loudness to a target and keep true peaks under a ceiling.

    Give `target_lufs` and `ceiling_dbtp` (-14 LUFS and -1 dBTP by default), or the name of a
    place as `target`: spotify and youtube play at -14 LUFS, apple and podcast at -16, ebu at -23,
    club at -9, all with -1 dBTP. What is given besides a name goes before it.

    Measured by ITU-R BS.1770-5. Where the peaks leave room it is one gain and nothing else.
    Otherwise, after the gain: a leveller turns down what is over the ceiling for milliseconds
    (bass, held notes), a soft clip at 4x takes the tips of drums, a true-peak limiter the tenths
    of a dB that grow between the samples. The gain is searched until the result is within 0.1 LU.
    The ceiling holds within 0.05 dB at 8x in any case; if the target cannot be had below it, a
    finding says what was reached. Silence, and what is shorter than 400 ms, is left as it is.

    Above 6 dB of clip and reduction together a finding says so; above 10 dB it is a warning.

    Reports loudness before and after, the gain, the true peak, and the deepest cut of the soft
    clip and of leveller and limiter.
    """
    target_lufs, ceiling_dbtp = params.wanted
    if params.target:
        context.report(target=params.target)
    meter = LoudnessMeter(signal.sample_rate, signal.channels)
    peak = 0.0
    for block in metered(signal.blocks(METER_BLOCK_SAMPLES), meter):
        peak = max(peak, float(block.max()), -float(block.min()))
    before, gain_db = meter.lufs(), meter.gain_to(target_lufs)
    if before is None or gain_db is None:
        context.find(
            "warn",
            "loudness_unmeasurable",
            "left as it is: silent, below -70 LUFS, or shorter than 400 ms, so it has no loudness",
        )
        context.report(gain_db=0.0)
        yield from signal.blocks()
        return

    done = _by_gain_alone(signal, meter, gain_db, peak, ceiling_dbtp) or maximize(
        signal, target_lufs, ceiling_dbtp, gain_db, gain_to_db(peak)
    )
    context.report(
        lufs_before=round(before, 2),
        lufs=round(done.lufs, 2),
        gain_db=round(done.gain_db, 2),
        true_peak_dbtp=round(done.true_peak_dbtp, 3),
        max_clip_db=round(done.clip_db, 2),
        max_gain_reduction_db=round(done.reduction_db, 2),
    )
    if abs(done.lufs - target_lufs) > TOLERANCE_LU:
        context.find(
            "warn",
            "loudness_target_missed",
            _why_missed(done, target_lufs),
            _at_a_target(params, done.lufs),
        )
    elif done.clip_db + done.reduction_db > HEAVY_DB:
        context.find(
            "warn" if done.clip_db + done.reduction_db > CRUSHED_DB else "info",
            "loudness_dense",
            f"the loudest tips lost {done.clip_db:.1f} dB to the soft clip and "
            f"{done.reduction_db:.1f} dB to the limiter; a lower target_lufs keeps drums livelier",
            _at_a_target(params, target_lufs - (done.clip_db + done.reduction_db - HEAVY_DB)),
        )
    yield from done.blocks()


def _at_a_target(params: LoudnessParams, lufs: float) -> str:
    return instead("loudness", params, target_lufs=max(-40, math.floor(lufs)))


def _by_gain_alone(
    signal: Signal, meter: LoudnessMeter, gain_db: float, peak: float, ceiling_dbtp: float
) -> Loud | None:
    """Return the song with one gain, or None where that lifts a peak over the ceiling."""
    if gain_to_db(peak) + gain_db > ceiling_dbtp:
        return None  # no need to look between the samples
    peaks = WidePeakMeter(signal.channels)
    for block in signal.blocks(METER_BLOCK_SAMPLES):
        peaks.add(block)
    true_peak_dbtp = gain_to_db(peaks.true_peak) + gain_db
    lufs = meter.lufs(gain_db)
    if lufs is None or true_peak_dbtp > ceiling_dbtp:
        return None
    return Loud(partial(_gained, signal, gain_db), gain_db, lufs, true_peak_dbtp)


def _gained(signal: Signal, gain_db: float) -> Iterator[Block]:
    gain = db_to_gain(gain_db)
    return (block * gain for block in signal.blocks())


def _why_missed(done: Loud, target_lufs: float) -> str:
    return (
        f"asked for {target_lufs:g} LUFS, got {done.lufs:.1f}: with {done.gain_db:.1f} dB "
        f"of gain the soft clip takes {done.clip_db:.1f} dB and the limiter "
        f"{done.reduction_db:.1f} dB, and more gain brings little; "
        f"ask for {math.floor(done.lufs)} LUFS or raise ceiling_dbtp"
    )
