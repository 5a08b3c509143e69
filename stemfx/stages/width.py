"""`width`: a narrower or wider stereo image."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.filters import fir_beside
from stemfx.dsp.side import band_gain_taps
from stemfx.dsp.units import db_to_gain, power_to_db
from stemfx.fixes import AFTER_IT, instead, placed, stage_line
from stemfx.stage import StageContext, StageParams, knob, stage

_SILENT_POWER = 1e-10


class WidthBand(StageParams):
    """One band with a width of its own."""

    low_hz: float = knob(0.0, low=0, high=20_000, unit="Hz", help="where it begins")
    high_hz: float = knob(
        100_000.0, low=20, high=100_000, unit="Hz", help="where it ends; left out: at the top"
    )
    width: float = knob(low=0, high=2, help="0 mono, 1 as it is, 2 twice the side signal")


class WidthParams(StageParams):
    """Parameters of `width`."""

    width: float = knob(1.0, low=0, high=2, help="0 mono, 1 as it is, 2 twice the side signal")
    bands: list[WidthBand] = knob([], help="bands with another width, from low to high")


@stage(WidthParams, is_linear=True, version=2)
def width(signal: Signal, params: WidthParams, context: StageContext) -> Iterator[Block]:
    """Make the stereo image narrower or wider: the side signal times `width`, 0 to 2.

    Mid (L+R)/2 stays, side (L-R)/2 is scaled: the mono fold-down is the same at every
    width. `bands` have a width of their own, the rest has `width`; from one to the next it moves
    over half an octave, inside the wider one, with linear phase. A mono track passes through.

        - width: {bands: [{high_hz: 150, width: 0}, {low_hz: 6000, width: 1.4}]}

    Reports the level of the side over the mid that came out; above 0 dB the channels are in
    opposite polarity more than they agree, and mono playback loses more than 3 dB.
    """
    edges_hz, widths = _laid_out(params, context)
    if signal.channels == 1:
        yield from signal.blocks()
        return
    mid_energy = side_energy = 0.0
    for out in _widened(signal, edges_hz, widths):
        mid, side = out[0] + out[1], out[0] - out[1]
        mid_energy += float(np.dot(mid, mid))
        side_energy += float(np.dot(side, side))
        yield out
    if max(mid_energy, side_energy) < _SILENT_POWER:
        return
    side_to_mid_db = power_to_db(side_energy) - power_to_db(mid_energy)
    context.report(side_to_mid_db=round(side_to_mid_db, 2))
    if side_to_mid_db > 0 and max(widths) > 1:
        context.find(
            "warn",
            "too_wide",
            f"the side is {side_to_mid_db:.1f} dB louder than the mid: much of this track vanishes "
            f"in mono; lower width from {max(widths):g}, or add after it: - mono_safe: {{}}",
            _narrower(params, side_to_mid_db),
        )


def _narrower(params: WidthParams, by_db: float) -> str:
    """Write the stage with a width that leaves the side as loud as the mid; not with bands."""
    if params.bands:
        return placed(AFTER_IT, stage_line("mono_safe"))
    return instead("width", params, width=math.floor(100 * params.width / db_to_gain(by_db)) / 100)


def _laid_out(params: WidthParams, context: StageContext) -> tuple[list[float], list[float]]:
    """Return the edges between bands and the width of each, gaps filled."""
    edges_hz: list[float] = []
    widths: list[float] = []
    end_hz = 0.0
    for band in params.bands:
        if not band.low_hz < band.high_hz:
            context.refuse(f"bands: {band.low_hz:g} to {band.high_hz:g} Hz is no band")
        if band.low_hz < end_hz:
            context.refuse(
                f"bands: {band.low_hz:g} Hz is below the end of the band before it, "
                f"{end_hz:g} Hz; write them from low to high, without overlap"
            )
        if band.low_hz > end_hz:
            widths.append(params.width)
            edges_hz.append(band.low_hz)
        widths.append(band.width)
        edges_hz.append(band.high_hz)
        end_hz = band.high_hz
    return edges_hz, [*widths, params.width]


def _widened(signal: Signal, edges_hz: list[float], widths: list[float]) -> Iterator[Block]:
    taps = band_gain_taps(signal.sample_rate, edges_hz, [value - 1.0 for value in widths])
    if len(taps) > 1:
        for block, added in fir_beside(signal.blocks(), taps, _side):
            yield block + np.concatenate((added, -added))
        return
    gain = 1.0 + float(taps[0])
    same, other = np.float32((1.0 + gain) / 2.0), np.float32((1.0 - gain) / 2.0)
    for block in signal.blocks():
        yield same * block + other * block[::-1]


def _side(block: Block) -> Block:
    side: Block = 0.5 * (block[:1] - block[1:])
    return side
