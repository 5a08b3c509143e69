"""`compress`: loud parts turned down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stemfx.audio import Block, Signal
from stemfx.dsp.compressor import Compressor
from stemfx.fixes import instead
from stemfx.stage import Reference, StageContext, StageParams, knob, stage
from stemfx.stages._compressing import compressed, need_one_threshold, threshold_over
from stemfx.stages._shared import need_below_nyquist

_DEFAULT_LU = 3.0


class CompressParams(StageParams):
    """Parameters of `compress`."""

    threshold_lu: float | None = knob(
        None,
        low=-30,
        high=30,
        unit="LU",
        help="peaks this far above the track's own loudness are reduced; 3 if none is given",
    )
    threshold_db: float | None = knob(
        None, low=-60, high=0, unit="dBFS", help="the same as a level, in place of threshold_lu"
    )
    ratio: float = knob(
        2.5, low=1, high=20, neutral=1.0, help="dB in for one dB out, above the threshold"
    )
    attack_ms: float = knob(10.0, low=0, high=200, unit="ms", help="how fast it clamps down")
    release_ms: Literal["auto"] | Annotated[float, Field(ge=5, le=2000)] = knob(
        120.0, unit="ms", help="how fast it lets go; auto is fast after a peak, slow after a chorus"
    )
    knee_db: float = knob(6.0, low=0, high=24, unit="dB", help="width of the soft threshold")
    makeup_db: Literal["auto"] | Annotated[float, Field(ge=0, le=24)] = knob(
        "auto", unit="dB", help="gain after the compression; auto is as loud as before"
    )
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 is parallel compression")
    sidechain_hz: float = knob(
        0.0, low=0, high=1000, unit="Hz", help="what lies below does not steer it; 0: all does"
    )
    by: Annotated[str | None, Reference("track")] = knob(
        None, help="track that is listened to instead of this one (side-chain)"
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        need_one_threshold(self.threshold_lu, self.threshold_db)
        return self


@stage(CompressParams, version=2)
def compress(signal: Signal, params: CompressParams, context: StageContext) -> Iterator[Block]:
    """Even out the level: what is louder than the threshold grows only by 1/`ratio`.

    The threshold is `threshold_lu` above the integrated loudness of the track (3 LU by
    default), so a quiet recording and a loud one are compressed alike; or an absolute
    `threshold_db` in dBFS. What is held against it are peaks, which lie some 6 to 12 dB above
    the loudness of a voice. `makeup_db: auto` brings the compressed signal back to the loudness
    of the input, so compressing makes nothing louder or quieter (in parallel within some 0.3 dB).
    What has no loudness (below -70 LUFS or shorter than 400 ms) is measured by its rms.

    Static curve: a steady tone L dB over the threshold (peak, dBFS) comes out L/ratio over
    it, with a quadratic knee `knee_db` wide; -10 dBFS at -20 and 4:1 gives -17.5 dBFS. Both
    channels get one gain, from the louder of them, so the image stays where it is. Attack
    and release are time constants (63 % of the way, in dB), without look-ahead;
    `release_ms: auto` lets go of a single peak in 100 ms, and of a long loud stretch in 1.2 s.
    With `by`, the level of that track steers the gain, and `threshold_lu` counts from its
    loudness; with `sidechain_hz`, from the loudness of what lies above. Source:
    `stemfx.dsp.dynamics`.

    Reports the threshold and the make-up gain used, the highest reduction, its mean while at
    work, and how much of the time that was.
    """
    key = context.sidechains[params.by] if params.by is not None else signal
    compressor = Compressor(
        ratio=params.ratio,
        knee_db=params.knee_db,
        attack_ms=params.attack_ms,
        release_ms=None if params.release_ms == "auto" else params.release_ms,
        sidechain_hz=params.sidechain_hz,
    )
    if params.sidechain_hz:
        need_below_nyquist("sidechain_hz", params.sidechain_hz, signal, context)
    threshold_dbfs = params.threshold_db
    if threshold_dbfs is None:
        threshold_lu = _DEFAULT_LU if params.threshold_lu is None else params.threshold_lu
        threshold_dbfs = threshold_over(compressor, key, threshold_lu)
    yield from compressed(
        signal,
        key,
        compressor,
        context,
        threshold_dbfs=threshold_dbfs,
        threshold_name="threshold_lu" if params.threshold_db is None else "threshold_db",
        lowered=partial(_lowered, params),
        makeup_db=None if params.makeup_db == "auto" else params.makeup_db,
        mix=params.mix,
    )


def _lowered(params: CompressParams, by_db: float) -> str | None:
    """Write the stage with a lower threshold, if that can be said."""
    name, least, given = "threshold_lu", -30, params.threshold_lu
    if params.threshold_db is not None:
        name, least, given = "threshold_db", -60, params.threshold_db
    threshold = math.floor((_DEFAULT_LU if given is None else given) - by_db)
    return instead("compress", params, **{name: threshold}) if threshold >= least else None
