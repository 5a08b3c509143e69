"""`eq`: bells and shelves, for both sides or one, for the middle or the side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Strict

from stemfx.audio import Block, Signal
from stemfx.dsp.equaliser import (
    MAX_PRE_RINGING_S,
    Equaliser,
    Phase,
    Prototype,
    bell,
    high_shelf,
    linear_phase_taps,
    low_shelf,
    magnitude,
)
from stemfx.dsp.filters import filtered
from stemfx.dsp.side import filtered_mid_side
from stemfx.dsp.units import gain_to_db
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist

Part = Literal["stereo", "mid", "side", "left", "right"]
Curves = dict[Part, list[Prototype]]
Pair = list[list[Prototype]]

_HALF = np.float32(0.5)
_DESIGNS = {"bell": bell, "low_shelf": low_shelf, "high_shelf": high_shelf}


class EqBand(StageParams):
    """One band of `eq`."""

    type: Literal["bell", "low_shelf", "high_shelf"] = knob("bell", help="shape of the band")
    freq_hz: float = knob(
        low=10, high=20_000, unit="Hz", help="centre of a bell, half-way point of a shelf"
    )
    gain_db: float = knob(low=-24, high=24, unit="dB", help="boost or cut")
    q: float = knob(0.71, low=0.1, high=20, help="narrower bell or steeper shelf when higher")
    on: Part = knob("stereo", help="both channels; only their middle or side; or only one of them")


class EqParams(StageParams):
    """Parameters of `eq`."""

    bands: Annotated[tuple[EqBand, ...], Strict(strict=False)] = knob(  # a YAML list will do
        (), help="any number of bands: {type, freq_hz, gain_db, q, on}"
    )
    phase: Phase = knob(
        "minimum", help="minimum for tracks; linear turns no phase, and rings before the sound"
    )


@stage(EqParams, is_linear=True, version=2)  # symmetric, but for bands that ask for one channel
def eq(signal: Signal, params: EqParams, context: StageContext) -> Iterator[Block]:
    """Shape the tone with any number of bells and shelves.

    Each band boosts or cuts by `gain_db` (-24 to 24 dB) at `freq_hz`: a `bell` around it
    (`q` = frequency over bandwidth), a `low_shelf` below it, a `high_shelf` above it, with
    half the gain at `freq_hz` itself. The bands multiply, so their order does not matter. The
    curves are those of analogue filters up to 20 kHz, within 0.05 dB, and not squeezed at half
    the sample rate. A cut undoes the same boost: within -120 dB in the lows, -100 dB at 16 kHz.

    `phase: linear` turns no phase, so that the track stays in phase with its other versions. Its
    price: it rings as long before a sound as after it, 11 ms with 3 dB at 100 Hz, 2 ms at 1 kHz.
    Reports for how long; more than about 10 ms softens a kick. Narrow and low bands: minimum.

    `on: mid` or `side` is for (L+R)/2 or (L-R)/2 only, `left` or `right` for one channel:

        - eq: {phase: linear, bands: [{freq_hz: 300, gain_db: -1.5, on: mid}]}

    Bands on left and right come before those on mid and side. On a mono track `stereo` and `mid`
    are the same, and bands on the rest do nothing.
    """
    for index, band in enumerate(params.bands):
        need_below_nyquist(f"bands[{index}].freq_hz", band.freq_hz, signal, context)
    curves = _curves(params, signal, context)
    blocks, pre_ringing_ms = signal.blocks(), 0.0
    for pair, is_mid_side in _steps(curves, signal):
        try:
            equaliser = Equaliser(pair, signal.sample_rate, params.phase)
        except ValueError:
            context.refuse(_too_long(params, signal))
        pre_ringing_ms += equaliser.pre_ringing_ms
        blocks = (filtered_mid_side if is_mid_side else filtered)(blocks, equaliser)
    yield from blocks
    freq_hz = np.geomspace(10, signal.sample_rate / 2, 500)
    db = {part: gain_to_db(magnitude(curve, freq_hz)) for part, curve in curves.items()}
    most, least = (
        db["stereo"] + pick(db["left"], db["right"]) + pick(db["mid"], db["side"])
        for pick in (np.maximum, np.minimum)
    )
    context.report(
        max_boost_db=round(max(0.0, float(most.max())), 2),
        max_cut_db=round(max(0.0, -float(least.min())), 2),
    )
    if params.phase == "linear":
        context.report(pre_ringing_ms=round(pre_ringing_ms, 1))


def _curves(params: EqParams, signal: Signal, context: StageContext) -> Curves:
    """Return the bands of each part that do something."""
    curves: Curves = {part: [] for part in get_args(Part)}
    idle = []
    for index, band in enumerate(params.bands):
        part = band.on
        if signal.channels == 1 and part != "stereo":
            if part != "mid":
                idle.append(f"bands[{index}] on {part}")
                continue
            part = "stereo"
        if band.gain_db:
            curves[part].append(_DESIGNS[band.type](band.freq_hz, band.gain_db, band.q))
    if idle:
        context.find(
            "info",
            "mono_track",
            f"the track is mono: {', '.join(idle)} left as it is; drop it",
            _without_idle(params),
        )
    return curves


def _without_idle(params: EqParams) -> str | None:
    """Return the stage with only the bands that do something on a mono track, if any do."""
    kept = [band for band in params.bands if band.on in ("stereo", "mid")]
    bands = [band.model_dump(exclude_unset=True) for band in kept]
    return instead("eq", params, bands=bands) if bands else None


def _steps(curves: Curves, signal: Signal) -> Iterator[tuple[Pair, bool]]:
    """Yield the curves of left and right, then of mid and side; none where all are flat.

    Bands on both channels go with whichever step is there: one run over the signal less.
    """
    stereo, mid, side, left, right = (curves[part] for part in get_args(Part))
    if signal.channels == 1:
        if stereo:
            yield [stereo], False
        return
    is_mid_side = bool(mid or side)
    if left or right or (stereo and not is_mid_side):
        yield [stereo + left, stereo + right], False
        stereo = []
    if is_mid_side:
        yield [stereo + mid, stereo + side], True


def _too_long(params: EqParams, signal: Signal) -> str:
    """Say which band is too narrow for linear phase."""
    for index, band in enumerate(params.bands):
        curve = [_DESIGNS[band.type](band.freq_hz, band.gain_db, band.q)]
        try:
            linear_phase_taps(curve, signal.sample_rate)
        except ValueError:
            return (
                f"bands[{index}]: with phase: linear, q {band.q:g} at {band.freq_hz:g} Hz would "
                f"ring for more than {MAX_PRE_RINGING_S:g} s before every sound; "
                "lower q, or use phase: minimum"
            )
    return (
        "the bands together would ring too long with phase: linear; lower q, or use phase: minimum"
    )
