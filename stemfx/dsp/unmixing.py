"""Take the stems of a song apart again where each has leaked into the others.

Given stems are e_j = s_j + sum_k a_jk * s_k: the true ones and what came over from the others, by
a gain (cross-talk of a desk, of a lossy bounce) or through a room (a microphone). There are as many
given stems as true ones, so nothing is lost: whoever knows the leak takes it out entirely, without
a mask and its artefacts. That the true stems are independent tells the leak.

`estimate` first finds out which of four things it hears:

- `none`: stems that are independent as they are;
- `linear`: one gain a pair explains all that ties them together (`unmixing_linear`);
- `convolutive`: one short filter a pair does (`unmixing_convolutive`);
- `mask`: neither does. So it is with what a separator leaves: its masks lend every stem the phase
  of the one mixture, and no matrix undoes that. Unmixing them would cost up to 7 dB.

`unmixed.Unmixed` is then a stem without the leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp import unmixing_convolutive as convolutive
from stemfx.dsp import unmixing_linear as linear
from stemfx.dsp.units import FLOOR_DB, Float64s, gain_to_db, power_to_db

Regime = Literal["none", "linear", "convolutive", "mask"]

SHORTEST_S = 3.0
"""Of less music nothing can be told, and nothing is changed."""

# All of these were set on 18 songs, 10 to 30 s each: clean, leaked, and made by masks and networks.
_SIGNIFICANT = 8.0  # deviations of a gain from zero; clean stems reached 5.5
_CERTAIN = 150.0  # with one gain like this a leak is linear; rooms reached 118, masks 57, and the
# least certain linear leak, of 0.3 %, 215
_FILTER_EVIDENCE = 20.0  # of any other pair, once there is a room
_ROOM_EVIDENCE = 300.0  # of the clearest pair; clean stems reached 198, rooms of 10 % began at 1170
_SMALLEST_GAIN = 1e-5  # -100 dB: below it nobody hears whether it is there
# What may still tie stems together: unmixed ones reached 0.21 (the worst pair) and 0.045 (the mean
# of all pairs), masks 0.067 at least on average, and networks 0.44 for the worst pair.
_LEFT_AT_MOST, _LEFT_ON_AVERAGE = 0.25, 0.05
_LEFT_BY_GAINS = 0.1  # the worst pair after plain gains: 0.08 at most, if they are the same in
# both channels
_LARGEST_GAIN = 0.35  # -9 dB: two halves of one mixture may look like a louder leak than that

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Filter:
    """A leak through a room.

    Args:
        first: lag of the first tap in samples.
        taps: one row a channel.
    """

    first: int
    taps: Matrix


@dataclass(frozen=True)
class Mixing:
    """How the stems leak into each other; `[j][k]` is stem k in stem j, as the stems were given.

    Args:
        regime: what kind of leak it is.
        matrix: gains, one on the diagonal; the rest is significant or exactly zero.
        deviation: the standard deviation of each gain.
        filters: by (j, k), the pairs that leak through a room; nothing in other regimes.
        dependence: mean correlation of the worst pair, before and after unmixing.
    """

    regime: Regime
    matrix: Matrix
    deviation: Matrix
    filters: Mapping[tuple[int, int], Filter] = field(default_factory=dict)
    dependence: tuple[float, float] = (0.0, 0.0)

    @property
    def leak_db(self) -> Matrix:
        """Gain of each leak in dB (of a filter: of all its taps); -200 where there is none."""
        gains = np.array(self.matrix) - np.eye(len(self.matrix))
        levels = np.asarray(gain_to_db(gains))
        for (j, k), leak in self.filters.items():
            taps = np.array(leak.taps)
            levels[j, k] = power_to_db(float(np.mean(np.sum(taps**2, axis=1))))
        return _rows(levels)

    @property
    def error_db(self) -> Matrix:
        """How far each gain in dB may be off, one standard deviation; 0 where there is no leak."""
        gains = np.abs(np.array(self.matrix) - np.eye(len(self.matrix)))
        relative = np.array(self.deviation) / np.where(gains > 0, gains, np.inf)
        return _rows(20 * np.log10(1 + relative))

    def leaks_into(self, own: int) -> tuple[int, ...]:
        """Return the stems that leak into this one."""
        return tuple(k for k, level in enumerate(self.leak_db[own]) if level > FLOOR_DB)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "regime": self.regime,
            "matrix": [list(row) for row in self.matrix],
            "deviation": [list(row) for row in self.deviation],
            "filters": [
                {"stem": j, "leak_of": k, "first": f.first, "taps": [list(row) for row in f.taps]}
                for (j, k), f in self.filters.items()
            ],
            "dependence": list(self.dependence),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Mixing:
        """Read what `to_json` gave."""
        before, after = values["dependence"]
        return cls(
            regime=values["regime"],
            matrix=_rows(values["matrix"]),
            deviation=_rows(values["deviation"]),
            filters={
                (f["stem"], f["leak_of"]): Filter(f["first"], _rows(f["taps"]))
                for f in values["filters"]
            },
            dependence=(before, after),
        )


def _rows(values: Any) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in values)


# --- what kind of leak, and how much ------------------------------------------------------


def estimate(stems: Sequence[Signal]) -> Mixing:
    """Find out how the stems of one song leak into each other.

    Up to two minutes are heard, in stretches spread over the song. Silent stems neither leak nor
    are leaked into.

    Args:
        stems: at one rate, of one channel count and length.
    """
    n_stems = len(stems)
    nothing = _plain("none", np.eye(n_stems), np.zeros((n_stems, n_stems)))
    if n_stems < 2 or stems[0].n_samples < SHORTEST_S * stems[0].sample_rate:
        return nothing
    cells = linear.listen(stems)
    playing = np.flatnonzero(linear.plays(cells))
    if len(playing) < 2:
        return nothing
    found = _estimate([stems[int(j)] for j in playing], cells.of(playing))
    return _placed(found, playing, n_stems)


def _estimate(stems: Sequence[Signal], cells: linear.Cells) -> Mixing:
    size = len(stems)
    before = linear.dependence(cells, np.eye(size))
    by_gains = _estimate_gains(cells, before)
    if by_gains is not None:
        return by_gains
    through_rooms = _estimate_rooms(stems)
    if through_rooms is not None:
        return through_rooms
    regime: Regime = "none" if _is_explained(before) else "mask"
    nothing = np.zeros((size, size))
    return _plain(regime, np.eye(size), nothing, (_worst(before), _worst(before)))


def _estimate_gains(cells: linear.Cells, before: Float64s) -> Mixing | None:
    """Return the leak by plain gains, if there is one and it explains what ties stems together."""
    full = linear.diagonalise(cells)
    leaks, certainty = _leaks(cells, full)
    if certainty < _CERTAIN:
        return None
    if leaks.sum() < leaks.size - len(leaks):
        # It is a linear leak: so it is worth asking once more for the gains that were uncertain.
        cells = linear.without_accidents(cells, full)
        leaks |= _leaks(cells, linear.diagonalise(cells))[0]
    mixing = linear.diagonalise(cells, leaks)
    after = linear.dependence(cells, mixing)
    gains = np.abs(mixing - np.eye(len(mixing)))
    if gains.max() > _LARGEST_GAIN or not _is_explained(after, _LEFT_BY_GAINS):
        return None
    deviation = np.where(leaks, linear.deviations(cells, mixing), 0)
    return _plain("linear", mixing, deviation, (_worst(before), _worst(after)))


def _leaks(cells: linear.Cells, mixing: Float64s) -> tuple[NDArray[np.bool_], float]:
    """Return which gains are significant, and how many deviations the clearest one is worth."""
    deviation = linear.deviations(cells, mixing)
    gains = np.abs(mixing - np.eye(len(mixing)))
    certainty = gains / np.where(deviation > 0, deviation, np.inf)
    return (certainty > _SIGNIFICANT) & (gains > _SMALLEST_GAIN), float(certainty.max())


def _estimate_rooms(stems: Sequence[Signal]) -> Mixing | None:
    """Return the leak through rooms, if there is one and it explains what ties stems together."""
    heard = convolutive.listen(stems)
    if not heard.shape[2]:
        return None
    filters = convolutive.estimate(heard, stems[0].sample_rate)
    if filters.evidence.max() < _ROOM_EVIDENCE:
        return None
    filters = filters.only(filters.evidence > _FILTER_EVIDENCE)
    size = len(stems)
    before = convolutive.dependence(heard, None)
    after = convolutive.dependence(heard, filters)
    if not _is_explained(after):
        return None
    kept = {
        (j, k): _trimmed(filters.taps[j, k], filters.first)
        for j in range(size)
        for k in range(size)
        if filters.taps[j, k].any()
    }
    worst = _worst(before), _worst(after)
    return Mixing("convolutive", _rows(np.eye(size)), _rows(np.zeros((size, size))), kept, worst)


def _is_explained(dependence: Float64s, left_at_most: float = _LEFT_AT_MOST) -> bool:
    """Say whether nothing ties the stems together any more."""
    pairs = dependence[np.tril_indices(len(dependence), -1)]
    worst, mean = float(np.abs(pairs).max()), float(np.abs(pairs.mean()))
    return worst < left_at_most and mean < _LEFT_ON_AVERAGE


def _worst(dependence: Float64s) -> float:
    return round(float(np.abs(dependence).max()), 4)


def _plain(
    regime: Regime,
    matrix: Float64s,
    deviation: Float64s,
    dependence: tuple[float, float] = (0.0, 0.0),
) -> Mixing:
    return Mixing(regime, _rows(matrix), _rows(deviation), {}, dependence)


def _trimmed(taps: Float64s, first: int) -> Filter:
    used = np.flatnonzero(taps.any(axis=0))
    start, stop = int(used[0]), int(used[-1]) + 1
    return Filter(first + start, _rows(np.round(taps[:, start:stop], 9)))


def _placed(found: Mixing, playing: NDArray[np.intp], n_stems: int) -> Mixing:
    """Return what was found of the stems that play as a mixing of all stems."""
    matrix, deviation = np.eye(n_stems), np.zeros((n_stems, n_stems))
    matrix[np.ix_(playing, playing)] = found.matrix
    deviation[np.ix_(playing, playing)] = found.deviation
    filters = {(int(playing[j]), int(playing[k])): f for (j, k), f in found.filters.items()}
    return Mixing(found.regime, _rows(matrix), _rows(deviation), filters, found.dependence)
