"""Drum hits that can be played by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.windows import Span, read_windows
from stemfx.hits import DRUM_CLASSES, Hit
from stemfx.slicing.alike import distance_db
from stemfx.slicing.edges import faded, zero_crossing
from stemfx.slicing.samples import Dropped
from stemfx.slicing.strokes import LEAD_S, Extent, Stroke, look, low_cut, ratio_db, strokes

PRE_ROLL_S = 0.0005
"""What a one-shot has before its attack: the fade in. Short, so that it plays when it is struck."""

CLEAN_DB = 12.0
"""What else sounds at the start of a clean one-shot is so much softer at least."""

USABLE_DB = 6.0
"""A drum that has no clean one-shot gets its best from here on, and is marked as not clean."""

MAX_NOT_CLEAN = 2
"""So many of them at most."""

ALIKE_DB = 2.5
"""Pictures that differ less are one sound: twice what repeats of one sample under bleed differ."""

ANOTHER_DB = {"tom": 3.5}
ANOTHER_ELSE_DB = 7.0
"""Pictures that differ more are of different drums. Of eight sampled kits' kicks, snares, hats and
cymbals they differ by 7.5 dB or more, and one drum's soft and hard hits by 6; toms of one kit,
which differ in pitch only, by 4."""

N_LAYERS = 4
"""Velocity layers: 1-32, 33-64, 65-95 and 96-127 of MIDI."""

_FADE_OUT_S, _FADE_OUT_SHARE = 0.03, 0.25


@dataclass(frozen=True)
class OneShot:
    """One hit that is cut out.

    Args:
        drum_class: one of `DRUM_CLASSES`.
        velocity: (0, 1].
        extent: where it lies in the stem.
        beside_db: how far it stands above other drums of the same stroke; 96 where it is alone.
    """

    drum_class: str
    velocity: float
    extent: Extent
    beside_db: float

    @property
    def cleanliness_db(self) -> float:
        """How far it stands above what else sounds at its start."""
        return min(self.extent.before_db, self.beside_db)

    @property
    def is_clean(self) -> bool:
        """Whether nothing else is heard in it."""
        return self.cleanliness_db >= CLEAN_DB

    @property
    def layer(self) -> int:
        """The velocity layer, from 0 for the softest."""
        return min(N_LAYERS - 1, int(self.velocity * N_LAYERS))

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Larger is better: whole and alone, then loud; of equals the first in the song."""
        worst = min(self.cleanliness_db, self.extent.decay_db)
        return self.is_clean, round(worst, 1), self.extent.peak, -self.extent.attack

    def pre_roll(self, sample_rate: int) -> int:
        """Return the samples of a slice before its attack."""
        return round(PRE_ROLL_S * sample_rate)

    def span(self, sample_rate: int) -> Span:
        """Return the samples of the stem that `cut` wants."""
        return self.extent.attack - round(LEAD_S * sample_rate), self.extent.stop

    def cut(self, window: Block, sample_rate: int) -> Block:
        """Return the sound of a slice: `PRE_ROLL_S`, the attack, and on to its stop.

        The fade in begins at the first zero crossing and is whole at the attack.
        """
        attack = self.pre_roll(sample_rate)
        window = low_cut(window, self.extent.low_cut_hz, sample_rate)
        sound = window[:, round(LEAD_S * sample_rate) - attack :]
        fade_out = min(_FADE_OUT_S * sample_rate, _FADE_OUT_SHARE * sound.shape[1])
        return faded(sound, (zero_crossing(sound, 1, attack // 2), attack), int(fade_out))


def find_one_shots(signal: Signal, hits: Sequence[Hit]) -> tuple[list[OneShot], Dropped]:
    """Return the hits that can be cut out, in order of time, and why the others cannot.

    Args:
        signal: a drum stem; it is read once.
        hits: what it plays.
    """
    rate = signal.sample_rate
    lead = round(LEAD_S * rate)
    struck = list(strokes(hits, rate, signal.n_samples))
    windows = read_windows(signal, [(stroke.at - lead, stroke.stop) for stroke in struck])
    looks = [
        (stroke, look(stroke, window, rate)) for stroke, window in zip(struck, windows, strict=True)
    ]
    powers = _typical_powers(looks)
    found: list[OneShot] = []
    dropped: Dropped = {}
    for stroke, extent in looks:
        made = extent if isinstance(extent, str) else _one_shot(stroke, extent, powers)
        if isinstance(made, OneShot):
            found.append(made)
        for hit in stroke.hits:
            is_made = isinstance(made, OneShot) and hit.drum_class == made.drum_class
            is_first = hit == next(h for h in stroke.hits if h.drum_class == hit.drum_class)
            if not (is_made and is_first):
                why = made if isinstance(made, str) else "struck with another"
                dropped.setdefault(hit.drum_class, Counter())[why] += 1
    return found, dropped


def choose(found: Sequence[OneShot], max_per_class: int) -> tuple[list[OneShot], Dropped]:
    """Return the one-shots that are worth keeping, by class and from soft to hard.

    Clean ones; where a drum has none, its best that are usable. Of those that sound alike the
    best one; of the others so many at most, from all velocity layers in turn.

    Args:
        found: in any order.
        max_per_class: >= 1.
    """
    chosen: list[OneShot] = []
    dropped: Dropped = {}
    for name in DRUM_CLASSES:
        ranked = sorted((one for one in found if one.drum_class == name), key=lambda one: one.rank)
        ranked.reverse()
        counter: Counter[str] = Counter()
        candidates = [one for one in ranked if one.is_clean]
        limit = max_per_class
        if not candidates:
            candidates = [one for one in ranked if one.cleanliness_db >= USABLE_DB]
            limit = min(MAX_NOT_CLEAN, max_per_class)
        counter["not clean"] = len(ranked) - len(candidates)
        unlike: list[OneShot] = []
        for one in candidates:
            if all(_distance(one, other) >= ALIKE_DB for other in unlike):
                unlike.append(one)
        counter["alike"] = len(candidates) - len(unlike)
        kept = _from_all_layers(unlike, limit)
        counter["more than enough"] = len(unlike) - len(kept)
        chosen += sorted(kept, key=lambda one: (one.velocity, one.extent.attack))
        if any(counter.values()):
            dropped[name] = +counter
    return chosen, dropped


def sort_into_drums(chosen: Sequence[OneShot]) -> list[int]:
    """Return for each one-shot which drum of its class it is: 0 for the one that is hit most.

    Args:
        chosen: one-shots of one stem.
    """
    drums: dict[str, list[list[OneShot]]] = {}
    for one in sorted(chosen, key=lambda shot: shot.rank, reverse=True):
        least_db = ANOTHER_DB.get(one.drum_class, ANOTHER_ELSE_DB)
        of_class = drums.setdefault(one.drum_class, [])
        near = [(_distance(one, drum[0]), k) for k, drum in enumerate(of_class)]
        if near and min(near)[0] < least_db:
            of_class[min(near)[1]].append(one)
        else:
            of_class.append([one])
    for of_class in drums.values():
        of_class.sort(key=len, reverse=True)
    return [
        next(k for k, drum in enumerate(drums[one.drum_class]) if one in drum) for one in chosen
    ]


def _distance(a: OneShot, b: OneShot) -> float:
    return distance_db(a.extent.picture, b.extent.picture)


def _from_all_layers(ranked: Sequence[OneShot], limit: int) -> list[OneShot]:
    """Return the best of each velocity layer, then the second best of each, and so on."""
    places: Counter[int] = Counter()
    turns: list[tuple[int, int, OneShot]] = []
    for one in ranked:
        turns.append((places[one.layer], len(turns), one))
        places[one.layer] += 1
    return [one for *_, one in sorted(turns, key=lambda turn: turn[:2])[:limit]]


def _typical_powers(looks: Sequence[tuple[Stroke, Extent | str]]) -> dict[str, float]:
    """Return the power of each drum at velocity 1: what explains the strokes best.

    Every stroke adds, to what rang before, the powers of its drums times their velocities
    squared; all are solved at once, in shares of each stroke's power (non-negative least squares).
    So drums that are always struck with another one have a power too.
    """
    from scipy.optimize import nnls

    names = sorted({name for stroke, _ in looks for name in stroke.classes})
    rows = []
    for stroke, extent in looks:
        if isinstance(extent, Extent) and (added := extent.body - extent.ring) > 0:
            squares = {hit.drum_class: hit.velocity**2 for hit in stroke.hits}
            rows.append([squares.get(name, 0.0) / added for name in names])
    if not rows:
        return dict.fromkeys(names, 0.0)
    powers, _ = nnls(np.array(rows), np.ones(len(rows)))
    return dict(zip(names, powers.tolist(), strict=True))


def _one_shot(stroke: Stroke, extent: Extent, powers: Mapping[str, float]) -> OneShot:
    """Return the loudest drum of a stroke as a one-shot."""
    loudest = {hit.drum_class: hit for hit in sorted(stroke.hits, key=lambda hit: hit.velocity)}
    if len(loudest) == 1:
        (hit,) = loudest.values()
        return OneShot(hit.drum_class, hit.velocity, extent, ratio_db(1.0, 0.0))
    shares = {name: powers[name] * hit.velocity**2 for name, hit in loudest.items()}
    own = max(shares, key=lambda name: shares[name])
    others = sum(shares.values()) - shares[own]
    return OneShot(own, loudest[own].velocity, extent, ratio_db(shares[own], others))
