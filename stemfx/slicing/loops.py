"""Loops of whole bars, exact to the sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.windows import Span, read_windows
from stemfx.slicing.alike import Picture, distance_db, picture
from stemfx.slicing.bars import Bars, Grid
from stemfx.slicing.edges import seamless
from stemfx.slicing.samples import Dropped

CROSSFADE_S = 0.02
EARLY_S = 0.008
"""Players are up to 8 ms early: so much of what leads to the start is whole at the end."""

SILENT_DBFS = -60.0
"""A bar whose mean level is below, or `SILENT_DB` below the loudest bar, is silent."""
SILENT_DB = 35.0

ALIKE_DB = 3.0
"""Pictures of bars that differ less are the same bar, played again."""

_STEPS_PER_BEAT = 4
_NEW_DB, _UNLIKE_DB = 20.0, 96.0


@dataclass(frozen=True)
class Bar:
    """One bar of a stem, for comparison.

    Args:
        power: mean square, all channels together.
        peak: linear.
        picture: `_STEPS_PER_BEAT` frames a beat.
    """

    power: float
    peak: float
    picture: Picture


@dataclass(frozen=True)
class Loop:
    """Bars that are cut out.

    Args:
        where: in the stem.
        inside: what they are like.
    """

    where: Bars
    inside: tuple[Bar, ...]

    @property
    def power(self) -> float:
        """Mean square, all channels together."""
        return sum(bar.power for bar in self.inside) / len(self.inside)

    def span(self, sample_rate: int) -> Span:
        """Return the samples of the stem that `cut` wants."""
        start = self.where.start(sample_rate)
        return start - _lead(sample_rate), start + self.where.n_samples(sample_rate)

    def cut(self, window: Block, sample_rate: int) -> Block:
        """Return the sound, exactly as long as the bars; its end leads to its start."""
        return seamless(window, _lead(sample_rate), round(CROSSFADE_S * sample_rate))


def look_at_bars(signal: Signal, grid: Grid) -> list[Bar | None]:
    """Return what every bar of a stem is like; None where there is no bar of one tempo.

    Args:
        signal: the stem; it is read once.
        grid: of its song.
    """
    rate = signal.sample_rate
    single = [grid.bars(first, 1) for first in range(grid.n_downbeats)]
    spans = [
        (bar.start(rate), bar.start(rate) + bar.n_samples(rate))
        for bar in single
        if isinstance(bar, Bars)
    ]
    looks = (
        Bar(
            float(np.square(window, dtype=np.float64).sum() / window.shape[1]),
            float(np.abs(window).max()),
            picture(window, rate, grid.beats_per_bar * _STEPS_PER_BEAT),
        )
        for window in read_windows(signal, spans)
    )
    return [next(looks) if isinstance(bar, Bars) else None for bar in single]


def phrase_starts(stems: Sequence[Sequence[Bar | None]], n_bars: int) -> int:
    """Return at which of a song's first bars its phrases of `n_bars` bars begin.

    Where the bars after differ most from those before, and each side least in itself (Foote's
    novelty, 2000), on the average of all such places and all stems.

    Args:
        stems: the bars of each.
        n_bars: > 0.
    """
    novelty: dict[int, list[float]] = {phase: [] for phase in range(n_bars)}
    for bars in stems:
        matrix = _Differences(bars, reach=2 * n_bars)
        for k in range(n_bars, len(bars) - n_bars + 1):
            before, after = range(k - n_bars, k), range(k, k + n_bars)
            across = matrix.mean((i, j) for i in before for j in after)
            inside = [matrix.mean(combinations(side, 2)) for side in (before, after)]
            novelty[k % n_bars].append(across - sum(inside) / 2)
    means = [sum(some) / len(some) if some else 0.0 for some in novelty.values()]
    return means.index(max(means))


class _Differences:
    """How much the bars of a stem differ, pair by pair, `_NEW_DB` at most."""

    def __init__(self, bars: Sequence[Bar | None], reach: int) -> None:
        self._known = {
            (i, j): min(difference_db([a], [b]), _NEW_DB)
            for i, a in enumerate(bars)
            for j, b in enumerate(bars[: i + reach])
            if i < j and a is not None and b is not None
        }

    def mean(self, pairs: Iterable[tuple[int, int]]) -> float:
        """Return the mean over those pairs that can be compared; 0 if none can."""
        told = [self._known[pair] for pair in pairs if pair in self._known]
        return sum(told) / len(told) if told else 0.0


def find_loops(
    bars: Sequence[Bar | None], grid: Grid, lengths: Mapping[int, int], max_per_length: int
) -> tuple[list[Loop], Dropped]:
    """Return loops of a stem, the shortest first, and how many others were dropped and why.

    A loop that only repeats a shorter one that is wanted too is dropped, as are silent ones and
    likenesses; of those that are alike the loudest is kept.

    Args:
        bars: of the stem, from `look_at_bars`.
        grid: of its song.
        lengths: wanted, in bars, with the first bar of a phrase of each.
        max_per_length: >= 1.
    """
    loudest = max((bar.power for bar in bars if bar is not None), default=0.0)
    least = max(10 ** (SILENT_DBFS / 10), loudest * 10 ** (-SILENT_DB / 10))
    found: list[Loop] = []
    dropped: Dropped = {}
    for n_bars, first_bar in sorted(lengths.items()):
        shorter = [other for other in lengths if other < n_bars and n_bars % other == 0]
        counter: Counter[str] = Counter()
        candidates: list[Loop] = []
        for first in range(first_bar, grid.n_downbeats, n_bars):
            where = grid.bars(first, n_bars)
            inside = [bar for bar in bars[first : first + n_bars] if bar is not None]
            if isinstance(where, str):
                counter[where] += 1
            elif len(inside) < n_bars:
                counter["no steady beat"] += 1
            elif any(bar.power < least for bar in inside):
                counter["silent"] += 1
            elif any(difference_db(inside[:-n], inside[n:]) < ALIKE_DB for n in shorter):
                counter["repeats a shorter one"] += 1
            else:
                candidates.append(Loop(where, tuple(inside)))
        kept: list[Loop] = []
        for loop in sorted(candidates, key=lambda one: -one.power):
            if all(difference_db(loop.inside, other.inside) >= ALIKE_DB for other in kept):
                kept.append(loop)
        counter["alike"] = len(candidates) - len(kept)
        counter["more than enough"] = max(0, len(kept) - max_per_length)
        found += sorted(kept[:max_per_length], key=lambda loop: loop.where.start_s)
        dropped[f"{n_bars}bar"] = +counter
    return found, dropped


def difference_db(some: Sequence[Bar], others: Sequence[Bar]) -> float:
    """Return how much the least alike of two rows of bars differ, their levels included."""
    worst = 0.0
    for a, b in zip(some, others, strict=True):
        if a.power <= 0.0 or b.power <= 0.0:
            worst = max(worst, 0.0 if a.power == b.power else _UNLIKE_DB)
            continue
        level_db = abs(10.0 * float(np.log10(a.power / b.power)))
        worst = max(worst, distance_db(a.picture, b.picture), level_db)
    return worst


def _lead(sample_rate: int) -> int:
    return round((CROSSFADE_S + EARLY_S) * sample_rate)
