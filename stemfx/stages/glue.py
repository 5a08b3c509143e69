"""`glue`: a bus compressor that holds a mix together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from stemfx.audio import Block, Signal
from stemfx.dsp.compressor import Compressor
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._compressing import compressed, threshold_over
from stemfx.stages._shared import need_below_nyquist

_RMS_MS = 10.0  # over the half-waves of all that passes the side-chain filter
_KNEE_DB = 8.0


class GlueParams(StageParams):
    """Parameters of `glue`."""

    threshold_lu: float = knob(
        0.0, low=-30, high=30, unit="LU", help="it works above the mix's own loudness plus this"
    )
    ratio: float = knob(
        2.0, low=1, high=20, neutral=1.0, help="dB in for one dB out, above the threshold"
    )
    attack_ms: float = knob(
        30.0, low=0, high=100, unit="ms", help="how fast it clamps down; slow lets drums through"
    )
    release_ms: Literal["auto"] | Annotated[float, Field(ge=20, le=2000)] = knob(
        "auto",
        unit="ms",
        help="how fast it lets go; auto is fast after a peak, slow after a chorus",
    )
    sidechain_hz: float = knob(
        100.0, low=0, high=1000, unit="Hz", help="what lies below does not steer it; 0: all does"
    )
    max_reduction_db: float = knob(
        4.0, low=0, high=24, unit="dB", help="it never takes more than this"
    )
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 is parallel compression")


@stage(GlueParams)
def glue(signal: Signal, params: GlueParams, context: StageContext) -> Iterator[Block]:
    """Hold a mix or a bus together: gentle compression of the whole, as loud as before.

    Listens to the rms level (10 ms), without what lies under `sidechain_hz`, so that the kick
    does not pull everything else down with it. The threshold is `threshold_lu` above the gated
    loudness of what is heard that way, so a quiet mix and a loud one are treated alike. Soft
    knee, 8 dB. The slow attack lets drum hits through. `release_ms: auto` lets go of a single
    peak in 100 ms, and of a long loud stretch in 1.2 s. Both channels get one gain.

    The result is brought back to the loudness of the input, so that gluing makes nothing louder
    or quieter (in parallel within some 0.1 dB). On a mix the defaults take 1 to 3 dB;
    `compress` has the same parts, for single tracks.

    Reports the threshold and the make-up gain used, the highest reduction, its mean while at
    work, and how much of the time that was.
    """
    if params.sidechain_hz:
        need_below_nyquist("sidechain_hz", params.sidechain_hz, signal, context)
    compressor = Compressor(
        ratio=params.ratio,
        knee_db=_KNEE_DB,
        attack_ms=params.attack_ms,
        release_ms=None if params.release_ms == "auto" else params.release_ms,
        rms_ms=_RMS_MS,
        sidechain_hz=params.sidechain_hz,
        max_reduction_db=params.max_reduction_db,
    )
    yield from compressed(
        signal,
        signal,
        compressor,
        context,
        threshold_dbfs=threshold_over(compressor, signal, params.threshold_lu),
        threshold_name="threshold_lu",
        lowered=partial(_lowered, params),
        makeup_db=None,
        mix=params.mix,
    )


def _lowered(params: GlueParams, by_db: float) -> str | None:
    """Write the stage with a lower threshold, if that can be said."""
    threshold_lu = math.floor(params.threshold_lu - by_db)
    return instead("glue", params, threshold_lu=threshold_lu) if threshold_lu >= -30 else None
