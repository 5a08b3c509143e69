"""`mono_below`: bass in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.filters import fir_beside, linkwitz_riley_low_pass
from stemfx.dsp.units import power_to_db
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist


class MonoBelowParams(StageParams):
    """Parameters of `mono_below`."""

    cutoff_hz: float = knob(
        120.0, low=20, high=1000, unit="Hz", help="the side signal is -6 dB here, less below"
    )


@stage(MonoBelowParams, is_linear=True)
def mono_below(signal: Signal, params: MonoBelowParams, context: StageContext) -> Iterator[Block]:
    """Put what lies below `cutoff_hz` (20 to 1000 Hz) in the middle, for clubs and vinyl.

    Only the side signal (L-R)/2 is high-passed, with the magnitude of a 24 dB/octave
    Linkwitz-Riley filter: -6 dB at the cutoff, -24.6 dB one octave below. The filter has
    linear phase and its latency is taken out, so the mid, hence the mono fold-down, is the
    same as before but for float rounding, and the stereo image above keeps its place; a
    recursive filter would turn the side against the mid. A mono track passes through.

    Reports how much side energy went.
    """
    need_below_nyquist("cutoff_hz", params.cutoff_hz, signal, context)
    if signal.channels == 1:
        yield from signal.blocks()
        return
    before = after = 0.0
    taps = linkwitz_riley_low_pass(signal.sample_rate, params.cutoff_hz)
    for block, low in fir_beside(signal.blocks(), taps, _side):
        before += float(np.sum(np.square(_side(block))))
        after += float(np.sum(np.square(_side(block) - low)))
        yield block - np.concatenate((low, -low))
    if before:
        context.report(side_reduction_db=round(power_to_db(before) - power_to_db(after), 2))


def _side(block: Block) -> Block:
    side: Block = 0.5 * (block[:1] - block[1:])
    return side
