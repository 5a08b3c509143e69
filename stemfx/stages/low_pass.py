"""`low_pass`: everything above the cutoff goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from stemfx.audio import Block, Signal
from stemfx.dsp import filters
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist


class LowPassParams(StageParams):
    """Parameters of `low_pass`."""

    cutoff_hz: float = knob(12_000.0, low=10, high=20_000, unit="Hz", help="-3 dB here, less above")
    slope_db_per_octave: Literal[6, 12, 18, 24, 36, 48] = knob(
        12, unit="dB/octave", help="how fast it falls above the cutoff"
    )


@stage(LowPassParams, is_linear=True)
def low_pass(signal: Signal, params: LowPassParams, context: StageContext) -> Iterator[Block]:
    """Remove what lies above `cutoff_hz`: hiss, harshness, the edge of a layer.

    A Butterworth filter, -3.01 dB at the cutoff (10 to 20000 Hz) and without resonance at
    every slope (6 to 48 dB per octave, steeper still close to half the sample rate, where
    the bilinear transform puts its zero). It adds no latency.
    """
    need_below_nyquist("cutoff_hz", params.cutoff_hz, signal, context)
    sections = filters.low_pass(signal.sample_rate, params.cutoff_hz, params.slope_db_per_octave)
    filtered = filters.SosFilter(sections, signal.channels)
    for block in signal.blocks():
        yield filtered(block)
