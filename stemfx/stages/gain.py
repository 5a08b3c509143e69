"""`gain`: louder or quieter."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp.units import db_to_gain
from stemfx.stage import StageContext, StageParams, knob, stage


class GainParams(StageParams):
    """Parameters of `gain`."""

    gain_db: float = knob(0.0, low=-96, high=24, unit="dB", help="level change; 6 dB doubles")


@stage(GainParams, is_linear=True)
def gain(signal: Signal, params: GainParams, context: StageContext) -> Iterator[Block]:
    """Make the track louder or quieter by `gain_db`, -96 to 24 dB.

    Every sample times 10^(gain_db/20). Nothing is clipped: float audio may go over 0 dBFS.
    """
    factor = db_to_gain(params.gain_db)
    for block in signal.blocks():
        yield block * factor
