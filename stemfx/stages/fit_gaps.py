"""`fit_gaps`: a layer that fills the gaps of the music and does not mask it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from stemfx.audio import Block, Signal
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, TrackRef, knob, stage

_MUCH_MASKED_PERCENT = 25.0


class FitGapsParams(StageParams):
    """Parameters of `fit_gaps`."""

    under: list[TrackRef] = Field(
        min_length=1, description="tracks that this one must not mask: the rest of the music"
    )
    max_cut_db: float = knob(
        9.0, low=0, high=24, unit="dB", neutral=0.0, help="no band is turned down by more"
    )
    headroom_db: float = knob(
        0.0,
        low=-24,
        high=24,
        unit="dB",
        help="how far above a voice's clarity or a kick's weight this track may be",
    )
    fader_db: float = knob(
        0.0, low=-60, high=24, unit="dB", help="the gain_db this track has in the mix"
    )


@stage(FitGapsParams)
def fit_gaps(signal: Signal, params: FitGapsParams, context: StageContext) -> Iterator[Block]:
    """Equalise a layer so that it fills what the music leaves open and masks nothing that matters.

    In 40 bands as wide as the ear's, this track's level is compared with that of the tracks
    `under` which it lies. Where they are so loud that it is not heard (more than 10 dB under
    what they mask) it is turned down, since there it only thickens the mix. In the foundation of
    each track (voice 1 to 4 kHz, kick or drums 40 to 100 Hz, bass 40 to 160 Hz, other tracks
    their loudest bands) it may be `headroom_db` above that track, on average while it plays.
    Elsewhere it stays, and so covers the traces of separation. No band loses more than
    `max_cut_db`.

    One equaliser for the whole song, linear-phase: no phase turns, nothing pumps. Levels are
    compared as the stages leave them; so give the track's `gain_db` as `fader_db`.

    Reports the cuts, and how much this track masks before and after: of all bands in which the
    music is heard, and of the foundations of its tracks while they play.
    """
    from stemfx.dsp.filters import FirFilter, filtered
    from stemfx.dsp.gap_fit import band_powers, cut_taps, fit_to_gaps

    rate, n_samples = signal.sample_rate, signal.n_samples
    if not params.max_cut_db:
        yield from signal.blocks()
        return
    tracks = {name: band_powers(context.sidechains[name], n_samples) for name in params.under}
    own = band_powers(signal, n_samples) * 10 ** (params.fader_db / 10)
    found = fit_to_gaps(
        own,
        tracks,
        rate,
        max_cut_db=params.max_cut_db,
        headroom_db=params.headroom_db,
    )
    context.report(
        max_cut_db=round(float(found.cut_db.max()), 2),
        cut_bands=int((found.cut_db > 0.5).sum()),
        bands=len(found.cut_db),
        masked_before_percent=round(100 * found.masked_before, 1),
        masked_after_percent=round(100 * found.masked_after, 1),
        foundation_masked_before_percent=round(100 * found.foundation_before, 1),
        foundation_masked_after_percent=round(100 * found.foundation_after, 1),
    )
    if 100 * found.masked_after > _MUCH_MASKED_PERCENT:
        more_db = min(24.0, params.max_cut_db + 6)
        context.find(
            "warn",
            "layer_masks_music",
            f"this track still masks {100 * found.masked_after:.0f} % of what is heard of "
            f"{', '.join(params.under)}: lower its gain_db (and say so in fader_db), or allow a "
            "higher max_cut_db",
            instead("fit_gaps", params, max_cut_db=more_db)
            if more_db > params.max_cut_db
            else None,
        )
    if not found.cut_db.any():
        yield from signal.blocks()
        return
    fir = FirFilter(cut_taps(found.cut_db, rate), signal.channels)
    yield from filtered(signal.blocks(), fir)
