"""`debleed`: less of the other stems in a stem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Limits
from stemfx.stage import Analysis, Song, StageContext, StageParams, StemRef, knob, stage
from stemfx.stages._repair import measured, repaired

MAX_CUT_DB = 6.0
GENERATED_MAX_CUT_DB = 4.0

_SUMS_DB = -40.0  # stems that lack less than this of their mixture add up to it
_BETTER_DB = 1.0
_LOUD_DB = -25.0  # bleed that is still heard when the stem is alone
_MONO_LOSS_DB = 1.0  # bleed in the middle of a wide stem may go
_HIGHEST_CUT_DB = 12.0


class DebleedParams(StageParams):
    """Parameters of `debleed`."""

    against: list[StemRef] = knob([], help="the stems that bleed into this one; [] is all others")
    mode: Literal["auto", "eq"] = knob("auto", help="eq turns bleed down; auto takes what fits")
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


def _find(song: Song, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Find the leaks between all stems as they are and, if it helps, as the mixture makes them."""
    from stemfx.dsp import leaks
    from stemfx.dsp.consistency import Consistent, missing_and_weights

    names, stems = list(song.stems), list(song.stems.values())
    if len(names) < 2:
        return {"as_they_are": None}

    def find(of: list[Signal]) -> leaks.Leaks:
        return leaks.find_leaks(
            of,
            n_bands=settings["bands"],
            dominance_db=settings["dominance_db"],
            quantile=settings["quantile"],
            coherence_min=settings["coherence_min"],
        )

    raw = find(stems)
    found: dict[str, Any] = {"as_they_are": leaks.to_json(raw, names)}
    if settings["consistency"] == "off" or not raw.ratios.any():
        return found
    lacking_db, weights = missing_and_weights(stems, song.mixture)
    if lacking_db > _SUMS_DB:
        filled = find(
            [
                Consistent(stem, stems, song.mixture, weight)
                for stem, weight in zip(stems, weights, strict=True)
            ]
        )
        if filled.total_db < raw.total_db - _BETTER_DB:
            found["consistent"] = leaks.to_json(filled, names)
            found["weights"] = dict(zip(names, weights, strict=True))
            found["lacking_db"] = round(lacking_db, 1)
    return found


@stage(
    DebleedParams,
    is_symmetric=False,  # only if the sides of all stems are swapped
    hears_song=True,
    heeds_origin=True,
    analysis=Analysis(
        _find, settings=("bands", "dominance_db", "quantile", "coherence_min", "consistency")
    ),
)
def debleed(signal: Signal, params: DebleedParams, context: StageContext) -> Iterator[Block]:
    """Turn down what leaked into this stem from the others: a dynamic EQ that knows them.

    How much of each other stem lies in this one is found out once for the whole song, from the
    moments when this stem is quiet: only what is significant in statistics and coherent with the
    other stem counts, so stems that were played by themselves come back bit for bit. In every
    bin and frame the cut is Wiener's gain for that bleed, at most `max_cut_db`: it goes within
    `attack_ms` when the stem itself plays, and comes within `release_ms`. The cuts are computed
    from the stem as separation left it and applied to the signal, so put this stage first, or
    after stages that keep the time.

    On the stems of a separator it stays gentle: their errors are not leaks. What is left in the
    pauses there is a matter for `gap_expander`.

    Reports the level of the bleed before and after (estimated, relative to the stem), in all and
    from each other stem; the mean cut, and that of each band; what it cost.
    """
    max_cut_db = params.max_cut_db
    if max_cut_db is None:
        max_cut_db = GENERATED_MAX_CUT_DB if context.is_generated else MAX_CUT_DB
    if not max_cut_db:
        yield from signal.blocks()
        return
    heard = _hear(signal, context)
    if not heard.ratios:
        context.report(mean_cut_db=0.0)
        context.find("info", "no_bleed", "no other stem leaks into this one: it is left as it is")
        yield from signal.blocks()
        return
    if params.max_cut_db is None and context.is_generated:
        context.find(
            "info",
            "gentler_on_generated",
            f"the song is AI-generated, so at most {GENERATED_MAX_CUT_DB:g} dB are cut instead of "
            f"{MAX_CUT_DB:g}: what sounds like bleed there is part of the stems' own presence. "
            f"To cut more write - debleed: {{max_cut_db: {MAX_CUT_DB:g}}}",
        )
    yield from _eased(heard, params, max_cut_db, context)


@dataclass(frozen=True)
class _Heard:
    """What the equaliser hears: `others` leak into `stem` in these `ratios`."""

    signal: Signal
    stem: Signal
    others: Mapping[str, Signal]
    ratios: Mapping[str, Any]


def _hear(signal: Signal, context: StageContext) -> _Heard:
    """Choose between the stems as they are and those that add up to the mixture."""
    from stemfx.dsp import leaks
    from stemfx.dsp.consistency import Consistent

    song = context.own_song
    found, weights = song.analysis["as_they_are"], song.analysis.get("weights")
    stems = dict(song.stems)
    if weights and weights.keys() == stems.keys():
        found = song.analysis["consistent"]
        raw = list(stems.values())
        stems = {
            name: Consistent(stem, raw, song.mixture, weights[name])
            for name, stem in song.stems.items()
        }
        signal = Consistent(signal, raw, song.mixture, weights[song.own])
        context.report(lacking_db=song.analysis["lacking_db"])
        context.find(
            "info",
            "made_consistent",
            "the stems do not add up to the mixture (the difference is at "
            f"{song.analysis['lacking_db']:.0f} dB) and hold less of each other when they do: "
            "each was first given its share of the difference",
        )
    ratios = leaks.ratios_in(found, song.own) if found else {}
    others = {name: stems[name] for name in ratios if name in stems}
    return _Heard(signal, stems[song.own], others, {name: ratios[name] for name in others})


def _eased(
    heard: _Heard, params: DebleedParams, max_cut_db: float, context: StageContext
) -> Iterator[Block]:
    """Turn the bleed down, as far as that does no harm, and tell."""
    from stemfx.dsp.bands import erb_bands
    from stemfx.dsp.bleed import Bleed, BleedEq, Easing

    rate = heard.signal.sample_rate
    bleed = Bleed(heard.stem, heard.others, heard.ratios, erb_bands(params.bands, rate))
    easing = Easing(max_cut_db, params.attack_ms, params.release_ms)
    equaliser = BleedEq(bleed, easing)

    def make() -> Iterator[Block]:
        return equaliser(heard.signal)

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
        context.find(
            "info",
            "bleed_remains",
            f"bleed at {bleed_db:.0f} dB under the stem comes down to {left_db:.0f} dB at most "
            f"with max_cut_db: {max_cut_db:g}; to cut more write "
            f"- debleed: {{max_cut_db: {min(_HIGHEST_CUT_DB, max_cut_db + 4):g}}}",
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
