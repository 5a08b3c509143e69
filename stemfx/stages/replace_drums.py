"""`replace_drums`: fresh drums in place of weak ones, in time, in phase and as they were played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.hits import DRUM_CLASSES, DrumClass, Hit
from stemfx.kit import Kit
from stemfx.stage import HitParams, KitRef, StageContext, knob, stage

if TYPE_CHECKING:
    from stemfx.drums.overlay import DrumPlan, Stem

_MANY = 8  # hits from which equal velocities are no accident
_CANCELS_DB = -0.1
_STILL_HEARD_DB = -6.0


class ReplaceDrumsParams(HitParams):
    """Parameters of `replace_drums`."""

    kit: KitRef = knob("synth", help="kit that the new drums are from: a name, folder or file")
    classes: list[DrumClass] = knob(["kick", "snare"], help="drums that get a new sound")
    mode: Literal["replace", "layer"] = knob(
        "replace", help="replace: the old hit steps back; layer: it stays as it is"
    )
    blend: float = knob(
        1.0, low=0, high=1, neutral=0.0, help="how much of the new sound; 0 is none, 1 all of it"
    )
    variants: dict[DrumClass, str] = knob({}, help="which of the kit's drums of a class is played")
    dynamics: float = knob(
        1.0, low=0, high=1, help="how far loud and soft follow the old hits; 0 makes all alike"
    )
    gain_db: float = knob(
        0.0, low=-24, high=24, unit="dB", help="the new sound louder or softer than the old hit"
    )
    match_level: bool = knob(
        True, help="each new hit is as loud as the old one; false: as loud as the kit has it"
    )
    tune_st: float | None = knob(
        None,
        low=-12,
        high=12,
        unit="semitones",
        help="the new sound higher or lower; unset, only a layered kick is tuned, where it has to",
    )
    duck_db: float = knob(
        24.0, low=0, high=48, unit="dB", help="how far an old hit steps back in mode replace"
    )
    keep_below: float = knob(
        0.0, low=0, high=1, help="hits of a lower velocity than this stay as they were played"
    )

    @property
    def hears_hits(self) -> bool:
        """Whether it needs to know the hits: not when nothing of the new sound is wanted."""
        return self.blend > 0


@stage(ReplaceDrumsParams, is_symmetric=False)
def replace_drums(
    signal: Signal, params: ReplaceDrumsParams, context: StageContext
) -> Iterator[Block]:
    """Lay a kit's drums over the hits of a drum stem, in place of the old sound or beside it.

    A new hit begins where the old one does: kick, snare and tom are put where they fit the average
    of all hits of the drum best, by 10 ms at most, since a stroke of several drums is heard at the
    first of them. One shift (1 ms at most, 3 ms if it has to be) and polarity for all hits of a
    drum makes the low ends of both add up (kick 40-160 Hz, tom 60-250 Hz, snare 150-400 Hz); a
    layered kick whose pitch stands against that is tuned, by 3 semitones at most, by up to 7 where
    nothing nearer adds up. Each hit takes the loudness of the old one, as the first 200 ms are
    heard (K-weighted), and the recording that the kit has for its velocity, a different take each
    time. A mono sound goes where the old drum is in the stereo image. A drum of a choke group, such
    as an open hat, stops within 5 ms at the group's next hit, which may be an old one.

    In mode `replace` the old hit is turned down by `duck_db` in those bands and as long as most of
    the sound is the hit's, from 3 ms before its attack; a cymbal's wash and other drums stay.
    `blend` goes from the old sound to the new one at the same loudness; in mode `layer` it is the
    level of the new sound, which at 1 is as loud as the old hit.

    Hits that an edited file brings (`hits`) are as loud as their velocity says; those that were
    heard, as they were heard.

    Where the old sound is the new one already (a kit that replaces itself), that is known from
    their waveforms: nothing is ducked, only a difference in level is added, and a finding says so.

    Reports for each drum the number of hits, shift, polarity and tuning, how far the old hits went
    down, the gain of the low end over the power sum of both, and how far the result is from the
    input (`change_db`; -200 is no change).
    """
    from stemfx.drums.aligning import aligned
    from stemfx.drums.overlay import Settings, Stem
    from stemfx.drums.placement import lay_over

    if not params.blend:
        yield from signal.blocks()
        return
    _check_kit(params, context)
    _tell_missing(params, context)
    stem = Stem.hear(signal, aligned(signal, context.hits, params.classes))
    chosen = _chosen(params, stem.hits)
    if not chosen or not stem.powers.any():
        yield from signal.blocks()
        return
    settings = Settings(
        classes=params.classes,
        variants={str(name): variant for name, variant in params.variants.items()},
        is_layer=params.mode == "layer",
        blend=params.blend,
        dynamics=params.dynamics,
        gain_db=params.gain_db,
        duck_db=params.duck_db,
        match_level=params.match_level,
        obeys_velocities=params.hits is not None,
        tune_st=params.tune_st,
        seed=context.seed,
    )
    plans = lay_over(stem, chosen, context.kits["kit"], settings)
    gains = None if settings.is_layer else _gains(stem, plans, params)
    _report(plans, gains, params, context)
    yield from _played(stem, plans, gains, context)


def _chosen(params: ReplaceDrumsParams, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that get a new sound."""
    return [
        hit
        for hit in hits
        if hit.drum_class in params.classes and hit.velocity >= params.keep_below
    ]


def _tell_missing(params: ReplaceDrumsParams, context: StageContext) -> None:
    """Tell which of the wanted drums were not heard."""
    chosen = {hit.drum_class for hit in _chosen(params, context.hits)}
    missing = [name for name in params.classes if name not in chosen]
    if missing:
        counts = Counter(hit.drum_class for hit in context.hits)
        there = ", ".join(f"{counts[c]} {c}" for c in DRUM_CLASSES if counts[c]) or "no drum at all"
        known, fix = (
            ("heard", "edit hits.json and give it as `hits`")
            if params.hits is None
            else ("listed", f"add it to {params.hits}")
        )
        soft = f" at or above velocity {params.keep_below:g}" if params.keep_below else ""
        context.find(
            "info" if chosen else "warn",
            "no_such_hits",
            f"no {' and no '.join(missing)} is {known}{soft}, so nothing was replaced there "
            f"({known}: {there}). If there is one, name the class that it was taken for in "
            f"`classes`, or {fix}",
        )


def _check_kit(params: ReplaceDrumsParams, context: StageContext) -> None:
    """Refuse a kit without the drums that are wanted.

    Raises:
        StageError: the kit has no such drum, or no such variant of it.
    """
    kit = context.kits["kit"]
    for drum_class in params.classes:
        if drum_class not in kit.classes:
            has = [name for name in params.classes if name in kit.classes]
            context.refuse(
                f"kit {params.kit!r} has no {drum_class}; it has {', '.join(kit.classes)}. Name "
                f"another kit, or write classes: [{', '.join(has) or kit.classes[0]}]"
            )
    for drum_class, variant in params.variants.items():
        _check_variant(kit, drum_class, variant, params, context)


def _check_variant(
    kit: Kit, drum_class: str, variant: str, params: ReplaceDrumsParams, context: StageContext
) -> None:
    if drum_class not in params.classes:
        context.refuse(
            f"variants names {drum_class}, which is not one of classes: "
            f"[{', '.join(params.classes)}]"
        )
    known = kit.variants(drum_class)
    if variant not in known:
        has = ", ".join(repr(name) for name in known if name) or "only one"
        context.refuse(f"kit {params.kit!r} has no {drum_class} {variant!r}; it has {has}")


def _gains(
    stem: Stem, plans: Sequence[DrumPlan], params: ReplaceDrumsParams
) -> NDArray[np.float32]:
    """Return the gains of the old sound, `(n_bands, n_frames)`, blend included."""
    from stemfx.dsp.hit_ducking import duck_gains

    gains = duck_gains(
        stem.powers,
        {p.drum_class: (p.frames, p.heard) for p in plans if not p.is_same_sound},
        floor_db=-params.duck_db,
        frame_s=stem.frame_s,
    )
    return np.float32(1) - np.float32(params.blend) * (np.float32(1) - gains)


def _played(
    stem: Stem,
    plans: Sequence[DrumPlan],
    gains: NDArray[np.float32] | None,
    context: StageContext,
) -> Iterator[Block]:
    """Yield the stem with its old hits turned down and the new ones played."""
    from stemfx.drums.playing import Player
    from stemfx.dsp.band_split import change_bands, ramps
    from stemfx.dsp.units import power_to_db

    signal, split = stem.signal, stem.split
    player = Player([stroke for plan in plans for stroke in plan.strokes], signal.sample_rate)
    position, before, change = 0, 0.0, 0.0
    for stretch, low in split.low_passes(signal.blocks(), signal.channels):
        n = stretch.shape[1]
        out = stretch
        if gains is not None:
            curve = ramps(gains, position // split.frame, split.frame, n)
            if curve is not None:
                out = change_bands(stretch, low, curve)
        played = player.play(position, n, signal.channels)
        if played is not None:
            out = out + played
        before += float(np.vdot(stretch, stretch))
        difference = out - stretch
        change += float(np.vdot(difference, difference))
        position += n
        yield np.ascontiguousarray(out)
    if before:
        context.report(change_db=round(power_to_db(change / before), 2))


def _report(
    plans: Sequence[DrumPlan],
    gains: NDArray[np.float32] | None,
    params: ReplaceDrumsParams,
    context: StageContext,
) -> None:
    from stemfx.drums.loudness import DRUM_BANDS
    from stemfx.drums.low_end import ADDS_UP_DB, PLACE_HZ

    for plan in plans:
        name, place = plan.drum_class, plan.placement
        context.report(**{f"{name}_hits": len(plan.hits)})
        if not plan.is_heard:
            context.find(
                "warn",
                "hits_without_sound",
                f"nothing sounds where the {name} is struck, so there is no level to take: is this "
                "the track that the hits belong to?",
            )
            continue
        measured: dict[str, float | str] = {
            f"{name}_shift_ms": round(1000 * place.shift_s, 3) + 0.0,
            f"{name}_polarity": "kept" if place.polarity > 0 else "inverted",
        }
        if plan.tune_st:
            measured[f"{name}_tune_st"] = plan.tune_st
        if name in PLACE_HZ:
            measured[f"{name}_low_end_gain_db"] = round(place.gain_db, 2)
        if plan.is_same_sound:
            context.find(
                "info",
                "same_sound",
                f"the {name} of the track is the kit's {name} already, so it was not ducked: only "
                "what differs in level was added",
            )
        elif gains is not None:
            bands = [band for band in DRUM_BANDS[name].known_by if band < len(gains)]
            depth_db = _depth_db(gains[bands or [-1]], plan.frames)
            measured[f"{name}_duck_db"] = round(depth_db, 1)
            if depth_db > params.blend * max(_STILL_HEARD_DB, -params.duck_db / 2):
                context.find(
                    "warn",
                    "old_hits_remain",
                    f"the old {name} went down by {-depth_db:.1f} dB only: where it is struck, "
                    "other sounds are louder. The new one plays on top of it",
                )
        context.report(**measured)
        if params.mode == "layer" and name == "kick" and place.gain_db < ADDS_UP_DB:
            context.find(
                "warn",
                "low_ends_do_not_add_up",
                f"the low ends of the old and the new {name} hardly add up (+{place.gain_db:.1f} "
                "dB over their power sum): try another kick of the kit by `variants`, or tune it "
                "by `tune_st`",
            )
        velocities = {hit.velocity for hit in plan.hits}
        if len(plan.hits) >= _MANY and len(velocities) == 1:
            context.find(
                "info",
                "equal_velocities",
                f"all {len(plan.hits)} {name} hits have velocity {velocities.pop():g}, so one "
                "recording of the kit plays them all; edit hits.json to bring life into them",
            )


def _depth_db(gains: NDArray[np.float32], frames: NDArray[np.intp]) -> float:
    """Return how far the old hits went down, mean in dB, in the frames of their attacks."""
    n_frames = gains.shape[1]
    where = np.unique(np.minimum(frames[:, np.newaxis] + np.arange(1, 11), n_frames - 1))
    return float(20 * np.log10(np.maximum(gains[:, where], 1e-6)).mean())
