"""`deess`: sharp sibilants turned down."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.dynamics import (
    Follower,
    GainRamp,
    OnePole,
    ReductionMeter,
    frame_aligned,
    frame_power,
    soft_ramp_db,
)
from stemfx.dsp.filters import fir_beside, linkwitz_riley_low_pass
from stemfx.dsp.units import db_to_gain, power_to_db
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist

_ATTACK_MS = 1.0
_RELEASE_MS = 50.0
_LEVEL_MS = 5.0  # long enough to bridge a period of a low voice, shorter than any sibilant
_KNEE_DB = 6.0
_QUIET_DB = -70.0  # below this a voice counts as being here: hiss between words is no sibilant


class DeessParams(StageParams):
    """Parameters of `deess`."""

    freq_hz: float = knob(
        5500.0, low=2000, high=12_000, unit="Hz", help="sibilants lie above: 5000 male, 7000 female"
    )
    threshold_db: float = knob(
        -10.0, low=-40, high=0, unit="dB", help="reduce when this close to the level of the voice"
    )
    max_reduction_db: float = knob(
        6.0, low=0, high=24, unit="dB", neutral=0.0, help="at most this much is taken away"
    )


@stage(DeessParams, version=2)
def deess(signal: Signal, params: DeessParams, context: StageContext) -> Iterator[Block]:
    """Soften sharp s sounds: turn the band above `freq_hz` down while it sticks out.

    A sibilant is noise above some 5 kHz, nearly as loud as the whole voice is at that moment;
    a vowel's treble lies 20 dB and more below. So the threshold counts from the voice itself:
    a quiet take needs the same setting as a loud one. The band's excess over `threshold_db`
    is taken away (knee 6 dB, attack 1 ms, release 50 ms), `max_reduction_db` at most.

    The band is split off with a linear-phase Linkwitz-Riley magnitude and y = x - (1 - g) band:
    without reduction the input comes back exactly, and nothing is ever boosted.

    Reports the highest reduction of the band, its mean while at work, and the time's share.
    """
    need_below_nyquist("freq_hz", params.freq_hz, signal, context)
    rate, channels = signal.sample_rate, signal.channels
    follower = Follower(rate, attack_ms=_ATTACK_MS, release_ms=_RELEASE_MS)
    whole_level, band_level = OnePole(rate, _LEVEL_MS), OnePole(rate, _LEVEL_MS)
    taken = GainRamp(start=0.0)
    meter = ReductionMeter()
    halves = fir_beside(signal.blocks(), linkwitz_riley_low_pass(rate, params.freq_hz))
    for both in frame_aligned(np.concatenate(pair) for pair in halves):
        block = both[:channels]
        band = block - both[channels:]
        whole_db = power_to_db(whole_level(frame_power(block)), _QUIET_DB)
        band_db = power_to_db(band_level(frame_power(band)))
        over_db = soft_ramp_db(band_db - whole_db - params.threshold_db, _KNEE_DB)
        reduction_db = follower(np.minimum(over_db, params.max_reduction_db))
        meter(reduction_db)
        yield block - taken(1.0 - db_to_gain(-reduction_db), block.shape[1]) * band
    context.report(**meter.measurements)
