"""The laws of `stemfx.kit`: every drum plays, at once, louder when struck harder, at any rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.hits import DRUM_CLASSES
from stemfx.kit import Kit
from stemfx.testing.signals import require

RATE = 44_100
RATES = (8_000, 11_025, 22_050, 48_000, 96_000, 192_000)
VELOCITIES = (0.1, 0.4, 0.7, 1.0)
LONGEST_S = 30.0
"""Longer than any drum rings."""

ATTACK_DB, ATTACK_S = -20.0, 0.02
"""An attack has come when the level is 20 dB below the peak; that is to be within 20 ms."""

WINDOW_S = 0.03
"""How loud a hit is: the mean square of its loudest 30 ms."""

NOTHING = "no such drum"


@dataclass(frozen=True)
class Case:
    """A kit to hold to the laws."""

    kit: Kit

    def require(self, condition: bool, broken: str) -> None:  # noqa: FBT001 - reads like assert
        """Blame the kit unless a condition holds."""
        require(condition, f"the kit {self.kit.name!r} {broken}")

    def drums(self) -> Iterator[tuple[str, str]]:
        """Yield every class with each of its variants."""
        for drum_class in self.kit.classes:
            for variant in self.kit.variants(drum_class):
                yield drum_class, variant

    def hit(
        self, drum: tuple[str, str], velocity: float = 0.8, rate: int = RATE, take: int = 0
    ) -> Audio:
        """Return one hit, having looked at it."""
        told = f"for {_named(drum)} at velocity {velocity:g}, take {take}, {rate} Hz"
        hit = self.kit.sample(drum[0], velocity, rate, variant=drum[1], take=take)
        self.require(isinstance(hit, Audio), f"gave a {type(hit).__name__} {told}")
        self.require(hit.sample_rate == rate, f"gave {hit.sample_rate} Hz {told}")
        self.require(hit.channels in (1, 2), f"gave {hit.channels} channels {told}")
        self.require(bool(np.isfinite(hit.samples).all()), f"gave NaN or infinity {told}")
        self.require(bool(hit.samples.any()), f"gave silence {told}")
        self.require(hit.duration_s <= LONGEST_S, f"gave {hit.duration_s:.1f} s {told}")
        return hit

    def takes(self, drum: tuple[str, str], velocity: float) -> range:
        """Return the takes of such a hit."""
        n_takes = self.kit.n_takes(drum[0], velocity, drum[1])
        self.require(n_takes >= 1, f"has {n_takes} takes of {_named(drum)} at {velocity:g}")
        return range(n_takes)


Law = Callable[[Case], str | None]
"""Raises AssertionError when broken; returns the reason when it does not apply."""


def describes_itself(case: Case) -> str | None:
    """Have a name, a summary and a licence, and drums of classes that recipes know."""
    kit = case.kit
    for what in ("name", "summary", "licence"):
        value = getattr(kit, what, "")
        require(isinstance(value, str) and bool(value), f"{kit!r} has no {what}")
    classes = kit.classes
    case.require(bool(classes), "has no drums")
    unknown = [name for name in classes if name not in DRUM_CLASSES]
    case.require(not unknown, f"has the classes {unknown}, which no recipe knows")
    case.require(len(set(classes)) == len(classes), f"names a class twice: {classes}")
    for drum_class in classes:
        variants = kit.variants(drum_class)
        is_set = len(set(variants)) == len(variants) > 0
        case.require(is_set, f"names its variants of {drum_class} {variants}")
    missing = [path for path in kit.files if not path.is_file()]
    case.require(not missing, f"names files that are not there: {[str(m) for m in missing]}")
    return None


def plays_all_that_it_has(case: Case) -> str | None:
    """Sound in every class, variant and take, at every velocity: mono or stereo, finite."""
    for drum in case.drums():
        for velocity in (0.01, *VELOCITIES):
            for take in case.takes(drum, velocity):
                case.hit(drum, velocity, take=take)
    return None


def plays_the_first_variant_unasked(case: Case) -> str | None:
    """Play, where no variant is asked for, the first one."""
    for drum_class in case.kit.classes:
        first = case.hit((drum_class, case.kit.variants(drum_class)[0]))
        unasked = case.kit.sample(drum_class, 0.8, RATE)
        is_same = np.array_equal(first.samples, unasked.samples)
        case.require(is_same, f"plays another {drum_class} than its first variant unasked")
    return None


def starts_with_its_attack(case: Case) -> str | None:
    """Be within 20 dB of its peak after 20 ms: hits are laid on attacks."""
    for drum in case.drums():
        for velocity in VELOCITIES:
            level = np.abs(case.hit(drum, velocity).samples).max(axis=0)
            loud = level > 10 ** (ATTACK_DB / 20) * level.max()
            late_s = int(np.argmax(loud)) / RATE
            told = f"attacks {1000 * late_s:.1f} ms after its start (allowed {1000 * ATTACK_S:g})"
            case.require(late_s <= ATTACK_S, f"is late: {_named(drum)} at {velocity:g} {told}")
    return None


def is_louder_when_struck_harder(case: Case) -> str | None:
    """Be louder with every step of velocity, over the mean of the takes."""
    for drum in case.drums():
        levels_db = [
            10 * np.log10(np.mean([power(case.hit(drum, v, take=t)) for t in case.takes(drum, v)]))
            for v in VELOCITIES
        ]
        told = ", ".join(f"{level:.1f}" for level in levels_db)
        is_rising = bool(np.all(np.diff(levels_db) > 0))
        case.require(is_rising, f"has {_named(drum)} at {told} dB for velocities {VELOCITIES}")
    return None


def repeats_itself(case: Case) -> str | None:
    """Give the same bits for the same hit, whatever was played in between."""
    drums = list(case.drums())
    first = [case.hit(drum, 0.6).samples for drum in drums]
    for drum in drums:
        case.hit(drum, 0.9, 48_000)
    for drum, before in zip(reversed(drums), reversed(first), strict=True):
        again = case.hit(drum, 0.6).samples
        case.require(np.array_equal(again, before), f"plays another {_named(drum)} again")
    return None


def takes_any_sample_rate(case: Case) -> str | None:
    """Play from 8 to 192 kHz, and as long at every rate."""
    for drum in case.drums():
        duration_s = case.hit(drum).duration_s
        for rate in RATES:
            here_s = case.hit(drum, rate=rate).duration_s
            told = f"rings {here_s:.3f} s at {rate} Hz and {duration_s:.3f} s at {RATE} Hz"
            case.require(abs(here_s - duration_s) <= 0.01, f"depends on the rate: {drum[0]} {told}")
    return None


def refuses_what_it_does_not_have(case: Case) -> str | None:
    """Raise KeyError for a class or a variant that it does not have."""
    kit = case.kit
    asked: dict[str, Callable[[], object]] = {
        "sample() of an unknown class": lambda: kit.sample(NOTHING, 0.8, RATE),
        "variants() of an unknown class": lambda: kit.variants(NOTHING),
    }
    for drum in kit.classes:
        asked[f"an unknown variant of {drum}"] = lambda drum=drum: kit.sample(  # type: ignore[misc]
            drum, 0.8, RATE, variant=NOTHING
        )
    for told, ask in asked.items():
        try:
            ask()
        except KeyError:
            continue
        case.require(False, f"raises no KeyError for {told}")
    return None


def chokes_its_hats(case: Case) -> str | None:
    """Name a choke group or none for each class; both hats are in one."""
    groups = {name: case.kit.choke_group(name) for name in case.kit.classes}
    for name, group in groups.items():
        is_named = group is None or (isinstance(group, str) and bool(group))
        case.require(is_named, f"puts {name} into the choke group {group!r}")
    hats = {groups[name] for name in ("hat_closed", "hat_open") if name in groups}
    case.require(len(hats) <= 1, f"lets an open hat ring under a closed one: {hats}")
    return None


def keeps_its_identity(case: Case) -> str | None:
    """Have an identity, which stays while it plays: it is part of the cache key."""
    before = case.kit.identity()
    case.require(isinstance(before, str) and bool(before), f"has the identity {before!r}")
    for drum in case.drums():
        case.hit(drum)
    case.require(case.kit.identity() == before, "changes its identity while it plays")
    return None


LAWS: tuple[Law, ...] = (
    describes_itself,
    plays_all_that_it_has,
    plays_the_first_variant_unasked,
    starts_with_its_attack,
    is_louder_when_struck_harder,
    repeats_itself,
    takes_any_sample_rate,
    refuses_what_it_does_not_have,
    chokes_its_hats,
    keeps_its_identity,
)
"""Every law, for `pytest.mark.parametrize`."""


def check_kit(kit: Kit) -> dict[str, str]:
    """Hold a drum kit to every law.

    Returns:
        each law's name with "held", or the reason why it does not apply.

    Raises:
        AssertionError: a law is broken.
    """
    case = Case(kit)
    return {law.__name__: law(case) or "held" for law in LAWS}


def power(hit: Audio) -> float:
    """Return the mean square of the loudest 30 ms of a hit."""
    squares: NDArray[np.float64] = np.square(hit.samples, dtype=np.float64).mean(axis=0)
    window = min(squares.size, round(WINDOW_S * hit.sample_rate))
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    return float(np.max(sums[window:] - sums[:-window])) / window


def _named(drum: tuple[str, str]) -> str:
    drum_class, variant = drum
    return f"{drum_class} {variant!r}" if variant else drum_class
