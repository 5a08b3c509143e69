"""`gate`: quiet parts turned down."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.dynamics import (
    CONTROL_SAMPLES,
    Follower,
    Frames,
    GainRamp,
    ReductionMeter,
    beside_key,
    frame_peak_db,
    soft_ramp_db,
    whole_frames,
)
from stemfx.dsp.units import db_to_gain
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage

_KNEE_DB = 6.0
_LOOK_AHEAD_MS = 3.0  # three times the attack's default: 95 % open when a drum hits
_HARD_DB = 30.0  # beyond this the background does not sink, it vanishes, and its return is heard
_SILENT_DB = -80.0
_MOSTLY = 0.95
_ENOUGH_DB = 12.0
_LOWER_DB = 12.0


class GateParams(StageParams):
    """Parameters of `gate`."""

    threshold_db: float = knob(-45.0, low=-90, high=0, unit="dBFS", help="peaks below are reduced")
    ratio: float = knob(2.0, low=1, high=20, help="dB out for one dB in, below the threshold")
    range_db: float = knob(
        12.0, low=0, high=90, unit="dB", neutral=0.0, help="at most this much is taken away"
    )
    attack_ms: float = knob(1.0, low=0, high=100, unit="ms", help="how fast it opens")
    hold_ms: float = knob(60.0, low=0, high=2000, unit="ms", help="how long it stays open")
    release_ms: float = knob(150.0, low=5, high=4000, unit="ms", help="how fast it closes")


@stage(GateParams, version=2)
def gate(signal: Signal, params: GateParams, context: StageContext) -> Iterator[Block]:
    """Turn down what is quieter than `threshold_db`, gently: an expander with a limit.

    A tone L dB under the threshold (peak, dBFS) loses L (ratio - 1) dB, with a 6 dB knee, and
    never more than `range_db`. By default that is 12 dB: bleed and hiss sink, but breaths,
    reverb tails and ghost notes stay. A hard gate is `{ratio: 20, range_db: 90}`. Both
    channels get one gain, from the louder of them. It opens with the attack, from 3 ms before
    the sound comes (so a hard gate does not eat transients), stays open for `hold_ms` after the
    last loud frame (so it does not chatter within a low note), then closes with the release;
    both are time constants. The song begins with the gate open.

    Reports the highest reduction, its mean while at work, and how much of the time that was.
    """
    look_ahead = whole_frames(_LOOK_AHEAD_MS, signal.sample_rate) * CONTROL_SAMPLES
    follower = Follower(
        signal.sample_rate,
        attack_ms=params.attack_ms,
        release_ms=params.release_ms,
        hold_ms=params.hold_ms + _LOOK_AHEAD_MS,
        start=params.range_db,
    )

    def open_db(level_db: Frames) -> Frames:
        """Follow how far the gate is open: to open is its attack."""
        under_db = soft_ramp_db(params.threshold_db - level_db, _KNEE_DB)
        return follower(np.maximum(params.range_db - (params.ratio - 1.0) * under_db, 0.0))

    if look_ahead and signal.n_samples:
        open_db(frame_peak_db(signal.read(0, look_ahead)))
    ramp = GainRamp()
    meter = ReductionMeter()
    heard = lowered = 0
    for block, ahead in beside_key(signal, signal, look_ahead):
        level_db = frame_peak_db(ahead)
        reduction_db = params.range_db - open_db(level_db)
        meter(reduction_db)
        heard += int(np.sum(level_db > _SILENT_DB))
        lowered += int(np.sum((level_db > _SILENT_DB) & (reduction_db > 0.5 * params.range_db)))
        yield block * ramp(db_to_gain(-reduction_db), block.shape[1])
    context.report(**meter.measurements)
    if params.range_db > _HARD_DB and lowered:
        context.find(
            "info",
            "gate_hard",
            f"range_db {params.range_db:g} dB cuts breaths, tails and ghost notes off; "
            "6 to 12 dB is enough to push bleed under the mix",
            instead("gate", params, range_db=_ENOUGH_DB),
        )
    if params.range_db > 0 and lowered > _MOSTLY * heard:
        context.find(
            "warn",
            "gate_mostly_closed",
            f"the gate was closed for {100.0 * lowered / heard:.0f} % of what is not silence: "
            f"threshold_db {params.threshold_db:g} dBFS is above most of this track; lower it",
            instead("gate", params, threshold_db=max(-90.0, params.threshold_db - _LOWER_DB)),
        )
