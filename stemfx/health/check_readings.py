"""Measures what checks are about and no loudness meter tells, each only where it is named."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.clipping import ClippingMeter
from stemfx.dsp.dc import DcMeter
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, Meter
from stemfx.dsp.phase import PhaseMeter

_SIDES = {"mono_loss_db", "correlation"}
HEARD = frozenset({*_SIDES, "clipped_samples", "dc_offset"})
"""What `read_for_checks` measures."""


def read_for_checks(
    signal: Signal, names: Collection[str], gain: float = 1.0
) -> dict[str, float | None]:
    """Return those of a signal's numbers that are named, in one pass, as `stemfx check` has them.

    A mono signal is the same on both sides: correlation 1, no loss in mono.

    Args:
        signal: mono or stereo.
        names: of `HEARD`.
        gain: at which it goes out.
    """
    is_stereo = signal.channels == 2
    sides = PhaseMeter(signal.sample_rate) if is_stereo and _SIDES & set(names) else None
    clipping = ClippingMeter(signal.channels) if "clipped_samples" in names else None
    dc = DcMeter(signal.sample_rate, signal.channels) if "dc_offset" in names else None
    _show(signal, [m for m in (sides, clipping, dc) if m is not None], gain)
    found: dict[str, float | None] = {"mono_loss_db": 0.0, "correlation": 1.0}
    if sides is not None:
        phase = sides.reading()
        found = {"mono_loss_db": phase.mono_loss_db, "correlation": phase.correlation}
    if clipping is not None:
        found["clipped_samples"] = clipping.reading().clipped_samples
    if dc is not None:
        found["dc_offset"] = max(map(abs, dc.reading().mean), default=0.0)
    return {name: found[name] for name in names}


def _show(signal: Signal, meters: list[Meter], gain: float) -> None:
    for block in signal.blocks(METER_BLOCK_SAMPLES) if meters else ():
        heard = block if gain == 1.0 else block * np.float32(gain)
        for meter in meters:
            meter.add(heard)
