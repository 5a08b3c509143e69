"""Who gives what in a mashup of several takes, and whose tempo and key all follow.

Every way to fill the parts is given points: how its stems rank, less what stretching and
transposing them costs, less what is lost where parts of different takes play other chords. The
order in which the takes are given decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

from stemfx.alignment.mashability import harmony_fit
from stemfx.alignment.moves import cost, is_allowed, key_words, move_to, tempo_words
from stemfx.alignment.offers import PARTS, Asked, Move, Part, Proposal, Take
from stemfx.alignment.reasons import findings_of, levels, why
from stemfx.dsp.transpose import key_text, parse_key
from stemfx.errors import AlignmentError
from stemfx.music_reading import MusicReading

MAX_TAKES = 26
MAX_STRETCH_PERCENT, MAX_SEMITONES = 25.0, 5.0

_VARIETY = 3.0  # points for every take but the first: a mashup is meant to have several
_APART = {("bass", "harmony"): 12.0, ("vocals", "harmony"): 12.0, ("vocals", "bass"): 4.0}
"""Points lost where two parts are of different takes whose chords have nothing in common."""
_UNKNOWN_FIT, _FULL_FIT = 0.5, 0.8  # of chords: where it cannot be told; where nothing is lost
_WEIGHED = 4  # takes of each part, the best alone, whose combinations are weighed

Fits = Callable[[str, str, int], float]


@dataclass(frozen=True)
class _Target:
    """A tempo and a key that all could follow, by the takes that have them (if any)."""

    tempo: str | float
    bpm: float
    key: str
    key_name: str
    tuning_cents: float


@dataclass(frozen=True)
class _Way:
    """One way to fill the parts."""

    points: float
    target: _Target
    givers: Mapping[str, str]


def propose(takes: Mapping[str, Take], asked: Asked = Asked()) -> Proposal:  # noqa: B008 - frozen
    """Return the mashup that keeps most of what is good in the takes.

    Args:
        takes: two at least, by name; each has a beat.
        asked: what is decided already.

    Raises:
        AlignmentError: they cannot be brought together; the sentence says what to do.
    """
    _check(takes, asked)
    by_label = dict(sorted(takes.items(), key=lambda one: (one[1].label, one[0])))
    fits = _fits(by_label)
    ways = [way for target in _targets(by_label, asked) for way in _ways(by_label, target, asked)]
    if not ways:
        raise AlignmentError(_too_far_apart(by_label, asked))
    ways.sort(key=lambda way: -round(way.points, 6))
    best, most = ways[0], -math.inf
    for way in ways:  # the chords only take points away
        if way.points <= most:
            break
        points = round(way.points + _together(by_label, way, fits), 6)
        if points > most:
            best, most = way, points
    target = best.target
    moves = {
        name: move_to(take, target.bpm, target.key_name, target.tuning_cents)
        for name, take in takes.items()
    }
    balance_of, gains = levels(by_label, best.givers)
    parts = tuple(
        Part(
            part,
            giver,
            gains[part],
            why(part, giver, by_label, moves, is_asked=part in asked.givers),
        )
        for part, giver in best.givers.items()
    )
    return Proposal(
        target.tempo,
        target.bpm,
        target.key,
        target.key_name,
        parts,
        moves,
        balance_of,
        _reason(asked.tempo, target.tempo, best.givers, "stretched"),
        _reason(asked.key, target.key, best.givers, "transposed"),
        findings_of(by_label, best.givers, moves),
    )


# --- what is asked -----------------------------------------------------------------------


def _check(takes: Mapping[str, Take], asked: Asked) -> None:
    if len(takes) < 2:
        raise AlignmentError(f"a mashup is made of at least two songs, and {len(takes)} is given")
    if len(takes) > MAX_TAKES:
        raise AlignmentError(
            f"{len(takes)} songs are given; a mashup takes at most {MAX_TAKES}: `stemfx rank` says "
            "which are worth keeping"
        )
    for take in takes.values():
        if take.reading.bpm <= 0:
            raise AlignmentError(
                f"no beat was found in {take.label!r}, so nothing of it can follow a tempo; leave "
                "it out, or write the recipe yourself and say its tempo there: "
                f"`{take.name}: {{file: ..., bpm: 120, downbeat_s: 0.5}}`"
            )
    for part, giver in asked.givers.items():
        if part not in takes[giver].offers:
            raise AlignmentError(f"{takes[giver].label!r} has no {part} to give: that is silent")
    if isinstance(asked.key, str) and asked.key in takes and not takes[asked.key].reading.key:
        raise AlignmentError(f"no key was found in {takes[asked.key].label!r}; name another one")


def _targets(takes: Mapping[str, Take], asked: Asked) -> Iterator[_Target]:
    """Yield every tempo and key that could be followed."""
    tempi: list[tuple[str | float, float]] = [(n, t.reading.bpm) for n, t in takes.items()]
    if isinstance(asked.tempo, float):
        tempi = [(asked.tempo, asked.tempo)]
    elif asked.tempo != "auto":
        tempi = [(asked.tempo, takes[asked.tempo].reading.bpm)]
    readings = {name: t.reading for name, t in takes.items() if t.reading.key}
    keys = [(name, r.key, r.tuning_cents) for name, r in readings.items()] or [("", "", 0.0)]
    if asked.key in takes:
        keys = [one for one in keys if one[0] == asked.key]
    elif asked.key != "auto":
        name = key_text(*parse_key(asked.key))
        surest = max(readings.values(), key=lambda r: r.key_confidence, default=None)
        keys = [(name, name, surest.tuning_cents if surest else 0.0)]
    once = {round(bpm, 1): (tempo, bpm) for tempo, bpm in reversed(tempi)}
    alike = {(name, round(cents / 10)): (take, name, cents) for take, name, cents in reversed(keys)}
    for (tempo, bpm), key in product(reversed(once.values()), reversed(alike.values())):
        yield _Target(tempo, bpm, *key)


# --- ways to fill the parts --------------------------------------------------------------


def _ways(takes: Mapping[str, Take], target: _Target, asked: Asked) -> Iterator[_Way]:
    """Yield the ways to fill the parts with two takes at least, if the songs' own parts allow."""
    moves = {
        name: move_to(take, target.bpm, target.key_name, target.tuning_cents)
        for name, take in takes.items()
    }
    columns: list[list[tuple[str, str, float]]] = []
    for part in PARTS:
        column = _column(part, takes, moves, asked)
        if column:
            columns.append(column)
        elif any(part in take.offers for take in takes.values()):
            return  # there is one, and nobody may give it
    is_free = any(part not in asked.givers for part in PARTS)
    for row in product(*columns):
        givers = {part: giver for part, giver, _ in row}
        n_givers = len(set(givers.values()))
        if n_givers < 2 and is_free:
            continue
        points = sum(points for *_, points in row) + _VARIETY * (n_givers - 1)
        if givers:
            yield _Way(points - _led_by_a_stranger(target, givers, asked), target, givers)


def _column(
    part: str, takes: Mapping[str, Take], moves: Mapping[str, Move], asked: Asked
) -> list[tuple[str, str, float]]:
    """Return the takes that may give a part, with their points for it."""
    able = [
        (part, name, take.offers[part].score - cost(part, moves[name]))
        for name, take in takes.items()
        if part in take.offers
        and asked.givers.get(part, name) == name
        and is_allowed(part, moves[name], MAX_STRETCH_PERCENT, MAX_SEMITONES)
    ]
    return sorted(able, key=lambda one: -round(one[2], 6))[:_WEIGHED]


def _led_by_a_stranger(target: _Target, givers: Mapping[str, str], asked: Asked) -> float:
    """Return points against a way that follows a take of which nothing is heard."""
    led = [one for one, told in ((target.tempo, asked.tempo), (target.key, asked.key)) if one]
    strange = {one for one in led if isinstance(one, str) and one not in givers.values()}
    return 1.0 * len(strange - {asked.tempo, asked.key})


def _fits(takes: Mapping[str, Take]) -> Fits:
    """Return what tells, of two takes and a transposition of the second, how chords agree."""

    @cache
    def fit(first: str, other: str, semitones: int) -> float:
        found = harmony_fit(takes[first].reading, takes[other].reading, semitones)
        return _UNKNOWN_FIT if found is None else found

    return fit


def _together(takes: Mapping[str, Take], way: _Way, fits: Fits) -> float:
    """Return the points, 0 or less, that parts of different takes lose beside each other."""
    lost = 0.0
    for pair, points in _APART.items():
        first, other = (way.givers.get(part) for part in pair)
        if first and other and first != other:
            steps = _apart(takes[first].reading, takes[other].reading)
            lost += points * max(0.0, 1 - max(0.0, fits(first, other, steps)) / _FULL_FIT)
    return -lost


def _apart(first: MusicReading, other: MusicReading) -> int:
    """Return the semitones that the alignment puts between two songs: both take one key."""
    from stemfx.alignment.keys import transposition

    if not first.key or not other.key:
        return 0
    return transposition(other.key, 0.0, first.key, 0.0)[0]


# --- words -------------------------------------------------------------------------------


def _reason(asked: str | float, followed: str | float, givers: Mapping[str, str], what: str) -> str:
    if followed == "":
        return "no key was found"
    if asked != "auto":
        return "as asked"
    own = [part for part, giver in givers.items() if giver == followed]
    if not own:
        return f"between the others, so that least is {what}"
    return f"least is {what}, weighed by what suffers most; {' and '.join(own)} stay as they are"


def _too_far_apart(takes: Mapping[str, Take], asked: Asked) -> str:
    """Say how far apart the nearest two takes are, and what would be needed."""
    told = []
    for target in _targets(takes, asked):
        for one, other in combinations(takes.values(), 2):
            for follower in (one, other):
                move = move_to(follower, target.bpm, target.key_name, target.tuning_cents)
                worst = max(
                    abs(move.stretch_percent) / MAX_STRETCH_PERCENT,
                    abs(move.steps) / (MAX_SEMITONES + 0.5),
                )
                if worst > 1:
                    words = tempo_words(follower, move, target.bpm)
                    pitch = key_words(follower, move, target.key_name)
                    told.append((worst, follower.label, f"{follower.label!r}: {words}; {pitch}"))
    nearest = min(told)[2].rstrip("; ") if told else "nothing can be stretched"
    return (
        f"these songs are too far apart for a mashup (at most {MAX_STRETCH_PERCENT:g} % of stretch "
        f"and {MAX_SEMITONES:g} semitones); the nearest would need {nearest}. Choose takes of more "
        "similar tempo, name a tempo between them (--tempo BPM), or write the recipe yourself with "
        "`align: {max_stretch_percent: ...}`"
    )
