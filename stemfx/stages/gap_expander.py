"""`gap_expander`: less bleed while a stem is silent."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Limits
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._repair import Rehearsed, measured, repaired

MAX_CUT_DB = 12.0
GENERATED_MAX_CUT_DB = 8.0

_MOST_CHANGE_DB = -20.0  # a hundredth of a stem's energy is more than ever was found in gaps
_MONO_LOSS_DB = 1.0
_MOSTLY_DB = -3.0


class GapExpanderParams(StageParams):
    """Parameters of `gap_expander`."""

    threshold_db: float = knob(
        -18.0,
        low=-60,
        high=-6,
        unit="dB",
        help="the stem is silent where its share of the mixture is below this",
    )
    max_cut_db: float | None = knob(
        None,
        low=0,
        high=24,
        unit="dB",
        neutral=0.0,
        help="nothing loses more; 12, on AI-generated songs 8",
    )
    look_ahead_ms: float = knob(
        50.0, low=0, high=400, unit="ms", help="how long before the stem comes back the cut goes"
    )
    attack_ms: float = knob(10.0, low=0, high=200, unit="ms", help="how fast a cut goes")
    release_ms: float = knob(150.0, low=0, high=2000, unit="ms", help="how fast a cut comes")
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


@stage(GapExpanderParams, is_symmetric=False, hears_song=True, heeds_origin=True)
def gap_expander(
    signal: Signal, params: GapExpanderParams, context: StageContext
) -> Iterator[Block]:
    """Lower what other stems left in this one while its own instrument is silent.

    The key is the stem's share of its song's mixture, in bands: below `threshold_db` the band is
    turned down by 2 dB for each dB, at most by `max_cut_db`. So a ghost note or a breath in a
    quiet passage stays, however soft, because there is little else; a gate keyed by level would
    take it. A cut goes `look_ahead_ms` before the stem comes back, within `attack_ms`, and comes
    within `release_ms`. Put it before stages that change the level, behind `debleed`.

    Reports how far the gaps were lowered, the mean cut and that of each band, and what it cost.
    """
    from stemfx.dsp.gaps import Expansion, GapExpander

    max_cut_db = params.max_cut_db
    if max_cut_db is None:
        max_cut_db = GENERATED_MAX_CUT_DB if context.is_generated else MAX_CUT_DB
    if not max_cut_db:
        yield from signal.blocks()
        return
    expander = GapExpander(
        signal,
        context.own_song.mixture,
        Expansion(
            threshold_db=params.threshold_db,
            max_cut_db=max_cut_db,
            look_ahead_ms=params.look_ahead_ms,
            attack_ms=params.attack_ms,
            release_ms=params.release_ms,
        ),
    )

    def mends(wet: float) -> dict[str, float]:
        return {
            "gap_cut_db": round(expander.gaps.cut_db(wet), 2),
            "mean_cut_db": round(expander.stem.cut_db(wet), 2),
            **expander.stem.band_cuts_db(signal.sample_rate, wet),
        }

    make = Rehearsed(expander, signal)
    harm = measured(signal, make())
    if not expander.stem.cut_db():
        context.report(gap_cut_db=0.0, mean_cut_db=0.0)
        yield from signal.blocks()
        return
    if params.max_cut_db is None and context.is_generated:
        context.find(
            "info",
            "gentler_on_generated",
            f"the song is AI-generated, so gaps are lowered by {GENERATED_MAX_CUT_DB:g} dB at most "
            f"instead of {MAX_CUT_DB:g}: what sounds like bleed there is part of the stems' own "
            f"presence. To lower them more write - gap_expander: {{max_cut_db: {MAX_CUT_DB:g}}}",
            instead("gap_expander", params, max_cut_db=MAX_CUT_DB),
        )
    if harm.costs(1.0).change_db > _MOSTLY_DB - max_cut_db:
        lower_db = max(-60.0, params.threshold_db - 12)
        context.find(
            "warn",
            "gap_expander_mostly_closed",
            f"most of this track is below {params.threshold_db:g} dB of the mixture, not only its "
            "gaps. If that is how softly it plays, lower the threshold: "
            f"- gap_expander: {{threshold_db: {lower_db:g}}}",
            instead("gap_expander", params, threshold_db=lower_db),
        )
    limits = Limits(
        band_loss_db=max_cut_db,
        attack_loss_db=max_cut_db,
        mono_loss_db=_MONO_LOSS_DB,
        change_db=_MOST_CHANGE_DB,
    )
    yield from repaired(signal, make, context, limits, mends, harm=harm)
