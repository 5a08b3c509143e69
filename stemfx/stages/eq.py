"""`eq`: bells and shelves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Strict

from stemfx.audio import Block, Signal
from stemfx.dsp import filters
from stemfx.dsp.units import gain_to_db
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist

_DESIGNS = {
    "bell": filters.bell,
    "low_shelf": filters.low_shelf,
    "high_shelf": filters.high_shelf,
}


class EqBand(StageParams):
    """One band of `eq`."""

    type: Literal["bell", "low_shelf", "high_shelf"] = knob("bell", help="shape of the band")
    freq_hz: float = knob(
        low=10, high=20_000, unit="Hz", help="centre of a bell, half-way point of a shelf"
    )
    gain_db: float = knob(low=-24, high=24, unit="dB", help="boost or cut")
    q: float = knob(0.71, low=0.1, high=20, help="narrower bell or steeper shelf when higher")


class EqParams(StageParams):
    """Parameters of `eq`."""

    bands: Annotated[tuple[EqBand, ...], Strict(strict=False)] = knob(  # a YAML list will do
        (), help="any number of bands: {type, freq_hz, gain_db, q}"
    )


@stage(EqParams, is_linear=True)
def eq(signal: Signal, params: EqParams, context: StageContext) -> Iterator[Block]:
    """Shape the tone with any number of bells and shelves.

    Each band boosts or cuts by `gain_db` (-24 to 24 dB) at `freq_hz`: a `bell` around it
    (`q` = frequency over bandwidth), a `low_shelf` below it, a `high_shelf` above it, with
    half the gain at `freq_hz` itself. The bands multiply, so their order does not matter,
    and a cut undoes the same boost exactly. Source: R. Bristow-Johnson, Audio EQ Cookbook.

    Close to half the sample rate every band is squeezed (the bilinear transform): a bell comes
    out narrower on both sides, since it must be back at unity there, and a shelf steeper.
    """
    for index, band in enumerate(params.bands):
        need_below_nyquist(f"bands[{index}].freq_hz", band.freq_hz, signal, context)
    rate = signal.sample_rate
    designs = [
        _DESIGNS[band.type](rate, band.freq_hz, band.gain_db, band.q) for band in params.bands
    ]
    sections = np.concatenate(designs) if designs else np.zeros((0, 6))
    filtered = filters.SosFilter(sections, signal.channels)
    for block in signal.blocks():
        yield filtered(block)
    curve_db = gain_to_db(np.abs(filters.response(sections, np.geomspace(10, rate / 2, 500), rate)))
    context.report(
        max_boost_db=round(max(0.0, float(curve_db.max())), 2),
        max_cut_db=round(max(0.0, -float(curve_db.min())), 2),
    )
