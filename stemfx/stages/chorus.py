"""`chorus`: a second voice, never quite in tune."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp import board
from stemfx.stage import StageContext, StageParams, knob, stage


class ChorusParams(StageParams):
    """Parameters of `chorus`."""

    rate_hz: float = knob(1.0, low=0.01, high=20, unit="Hz", help="how fast the voice moves")
    depth: float = knob(0.1, low=0, high=1, help="how far it moves")
    centre_delay_ms: float = knob(
        7.0, low=1, high=50, unit="ms", help="how late it is; short and fed back is a flanger"
    )
    feedback: float = knob(0.0, low=-0.95, high=0.95, help="how much of it is heard again")
    mix: float = knob(0.3, low=0, high=1, neutral=0.0, help="wet share; 0 is dry, 1 vibrato")


@stage(ChorusParams, version=2, is_linear=True)
def chorus(signal: Signal, params: ChorusParams, context: StageContext) -> Iterator[Block]:
    """Thicken the sound with a delayed copy whose delay swings.

    Out = cos(mix pi/2) dry + sin(mix pi/2) wet: constant power. Both sides swing together, so the
    image stays and mono is safe.

    Reports the level change and the residual: all that is no copy of the input.
    """
    voice = board.chorus(
        signal,
        rate_hz=params.rate_hz,
        depth=params.depth,
        centre_delay_ms=params.centre_delay_ms,
        feedback=params.feedback,
    )
    shares = board.constant_power(params.mix)
    change = board.ChangeMeter()
    yield from board.blend(signal, voice, shares, change)
    context.report(**change.measurements)
