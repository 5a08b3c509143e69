"""`declip`: flat tops made round again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.declip import declipped, find_ceiling
from stemfx.dsp.harm import Limits
from stemfx.dsp.units import gain_to_db
from stemfx.fixes import AFTER_IT, placed, stage_line
from stemfx.stage import Measurement, StageContext, StageParams, knob, stage
from stemfx.stages._repair import repaired


class DeclipParams(StageParams):
    """Parameters of `declip`."""

    max_gain_db: float = knob(
        6.0, low=0, high=12, unit="dB", neutral=0.0, help="no top rises higher above its ceiling"
    )


@stage(DeclipParams)
def declip(signal: Signal, params: DeclipParams, context: StageContext) -> Iterator[Block]:
    """Restore what clipping cut off: flat tops become the round ones that fit what is around them.

    The ceiling is found by itself, in each channel, above and below, at any level: a file that was
    turned down after it clipped is restored, too. A clipped sample never comes out lower than it
    was, nor more than `max_gain_db` higher; all others keep their bits, and so does a track
    without flat tops. Nothing is turned down: the tops may lie above full scale, which the engine
    keeps until a limiter or a gain brings them back.

    Clipped by 2 to 8 dB, voices come 10 to 17 dB nearer to the original, mixes 1 to 9 dB, bare
    drums, whose strokes nothing around them foretells, 1 to 4 dB. Soft saturation, and clipping
    that was resampled or coded as MP3 afterwards, has no flat tops and is left alone. The search
    for the wave that fits takes time: almost a second for one of heavily clipped stereo.

    Reports the ceiling, how many samples lay on it, how high the tops rise, and the new peak.
    """
    ceiling = find_ceiling(signal)
    if not ceiling.n_clipped:
        yield from signal.blocks()
        context.report(clipped_samples=0)
        if signal.n_samples:
            told = "no flat tops were found: the track is as it came"
            context.find("info", "nothing_clipped", told)
        return
    rise = peak = 0.0
    memory: dict[int, NDArray[np.float32]] = {}

    def make_repair() -> Iterator[Block]:
        nonlocal rise, peak
        start = 0
        for after in declipped(signal, ceiling, params.max_gain_db, memory):
            before = signal.read(start, start + after.shape[1])
            start += after.shape[1]
            changed = after != before
            if changed.any():
                ratio = np.abs(after[changed] / before[changed])
                rise = max(rise, float(ratio.max()) - 1.0)
            peak = max(peak, float(np.abs(after).max()))
            yield after

    def mends(wet: float) -> Mapping[str, Measurement]:
        return {
            "clipped_samples": ceiling.n_clipped,
            "ceiling_dbfs": round(gain_to_db(ceiling.level), 2),
            "highest_rise_db": round(gain_to_db(1.0 + wet * rise), 2),
            "peak_dbfs": round(gain_to_db(ceiling.level + wet * (peak - ceiling.level)), 2),
        }

    # What a band loses here is distortion: only clipped samples change, and only outwards.
    limits = Limits(band_loss_db=float("inf"), band_gain_db=params.max_gain_db)
    yield from repaired(signal, make_repair, context, limits, mends)
    if peak > 1.0:
        fix = stage_line("gain", gain_db=math.floor(-10.0 * gain_to_db(peak)) / 10.0)
        context.find(
            "info",
            "over_full_scale",
            f"the restored tops reach {gain_to_db(peak):+.1f} dBFS. Nothing is lost inside the "
            "engine; to bring them back add to the track's stages: "
            f"{fix}",
            placed(AFTER_IT, fix),
        )
