"""`pan`: a place between left and right."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.stage import StageContext, StageParams, knob, stage


class PanParams(StageParams):
    """Parameters of `pan`."""

    pan: float = knob(0.0, low=-1, high=1, help="-1 left, 0 centre, 1 right")


@stage(PanParams, is_linear=True, is_symmetric=False, makes_stereo=True)
def pan(signal: Signal, params: PanParams, context: StageContext) -> Iterator[Block]:
    """Move the track between left and right, with constant power; a mono track becomes stereo.

    A balance control: left times sqrt2 cos(a), right times sqrt2 sin(a), a = (pan + 1) pi/4.
    The centre is exactly unity, so a track that is not panned is not touched; the powers of
    the two gains always sum to 2, so either end is +3.01 dB on one side, silence on the other.
    """
    angle = (params.pan + 1.0) * math.pi / 4.0
    paper = math.sqrt(2.0) * np.array([[math.cos(angle)], [math.sin(angle)]])
    # To 15 decimals sqrt2 cos(pi/4) is one and cos(pi/2) nought, as they are on paper.
    gains: Block = paper.round(15).astype(np.float32)
    for block in signal.blocks():
        yield block * gains
