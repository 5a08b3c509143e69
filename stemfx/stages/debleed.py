"""`debleed`: less of the other stems in a stem."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Literal

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Limits
from stemfx.fixes import instead
from stemfx.stage import Analysis, StageContext, StageParams, StemRef, knob, stage
from stemfx.stages._bleed_analysis import SETTINGS, Heard, find_bleed, hear
from stemfx.stages._repair import Rehearsed, measured, repaired

MAX_CUT_DB = 6.0
GENERATED_MAX_CUT_DB = 4.0

_LOUD_DB = -25.0  # bleed that is still heard when the stem is alone
_MONO_LOSS_DB = 1.0  # bleed in the middle of a wide stem may go
_HIGHEST_CUT_DB = 12.0


class DebleedParams(StageParams):
    """Parameters of `debleed`."""

    against: list[StemRef] = knob([], help="the stems that bleed into this one; [] is all others")
    mode: Literal["auto", "eq", "cancel", "cancel_eq"] = knob(
        "auto", help="eq turns bleed down, cancel takes a leak out entirely; auto does what fits"
    )
    max_cut_db: float | None = knob(
        None,
        low=0,
        high=12,
        unit="dB",
        neutral=0.0,
        help="nothing loses more; 6, on AI-generated songs 4",
    )
    dominance_db: float = knob(
        6.0, low=0, high=40, unit="dB", help="another stem dominates when this much louder"
    )
    quantile: float = knob(
        0.1, low=0.01, high=0.5, help="of the frames it dominates: the quiet ones bound its leak"
    )
    coherence_min: float = knob(
        0.25, low=0, high=0.8, help="less than this of a stem explained by the others is no leak"
    )
    attack_ms: float = knob(15.0, low=0, high=200, unit="ms", help="how fast a cut goes")
    release_ms: float = knob(120.0, low=0, high=2000, unit="ms", help="how fast a cut comes")
    bands: int = knob(40, low=10, high=120, help="how finely a leak's filter is told")
    consistency: Literal["auto", "off"] = knob(
        "auto", help="auto first gives the stems what they lack of the mixture, if that helps"
    )
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


@stage(
    DebleedParams,
    is_symmetric=False,  # only if the sides of all stems are swapped
    hears_song=True,
    heeds_origin=True,
    analysis=Analysis(find_bleed, SETTINGS),
)
def debleed(signal: Signal, params: DebleedParams, context: StageContext) -> Iterator[Block]:
    """Take out, or turn down, what leaked into this stem from the others.

    What leaked by a gain or through a room (`cancel`) is found by independence: stems that were
    played by themselves have nothing in common, so whatever ties them together is the leak. It is
    subtracted, so nothing of the stem is lost and there is no artefact; every gain and filter is
    significant or exactly zero. Between the stems of a separator there is no such leak, and
    unmixing them would do harm: then, and with `mode: eq`, the bleed is turned down by a dynamic EQ
    that knows the other stems. `auto` hears which of the two it is and leaves clean stems bit for
    bit; `cancel_eq` does both, which behind a room is worth 2 dB more and takes twice the time.
    `max_cut_db` bounds the EQ.

    For the EQ, how much of each other stem lies in this one is found out once for the whole song,
    from the moments when this stem is quiet: only what is significant in statistics and coherent
    with the other stem counts, so stems that were played by themselves come back bit for bit. In
    every bin and frame the cut is Wiener's gain for that bleed, at most `max_cut_db`: it goes
    within `attack_ms` when the stem itself plays, and comes within `release_ms`.

    All is computed from the stems as separation left them, so put this stage first; the EQ also
    works after stages that keep the time.

    On the stems of a separator it stays gentle: their errors are not leaks. What is left in the
    pauses there is a matter for `gap_expander`.

    Reports the leaks that were taken out, in dB of the stem they come from, and how much the stems
    still have in common (0 to 1); for the EQ the bleed before and after (estimated, relative to
    the stem), in all and from each other stem; the mean cut, that of each band, and what it cost.
    """
    max_cut_db = params.max_cut_db
    if max_cut_db is None:
        max_cut_db = GENERATED_MAX_CUT_DB if context.is_generated else MAX_CUT_DB
    if not max_cut_db:
        yield from signal.blocks()
        return
    heard = hear(signal, params, context)
    if heard.taken:
        _tell_leaks(heard, context)
    if heard.ratios:
        _tell_gentleness(params, context)
        yield from _eased(heard, params, max_cut_db, context)
    elif heard.taken:
        yield from _unmixed(heard, context)
    else:
        context.report(mean_cut_db=0.0)
        if not heard.is_changed:  # that was told
            _tell_nothing(heard, params, context)
        yield from signal.blocks()


def _tell_leaks(heard: Heard, context: StageContext) -> None:
    """Report the leaks that are taken out, and how independent the stems are without them."""
    assert heard.mixing is not None  # noqa: S101 - asked by the caller
    leaks_db = heard.mixing.leak_db[heard.own]
    before, after = heard.mixing.dependence
    context.report(
        regime=heard.mixing.regime,
        **{f"{heard.names[k]}_leak_db": round(leaks_db[k], 1) for k in heard.taken},
        dependence_before=round(before, 3),
        dependence_after=round(after, 3),
    )


def _tell_gentleness(params: DebleedParams, context: StageContext) -> None:
    if params.max_cut_db is None and context.is_generated:
        context.find(
            "info",
            "gentler_on_generated",
            f"the song is AI-generated, so at most {GENERATED_MAX_CUT_DB:g} dB are cut instead of "
            f"{MAX_CUT_DB:g}: what sounds like bleed there is part of the stems' own presence. "
            f"To cut more write - debleed: {{max_cut_db: {MAX_CUT_DB:g}}}",
            instead("debleed", params, max_cut_db=MAX_CUT_DB),
        )


def _tell_nothing(heard: Heard, params: DebleedParams, context: StageContext) -> None:
    if heard.mixing is not None and heard.mixing.regime == "mask":
        message = (
            "what ties this song's stems together is no leak but a separator's masks: taking it "
            "out would cost more than it mends, so the stem is left as it is"
        )
        fix = None
        if params.mode == "cancel":
            message += "; to turn bleed down write - debleed: {mode: eq}"
            fix = instead("debleed", params, mode="eq")
        context.find("info", "masks_not_leaks", message, fix)
    else:
        who = f"none of {', '.join(params.against)}" if params.against else "no other stem"
        context.find("info", "no_bleed", f"{who} leaks into this one: it is left as it is")


def _unmixed(heard: Heard, context: StageContext) -> Iterator[Block]:
    """Take the leak out, as far as that does no harm, and tell."""
    make = Rehearsed(heard.signal.blocks, heard.raw)
    harm = measured(heard.raw, make())

    def mends(wet: float) -> dict[str, float]:
        return {"mean_cut_db": harm.cut_db(wet), **harm.band_cuts_db(wet)}

    limits = Limits(
        # Bands and hits that are nothing but bleed may vanish; nothing may appear.
        band_loss_db=inf,
        attack_loss_db=inf,
        mono_loss_db=_MONO_LOSS_DB,
    )
    yield from repaired(heard.raw, make, context, limits, mends, harm=harm)


def _eased(
    heard: Heard, params: DebleedParams, max_cut_db: float, context: StageContext
) -> Iterator[Block]:
    """Turn the bleed down, as far as that does no harm, and tell."""
    from stemfx.dsp.bands import erb_bands
    from stemfx.dsp.bleed import Bleed, BleedEq, Easing

    rate = heard.signal.sample_rate
    bleed = Bleed(heard.stem, heard.others, heard.ratios, erb_bands(params.bands, rate))
    easing = Easing(max_cut_db, params.attack_ms, params.release_ms)
    equaliser = BleedEq(bleed, easing)

    make = Rehearsed(lambda: equaliser(heard.signal), heard.signal)

    def mends(wet: float) -> dict[str, float]:
        return {
            "bleed_before_db": round(equaliser.bleed_db(0.0), 1),
            "bleed_after_db": round(equaliser.bleed_db(wet), 1),
            "mean_cut_db": round(equaliser.stem.cut_db(wet), 2),
            **equaliser.stem.band_cuts_db(rate, wet),
        } | {
            f"{name}_bleed_{when}_db": round(equaliser.bleed_db(at, name), 1)
            for name in heard.others
            for when, at in (("before", 0.0), ("after", wet))
        }

    harm = measured(heard.signal, make())
    bleed_db, left_db = equaliser.bleed_db(0.0), equaliser.bleed_db(1.0)
    if max_cut_db < _HIGHEST_CUT_DB and left_db > _LOUD_DB:
        more_db = min(_HIGHEST_CUT_DB, max_cut_db + 4)
        context.find(
            "info",
            "bleed_remains",
            f"bleed at {bleed_db:.0f} dB under the stem comes down to {left_db:.0f} dB at most "
            f"with max_cut_db: {max_cut_db:g}; to cut more write "
            f"- debleed: {{max_cut_db: {more_db:g}}}",
            instead("debleed", params, max_cut_db=more_db),
        )
    # What is taken away must not be louder than the bleed that was found: the rest would be the
    # stem's own. Its bands may lose what they are to lose, and hits of other stems their attack.
    limits = Limits(
        band_loss_db=max_cut_db,
        attack_loss_db=max_cut_db,
        mono_loss_db=_MONO_LOSS_DB,
        change_db=bleed_db,
    )
    yield from repaired(heard.signal, make, context, limits, mends, harm=harm)
