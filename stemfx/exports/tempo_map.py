"""Where the beats of a project lie in seconds, and where in it a song begins.

A project's first bar begins at 0; a song's seldom does. So the song is placed behind the start, by
less than a bar, where its bar lines are bar lines of the project: its first downbeat may be at
0.37 s, its first beats a pick-up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music_reading import MusicReading

ON_THE_BEAT_S = 0.0025
"""So far a beat of the project may lie from one of the song: a hundredth of a beat at 240 BPM."""

_NO_PICK_UP_S = 0.002  # a bar that begins so soon after the song's start begins with it
_NEAT_S = 0.001  # so much nearer to the beats a tempo of more digits would have to be
_MOST_DIGITS = 6
_USUAL_BPM, _USUAL_BAR = 120.0, 4


@dataclass(frozen=True)
class Tempo:
    """From a beat on, until the next one, a beat lasts `60 / bpm` seconds."""

    beat: float
    time_s: float
    bpm: float


@dataclass(frozen=True)
class Meter:
    """From a bar line on, bars have so many beats, each a quarter note."""

    beat: int
    beats_per_bar: int


@dataclass(frozen=True)
class TempoMap:
    """The beats of a project.

    Args:
        tempos: in order; the first one at beat 0, at 0 s.
        meters: likewise.
        song_start_s: where in the project the song begins.
        n_bars_before: how many bars of the project lie before the song's first downbeat.
    """

    tempos: tuple[Tempo, ...]
    meters: tuple[Meter, ...]
    song_start_s: float = 0.0
    n_bars_before: int = 0

    def time_s(self, beat: float) -> float:
        """Return where a beat of the project lies."""
        before = self.tempos[max(0, bisect_right(self.tempos, beat, key=lambda t: t.beat) - 1)]
        return before.time_s + (beat - before.beat) * 60 / before.bpm

    def beat(self, time_s: float) -> float:
        """Return which beat of the project lies at a time of it."""
        before = self.tempos[max(0, bisect_right(self.tempos, time_s, key=lambda t: t.time_s) - 1)]
        return before.beat + (time_s - before.time_s) * before.bpm / 60

    def on_beat_s(self, time_s: float) -> float:
        """Return a time of the project, or that of the beat that it is as good as on."""
        at_s = self.time_s(round(self.beat(time_s)))
        return at_s if abs(at_s - time_s) <= 2 * ON_THE_BEAT_S else time_s

    def beats_in_bars(self, end_s: float) -> Iterator[tuple[int, int]]:
        """Yield every beat before a time, and how many lie between it and its bar line."""
        bounds = [*(meter.beat for meter in self.meters[1:]), self.beat(end_s)]
        for meter, bound in zip(self.meters, bounds, strict=True):
            for beat in range(meter.beat, int(np.ceil(bound - 1e-9))):
                yield beat, (beat - meter.beat) % meter.beats_per_bar


NO_TEMPO = TempoMap((Tempo(0.0, 0.0, _USUAL_BPM),), (Meter(0, _USUAL_BAR),))
"""Of a song without a beat: what programs start with."""


def tempo_map(reading: MusicReading, sample_rate: int) -> TempoMap | None:
    """Return the tempo map of a song; None where it has no beat.

    A song of a machine's tempo has one tempo, of as few digits as its beats allow. Any other has a
    change wherever the beats would else be `ON_THE_BEAT_S` off.

    Args:
        reading: what it plays to.
        sample_rate: in Hz; the song is placed on a whole sample.
    """
    beats_s = np.unique(np.array(reading.beats_s, np.float64))
    if reading.bpm <= 0 or beats_s.size < 2:
        return None
    bars = np.unique(np.abs(beats_s[:, None] - np.array(reading.downbeats_s)).argmin(axis=0))
    first = int(bars[0]) if bars.size else 0
    steady = _one_tempo(beats_s)
    pieces = list(_pieces(beats_s)) if steady is None else [(0, 60 / steady[0])]
    first_beat_s = float(beats_s[0]) if steady is None else steady[1]
    a_bar = reading.beats_per_bar or _USUAL_BAR
    beat_s = pieces[0][1]
    # The least number of bars that leaves room for what the song plays before its first downbeat.
    n_bars = max(0, int(np.ceil(first / a_bar)))
    while (n_bars * a_bar - first) * beat_s - first_beat_s < -_NO_PICK_UP_S:
        n_bars += 1
    offset = n_bars * a_bar - first  # the song's first beat, in the project
    tempos, now_s = [Tempo(0.0, 0.0, 60 / beat_s)], offset * beat_s
    for (at, length_s), (before, before_s) in zip(pieces[1:], pieces, strict=False):
        now_s += (at - before) * before_s
        tempos.append(Tempo(float(at + offset), now_s, 60 / length_s))
    start_s = max(0.0, offset * beat_s - first_beat_s)
    return TempoMap(
        tuple(tempos),
        tuple(_meters(bars + offset, a_bar)),
        round(start_s * sample_rate) / sample_rate,
        n_bars,
    )


def _one_tempo(beats_s: Float64s) -> tuple[float, float] | None:
    """Return the tempo in BPM and the first beat of the line that all beats lie on, if they do."""
    index = np.arange(beats_s.size)
    exact = 60 / float(np.polyfit(index, beats_s, 1)[0])

    def spread(bpm: float) -> tuple[float, float]:
        off_s = beats_s - index * 60 / bpm
        return float(np.ptp(off_s)) / 2, float(off_s.max() + off_s.min()) / 2

    best_s, first_s = spread(exact)
    if best_s > ON_THE_BEAT_S:
        return None
    for digits in range(_MOST_DIGITS):
        bpm = round(exact, digits)
        off_s, at_s = spread(bpm)
        if off_s <= min(ON_THE_BEAT_S, best_s + _NEAT_S):
            return bpm, at_s
    return exact, first_s


def _pieces(beats_s: Float64s) -> Iterator[tuple[int, float]]:
    """Yield (first beat, seconds a beat) of the fewest even pieces that stay on the beats.

    Each goes on where the one before it ends, so nothing adds up.
    """
    at, now_s = 0, float(beats_s[0])
    while at < beats_s.size - 1:
        low, high, end = -np.inf, np.inf, at
        for beat in range(at + 1, beats_s.size):
            least = max(low, (beats_s[beat] - ON_THE_BEAT_S - now_s) / (beat - at))
            most = min(high, (beats_s[beat] + ON_THE_BEAT_S - now_s) / (beat - at))
            if least > most:
                break
            low, high, end = least, most, beat
        length_s = float(np.clip((beats_s[end] - now_s) / (end - at), low, high))
        yield at, length_s
        now_s += length_s * (end - at)
        at = end


def _meters(bars: Sequence[int] | np.ndarray, a_bar: int) -> Iterator[Meter]:
    """Yield the meters of bar lines at these beats of the project, and of the bars before them."""
    yield Meter(0, a_bar)
    lengths = np.diff(bars).tolist()
    now = a_bar
    for bar, length in zip(np.asarray(bars).tolist(), [*lengths, a_bar], strict=False):
        if length != now:
            yield Meter(bar, length)
            now = length
