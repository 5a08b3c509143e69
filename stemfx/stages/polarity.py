"""`polarity`: the signal upside down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.stage import StageContext, StageParams, knob, stage


class PolarityParams(StageParams):
    """Parameters of `polarity`."""

    channels: Literal["both", "left", "right"] = knob("both", help="which channels to invert")


@stage(PolarityParams, is_linear=True, is_symmetric=False)
def polarity(signal: Signal, params: PolarityParams, context: StageContext) -> Iterator[Block]:
    """Invert the polarity of both channels, or of one.

    One inverted channel puts right a stereo file that cancels in mono (a cross-wired cable);
    both put right a stem that cancels against another. Twice is the original, bit for bit.
    """
    if signal.channels == 1 and params.channels != "both":
        context.refuse(f"channels: {params.channels!r} needs a stereo signal; this one is mono")
    signs = {"both": [[-1.0]], "left": [[-1.0], [1.0]], "right": [[1.0], [-1.0]]}
    sign = np.array(signs[params.channels], np.float32)
    for block in signal.blocks():
        yield block * sign
