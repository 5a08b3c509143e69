"""A tilt equaliser for stemfx: one knob from dark to bright."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.filters import SosFilter
from stemfx.hookspecs import hookimpl
from stemfx.stage import Stage, StageContext, StageParams, knob, stage


class TiltParams(StageParams):
    """Knobs of `tilt`; the ranges are part of the recipe's schema."""

    gain_db: float = knob(
        0.0, low=-6, high=6, unit="dB", help="treble up and bass down (negative: the reverse)"
    )
    # 3 kHz lies below half of the lowest sample rate in use, 8 kHz.
    pivot_hz: float = knob(
        800.0, low=100, high=3000, unit="Hz", help="frequency that keeps its level"
    )


@stage(TiltParams, is_linear=True)
def tilt(signal: Signal, params: TiltParams, context: StageContext) -> Iterator[Block]:
    """Tilt the balance of bass and treble around a pivot.

    The gain is -gain_db at 0 Hz, exactly 0 dB at pivot_hz and +gain_db at half the sample rate;
    the reverse tilt undoes it. 0 dB leaves the signal alone.
    """
    filtered = SosFilter(
        tilt_section(params.gain_db, params.pivot_hz, signal.sample_rate), signal.channels
    )
    for block in signal.blocks():
        yield filtered(block)
    context.report(bass_db=-params.gain_db, treble_db=params.gain_db)


def tilt_section(gain_db: float, pivot_hz: float, sample_rate: int) -> NDArray[np.float64]:
    """Design the filter: one first-order section `(1, 6)` in the layout of scipy's sosfilt.

    With s in units of the pivot and G the gain at the top,

        H(s) = (G s + 1) / (s + G)

    is 1/G at 0, G at infinity, and of modulus 1 at s = j, since |1 + jG| = |G + j|. The bilinear
    transform s = (1 - z⁻¹) / (K (1 + z⁻¹)), K = tan(pi pivot_hz / sample_rate), keeps all three:
    it maps half the sample rate to infinity, and that K maps the pivot to j.
    Source: Oppenheim & Schafer, Discrete-Time Signal Processing, "Bilinear Transformation".
    """
    G = 10.0 ** (gain_db / 20.0)
    K = math.tan(math.pi * pivot_hz / sample_rate)
    section = np.array([[K + G, K - G, 0.0, 1.0 + G * K, G * K - 1.0, 0.0]])
    return np.asarray(section / section[0, 3])


@hookimpl
def stemfx_stages() -> list[Stage]:
    """Tell stemfx what this plugin adds."""
    return [tilt]
