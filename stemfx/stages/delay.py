"""`delay`: echoes."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp import board
from stemfx.dsp.units import gain_to_db
from stemfx.stage import StageContext, StageParams, knob, stage


class DelayParams(StageParams):
    """Parameters of `delay`."""

    time_ms: float = knob(
        375.0, low=1, high=5000, unit="ms", help="from echo to echo; a beat is 60000 / BPM"
    )
    feedback: float = knob(0.3, low=0, high=0.95, help="each echo's share of the one before")
    mix: float = knob(
        0.155, low=0, high=1, neutral=0.0, help="wet share; 0 is dry, 1 the echoes alone"
    )


@stage(DelayParams, version=2, is_linear=True)
def delay(signal: Signal, params: DelayParams, context: StageContext) -> Iterator[Block]:
    """Repeat the sound every `time_ms`, quieter each time.

    Out = cos(mix pi/2) x[n] + sin(mix pi/2) * sum over k >= 1 of feedback^(k-1) x[n - k T], with
    T in whole samples: constant power, since an echo is unlike the sound it falls on. Each side
    has its own echoes. Those after the end of the song are cut.

    Reports the first echo's level against the dry sound, the level change and the residual.
    """
    echoes = board.delay(signal, time_ms=params.time_ms, feedback=params.feedback)
    shares = board.constant_power(params.mix)
    change = board.ChangeMeter()
    yield from board.blend(signal, echoes, shares, change)
    context.report(**change.measurements)
    if 0 < params.mix < 1:
        context.report(first_echo_db=round(gain_to_db(shares.wet / shares.dry), 2))
