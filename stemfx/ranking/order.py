"""Put takes in order: 100 points less those of their faults, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stemfx.ranking.faults import Fault, Faults
from stemfx.ranking.measurements import Measurements

WHOLE_SCORE = 100.0

TOLD_POINTS = 0.5
"""What costs less is no reason."""

_SAME_POINTS = 1e-9

SHARE_OF_WHOLE = 0.25
"""Of what is against a take as a whole, this share counts against each of its stems: separated,
a codec's gaps or a clipped mixture are still there, but their own measurements see less of them."""


@dataclass(frozen=True)
class Found:
    """One fault of one take: its name, 0 to 1 of a whole fault, its points, and the sentence."""

    name: str
    share: float
    points: float
    reason: str


@dataclass(frozen=True)
class Ranked:
    """One take in the order.

    Args:
        name: of the take.
        rank: from 1 on.
        score: 100 less the points of all faults; below 0 for what is wrong in every way.
        measurements: all of them.
        faults: what costs points, the most first.
        ahead: what the next one has and this one has not, or less of; empty for the last one.
    """

    name: str
    rank: int
    score: float
    measurements: Measurements
    faults: tuple[Found, ...] = ()
    ahead: str = ""

    @property
    def reasons(self) -> list[str]:
        """The sentences of the faults that count, the worst first."""
        return [found.reason for found in self.faults if found.points >= TOLD_POINTS]


def ranked(takes: Mapping[str, Measurements], faults: Faults) -> list[Ranked]:
    """Return takes, best first.

    The order of equal ones is that of `takes`; no take's score depends on any other take.

    Args:
        takes: measurements by name.
        faults: what counts against them.
    """
    scored = [(name, values, faults_of(values, faults)) for name, values in takes.items()]
    scored.sort(key=lambda one: round(sum(f.points for f in one[2]), 6))
    return [
        Ranked(
            name,
            rank,
            WHOLE_SCORE - sum(f.points for f in found),
            values,
            found,
            _ahead(found, scored[rank][0], scored[rank][2]) if rank < len(scored) else "",
        )
        for rank, (name, values, found) in enumerate(scored, 1)
    ]


def faults_of(values: Measurements, faults: Faults) -> tuple[Found, ...]:
    """Return the faults of a take that cost anything, the most first."""
    found = [_found(name, fault, values) for name, fault in faults.items()]
    return tuple(sorted((f for f in found if f.points > 0), key=lambda f: -f.points))


def inherited(found: Sequence[Found]) -> tuple[Found, ...]:
    """Return what of a take's faults counts against each of its stems."""
    return tuple(replace(one, points=SHARE_OF_WHOLE * one.points) for one in found)


def _found(name: str, fault: Fault, values: Measurements) -> Found:
    share = fault.share(values)
    return Found(name, share, fault.weight * share, fault.sentence(values) if share else "")


def _ahead(own: Sequence[Found], other: str, others: Sequence[Found]) -> str:
    """Say what the next take has most more of."""
    mine = {found.name: found.points for found in own}
    more = [(found.points - mine.get(found.name, 0.0), found) for found in others]
    points, worst = max(more, key=lambda one: one[0], default=(0.0, None))
    if worst is None or points < _SAME_POINTS:
        return f"as good as {other}; given first"
    if points < TOLD_POINTS:
        return f"hardly ahead of {other}: by {points:.2f} points in what differs most"
    return f"ahead of {other}: there, {worst.reason}"
