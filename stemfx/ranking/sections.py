"""Which take of one part is best in which section, without hopping for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.bandwidth import BandwidthMeter
from stemfx.dsp.clipping import ClippingMeter
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import Float64s, power_to_db
from stemfx.ranking.faults import Faults
from stemfx.ranking.measure import cutoff_of
from stemfx.ranking.measurements import SECTION, Measurements
from stemfx.ranking.order import TOLD_POINTS, WHOLE_SCORE, Found, faults_of

SWITCH_POINTS = 8.0
"""What a change of the take costs: a join is heard, and another take has another sound."""

_CELL_S = 0.1
_LOUD_PERCENTILE = 95
_SILENT_DB = -36.0  # beside the loud moments of all takes
_PLAYS_DB = -12.0  # beside the take's own: bleed and breath are softer
_QUIETEST = 1e-9
_PAUSE_DB = -15.0  # beside the take's own: bleed may be as loud
_LEAST_PAUSE_CELLS = 5
_BARE_PERCENTILE = 25
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
    takes: Mapping[str, Signal], sections_s: Sequence[tuple[float, float]], faults: Faults
) -> list[Choice]:
    """Choose a take for every section: the fewest points in all, and 8 for every change of take.

    Each take is read once; what is kept of it are levels of 100 ms and some numbers a section.

    Args:
        takes: of one part (the vocals of several songs, say), on one timeline; equal ones are
            chosen in this order.
        sections_s: begin and end of each, in seconds, in order.
        faults: what counts against a take in a section: `Weights.section`.
    """
    if not takes or not sections_s:
        return []
    measured = _measured(takes, sections_s)
    found = [{name: faults_of(m, faults) for name, m in one.items()} for one in measured]
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
        worst = next((f for f in found[name] if f.points >= TOLD_POINTS), None)
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
    takes: Mapping[str, Signal], sections_s: Sequence[tuple[float, float]]
) -> list[dict[str, Measurements]]:
    """Return the measurements of every take, section by section."""
    heard = {name: _hear(signal, sections_s) for name, signal in takes.items()}
    loudest = max(one.loud for one in heard.values())
    sections = []
    for s, span_s in enumerate(sections_s):
        here = {name: _section(one, s, span_s, loudest) for name, one in heard.items()}
        sections.append(_beside(here, _missing(heard, span_s, loudest)))
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


def _section(one: _Heard, s: int, span_s: tuple[float, float], loudest: float) -> Measurements:
    first, stop = (round(at_s / _CELL_S) for at_s in span_s)
    cells = one.powers[first:stop]
    n = max(1, stop - first)
    values: dict[str, float | None] = dict.fromkeys(SECTION)
    heard = cells[cells > loudest * 10 ** (_SILENT_DB / 10)] if loudest > 0 else cells[:0]
    values["silence_percent"] = 100.0 * (1.0 - min(1.0, heard.size / n))
    values["clipped_percent"] = one.clipped[s]
    cutoff_hz = one.cutoff_hz[s]
    if heard.size and cutoff_hz is not None:
        values["cutoff_khz"] = cutoff_hz / 1000
    pauses = cells[cells < one.loud * 10 ** (_PAUSE_DB / 10)]
    if one.loud > 0 and pauses.size >= _LEAST_PAUSE_CELLS:
        # What dies away is no fault: the quieter moments tell.
        bare = float(np.percentile(pauses, _BARE_PERCENTILE))
        values["pause_db"] = power_to_db(bare / one.loud, -120.0)
    n_seconds = heard.size // _WANDER_CELLS
    if n_seconds > 2:
        seconds = heard[: n_seconds * _WANDER_CELLS].reshape(-1, _WANDER_CELLS).mean(axis=1)
        values["level_wander_db"] = float(np.std(power_to_db(seconds)))
    return values


def _missing(
    heard: Mapping[str, _Heard], span_s: tuple[float, float], loudest: float
) -> dict[str, float]:
    """Return the percentage of a section in which a take is silent and another one plays out."""
    first, stop = (round(at_s / _CELL_S) for at_s in span_s)
    n = max(1, stop - first)
    silent, plays = np.ones((len(heard), n), bool), np.zeros((len(heard), n), bool)
    for t, one in enumerate(heard.values()):
        cells = one.powers[first:stop]
        silent[t, : cells.size] = cells <= loudest * 10 ** (_SILENT_DB / 10)
        plays[t, : cells.size] = cells > max(one.loud, _QUIETEST) * 10 ** (_PLAYS_DB / 10)
    missing = 100.0 * (silent & plays.any(axis=0)).mean(axis=1)
    return dict(zip(heard, missing.tolist(), strict=True))


def _beside(
    here: Mapping[str, Measurements], missing: Mapping[str, float]
) -> dict[str, Measurements]:
    """Add what a take has less or more of than the best of them in that."""
    brightest = max((m["cutoff_khz"] or 0.0 for m in here.values()), default=0.0)
    wanders = [m["level_wander_db"] for m in here.values() if m["level_wander_db"] is not None]
    told: dict[str, Measurements] = {}
    for name, m in here.items():
        values = dict(m)
        values["missing_percent"] = missing[name]
        if m["cutoff_khz"]:
            values["dull_octaves"] = float(np.log2(brightest / m["cutoff_khz"]))
        if m["level_wander_db"] is not None:
            values["wander_more_db"] = m["level_wander_db"] - min(wanders)
        told[name] = values
    return told
