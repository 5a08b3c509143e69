"""`dc_remove`: the wave back around zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Limits
from stemfx.dsp.offset import measure_offset
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.fixes import AFTER_IT, placed, stage_line
from stemfx.stage import Measurement, StageContext, StageParams, knob, stage
from stemfx.stages._repair import repaired

# A constant is no sound. What bands and attacks see of it are its ends, steps that go with it.
_LIMITS = Limits(band_loss_db=float("inf"), attack_loss_db=float("inf"))


class DcRemoveParams(StageParams):
    """Parameters of `dc_remove`."""

    above_dbfs: float = knob(
        -60.0, low=-120, high=0, unit="dBFS", neutral=0.0, help="a smaller offset is left alone"
    )


@stage(DcRemoveParams)
def dc_remove(signal: Signal, params: DcRemoveParams, context: StageContext) -> Iterator[Block]:
    """Take a constant offset (DC) away: it eats headroom, and clicks where the sound is cut.

    The mean of each channel over all that sounds is subtracted: exact, without a filter, so no
    bass goes and no phase turns. Digital silence stays digital silence, and where the sound was
    faded in from it, so is the correction (50 ms). An offset at or below `above_dbfs` (in every
    channel) leaves the track bit for bit. One that wanders is something else: `high_pass` at
    10 Hz takes that, with some of the lowest bass and its phase.

    Reports the offset before and after.
    """
    offset = measure_offset(signal)
    before = float(np.abs(offset.values).max(initial=0.0))
    found = before > db_to_gain(params.above_dbfs)

    def mends(wet: float) -> Mapping[str, Measurement]:
        left = before * (1.0 - wet) if found else before
        return {
            "dc_before_dbfs": round(gain_to_db(before, -120.0), 1),
            "dc_dbfs": round(gain_to_db(left, -120.0), 1),
        }

    yield from repaired(
        signal,
        lambda: offset.without(signal) if found else signal.blocks(),
        context,
        _LIMITS,
        mends,
    )
    if offset.drift > max(db_to_gain(params.above_dbfs), 0.5 * before):
        context.find(
            "info",
            "dc_drifts",
            f"the offset wanders by {offset.drift:.3f} of full scale, so a constant is not all of "
            "it. To take the rest add to the track's stages: - high_pass: {cutoff_hz: 10}",
            placed(AFTER_IT, stage_line("high_pass", cutoff_hz=10)),
        )
