"""`duck`: one track makes room for another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from pydantic import model_validator

from stemfx.audio import Block, Signal, peak_of
from stemfx.dsp.dynamics import (
    CONTROL_SAMPLES,
    Follower,
    Frames,
    GainRamp,
    ReductionMeter,
    frame_peak_db,
    steered,
    whole_frames,
)
from stemfx.dsp.filters import fir_beside, linkwitz_riley_band
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.stage import StageContext, StageParams, TrackRef, knob, stage
from stemfx.stages._shared import need_below_nyquist

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
    low_hz: float | None = knob(
        None, low=20, high=20_000, unit="Hz", help="only what is above goes down; all if not given"
    )
    high_hz: float | None = knob(
        None, low=20, high=20_000, unit="Hz", help="only what is below goes down; all if not given"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            msg = f"low_hz {self.low_hz:g} Hz is not below high_hz {self.high_hz:g} Hz"
            raise ValueError(msg)
        return self


@stage(DuckParams, version=2)
def duck(signal: Signal, params: DuckParams, context: StageContext) -> Iterator[Block]:
    """Lower this track by `depth_db` while the track named by `by` plays.

    The other track plays when its level (peak over both channels) is above `threshold_db`,
    counted from its own highest peak, so that its loudness in the mix does not matter; full
    depth is reached 6 dB above that, or at the peak itself. At -9 dB the loudest hits of drums
    move it; -18 dB makes room for a whole voice, but under dense drums is a mere cut. Attack and
    release are time constants (63 % of the way, in dB); the attack starts `look_ahead_ms` before
    the other track does, so that the room is there when it comes in. Both channels get one gain.

    With `low_hz`, `high_hz` or both only that band steps back: `{by: kick, low_hz: 40, high_hz:
    150}` makes room for a kick under a bass whose notes stay clear. The band is cut out by a
    linear-phase filter (24 dB per octave) and the rest is the track minus it, so no phase turns,
    and where nothing ducks the track passes untouched. In the middle of the band the whole depth
    is reached.

    Reports the highest reduction, its mean while at work, and how much of the time that was.
    """
    key, rate = context.sidechains[params.by], signal.sample_rate
    for name, edge_hz in (("low_hz", params.low_hz), ("high_hz", params.high_hz)):
        if edge_hz is not None:
            need_below_nyquist(name, edge_hz, signal, context)
    key_peak_db = gain_to_db(peak_of(key))
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
    is_whole = params.low_hz is None and params.high_hz is None
    blocks = signal.blocks() if is_whole else _beside_band(signal, params)
    for block, steering in steered(blocks, key, look_ahead):
        reduction_db = follower(depth_db(steering))
        meter(reduction_db)
        gain = ramp(db_to_gain(-reduction_db), block.shape[1])
        if is_whole:
            yield block * gain
        else:
            whole, band = np.split(block, 2)
            yield whole + band * (gain - np.float32(1.0))
    context.report(**meter.measurements)
    if key_peak_db <= _SILENT_DB:
        context.find("info", "key_silent", f"nothing was ducked: track {params.by!r} is silent")


def _beside_band(signal: Signal, params: DuckParams) -> Iterator[Block]:
    """Yield the signal with its band below it, as twice as many channels."""
    taps = linkwitz_riley_band(signal.sample_rate, params.low_hz, params.high_hz)
    for whole, band in fir_beside(signal.blocks(), taps):
        yield np.concatenate((whole, band))
