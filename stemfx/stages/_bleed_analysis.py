"""What `debleed` finds out about a song once, and what each of its tracks makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Signal
from stemfx.fixes import to_the_front
from stemfx.stage import Song, StageContext, StageParams

if TYPE_CHECKING:
    from stemfx.dsp.unmixing import Mixing

SETTINGS = ("mode", "bands", "dominance_db", "quantile", "coherence_min", "consistency")

_SUMS_DB = -40.0  # stems that lack less than this of their mixture add up to it
_BETTER_DB = 1.0


def find_bleed(song: Song, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Find how the stems leak into each other.

    `mixing` is there unless only the equaliser is asked for; `leaks` and `mask_likeness` when the
    equaliser will work: on the stems as they are, as the mixture completes them (`weights`), or
    unmixed.
    """
    from stemfx.dsp import leaks
    from stemfx.dsp.consistency import Consistent, missing_and_weights
    from stemfx.dsp.unmixed import Unmixed
    from stemfx.dsp.unmixing import estimate

    names, stems = list(song.stems), list(song.stems.values())
    mode, found = settings["mode"], dict[str, Any]()
    if len(names) < 2:
        return found

    def find(of: list[Signal]) -> leaks.Leaks:
        return leaks.find_leaks(
            of,
            n_bands=settings["bands"],
            dominance_db=settings["dominance_db"],
            quantile=settings["quantile"],
            coherence_min=settings["coherence_min"],
        )

    is_leak = False
    if mode != "eq":
        mixing = estimate(stems)
        is_leak = mixing.regime in ("linear", "convolutive")
        found["mixing"] = mixing.to_json()
        if is_leak:
            raw, stems = stems, []
            stems += [Unmixed(j, raw, mixing) for j in range(len(raw))]
    if mode == "cancel" or (mode == "auto" and is_leak):
        return found
    heard = find(stems)
    if settings["consistency"] == "auto" and heard.ratios.any() and not is_leak:
        lacking_db, weights = missing_and_weights(stems, song.mixture)
        if lacking_db > _SUMS_DB:
            shared = zip(stems, weights, strict=True)
            completed = find([Consistent(s, stems, song.mixture, w) for s, w in shared])
            if completed.total_db < heard.total_db - _BETTER_DB:
                heard = completed
                found |= {
                    "weights": dict(zip(names, weights, strict=True)),
                    "lacking_db": round(lacking_db, 1),
                }
    return found | leaks.to_json(heard, names)


@dataclass(frozen=True)
class Heard:
    """What a track knows: its signal, its stem and the others, each as the analysis made them.

    Args:
        signal: what the stage works on; its difference from `raw` is what that took away.
        stem: the stem that `others` leak into.
        others: by name, those with a leak for the equaliser.
        ratios: their power ratios a band.
        raw: the signal as it came.
        mixing: how the stems leak into each other, if that was asked and can be undone.
        own: the place of the stem in it.
        names: of all stems, in its order.
        taken: those whose leak is taken out of this one.
        is_changed: an earlier stage changed the stem, so its leak cannot be taken out.
    """

    signal: Signal
    stem: Signal
    others: Mapping[str, Signal]
    ratios: Mapping[str, Any]
    raw: Signal
    mixing: Mixing | None
    own: int
    names: tuple[str, ...]
    taken: tuple[int, ...] = ()
    is_changed: bool = False


def hear(signal: Signal, params: StageParams, context: StageContext) -> Heard:
    """Return what one track is to work with; tell what was done to its song before."""
    from stemfx.dsp import leaks
    from stemfx.dsp.consistency import Consistent
    from stemfx.dsp.unmixed import Unmixed
    from stemfx.dsp.unmixing import Mixing

    song, found = context.own_song, context.own_song.analysis
    names, raw = list(song.stems), list(song.stems.values())
    own, stems, came = names.index(song.own), dict(song.stems), signal
    mixing = Mixing.from_json(found["mixing"]) if "mixing" in found else None
    leaks_in = () if mixing is None else mixing.leaks_into(own)
    taken = tuple(k for k in leaks_in if names[k] in song.others)
    is_changed = bool(taken) and not is_same(signal, raw[own])
    if is_changed:
        context.find(
            "warn",
            "not_the_stem",
            "an earlier stage changed this stem, so what leaked into it cannot be taken out and "
            "it is left as it is; move debleed to the front of the track's stages, or turn the "
            "bleed down with - debleed: {mode: eq}",
            to_the_front("debleed", params),
        )
        mixing, taken = None, ()
    elif mixing is not None and mixing.regime in ("linear", "convolutive"):
        # The others stay as they came: their power is the same to a percent, and free.
        stems[song.own] = Unmixed(own, raw, mixing)
        signal = Unmixed(own, raw, mixing, taken) if taken else signal
    elif weights := found.get("weights"):
        stems = {
            name: Consistent(stem, raw, song.mixture, weights[name])
            for name, stem in song.stems.items()
        }
        signal = Consistent(signal, raw, song.mixture, weights[song.own])
        context.report(lacking_db=found["lacking_db"])
        context.find(
            "info",
            "made_consistent",
            "the stems do not add up to the mixture (the difference is at "
            f"{found['lacking_db']:.0f} dB) and hold less of each other when they do: each was "
            "first given its share of the difference",
        )
    is_eased = "leak_power_ratios" in found and not is_changed
    ratios = leaks.ratios_in(found, song.own) if is_eased else {}
    ratios = {name: ratio for name, ratio in ratios.items() if name in song.others}
    others = {name: stems[name] for name in ratios}
    return Heard(
        signal, stems[song.own], others, ratios, came, mixing, own, tuple(names), taken, is_changed
    )


def is_same(signal: Signal, stem: Signal) -> bool:
    """Whether two signals are equal, bit for bit."""
    return signal.n_samples == stem.n_samples and all(
        np.array_equal(block, stem.read(i * BLOCK_SAMPLES, (i + 1) * BLOCK_SAMPLES))
        for i, block in enumerate(signal.blocks(BLOCK_SAMPLES))
    )
