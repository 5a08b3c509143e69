"""Why a take gives a part, at which level, and what the producer should know of a proposal."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stemfx.alignment.fixes import other_bpm
from stemfx.alignment.limits import (
    HEARD_PERCENT,
    OTHERS_SEMITONES,
    UNSURE_BEAT,
    VOCALS_SEMITONES,
)
from stemfx.alignment.moves import cost
from stemfx.alignment.offers import PARTS, Move, Take
from stemfx.stage import Finding

_MOST_GAIN_DB = 12.0
_AUDIBLE_STEPS = {
    "vocals": VOCALS_SEMITONES,
    "bass": OTHERS_SEMITONES,
    "harmony": OTHERS_SEMITONES,
}
_SHORT_S = 20.0
_SAME_POINTS = 0.05  # ranks are told in points


def why(
    part: str, giver: str, takes: Mapping[str, Take], moves: Mapping[str, Move], *, is_asked: bool
) -> tuple[str, ...]:
    """Say why this take gives the part, and what is against its stem."""
    offer = takes[giver].offers[part]
    scores = {name: t.offers[part].score for name, t in takes.items() if part in t.offers}
    best = max(scores, key=lambda name: round(scores[name], 1))
    place = 1 + sum(_is_more(score, offer.score) for score in scores.values())
    points = f"{offer.score:.0f} points"
    if is_asked:
        told = f"as asked; ranks {place} of {len(scores)} ({points})"
    elif len(scores) == 1:
        told = f"the only one there is ({points})"
    elif place > 1:
        told = f"ranks {place} of {len(scores)} ({points}); {best}, which ranks first "
        lost, own = cost(part, moves[best]), cost(part, moves[giver])
        told += f"({scores[best]:.0f}), "
        if _is_more(offer.score - own, scores[best] - lost):
            told += "would be stretched or transposed farther"
        else:
            told += "gives other parts"
    elif sum(not _is_more(offer.score, score) for score in scores.values()) > 1:
        told = f"ranks as high as any other ({points})"
    else:
        told = f"ranks first of {len(scores)} ({points})"
    return (told, *offer.reasons)


def _is_more(score: float, other: float) -> bool:
    return score > other + _SAME_POINTS


def levels(takes: Mapping[str, Take], givers: Mapping[str, str]) -> tuple[str, dict[str, float]]:
    """Return the take whose balance is followed, and the gain of each part in dB.

    That is the take that ranks best as a whole. A part gets the level over its song that it has
    there; where that song has none of it, the level that it has in its own song.
    """
    used = [name for name in takes if name in givers.values()]
    model = max(used, key=lambda name: (takes[name].score, sum(g == name for g in givers.values())))
    gains = {}
    for part, giver in givers.items():
        own, there = takes[giver], takes[model]
        loudness, wanted = own.offers[part].lufs, own.lufs
        model_offer = there.offers.get(part)
        if model_offer is not None and model_offer.lufs is not None:
            wanted, loudness = model_offer.lufs, own.offers[part].lufs
        elif wanted is not None and there.lufs is not None:
            wanted, loudness = there.lufs, own.lufs
        gain = 0.0 if wanted is None or loudness is None else wanted - loudness
        gains[part] = round(max(-_MOST_GAIN_DB, min(_MOST_GAIN_DB, gain)), 1) + 0.0
    return model, gains


def findings_of(
    takes: Mapping[str, Take],
    givers: Mapping[str, str],
    moves: Mapping[str, Move],
) -> tuple[Finding, ...]:
    """Tell what the producer should know."""
    found = []
    if best := best_everywhere(takes):
        found.append(
            Finding(
                "info",
                "one_take_is_best",
                f"{takes[best].label!r} ranks best in every part: by these numbers it needs no "
                "other; what you like better in the others is for you to say, such as `--vocals b`",
            )
        )
    if len(set(givers.values())) == 1:
        only = takes[next(iter(givers.values()))].label
        told = f"every part is asked of {only!r}: that is a remix of one song"
        found.append(Finding("warn", "one_take", told))
    if missing := [p for p in PARTS if p not in givers]:
        told = f"none of the songs has {' or '.join(missing)}; the recipe leaves that out"
        found.append(Finding("warn", "missing_part", told))
    unused = sorted(set(takes) - set(givers.values()))
    if unused:
        told = f"nothing of {', '.join(repr(takes[n].label) for n in unused)} is used"
        found.append(Finding("info", "unused", told))
    found += [
        _far(part, takes[giver], moves[giver])
        for part, giver in givers.items()
        if is_audible(part, moves[giver])
    ]
    found += _unsure([takes[name] for name in takes if name in givers.values()])
    return tuple(found)


def best_everywhere(takes: Mapping[str, Take]) -> str:
    """Return the take that ranks best in every part by itself; empty if there is none."""
    for name, take in takes.items():
        others = [other for other in takes.values() if other is not take]
        if take.offers and all(
            part in take.offers
            and all(
                _is_more(take.offers[part].score, other.offers[part].score)
                for other in others
                if part in other.offers
            )
            for part in {p for t in takes.values() for p in t.offers}
        ):
            return name
    return ""


def is_audible(part: str, move: Move) -> bool:
    """Tell whether a part is moved so far that one may hear it."""
    return abs(move.stretch_percent) > HEARD_PERCENT or abs(move.steps) > _AUDIBLE_STEPS.get(
        part, 12
    )


def _far(part: str, take: Take, move: Move) -> Finding:
    how = [f"{abs(move.stretch_percent):.0f} % of stretch"] * (
        abs(move.stretch_percent) > HEARD_PERCENT
    )
    if part != "drums" and abs(move.steps) > _AUDIBLE_STEPS[part]:
        how.append(f"{abs(move.steps)} semitones")
    told = f"{' and '.join(how)} of the {part} of {take.label!r} may be heard"
    return Finding("warn", "moved_far", f"{told} (it costs {cost(part, move):.0f} points of 100)")


def _unsure(used: Collection[Take]) -> list[Finding]:
    found = []
    for take in used:
        if take.reading.duration_s < _SHORT_S:
            told = f"{take.label!r} is {take.reading.duration_s:.0f} s long: little to mash up"
            found.append(Finding("warn", "short", told))
        if take.reading.bpm_confidence < UNSURE_BEAT:
            found.append(
                Finding(
                    "warn",
                    "unsure_beat",
                    f"the beat of {take.label!r} ({take.reading.bpm:.4g} BPM) is unsure; if it is "
                    f"wrong, say so in the recipe: `{take.name}: {{file: ..., bpm: ...}}`",
                    other_bpm(take.name, take.reading),
                )
            )
    return found
