"""`compress`: loud parts turned down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from stemfx.audio import Block, Signal
from stemfx.dsp.dynamics import (
    Follower,
    GainRamp,
    ReductionMeter,
    beside_key,
    frame_peak_db,
    soft_ramp_db,
)
from stemfx.dsp.units import FLOOR_DB, db_to_gain
from stemfx.stage import Reference, StageContext, StageParams, knob, stage


class CompressParams(StageParams):
    """Parameters of `compress`."""

    threshold_db: float = knob(-20.0, low=-60, high=0, unit="dBFS", help="peaks above are reduced")
    ratio: float = knob(
        3.0, low=1, high=20, neutral=1.0, help="dB in for one dB out, above the threshold"
    )
    attack_ms: float = knob(10.0, low=0, high=200, unit="ms", help="how fast it clamps down")
    release_ms: float = knob(120.0, low=5, high=2000, unit="ms", help="how fast it lets go")
    knee_db: float = knob(6.0, low=0, high=24, unit="dB", help="width of the soft threshold")
    makeup_db: float = knob(0.0, low=0, high=24, unit="dB", help="gain after the compression")
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 is parallel compression")
    by: Annotated[str | None, Reference("track")] = knob(
        None, help="track that is listened to instead of this one (side-chain)"
    )


@stage(CompressParams)
def compress(signal: Signal, params: CompressParams, context: StageContext) -> Iterator[Block]:
    """Even out the level: what is louder than `threshold_db` grows only by 1/`ratio`.

    Static curve: a steady tone L dB over the threshold (peak, dBFS) comes out L/ratio over
    it, with a quadratic knee `knee_db` wide; -10 dBFS at -20 and 4:1 gives -17.5 dBFS. Both
    channels get one gain, from the louder of them, so the image stays where it is. Attack
    and release are time constants (63 % of the way, in dB), without look-ahead. With `by`,
    the level of that track steers the gain. Source: `stemfx.dsp.dynamics`.

    Reports the highest reduction, its mean while at work, and how much of the time that was.
    """
    key = context.sidechains[params.by] if params.by is not None else signal
    follower = Follower(
        signal.sample_rate, attack_ms=params.attack_ms, release_ms=params.release_ms
    )
    dry, wet = 1.0 - params.mix, params.mix * db_to_gain(params.makeup_db)
    ramp = GainRamp(start=dry + wet)
    meter = ReductionMeter()
    loudest_db = FLOOR_DB
    for block, steering in beside_key(signal, key):
        level_db = frame_peak_db(steering)
        loudest_db = max(loudest_db, float(level_db.max()))
        over_db = soft_ramp_db(level_db - params.threshold_db, params.knee_db)
        reduction_db = follower((1.0 - 1.0 / params.ratio) * over_db)
        meter(reduction_db)
        yield block * ramp(dry + wet * db_to_gain(-reduction_db), block.shape[1])
    context.report(**meter.measurements)
    if loudest_db < params.threshold_db - params.knee_db / 2 and params.ratio > 1:
        context.find(
            "info",
            "compress_idle",
            f"nothing was compressed: the loudest peak is at {loudest_db:.1f} dBFS, "
            f"the threshold at {params.threshold_db:g} dBFS; lower threshold_db",
        )
