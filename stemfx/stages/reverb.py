"""`reverb`: a room around the sound."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp import board
from stemfx.stage import StageContext, StageParams, knob, stage


class ReverbParams(StageParams):
    """Parameters of `reverb`."""

    room_size: float = knob(0.5, low=0, high=1, help="decay: 0 is 0.6 s, 0.5 is 1.2 s, 1 is 10 s")
    damping: float = knob(0.5, low=0, high=1, help="how much sooner the treble fades")
    width: float = knob(1.0, low=0, high=1, help="stereo width of the room; 0 is mono")
    pre_delay_ms: float = knob(0.0, low=0, high=250, unit="ms", help="silence before the room")
    mix: float = knob(
        0.155, low=0, high=1, neutral=0.0, help="wet share; 0 is dry, 1 the room alone"
    )


# The two sides of Freeverb differ in the lengths of their delays, so it favours a side.
@stage(ReverbParams, version=2, is_linear=True, is_symmetric=False)
def reverb(signal: Signal, params: ReverbParams, context: StageContext) -> Iterator[Block]:
    """Put the sound into a room (Freeverb).

    Out = cos(mix pi/2) dry + sin(mix pi/2) wet: constant power, so a little room costs the dry
    sound next to nothing (0.155 is a room 12 dB below it). The wet signal is as loud as the dry
    one for pink noise, whatever the room, and about so for music. The room hears left and right
    together. Its tail is cut at the end of the song.

    Reports the room's decay time (-60 dB), the level change, and the residual: all that is
    no copy of the input, relative to the output.
    """
    wet, decay_s = board.reverb(
        signal,
        room_size=params.room_size,
        damping=params.damping,
        width=params.width,
        pre_delay_ms=params.pre_delay_ms,
    )
    shares = board.constant_power(params.mix)
    change = board.ChangeMeter()
    yield from board.blend(signal, wet, shares, change)
    context.report(decay_s=round(decay_s, 2), **change.measurements)
