"""`bleed_guard`: parts that another song replaces are not heard twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Limits
from stemfx.fixes import to_the_front
from stemfx.stage import (
    Analysis,
    Measurement,
    Song,
    StageContext,
    StageParams,
    StemRef,
    knob,
    stage,
)
from stemfx.stages._bleed_analysis import find_bleed, is_same
from stemfx.stages._repair import Rehearsed, measured, repaired

if TYPE_CHECKING:
    from stemfx.dsp.foreign_bleed import BleedMap, Cells

_MONO_LOSS_DB = 1.0


class BleedGuardParams(StageParams):
    """Parameters of `bleed_guard`."""

    against: list[StemRef] = knob([], help="the stems that another song replaces; [] is all others")
    depth_db: float = knob(
        12.0, low=0, high=24, unit="dB", neutral=0.0, help="bleed is turned down by no more"
    )
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


def _find(song: Song, _settings: Mapping[str, Any]) -> Mapping[str, Any]:
    return find_bleed(song, {"mode": "cancel"})


@stage(BleedGuardParams, is_symmetric=False, hears_song=True, analysis=Analysis(_find))
def bleed_guard(signal: Signal, params: BleedGuardParams, context: StageContext) -> Iterator[Block]:
    """Duck what this stem still carries of stems that another song replaces.

    For mashups: drums that stayed in a vocal flam with the other song's drums. What leaked by a
    gain or through a room is subtracted, as `debleed` does, which costs nothing of the stem. What
    a separator's masks left is ducked in time and frequency: where the stem of `against` is louder
    than this one and goes with it, by up to `depth_db`; where the own voice is louder it covers
    the bleed, and nothing is done. The cut is there before a hit begins. `debleed` leaves such
    bleed alone, since in its own song it is not heard.

    It hears the stems as separation left them, so put this stage first. Stems that were played by
    themselves come back bit for bit.

    Reports for each part the bleed before and after, in all and on hits, relative to the stem, the
    hits on which it is heard, and what the ducking cost. All of it is estimated from what the
    ducking acts on, so of a separator's stems it is hopeful: about half of the hits that it says
    are gone are.
    """
    from stemfx.dsp.foreign_bleed import bleed_map

    if not params.depth_db or not context.own_song.others:
        yield from signal.blocks()
        return
    song = context.own_song
    names = tuple(song.others)
    beside = {name: other for name, other in song.stems.items() if name != song.own}
    before = bleed_map(song.stems[song.own], beside, names)
    stem = _unmixed(signal, params, context)
    if stem is None:
        yield from _guarded(signal, signal, (before, before), params, context)
    else:
        yield from _guarded(signal, stem, (before, bleed_map(stem, beside, names)), params, context)


def _unmixed(signal: Signal, params: BleedGuardParams, context: StageContext) -> Signal | None:
    """Return the stem without what leaked into it by a gain or through a room, if any did."""
    from stemfx.dsp.unmixed import Unmixed
    from stemfx.dsp.unmixing import Mixing

    song = context.own_song
    names, raw = list(song.stems), list(song.stems.values())
    own = names.index(song.own)
    if "mixing" not in song.analysis:
        return None
    mixing = Mixing.from_json(song.analysis["mixing"])
    taken = tuple(k for k in mixing.leaks_into(own) if names[k] in song.others)
    if mixing.regime not in ("linear", "convolutive") or not taken:
        return None
    if not is_same(signal, raw[own]):
        context.find(
            "warn",
            "not_the_stem",
            "an earlier stage changed this stem, so what leaked into it is ducked and not taken "
            "out; move bleed_guard to the front of the track's stages",
            to_the_front("bleed_guard", params),
        )
        return None
    context.report(**{f"{names[k]}_leak_db": round(mixing.leak_db[own][k], 1) for k in taken})
    return Unmixed(own, raw, mixing, taken)


def _guarded(
    signal: Signal,
    stem: Signal,
    maps: tuple[BleedMap, BleedMap],
    params: BleedGuardParams,
    context: StageContext,
) -> Iterator[Block]:
    """Duck what is left of the bleed, as far as that does no harm, and tell.

    Args:
        signal: what came in.
        stem: that without the leak that was taken out; the same if there was none.
        maps: of the bleed in each.
        params: of the stage.
        context: of the stage.
    """
    from stemfx.dsp.bleed_ducking import ducked

    names, is_unmixed = tuple(maps[0].parts), stem is not signal
    if not (is_unmixed or any(maps[0].parts[name].is_there for name in names)):
        context.report(mean_cut_db=0.0)
        context.find(
            "info",
            "no_bleed",
            f"nothing of {', '.join(names)} is heard in this stem: it is left as it is",
        )
        yield from signal.blocks()
        return
    cuts_db = maps[1].cuts_db(names, params.depth_db)
    if cuts_db.any():
        make = Rehearsed(lambda: ducked(stem, cuts_db, maps[1].bands), signal)
    else:
        make = Rehearsed(stem.blocks, signal)
    # Hits and bands that are nothing but bleed may go down by all of it; nothing may appear. A
    # leak that is subtracted is all leak, so there it does not matter how much that is.
    limits = Limits(
        band_loss_db=inf if is_unmixed else params.depth_db,
        attack_loss_db=inf if is_unmixed else params.depth_db,
        mono_loss_db=_MONO_LOSS_DB,
        change_db=inf if is_unmixed else max(maps[0].bleed_db(name) for name in names),
    )
    mends = _mends(maps, cuts_db, context.own_song)
    harm = measured(signal, make())
    yield from repaired(signal, make, context, limits, mends, harm=harm)


def _mends(
    maps: tuple[BleedMap, BleedMap], cuts_db: Cells, song: Song
) -> Callable[[float], Mapping[str, Measurement]]:
    """Return what tells, for a wet amount, how much less bleed there is."""
    from stemfx.dsp.bleed_hits import heard_hits
    from stemfx.dsp.onsets import find_onsets
    from stemfx.dsp.units import db_to_gain, power_to_db

    before, after = maps
    factors = db_to_gain(-cuts_db)
    names = [name for name, part in before.parts.items() if part.is_there]
    hits_s = {name: find_onsets(song.stems[name]) for name in names}
    was = float(before.own.sum(dtype="float64"))

    def mends(wet: float) -> dict[str, Measurement]:
        gains = 1.0 - wet * (1.0 - factors)
        left = float((after.own * gains**2).sum())
        told: dict[str, Measurement] = {
            "mean_cut_db": round(power_to_db(was) - power_to_db(left), 2)
        }
        for name in names:
            then = heard_hits(before, name, hits_s[name])
            now = heard_hits(after, name, hits_s[name], gains)
            told |= {
                f"{name}_bleed_before_db": round(before.bleed_db(name), 1),
                f"{name}_bleed_after_db": round(after.bleed_db(name, gains), 1),
                f"{name}_at_hits_before_db": round(then.level_db, 1),
                f"{name}_at_hits_after_db": round(now.level_db, 1),
                f"{name}_audible_hits_before": then.n_audible,
                f"{name}_audible_hits_after": now.n_audible,
            }
        return told

    return mends
