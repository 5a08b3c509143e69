"""`compress`: loud parts turned down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stemfx.audio import Block, Signal
from stemfx.dsp.dynamics import (
    Follower,
    Frames,
    GainRamp,
    ReductionMeter,
    beside_key,
    frame_peak_db,
    soft_ramp_db,
)
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LevelMeter
from stemfx.dsp.units import FLOOR_DB, db_to_gain
from stemfx.stage import Reference, StageContext, StageParams, knob, stage

_DEFAULT_LU = 3.0


class CompressParams(StageParams):
    """Parameters of `compress`."""

    threshold_lu: float | None = knob(
        None,
        low=-30,
        high=30,
        unit="LU",
        help="peaks this far above the track's own loudness are reduced; 3 if none is given",
    )
    threshold_db: float | None = knob(
        None, low=-60, high=0, unit="dBFS", help="the same as a level, in place of threshold_lu"
    )
    ratio: float = knob(
        2.5, low=1, high=20, neutral=1.0, help="dB in for one dB out, above the threshold"
    )
    attack_ms: float = knob(10.0, low=0, high=200, unit="ms", help="how fast it clamps down")
    release_ms: float = knob(120.0, low=5, high=2000, unit="ms", help="how fast it lets go")
    knee_db: float = knob(6.0, low=0, high=24, unit="dB", help="width of the soft threshold")
    makeup_db: Literal["auto"] | Annotated[float, Field(ge=0, le=24)] = knob(
        "auto", unit="dB", help="gain after the compression; auto is as loud as before"
    )
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 is parallel compression")
    by: Annotated[str | None, Reference("track")] = knob(
        None, help="track that is listened to instead of this one (side-chain)"
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.threshold_lu is not None and self.threshold_db is not None:
            msg = (
                "threshold_lu (above the track's own loudness) and threshold_db (dBFS) "
                "exclude each other; give one"
            )
            raise ValueError(msg)
        return self


@stage(CompressParams, version=2)
def compress(signal: Signal, params: CompressParams, context: StageContext) -> Iterator[Block]:
    """Even out the level: what is louder than the threshold grows only by 1/`ratio`.

    The threshold is `threshold_lu` above the integrated loudness of the track (3 LU by
    default), so a quiet recording and a loud one are compressed alike; or an absolute
    `threshold_db` in dBFS. What is held against it are peaks, which lie some 6 to 12 dB above
    the loudness of a voice. `makeup_db: auto` brings the compressed signal back to the loudness
    of the input, so compressing makes nothing louder or quieter (in parallel within some 0.3 dB).
    What has no loudness (below -70 LUFS or shorter than 400 ms) is measured by its rms.

    Static curve: a steady tone L dB over the threshold (peak, dBFS) comes out L/ratio over
    it, with a quadratic knee `knee_db` wide; -10 dBFS at -20 and 4:1 gives -17.5 dBFS. Both
    channels get one gain, from the louder of them, so the image stays where it is. Attack
    and release are time constants (63 % of the way, in dB), without look-ahead. With `by`,
    the level of that track steers the gain, and `threshold_lu` counts from its loudness.
    Source: `stemfx.dsp.dynamics`.

    Reports the threshold and the make-up gain used, the highest reduction, its mean while at
    work, and how much of the time that was.
    """
    key = context.sidechains[params.by] if params.by is not None else signal
    threshold_dbfs = _threshold_dbfs(key, params)
    makeup_db = _makeup_db(signal, key, params, threshold_dbfs)
    dry, wet = 1.0 - params.mix, params.mix * db_to_gain(makeup_db)
    ramp = GainRamp(start=dry + wet)
    meter = ReductionMeter()
    loudest_dbfs = FLOOR_DB
    for block, level_dbfs, reduction_db in _reduced(signal, key, params, threshold_dbfs):
        loudest_dbfs = max(loudest_dbfs, float(level_dbfs.max()))
        meter(reduction_db)
        yield block * ramp(dry + wet * db_to_gain(-reduction_db), block.shape[1])
    context.report(
        threshold_dbfs=round(threshold_dbfs, 2), makeup_db=round(makeup_db, 2), **meter.measurements
    )
    if loudest_dbfs < threshold_dbfs - params.knee_db / 2 and params.ratio > 1:
        name = "threshold_lu" if params.threshold_db is None else "threshold_db"
        context.find(
            "info",
            "compress_idle",
            f"nothing was compressed: the loudest peak is at {loudest_dbfs:.1f} dBFS, "
            f"the threshold at {threshold_dbfs:.1f} dBFS; lower {name}",
        )


def _threshold_dbfs(key: Signal, params: CompressParams) -> float:
    if params.threshold_db is not None:
        return params.threshold_db
    level = LevelMeter(key.sample_rate, key.channels)
    for block in key.blocks(METER_BLOCK_SAMPLES):
        level.add(block)
    if level.level_lufs is None:
        return 0.0  # silence lies under any threshold
    return level.level_lufs + (_DEFAULT_LU if params.threshold_lu is None else params.threshold_lu)


def _makeup_db(signal: Signal, key: Signal, params: CompressParams, threshold_dbfs: float) -> float:
    if params.makeup_db != "auto":
        return params.makeup_db
    if params.ratio == 1 or params.mix == 0:
        return 0.0
    before, after = (LevelMeter(signal.sample_rate, signal.channels) for _ in range(2))
    ramp = GainRamp()
    for block, _, reduction_db in _reduced(signal, key, params, threshold_dbfs):
        before.add(block)
        after.add(block * ramp(db_to_gain(-reduction_db), block.shape[1]))
    return after.gain_to(before)


def _reduced(
    signal: Signal, key: Signal, params: CompressParams, threshold_dbfs: float
) -> Iterator[tuple[Block, Frames, Frames]]:
    """Yield blocks of the signal, the key's level in dBFS beside them, and the reduction in dB."""
    follower = Follower(
        signal.sample_rate, attack_ms=params.attack_ms, release_ms=params.release_ms
    )
    for block, steering in beside_key(signal, key):
        level_dbfs = frame_peak_db(steering)
        over_db = soft_ramp_db(level_dbfs - threshold_dbfs, params.knee_db)
        yield block, level_dbfs, follower((1.0 - 1.0 / params.ratio) * over_db)
