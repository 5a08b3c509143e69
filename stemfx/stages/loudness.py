"""`loudness`: the master at the level that a platform or a club asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from stemfx.audio import Block, Signal
from stemfx.dsp.limiter import SoftClip, limit, shape
from stemfx.dsp.loudness import (
    ABSOLUTE_GATE_LUFS,
    METER_BLOCK_SAMPLES,
    LoudnessMeter,
    TruePeakMeter,
    metered,
)
from stemfx.dsp.units import db_to_gain
from stemfx.stage import StageContext, StageParams, knob, stage

TOLERANCE_LU = 0.1
AIM_LU = 0.05
CLIP_OVER_CEILING_DB = 0.5
CLIP_DB = 3.5  # a clip bends bass along with the tips on it; a limiter only turns it down
CLIP_SHARE = 0.25  # of what is above that: all of it limited would pump
MAX_TRIALS = 8
MAX_STEP_DB = 6.0
FIRST_LU_PER_DB = 1 / 1.3  # what music gives when the limiter begins to work
HEAVY_DB = 6.0
CRUSHED_DB = 10.0
STUCK_LU_PER_DB = 0.5 / 3.0  # 3 dB more gain for half a LU: that is distortion, not loudness


class LoudnessParams(StageParams):
    """Parameters of `loudness`."""

    target_lufs: float = knob(
        -14.0,
        low=-40,
        high=-6,
        unit="LUFS",
        help="integrated loudness; streaming -14, broadcast -23",
    )
    ceiling_dbtp: float = knob(
        -1.0, low=-9, high=0, unit="dBTP", help="highest level, also between the samples"
    )


@dataclass(frozen=True)
class Trial:
    """What came out with one gain: as it is, or after clip and limiter."""

    blocks: Callable[[], Iterator[Block]]
    gain_db: float
    lufs: float
    true_peak_dbtp: float
    clip_db: float = 0.0
    limiter_db: float = 0.0


@stage(LoudnessParams, version=2)
def loudness(signal: Signal, params: LoudnessParams, context: StageContext) -> Iterator[Block]:
    """Bring the integrated loudness to `target_lufs` and keep true peaks under the ceiling.

    Measured by ITU-R BS.1770-5. Where the peaks leave room it is one gain and nothing else.
    Otherwise: gain, a soft clip of the tips at 4x (tanh), then the true-peak limiter, in a few
    trials until the result is within 0.1 LU. The clip takes the first 3 to 4 dB, and a quarter
    of what is above them; all of it clipped would tear bass apart, all of it limited pump. The
    ceiling holds within 0.05 dB at 8x in any case; if the target cannot be had below it, a
    finding says what was reached. Silence, and what is shorter than 400 ms, is left as it is.

    Above 6 dB of clip and limiter together a finding says so; above 10 dB it is a warning.

    Reports loudness before and after, the gain, the true peak, and the deepest cut of the
    soft clip and of the limiter.
    """
    meter = LoudnessMeter(signal.sample_rate, signal.channels)
    peaks = TruePeakMeter(signal.channels)
    for _ in metered(signal.blocks(METER_BLOCK_SAMPLES), meter, peaks):
        pass
    before, gain_db = meter.lufs(), meter.gain_to(params.target_lufs)
    if before is None or gain_db is None or peaks.true_peak_dbtp is None:
        context.find(
            "warn",
            "loudness_unmeasurable",
            "left as it is: silent, below -70 LUFS, or shorter than 400 ms, so it has no loudness",
        )
        context.report(gain_db=0.0)
        yield from signal.blocks()
        return

    true_peak_dbtp = peaks.true_peak_dbtp + gain_db
    if true_peak_dbtp <= params.ceiling_dbtp:
        blocks = partial(_gained, signal, gain_db)
        done = Trial(blocks, gain_db, _lufs(meter, gain_db), true_peak_dbtp)
    else:
        done = _search(signal, params, peaks.true_peak_dbtp, gain_db)
    context.report(
        lufs_before=round(before, 2),
        lufs=round(done.lufs, 2),
        gain_db=round(done.gain_db, 2),
        true_peak_dbtp=round(done.true_peak_dbtp, 3),
        max_clip_db=round(done.clip_db, 2),
        max_gain_reduction_db=round(done.limiter_db, 2),
    )
    if abs(done.lufs - params.target_lufs) > TOLERANCE_LU:
        context.find("warn", "loudness_target_missed", _why_missed(done, params))
    elif done.clip_db + done.limiter_db > HEAVY_DB:
        context.find(
            "warn" if done.clip_db + done.limiter_db > CRUSHED_DB else "info",
            "loudness_dense",
            f"the loudest tips lost {done.clip_db:.1f} dB to the soft clip and "
            f"{done.limiter_db:.1f} dB to the limiter; a lower target_lufs keeps drums livelier",
        )
    yield from done.blocks()


def _lufs(meter: LoudnessMeter, gain_db: float = 0.0) -> float:
    lufs = meter.lufs(gain_db)
    return ABSOLUTE_GATE_LUFS if lufs is None else lufs


def _gained(signal: Signal, gain_db: float) -> Iterator[Block]:
    gain = db_to_gain(gain_db)
    return (block * gain for block in signal.blocks())


def _search(signal: Signal, params: LoudnessParams, true_peak_dbtp: float, gain_db: float) -> Trial:
    """Find the gain, by secants, at which the limited signal has the target's loudness."""
    target = params.target_lufs
    best = last = _trial(signal, params.ceiling_dbtp, true_peak_dbtp, gain_db)
    lu_per_db = FIRST_LU_PER_DB
    for _ in range(MAX_TRIALS - 1):
        missing_lu = target - last.lufs
        if abs(missing_lu) <= AIM_LU or (missing_lu > 0 and lu_per_db < STUCK_LU_PER_DB):
            break
        step_db = min(MAX_STEP_DB, missing_lu / max(lu_per_db, STUCK_LU_PER_DB))
        trial = _trial(signal, params.ceiling_dbtp, true_peak_dbtp, last.gain_db + step_db)
        lu_per_db = (trial.lufs - last.lufs) / step_db
        best = min(best, trial, key=lambda each: abs(each.lufs - target))
        last = trial
    return best


def _trial(signal: Signal, ceiling_dbtp: float, true_peak_dbtp: float, gain_db: float) -> Trial:
    over_db = true_peak_dbtp + gain_db - ceiling_dbtp
    for_limiter_db = max(CLIP_OVER_CEILING_DB, (1 - CLIP_SHARE) * (over_db - CLIP_DB))
    clip = SoftClip(ceiling_dbtp + for_limiter_db)
    limited = limit(
        lambda: shape(_gained(signal, gain_db), clip, signal.channels, signal.n_samples),
        signal,
        ceiling_dbtp,
    )
    meter = LoudnessMeter(signal.sample_rate, signal.channels)
    for _ in metered(limited.signal.blocks(METER_BLOCK_SAMPLES), meter):
        pass
    return Trial(
        limited.signal.blocks,
        gain_db,
        _lufs(meter),
        limited.true_peak_dbtp,
        clip.max_reduction_db,
        limited.max_reduction_db,
    )


def _why_missed(trial: Trial, params: LoudnessParams) -> str:
    return (
        f"asked for {params.target_lufs:g} LUFS, got {trial.lufs:.1f}: with {trial.gain_db:.1f} dB "
        f"of gain the soft clip takes {trial.clip_db:.1f} dB and the limiter "
        f"{trial.limiter_db:.1f} dB, and more gain brings little; "
        f"ask for {math.floor(trial.lufs)} LUFS or raise ceiling_dbtp"
    )
