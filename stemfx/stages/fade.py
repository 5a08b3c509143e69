"""`fade`: in at the start, out at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.fixes import instead
from stemfx.stage import Seconds, StageContext, StageParams, knob, stage

Curve = Literal["linear", "equal_power", "s_curve", "log"]
_LOG_RANGE = 1000.0  # 60 dB


class FadeParams(StageParams):
    """Parameters of `fade`."""

    in_s: Seconds = knob(0.0, low=0, unit="s", help="length of the fade-in")
    out_s: Seconds = knob(0.0, low=0, unit="s", help="length of the fade-out")
    curve: Curve = knob(
        "s_curve", help="shape: s_curve, linear, equal_power for crossfades, log: even in dB"
    )


@stage(FadeParams, is_linear=True)
def fade(signal: Signal, params: FadeParams, context: StageContext) -> Iterator[Block]:
    """Fade the track in over its first `in_s` and out over its last `out_s` seconds.

    The first and the last sample are silent, and the fade-out is the fade-in turned round.
    With u from 0 to 1: `linear` is u and `s_curve` (1 - cos pi u)/2, both of which cross over
    with their own mirror image at constant amplitude; `equal_power` is sin(pi u/2), constant
    power. `log` is (1000^u - 1)/999: a straight line in dB over 60 dB, so that the end of a song
    goes away at one pace, -30 dB half-way; give it twice as long. A fade longer than the track
    never gets to full level.
    """
    n_in, n_out = (round(s * signal.sample_rate) for s in (params.in_s, params.out_s))
    last = signal.n_samples - 1
    start = 0
    for block in signal.blocks():
        index = np.arange(start, start + block.shape[1])
        start += block.shape[1]
        fading_in, fading_out = index[0] < n_in, last - index[-1] < n_out
        faded = block
        if fading_in:
            faded = faded * _shape(index / n_in, params.curve)
        if fading_out:
            faded = faded * _shape((last - index) / n_out, params.curve)
        yield faded
    if n_in + n_out > signal.n_samples:
        share = signal.n_samples / (n_in + n_out)
        in_s, out_s = (math.floor(1e3 * share * s) / 1e3 for s in (params.in_s, params.out_s))
        context.find(
            "warn",
            "fades_overlap",
            f"in_s {params.in_s:g} s and out_s {params.out_s:g} s are longer than the track, "
            f"{signal.n_samples / signal.sample_rate:.2f} s",
            instead("fade", params, in_s=in_s, out_s=out_s),
        )


def _shape(position: NDArray[np.float64], curve: Curve) -> NDArray[np.float32]:
    u = np.minimum(position, 1.0)
    if curve == "equal_power":
        u = np.sin(np.pi / 2.0 * u)
    elif curve == "s_curve":
        u = np.sin(np.pi / 2.0 * u) ** 2
    elif curve == "log":
        u = (_LOG_RANGE**u - 1.0) / (_LOG_RANGE - 1.0)
    return u.astype(np.float32)
