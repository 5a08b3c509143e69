"""`limiter`: a ceiling for true peaks."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp.limiter import limit
from stemfx.dsp.units import db_to_gain
from stemfx.stage import StageContext, StageParams, knob, stage


class LimiterParams(StageParams):
    """Parameters of `limiter`."""

    ceiling_dbtp: float = knob(
        -1.0, low=-24, high=0, unit="dBTP", help="highest level, also between the samples"
    )
    gain_db: float = knob(0.0, low=-24, high=24, unit="dB", help="level change before the limiter")
    release_ms: float = knob(
        50.0, low=10, high=1000, unit="ms", help="how fast it lets go; short is loud, long is clean"
    )


@stage(LimiterParams, ceiling=lambda params: params.ceiling_dbtp)
def limiter(signal: Signal, params: LimiterParams, context: StageContext) -> Iterator[Block]:
    """Turn down what would rise above `ceiling_dbtp`, and nothing else.

    It looks 4 ms ahead and reads peaks at 8x; the result is measured at 8x too and is at most
    0.05 dB over the ceiling. Both sides get one gain, so the image stays. A signal that is
    below the ceiling already comes back bit for bit. `release_ms` is a time constant (the
    reduction in dB falls to 37 %).

    Reports the deepest reduction and the true peak of the result.
    """
    gain = db_to_gain(params.gain_db)
    limited = limit(
        lambda: (block * gain for block in signal.blocks()),
        signal,
        params.ceiling_dbtp,
        params.release_ms,
    )
    context.report(
        max_gain_reduction_db=round(limited.max_reduction_db, 2),
        true_peak_dbtp=round(limited.true_peak_dbtp, 3),
    )
    yield from limited.signal.blocks()
