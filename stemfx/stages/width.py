"""`width`: a narrower or wider stereo image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.units import power_to_db
from stemfx.stage import StageContext, StageParams, knob, stage

_SILENT_POWER = 1e-10


class WidthParams(StageParams):
    """Parameters of `width`."""

    width: float = knob(1.0, low=0, high=2, help="0 mono, 1 as it is, 2 twice the side signal")


@stage(WidthParams, is_linear=True)
def width(signal: Signal, params: WidthParams, context: StageContext) -> Iterator[Block]:
    """Make the stereo image narrower or wider: the side signal times `width`, 0 to 2.

    Mid (L+R)/2 stays, side (L-R)/2 is scaled: the mono fold-down is the same at every
    width. A mono track passes through.

    Reports the level of the side over the mid that came out; above 0 dB the channels are in
    opposite polarity more than they agree, and mono playback loses more than 3 dB.
    """
    if signal.channels == 1:
        yield from signal.blocks()
        return
    same, other = np.float32((1.0 + params.width) / 2.0), np.float32((1.0 - params.width) / 2.0)
    mid_energy = side_energy = 0.0
    for block in signal.blocks():
        out = same * block + other * block[::-1]
        mid, side = out[0] + out[1], out[0] - out[1]
        mid_energy += float(np.dot(mid, mid))
        side_energy += float(np.dot(side, side))
        yield out
    if max(mid_energy, side_energy) < _SILENT_POWER:
        return
    side_to_mid_db = power_to_db(side_energy) - power_to_db(mid_energy)
    context.report(side_to_mid_db=round(side_to_mid_db, 2))
    if side_to_mid_db > 0 and params.width > 1:
        context.find(
            "warn",
            "too_wide",
            f"the side is {side_to_mid_db:.1f} dB louder than the mid: "
            f"much of this track vanishes in mono; lower width from {params.width:g}",
        )
