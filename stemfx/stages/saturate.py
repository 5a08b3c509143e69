"""`saturate`: harmonics, as loud as before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.board import ChangeMeter, blend
from stemfx.dsp.limiter import shape
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.stage import StageContext, StageParams, knob, stage


class SaturateParams(StageParams):
    """Parameters of `saturate`."""

    drive_db: float = knob(
        6.0, low=0, high=36, unit="dB", neutral=0.0, help="how far peaks are bent; 0 is straight"
    )
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 keeps clean peaks")


@stage(SaturateParams)
def saturate(signal: Signal, params: SaturateParams, context: StageContext) -> Iterator[Block]:
    """Add odd harmonics by bending the waveform, and keep the level.

    f(x) = tanh(a x) / a with a = 10^(drive_db/20) - 1: straight at 0 dB drive and for small
    x, so quiet passages stay clean. Computed at four times the rate against aliasing. The bent
    signal is brought back to the rms level of the whole song, so that a louder setting cannot
    pass for a better one.

    Reports that make-up gain, the level change, and the residual: the distortion, relative to
    the output.
    """
    amount = db_to_gain(params.drive_db) - 1
    if not amount * params.mix:
        yield from signal.blocks()
        return

    def bend(block: Block) -> Block:
        bent: Block = np.tanh(block * amount) / amount
        return bent

    before = after = 0.0
    for block in signal.blocks():
        before += float(np.sum(np.square(block)))
        after += float(np.sum(np.square(bend(block))))
    makeup = np.float32((before / after) ** 0.5 if after else 1.0)
    bent = shape(signal.blocks(), bend, signal.channels, signal.n_samples)
    change = ChangeMeter()
    yield from blend(signal, (block * makeup for block in bent), params.mix, change)
    context.report(makeup_db=round(gain_to_db(float(makeup)), 2), **change.measurements)
