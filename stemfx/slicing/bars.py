"""Where the bars of a song begin, to the sample, and how long they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.music_reading import MusicReading

SNAP_BPM = 0.05
"""A tempo so close to a whole number is that number: machines play those, and so do generators."""

NEAR_S = 0.025
"""An attack so near a downbeat is the downbeat, played early or late."""

STEADY_S = 0.015
"""Beats that stray further from even ones cannot be looped in time."""

SAME_TEMPO_S = 0.006
"""Beats that stray less from even ones at the song's tempo have the song's tempo."""


@dataclass(frozen=True)
class Bars:
    """Bars of one length in a row.

    Args:
        start_s: where they begin, just before the attack of the first beat if there is one.
        n_bars: how many.
        beats_per_bar: of each.
        bpm: beats a minute.
    """

    start_s: float
    n_bars: int
    beats_per_bar: int
    bpm: float

    @property
    def n_beats(self) -> int:
        """Of all bars."""
        return self.n_bars * self.beats_per_bar

    def n_samples(self, sample_rate: int) -> int:
        """Return their length: the tempo's to the nearest sample."""
        return round(self.n_beats * 60.0 / self.bpm * sample_rate)

    def start(self, sample_rate: int) -> int:
        """Return their first sample."""
        return max(0, round(self.start_s * sample_rate))


class Grid:
    """The bars of a song.

    Args:
        reading: of the song.
        attacks_s: of what keeps its time, the drums if there are any, in order.
        pre_roll_s: how long before an attack a bar is cut.
    """

    def __init__(
        self, reading: MusicReading, attacks_s: Sequence[float], pre_roll_s: float
    ) -> None:
        self._beats = np.asarray(reading.beats_s, np.float64)
        self._downbeats = np.asarray(reading.downbeats_s, np.float64)
        self._attacks = np.asarray(attacks_s, np.float64)
        self._pre_roll_s = pre_roll_s
        self._end_s = reading.duration_s
        self.bpm = reading.bpm
        self.beats_per_bar = self._meter()

    @property
    def n_downbeats(self) -> int:
        """How many bars begin in the song."""
        return int(self._downbeats.size)

    def bars(self, first: int, n_bars: int) -> Bars | str:
        """Return `n_bars` bars from downbeat `first` on, or why they are none.

        The reasons: the song ends before they do, or they do not keep one tempo.
        """
        begin = self._downbeats[first]
        last = first + n_bars
        end = self._downbeats[last] if last < self._downbeats.size else np.inf
        beat_s = 60.0 / self.bpm
        n_beats = n_bars * self.beats_per_bar
        inside = self._beats[(self._beats >= begin - 1e-6) & (self._beats <= end + 1e-6)]
        inside = inside[: n_beats + 1]
        last_s = min(self._end_s + STEADY_S, self._beats[-1] + 1.5 * beat_s)
        if begin + n_beats * beat_s > last_s:
            return "past the end"
        if inside.size < n_beats:
            return "no steady beat"
        count = np.arange(inside.size)
        slope, start_s = np.polyfit(count, inside, 1)
        if np.abs(inside - start_s - slope * count).max() > STEADY_S:
            return "no steady beat"
        songs_start_s = float(np.mean(inside - beat_s * count))
        if np.abs(inside - songs_start_s - beat_s * count).max() <= SAME_TEMPO_S:
            return Bars(self._cut_s(songs_start_s), n_bars, self.beats_per_bar, self.bpm)
        bpm = round(60.0 / float(slope), 3)
        return Bars(self._cut_s(float(start_s)), n_bars, self.beats_per_bar, bpm)

    def _cut_s(self, downbeat_s: float) -> float:
        """Return where to cut: before the attack that a downbeat is, else where it should be."""
        near = self._attacks[np.abs(self._attacks - downbeat_s) <= NEAR_S]
        at_s = float(near[0]) if near.size else downbeat_s
        return max(0.0, at_s - self._pre_roll_s)

    def _meter(self) -> int:
        """Return how many beats most bars have."""
        places: NDArray[np.intp] = np.searchsorted(self._beats, self._downbeats - 1e-6)
        counts = np.diff(places)
        return int(np.bincount(counts).argmax()) if counts.size else 4


def played_bpm(bpm: float) -> float:
    """Return the tempo that was meant: a whole number if it is one but for the error of reading.

    >>> played_bpm(119.98), played_bpm(136.88)
    (120.0, 136.88)
    """
    nearest = float(round(bpm))
    return nearest if abs(bpm - nearest) < SNAP_BPM else bpm
