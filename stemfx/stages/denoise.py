"""`denoise`: steady noise turned down a little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stemfx.audio import Block, Signal
from stemfx.dsp.denoise import denoised, find_noise
from stemfx.dsp.harm import Limits
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.fixes import instead
from stemfx.stage import Measurement, StageContext, StageParams, knob, stage
from stemfx.stages._repair import Rehearsed, measured, repaired

_REDUCTION_DB = 6.0
_GENERATED_DB = 4.0
_NEAR_DB = 18.0  # what is steady and so loud may be played: rain, a riser, a ride cymbal

# Beside the noise itself: the presence of a voice may not lose half a decibel.
_LIMITS = Limits(band_loss_db=0.5)


class DenoiseParams(StageParams):
    """Parameters of `denoise`."""

    max_reduction_db: float | None = knob(
        None,
        low=0,
        high=12,
        unit="dB",
        neutral=0.0,
        help="the noise is turned down by this at most; 6, on AI-generated songs 4",
    )
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


@stage(DenoiseParams, heeds_origin=True)
def denoise(signal: Signal, params: DenoiseParams, context: StageContext) -> Iterator[Block]:
    """Turn steady noise down by up to `max_reduction_db`: hiss, a room, a tape.

    The noise is found by itself, where it is heard alone for at least a tenth of the time, and
    only what is steady for the whole track counts: breath, cymbals and reverb are no noise. It is
    turned down, never out, so nothing chirps and the room does not vanish between words; above it
    the music stays as it is, and a track without steady noise keeps every bit. Both channels get
    one gain. Single hum tones are narrower than what this looks for: cut them with `eq`.

    On AI-generated songs it stays gentler unless told otherwise: what sounds like noise in them is
    often part of the voice (ordinary noise reduction took 8.5 dB of presence from one).

    Reports the level of the noise, by how much it was lowered, and the costs.
    """
    limit_db = params.max_reduction_db
    if limit_db is None:
        limit_db = _GENERATED_DB if context.is_generated else _REDUCTION_DB
    noise = find_noise(signal) if limit_db else None
    if noise is not None and noise.programme_dbfs - noise.level_dbfs < _NEAR_DB:
        context.find(
            "warn",
            "steady_sound_is_loud",
            f"what is steady in this track ({noise.level_dbfs:.0f} dBFS) is only "
            f"{noise.programme_dbfs - noise.level_dbfs:.0f} dB under the whole, so it may belong "
            "to the music and was left as it is; to turn it down use eq or gate",
        )
        noise = None
    elif noise is None and limit_db and signal.n_samples:
        context.find(
            "info", "no_steady_noise", "no noise is heard alone in this track: it is as it came"
        )
    if noise is None:
        yield from signal.blocks()
        return
    if context.is_generated and params.max_reduction_db is None:
        context.find(
            "info",
            "gentler_on_generated",
            f"the song is AI-generated, so noise goes down by {_GENERATED_DB:g} dB instead of "
            f"{_REDUCTION_DB:g}: there, noise reduction takes the presence of voices. For more of "
            f"it: - denoise: {{max_reduction_db: {_REDUCTION_DB:g}}}",
            instead("denoise", params, max_reduction_db=_REDUCTION_DB),
        )
    lowest = db_to_gain(-limit_db)

    def make_repair() -> Iterator[Block]:
        return denoised(signal, noise, limit_db)

    def mends(wet: float) -> Mapping[str, Measurement]:
        return {
            "noise_dbfs": round(noise.level_dbfs, 1),
            "noise_reduction_db": round(-gain_to_db(1.0 - wet * (1.0 - lowest)), 2),
        }

    make = Rehearsed(make_repair, signal)
    harm = measured(signal, make())
    harm = harm.setting_aside(noise.energy(harm.edges_hz, signal), lowest)
    yield from repaired(signal, make, context, _LIMITS, mends, harm=harm)
