"""`high_pass`: everything below the cutoff goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from stemfx.audio import Block, Signal
from stemfx.dsp import filters
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist


class HighPassParams(StageParams):
    """Parameters of `high_pass`."""

    cutoff_hz: float = knob(80.0, low=10, high=20_000, unit="Hz", help="-3 dB here, less below")
    slope_db_per_octave: Literal[6, 12, 18, 24, 36, 48] = knob(
        12, unit="dB/octave", help="how fast it falls below the cutoff"
    )


@stage(HighPassParams, is_linear=True)
def high_pass(signal: Signal, params: HighPassParams, context: StageContext) -> Iterator[Block]:
    """Remove what lies below `cutoff_hz`: rumble, plosives, the bass of a layer.

    A Butterworth filter, -3.01 dB at the cutoff (10 to 20000 Hz) and without resonance at
    every slope (6 to 48 dB per octave). Minimum phase: it turns the phase near the cutoff,
    the more the steeper. It adds no latency and rings only after the sound. (One of linear phase
    would ring before every kick, for 50 ms and more at 20 Hz: there is none.)
    """
    need_below_nyquist("cutoff_hz", params.cutoff_hz, signal, context)
    sections = filters.high_pass(signal.sample_rate, params.cutoff_hz, params.slope_db_per_octave)
    filtered = filters.SosFilter(sections, signal.channels)
    for block in signal.blocks():
        yield filtered(block)
