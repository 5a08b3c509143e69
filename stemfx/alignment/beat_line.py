"""Time counted in beats: where each beat of a song lies, those before and after it too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music_reading import MusicReading

_EDGE_BEATS = 8  # whose mean length goes on past the first and last beat
_STRAIGHT_S = 0.0005  # beats that lie so near to a line lie on it
_LEAST_BEATS = 3


@dataclass(frozen=True, eq=False)
class BeatLine:
    """A map between beats and seconds. Beat 0 begins bar 1; between beats time runs evenly.

    Args:
        beats: `(n,)`, rising; some of them.
        times_s: `(n,)`: where those lie.
        head_s, tail_s: length of the beats before the first and after the last.
    """

    beats: Float64s
    times_s: Float64s
    head_s: float
    tail_s: float

    @property
    def bpm(self) -> float:
        """Beats a minute, from a line through all of them."""
        if len(self.beats) < _LEAST_BEATS:
            return 60.0 / self.tail_s
        return 60.0 / float(np.polyfit(self.beats, self.times_s, 1)[0])

    @property
    def is_straight(self) -> bool:
        """Whether all beats are of one length."""
        return len(self.beats) == 1

    def at(self, beats: Float64s) -> Float64s:
        """Return where beats lie, fractions too, in seconds."""
        return _continued(beats, self.beats, self.times_s, self.head_s, self.tail_s)

    def beat_at(self, times_s: Float64s) -> Float64s:
        """Return which beat it is at a time."""
        return _continued(times_s, self.times_s, self.beats, 1 / self.head_s, 1 / self.tail_s)

    def later(self, by_s: float) -> BeatLine:
        """Return this line moved in time."""
        return BeatLine(self.beats, self.times_s + by_s, self.head_s, self.tail_s)


def _continued(x: Float64s, xs: Float64s, ys: Float64s, head: float, tail: float) -> Float64s:
    inside = np.interp(x, xs, ys)
    before, after = np.minimum(x - xs[0], 0.0), np.maximum(x - xs[-1], 0.0)
    return np.asarray(inside + before * head + after * tail, np.float64)


def straight(start_s: float, beat_s: float) -> BeatLine:
    """Return beats of one length, the first of bar 1 at `start_s`."""
    return BeatLine(np.zeros(1), np.array([start_s]), beat_s, beat_s)


@dataclass(frozen=True)
class BarLine:
    """On which beats bars begin.

    Args:
        starts: of the bars that are known, rising from 0; none may be shorter than a beat.
        beats_per_bar: of the usual bar, and of all after those.
    """

    starts: tuple[float, ...]
    beats_per_bar: int

    @property
    def n_bars(self) -> int:
        """How many bars are known."""
        return len(self.starts)

    @property
    def end(self) -> float:
        """The beat after the last bar that is known."""
        return self.start(self.n_bars)

    def start(self, bar: int) -> float:
        """Return the beat on which a bar begins, counted from 0."""
        if bar < self.n_bars:
            return self.starts[bar]
        return self.starts[-1] + self.beats_per_bar * (bar - self.n_bars + 1)

    def starts_to(self, last: float) -> list[float]:
        """Return the beats on which all bars begin, up to one that may begin on `last`."""
        n_after = max(0, int((last - self.end) // self.beats_per_bar) + 1)
        starts = [self.start(bar) for bar in range(self.n_bars + n_after)]
        return [start for start in starts if start <= last]


def bar_line(reading: MusicReading) -> BarLine:
    """Return the bars of a song: a tracker may find some shorter or longer than the others."""
    times_s = np.unique(np.array(reading.beats_s, np.float64))
    downbeats_s = np.array(reading.downbeats_s, np.float64)
    beats_per_bar = max(1, reading.beats_per_bar)
    if not times_s.size or not downbeats_s.size:
        return BarLine((0.0,), beats_per_bar)
    nearest = np.abs(times_s - downbeats_s[:, np.newaxis]).argmin(axis=1)
    starts = np.unique(nearest - nearest[0]).astype(np.float64)
    return BarLine(tuple(starts.tolist()), beats_per_bar)


def beat_line(reading: MusicReading) -> BeatLine | None:
    """Return the beats of a song, those of a steady one on a line; None if it has no beat."""
    times_s = np.unique(np.array(reading.beats_s, np.float64))
    if reading.bpm <= 0 or not times_s.size:
        return None
    downbeat_s = reading.downbeats_s[0] if reading.downbeats_s else times_s[0]
    beats: Float64s = np.arange(times_s.size, dtype=np.float64) - float(
        np.argmin(np.abs(times_s - downbeat_s))
    )
    if times_s.size < _LEAST_BEATS:
        return straight(float(downbeat_s), 60.0 / reading.bpm)
    # A beat that lies before the song is told as its first moment.
    inside = slice(1, None) if times_s[0] == 0.0 and times_s.size > _LEAST_BEATS else slice(None)
    slope, start_s = np.polyfit(beats[inside], times_s[inside], 1)
    off = np.abs(start_s + slope * beats - times_s)[inside]
    if reading.steady or off.max() < _STRAIGHT_S:
        return straight(float(start_s), float(slope))
    lengths = np.diff(times_s[inside])
    head_s, tail_s = float(lengths[:_EDGE_BEATS].mean()), float(lengths[-_EDGE_BEATS:].mean())
    return BeatLine(beats[inside], times_s[inside], head_s, tail_s)
