"""What `compress` and `glue` share: make-up, the wet share, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp.compressor import Compressor
from stemfx.dsp.dynamics import GainRamp, ReductionMeter
from stemfx.dsp.units import FLOOR_DB, db_to_gain
from stemfx.stage import StageContext

_WORKS_DB = 6.0  # so far over the threshold the loudest moments are compressed


def need_one_threshold(threshold_lu: float | None, threshold_db: float | None) -> None:
    """Refuse two thresholds at once.

    Raises:
        ValueError: both are given.
    """
    if threshold_lu is not None and threshold_db is not None:
        msg = (
            "threshold_lu (above the track's own loudness) and threshold_db (dBFS) "
            "exclude each other; give one"
        )
        raise ValueError(msg)


def threshold_over(compressor: Compressor, key: Signal, threshold_lu: float) -> float:
    """Return the level in dBFS that lies `threshold_lu` over the loudness of a key."""
    loudness = compressor.loudness_of(key)
    return 0.0 if loudness is None else loudness + threshold_lu  # silence lies under any threshold


def compressed(
    signal: Signal,
    key: Signal,
    compressor: Compressor,
    context: StageContext,
    *,
    threshold_dbfs: float,
    threshold_name: str,
    lowered: Callable[[float], str | None],
    makeup_db: float | None,
    mix: float,
) -> Iterator[Block]:
    """Yield the compressed signal, and report what was done.

    Args:
        signal: what is compressed.
        key: what is listened to.
        compressor: how.
        context: of the stage.
        threshold_dbfs: level from which it works.
        threshold_name: the parameter to lower where nothing reaches it.
        lowered: writes the stage with a threshold that is so many dB lower.
        makeup_db: gain after it; None is as loud as before.
        mix: wet share.
    """
    works = compressor.ratio > 1
    if makeup_db is None:
        needs_none = not works or mix == 0
        makeup_db = 0.0 if needs_none else compressor.makeup_db(signal, key, threshold_dbfs)
    dry, wet = 1.0 - mix, mix * db_to_gain(makeup_db)
    ramp = GainRamp(start=dry + wet)
    meter = ReductionMeter()
    loudest_dbfs = FLOOR_DB
    for block, level_dbfs, reduction_db in compressor.reduced(signal, key, threshold_dbfs):
        loudest_dbfs = max(loudest_dbfs, float(level_dbfs.max()))
        meter(reduction_db)
        yield block * ramp(dry + wet * db_to_gain(-reduction_db), block.shape[1])
    context.report(
        threshold_dbfs=round(threshold_dbfs, 2), makeup_db=round(makeup_db, 2), **meter.measurements
    )
    if loudest_dbfs < threshold_dbfs - compressor.knee_db / 2 and works:
        context.find(
            "info",
            "compress_idle",
            f"nothing was compressed: the highest level is {loudest_dbfs:.1f} dBFS, "
            f"the threshold at {threshold_dbfs:.1f} dBFS; lower {threshold_name}",
            lowered(threshold_dbfs - loudest_dbfs + _WORKS_DB) if loudest_dbfs > FLOOR_DB else None,
        )
