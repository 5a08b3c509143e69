"""`duck`: one track makes room for another."""

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
    whole_frames,
)
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.stage import StageContext, StageParams, TrackRef, knob, stage

_SILENT_DB = -80.0  # a key below this is not playing, whatever its own peak
_FADE_DB = 6.0  # the depth grows from nothing to all of it over this much above the threshold


class DuckParams(StageParams):
    """Parameters of `duck`."""

    by: TrackRef = knob(help="track that makes this one step back")
    depth_db: float = knob(
        6.0, low=0, high=48, unit="dB", neutral=0.0, help="how far this track goes down"
    )
    threshold_db: float = knob(
        -9.0, low=-60, high=-3, unit="dB", help="the other plays when this close to its own peak"
    )
    attack_ms: float = knob(10.0, low=0, high=500, unit="ms", help="how fast it goes down")
    release_ms: float = knob(200.0, low=5, high=4000, unit="ms", help="how fast it comes back")
    look_ahead_ms: float = knob(
        15.0, low=0, high=200, unit="ms", help="how long before the other it starts to go down"
    )


@stage(DuckParams, version=2)
def duck(signal: Signal, params: DuckParams, context: StageContext) -> Iterator[Block]:
    """Lower this track by `depth_db` while the track named by `by` plays.

    The other track plays when its level (peak over both channels) is above `threshold_db`,
    counted from its own highest peak, so that its loudness in the mix does not matter; full
    depth is reached 6 dB above that, or at the peak itself. At -9 dB the loudest hits of drums
    move it; -18 dB makes room for a whole voice, but under dense drums is a mere cut. Attack and
    release are time constants (63 % of the way, in dB); the attack starts `look_ahead_ms` before
    the other track does, so that the room is there when it comes in. Both channels get one gain.

    Reports the highest reduction, its mean while at work, and how much of the time that was.
    """
    key, rate = context.sidechains[params.by], signal.sample_rate
    key_peak_db = gain_to_db(max((float(np.abs(b).max()) for b in key.blocks()), default=0.0))
    threshold_db = max(key_peak_db + params.threshold_db, _SILENT_DB)

    fade_db = min(_FADE_DB, -params.threshold_db)

    def depth_db(stretch: Block) -> Frames:
        above_db = frame_peak_db(stretch) - threshold_db
        return params.depth_db * np.clip(above_db / fade_db, 0.0, 1.0)

    follower = Follower(rate, attack_ms=params.attack_ms, release_ms=params.release_ms)
    look_ahead = whole_frames(params.look_ahead_ms, rate) * CONTROL_SAMPLES
    if look_ahead and key.n_samples:
        follower(depth_db(key.read(0, look_ahead)))  # the key's start is not overlooked
    ramp = GainRamp()
    meter = ReductionMeter()
    for block, steering in beside_key(signal, key, look_ahead):
        reduction_db = follower(depth_db(steering))
        meter(reduction_db)
        yield block * ramp(db_to_gain(-reduction_db), block.shape[1])
    context.report(**meter.measurements)
    if key_peak_db <= _SILENT_DB:
        context.find("info", "key_silent", f"nothing was ducked: track {params.by!r} is silent")
