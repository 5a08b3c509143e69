"""Which take of one part is best in which section, without hopping for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.bandwidth import BandwidthMeter
from stemfx.dsp.clipping import ClippingMeter
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import FLOOR_DB, Float64s, power_to_db
from stemfx.ranking.faults import Faults
from stemfx.ranking.measure import cutoff_of
from stemfx.ranking.measurements import SECTION, Measurements
from stemfx.ranking.order import TOLD_POINTS, WHOLE_SCORE, Found, faults_of

SWITCH_POINTS = 8.0
"""What a change of the take costs: a join is heard, and another take has another sound."""

_CELL_S = 0.1
_LOUD_PERCENTILE = 95
# Beside the loud moments of the take itself, so that its level decides nothing.
_PLAYS_DB = -6.0
_BETWEEN_DB = -10.0
_SILENT_DB = -36.0
_NOTHING_DB = -50.0  # beside the loudest take: this one is not there at all
_LEAST_PAUSE_CELLS = 5
_WANDER_CELLS = 10  # a second
_BLOCK = 16_384


@dataclass(frozen=True)
class Choice:
    """The take of one section.

    Args:
        take: its name.
        reasons: why this one and not the others, or why not the one before.
        scores: of all takes in this section: 100 less the points of their faults.
        measurements: of all takes in this section.
    """

    take: str
    reasons: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, Measurements] = field(default_factory=dict)


def best_takes(
    takes: Mapping[str, Signal],
    sections_s: Sequence[tuple[float, float]],
    faults: Faults,
    *,
    bleed_db: Mapping[str, float] = MappingProxyType({}),
    of_songs: Mapping[str, Sequence[Found]] = MappingProxyType({}),
) -> list[Choice]:
    """Choose a take for every section: the fewest points in all, and 8 for every change of take.

    Each take is read once; what is kept of it are levels of 100 ms and some numbers a section.

    Args:
        takes: of one part (the vocals of several songs, say), on one timeline; equal ones are
            chosen in this order.
        sections_s: begin and end of each, in seconds, in order.
        faults: what counts against a take in a section: `Weights.section`.
        bleed_db: what of other stems is in a take, beside it (`stems.measure_stem`), where that is
            known: in parts that never rest nothing else tells it.
        of_songs: what is against the song that a take comes from, whatever the section; see
            `order.inherited`.
    """
    if not takes or not sections_s:
        return []
    measured = _measured(takes, sections_s, bleed_db)
    found = [
        {name: (*faults_of(m, faults), *of_songs.get(name, ())) for name, m in one.items()}
        for one in measured
    ]
    costs = np.array([[sum(f.points for f in one[name]) for name in takes] for one in found])
    names = list(takes)
    path = _cheapest(costs)
    return [
        Choice(
            names[t],
            _reasons(names, found[s], costs[s], t, path[s - 1] if s else None),
            {name: WHOLE_SCORE - float(cost) for name, cost in zip(names, costs[s], strict=True)},
            measured[s],
        )
        for s, t in enumerate(path)
    ]


def _cheapest(costs: Float64s) -> list[int]:
    """Return the take of each section on the cheapest way through all of them (Viterbi)."""
    n_sections, n_takes = costs.shape
    change = SWITCH_POINTS * (1.0 - np.eye(n_takes))
    total = np.zeros((n_sections, n_takes))
    before = np.zeros((n_sections, n_takes), int)
    total[0] = costs[0]
    for s in range(1, n_sections):
        # Rounded, so that equal ways are equal and the first of them is taken.
        ways = np.round(total[s - 1][:, np.newaxis] + change, 9)
        before[s] = np.where(ways.min(axis=0) < np.diag(ways), ways.argmin(axis=0), range(n_takes))
        total[s] = costs[s] + ways.min(axis=0)
    path = [int(np.argmin(np.round(total[-1], 9)))]
    for s in range(n_sections - 1, 0, -1):
        path.append(int(before[s][path[-1]]))
    return path[::-1]


def _reasons(
    names: Sequence[str],
    found: Mapping[str, Sequence[Found]],
    costs: Float64s,
    chosen: int,
    before: int | None,
) -> tuple[str, ...]:
    """Say what speaks against the others; or why a better one is not worth the change."""
    told = []
    for t, name in enumerate(names):
        told_of = [f for f in found[name] if f.points >= TOLD_POINTS]
        worst = max(told_of, key=lambda f: f.points, default=None)
        if t != chosen and costs[t] > costs[chosen] and worst is not None:
            told.append(f"{name}: {worst.reason}")
    better = int(np.argmin(costs))
    if costs[better] < costs[chosen] - TOLD_POINTS:
        points = costs[chosen] - costs[better]
        told.append(
            f"{names[better]} would be {points:.0f} points better here, too few for a change"
        )
    if not told:
        same = "goes on" if before == chosen else "given first"
        told.append(f"nothing tells the takes apart; {names[chosen]} {same}")
    return tuple(told)


# --- measuring -----------------------------------------------------------------------------


def _measured(
    takes: Mapping[str, Signal],
    sections_s: Sequence[tuple[float, float]],
    bleed_db: Mapping[str, float],
) -> list[dict[str, Measurements]]:
    """Return the measurements of every take, section by section."""
    heard = {name: _hear(signal, sections_s) for name, signal in takes.items()}
    sections: list[dict[str, Measurements]] = []
    for s, span_s in enumerate(sections_s):
        here = {name: _section(one, s) for name, one in heard.items()}
        _compare_levels(here, heard, span_s)
        _compare(here)
        for name, values in here.items():
            values["bleed_db"] = bleed_db.get(name)
        sections.append({name: dict(values) for name, values in here.items()})
    return sections


@dataclass(frozen=True)
class _Heard:
    """A take: the power of its cells, how loud it is, and share clipped and cutoff by section."""

    powers: Float64s
    loud: float
    clipped: Sequence[float]
    cutoff_hz: Sequence[float | None]


def _hear(signal: Signal, sections_s: Sequence[tuple[float, float]]) -> _Heard:
    rate = signal.sample_rate
    framer = Framer(signal.channels, max(1, round(_CELL_S * rate)))
    exams = [_SectionExam(signal, span_s) for span_s in sections_s]
    powers: list[Float64s] = [np.zeros(0)]
    position = 0
    for raw in signal.blocks(_BLOCK):
        block = np.nan_to_num(raw, posinf=0.0, neginf=0.0)
        frames = framer(block)
        squares = np.einsum("cnk,cnk->n", frames, frames, dtype=np.float64)
        powers.append(squares / (frames.shape[0] * frames.shape[2]))
        for exam in exams:
            exam.add(block, position)
        position += block.shape[1]
    readings = [exam.reading() for exam in exams]
    joined = np.concatenate(powers)
    loud = float(np.percentile(joined, _LOUD_PERCENTILE)) if joined.size else 0.0
    return _Heard(joined, loud, [r[0] for r in readings], [r[1] for r in readings])


class _SectionExam:
    """Measure one section as the take streams by, and forget the rest."""

    def __init__(self, signal: Signal, span_s: tuple[float, float]) -> None:
        self._rate, self._channels = signal.sample_rate, signal.channels
        self._start, self._stop = (round(at_s * self._rate) for at_s in span_s)
        self._meters: tuple[ClippingMeter, BandwidthMeter] | None = None
        self._reading: tuple[float, float | None] = (0.0, None)

    def add(self, block: Block, position: int) -> None:
        """Add a block that begins at sample `position` of the take."""
        start, stop = (min(max(0, at - position), block.shape[1]) for at in self._span)
        if stop > start:
            if self._meters is None:
                self._meters = (
                    ClippingMeter(self._channels),
                    BandwidthMeter(self._rate, self._channels),
                )
            for meter in self._meters:
                meter.add(block[:, start:stop])
        if position + block.shape[1] >= self._stop:
            self._close()

    @property
    def _span(self) -> tuple[int, int]:
        return self._start, self._stop

    def _close(self) -> None:
        if self._meters is not None:
            clipping, bandwidth = self._meters[0].reading(), self._meters[1].reading()
            cutoff_hz = None
            if bandwidth.bandwidth_hz is not None:
                cutoff_hz = cutoff_of(bandwidth.cliff_hz, self._rate)
            self._reading = (100.0 * clipping.clipped_share, cutoff_hz)
            self._meters = None

    def reading(self) -> tuple[float, float | None]:
        """Return the percentage of clipped frames and the cutoff in Hz."""
        self._close()
        return self._reading


def _section(one: _Heard, s: int) -> dict[str, float | None]:
    values: dict[str, float | None] = dict.fromkeys(SECTION)
    values["clipped_percent"] = one.clipped[s]
    cutoff_hz = one.cutoff_hz[s]
    if cutoff_hz is not None:
        values["cutoff_khz"] = cutoff_hz / 1000
    return values


def _compare_levels(
    here: Mapping[str, dict[str, float | None]],
    heard: Mapping[str, _Heard],
    span_s: tuple[float, float],
) -> None:
    """Fill in what the levels of a section tell, each take beside its own loud moments.

    A take plays out, is silent, or is between the two. Where one is silent and another between,
    the other has bleed or noise; where the other plays out, the first lacks something.
    """
    first, stop = (round(at_s / _CELL_S) for at_s in span_s)
    n = max(1, stop - first)
    level_db = np.full((len(heard), n), FLOOR_DB)
    loudest = max(one.loud for one in heard.values())
    for t, one in enumerate(heard.values()):
        cells = one.powers[first:stop]
        if one.loud > loudest * 10 ** (_NOTHING_DB / 10) and loudest > 0:
            level_db[t, : cells.size] = power_to_db(cells / one.loud)
    plays, silent = level_db > _PLAYS_DB, level_db < _SILENT_DB
    for t, values in enumerate(here.values()):
        values["silence_percent"] = 100.0 * float(silent[t].mean())
        values["missing_percent"] = 100.0 * float((silent[t] & plays.any(axis=0)).mean())
        pauses = level_db[t, silent.any(axis=0) & (level_db[t] < _BETWEEN_DB)]
        if pauses.size >= _LEAST_PAUSE_CELLS:
            values["pause_db"] = max(-120.0, float(np.median(pauses)))
        active = level_db[t, ~silent[t]]
        n_seconds = active.size // _WANDER_CELLS
        if n_seconds > 2:
            powers = 10 ** (active[: n_seconds * _WANDER_CELLS] / 10)
            seconds = powers.reshape(-1, _WANDER_CELLS).mean(axis=1)
            values["level_wander_db"] = float(np.std(power_to_db(seconds)))


def _compare(here: Mapping[str, dict[str, float | None]]) -> None:
    """Fill in what a take has less or more of than the best of them in that."""
    brightest = max((values["cutoff_khz"] or 0.0 for values in here.values()), default=0.0)
    wanders = [w for values in here.values() if (w := values["level_wander_db"]) is not None]
    for values in here.values():
        if cutoff_khz := values["cutoff_khz"]:
            values["dull_octaves"] = float(np.log2(brightest / cutoff_khz))
        if (wander := values["level_wander_db"]) is not None:
            values["wander_more_db"] = wander - min(wanders)
