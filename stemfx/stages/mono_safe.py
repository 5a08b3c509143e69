"""`mono_safe`: just as much width as survives on one loudspeaker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.filters import fir_beside
from stemfx.dsp.harm import Limits
from stemfx.dsp.side import MidSide, MidSideMeter, band_gain_taps, least_narrowing
from stemfx.dsp.units import Float64s, gain_to_db
from stemfx.fixes import stage_line
from stemfx.stage import Measurement, StageContext, StageParams, knob, stage
from stemfx.stages._repair import repaired

_MARGIN_DB = 0.1  # a meter with other windows or band edges finds the limits met, too
_MAX_OPPOSED_SHARE = 0.10  # of the active time
_OPPOSED_MARGIN = 0.02
_GUARD_OCTAVES = 0.25
_OPPOSED_DB = 6.0  # a correlation of -0.5: no image is as wide, a cable or a plugin inverts a side

# The side is meant to go; the mid never changes. 9 dB lets a band come from a fold-down loss of
# 13 dB to one of 4; one that is worse still has a fault which narrowing does not mend. Attacks that
# are wider than the rest lose more of their side than it.
_LIMITS = Limits(band_loss_db=9.0, attack_loss_db=3.0)


class MonoSafeParams(StageParams):
    """Parameters of `mono_safe`."""

    max_mono_loss_db: float = knob(
        4.0, low=0, high=40, unit="dB", help="largest fold-down loss of any band above 120 Hz"
    )
    max_bass_loss_db: float = knob(
        1.0, low=0, high=40, unit="dB", help="largest fold-down loss from 20 to 120 Hz"
    )
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


@stage(MonoSafeParams)
def mono_safe(signal: Signal, params: MonoSafeParams, context: StageContext) -> Iterator[Block]:
    """Narrow the stereo image by the least that mono playback needs, band by band.

    The whole track is measured first, in five bands (20, 120, 500, 2000, 6000, 20000 Hz); those
    40 dB under the loudest do not count. Where the fold-down (L+R)/2 loses more than the limit,
    the side signal (L-R)/2 of that band is lowered until it does not, and if left and right are
    still opposed (correlation below 0) for more than 10 % of the time, that of all bands. The
    limits are those of the phase check: 4 dB is a correlation of -0.2, 1 dB in the bass +0.6.

    The gains stay the same for the whole track, as an engineer leaves a width knob: an image that
    narrows and widens with the music is heard, and the last rule hears a chorus that is wide
    beside narrow verses. The filter has linear phase and touches the side alone, so the mono
    fold-down is the same as before. A track that meets the limits comes out bit for bit, as does
    a mono one.

    Reports the loss before and after, how far each band's side was turned down, and the costs.
    """
    if signal.channels == 1:
        yield from signal.blocks()
        return
    meter = MidSideMeter(signal.sample_rate)
    for block in signal.blocks():
        meter.add(block)
    measured = meter.result()
    n_bands = len(measured.edges_hz) - 1
    limits_db = [params.max_bass_loss_db] + [params.max_mono_loss_db] * (n_bands - 1)
    within_db = [max(0.0, limit_db - _MARGIN_DB) for limit_db in limits_db]
    gains = _needed(measured, limits_db, within_db)
    taps = _taps(measured, gains, signal.sample_rate)

    def make_repair() -> Iterator[Block]:
        if np.all(gains == 1.0):
            yield from signal.blocks()
            return
        for block, removed in fir_beside(signal.blocks(), taps, _side):
            yield block - np.concatenate((removed, -removed))

    def mends(wet: float) -> Mapping[str, Measurement]:
        before, heard = np.ones(n_bands), 1.0 - wet * (1.0 - gains)
        bands = zip(measured.edges_hz, measured.edges_hz[1:], heard.tolist(), strict=False)
        return {
            "mono_loss_before_db": round(measured.loss_db(before), 2),
            "mono_loss_db": round(measured.loss_db(heard), 2),
            "worst_band_mono_loss_before_db": round(float(measured.losses_db(before).max()), 2),
            "worst_band_mono_loss_db": round(float(measured.losses_db(heard).max()), 2),
            **{
                f"side_gain_{low:g}_{high:g}_hz_db": round(gain_to_db(gain, -100.0), 2)
                for low, high, gain in bands
                if gain < 1
            },
        }

    yield from repaired(signal, make_repair, context, _LIMITS, mends)
    _tell(measured, gains, limits_db, context)


def _taps(measured: MidSide, gains: Float64s, sample_rate: int) -> NDArray[np.float64]:
    """Return the filter of what is taken from the side."""
    kept = band_gain_taps(
        sample_rate, measured.edges_hz[1:-1], gains.tolist(), guard_octaves=_GUARD_OCTAVES
    )
    kept[len(kept) // 2] -= 1.0
    return -kept


def _side(block: Block) -> Block:
    side: Block = 0.5 * (block[:1] - block[1:])
    return side


def _needed(measured: MidSide, limits_db: list[float], within_db: list[float]) -> Float64s:
    """Return the gains of the side; all 1 for a track that meets the limits themselves."""
    as_it_is = np.ones(len(limits_db))
    if (
        np.all(measured.losses_db(as_it_is) <= limits_db)
        and measured.opposed_share(as_it_is) <= _MAX_OPPOSED_SHARE
    ):
        return as_it_is
    return least_narrowing(measured, within_db, _MAX_OPPOSED_SHARE - _OPPOSED_MARGIN)


def _tell(
    measured: MidSide, gains: Float64s, limits_db: list[float], context: StageContext
) -> None:
    loss_db = measured.loss_db(np.ones(len(gains)))
    if loss_db > _OPPOSED_DB:
        context.find(
            "warn",
            "channels_opposed",
            f"mono playback loses {loss_db:.1f} dB of this track: one channel is probably "
            "inverted, and narrowing throws away most of it. Put before this stage: "
            "- polarity: {channels: right}",
            stage_line("polarity", channels="right"),
        )
    wet = float(context.measurements["wet"])
    left_db = measured.losses_db(1.0 - wet * (1.0 - gains))
    if wet < 1 and np.any(left_db > limits_db):
        context.find(
            "warn",
            "mono_limits_not_met",
            f"a band still loses {left_db.max():.1f} dB in mono: to narrow it further would take "
            "more from the stereo sound than it gives the mono one",
        )
