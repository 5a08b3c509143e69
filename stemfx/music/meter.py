"""Which of the pulses of a song is the beat, and which beats begin a bar.

A pulse is a train of times that a tracker led through the onsets at one of several paces. Every
pulse is read as the beats of bars of four or three, from each of its first beats on, and judged by
what falls where: kick and bass on the one, snare on the backbeat, hats between the beats, chords
that change with the bar, and a tempo that people tap to. The reading with the highest score wins;
so tempo octave, phase and downbeat are decided together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp import chroma as pitch
from stemfx.dsp.flux import FRAME_HZ, GROUPS
from stemfx.dsp.units import Float64s
from stemfx.music.listen import Heard
from stemfx.music.pulses import Pulse

TYPICAL_BPM = 115.0
POSITIONS = 12
"""Places in a beat that are looked at: it divides into eighths, sixteenths and triplets."""
_NEAR_FRAMES = 5  # 50 ms wide: what is played near a place is played there
_LOUD_PERCENTILE = 98.0
_SAME_PACE = 0.03  # paces that near are one
_ON_A_BEAT = 0.3  # of a beat: a downbeat told by ear is off by 50 ms


@dataclass(frozen=True)
class Cues:
    """Onset strengths of a song, `(n_cues, n_frames)`, a clear onset about 1; and its chroma."""

    strengths: Float64s
    chroma: Float64s
    bass: Float64s


CUES = (
    *(f"{who} {group}" for who in ("struck", "played") for group in GROUPS),
    *(f"{who} {group}, loud" for who in ("struck", "played") for group in GROUPS),
    "bass, loud",
)


def read_cues(heard: Heard) -> Cues:
    """Scale what was heard, so that songs can be compared."""
    from scipy.ndimage import maximum_filter1d

    both = (heard.struck, heard.played)
    rows = [group for flux in both for group in flux.groups.values()]
    rows += [group for flux in both for group in flux.loud.values()]
    rows.append((heard.bass or heard.played).loud["low"])
    scaled = []
    for row in rows:
        loud = float(np.percentile(row, _LOUD_PERCENTILE)) if row.size else 0.0
        near = maximum_filter1d(row.astype(np.float64), _NEAR_FRAMES) if row.size else row
        scaled.append(np.minimum(near / max(loud, 1e-6), 1.5) if loud > 1e-3 else near * 0)
    chroma, bass_chroma = heard.pitches.chroma(), heard.bass_pitches.bass_chroma()
    return Cues(np.array(scaled), chroma, bass_chroma)


def profile(cues: Cues, beats_s: Float64s) -> Float64s:
    """Return the strengths at every place of every beat, `(n_cues, n_beats, POSITIONS)`."""
    steps = np.diff(beats_s, append=2 * beats_s[-1] - beats_s[-2])
    places = beats_s[:, np.newaxis] + steps[:, np.newaxis] * np.arange(POSITIONS) / POSITIONS
    frames = np.round(places * FRAME_HZ).astype(int)
    n = cues.strengths.shape[1]
    found = cues.strengths[:, np.clip(frames, 0, n - 1)]
    return np.asarray(np.where((frames >= 0) & (frames < n), found, 0.0))


def changes(chroma: Float64s, beats_s: Float64s) -> Float64s:
    """Return how much the harmony changes at each beat, `(n_beats,)` in 0..1.

    One minus the cosine between the two beats from it on and the two before it.
    """
    edges = np.round(beats_s * pitch.FRAME_HZ).astype(int)
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0)])
    top = len(chroma)

    def mean(offset: int) -> Float64s:
        n = beats_s.size
        at = np.clip(np.arange(n) + offset, 0, n - 1)
        to = np.clip(np.arange(n) + offset + 2, 0, n - 1)
        start, stop = np.clip(edges[at], 0, top), np.clip(edges[to], 0, top)
        return np.asarray(sums[stop] - sums[start])

    after, before = mean(0), mean(-2)
    norm = np.sqrt((after**2).sum(axis=1) * (before**2).sum(axis=1))
    cosine = (after * before).sum(axis=1) / np.maximum(norm, 1e-9)
    return np.where(norm > 1e-9, 1 - cosine, 0.0)


def bar_features(at: Float64s, change: Float64s, n: int, first: int) -> Float64s:
    """Return what falls where in a reading, as contrasts: `(n_features,)`.

    Args:
        at: of `profile`.
        change: `(2, n_beats)`: of the chords and of the bass.
        n: beats in a bar, 3 or 4.
        first: the beat, counted from 0, that begins the first whole bar.
    """
    mean = at.mean(axis=1)
    on, half = mean[:, 0], mean[:, 6]
    quarter, triplet = 0.5 * (mean[:, 3] + mean[:, 9]), mean[:, 8]
    inside = [on, on - half, half - quarter, triplet - np.maximum(half, mean[:, 9])]
    beats = [at[:, first + k :: n, 0].mean(axis=1) for k in range(n)]
    moves = [change[:, first + k :: n].mean(axis=1) for k in range(n)]
    if n == 4:
        four = [_back(beats), beats[0] - beats[2], beats[1] - beats[3]]
        four += [_back(moves), moves[0] - moves[2]]
        return np.concatenate([*inside, *four, np.zeros(2 * (on.size + 2))])
    three = [2 * beats[0] - beats[1] - beats[2], beats[1] - beats[2]]
    three += [2 * moves[0] - moves[1] - moves[2], moves[1] - moves[2]]
    return np.concatenate([*inside, np.zeros(3 * on.size + 4), *three])


def _back(beats: list[Float64s]) -> Float64s:
    return beats[1] + beats[3] - beats[0] - beats[2]


@dataclass(frozen=True)
class Meter:
    """How a song is counted.

    Args:
        beats_s: the beats as they were tracked.
        strength: of their pulse.
        beats_in_bar: 3 or 4.
        first: the beat, counted from 0, that begins the first whole bar.
        certainty: 0 to 1: the share that readings with these beats have of all readings.
        bpm_runner_up: the best tempo beside this one; 0 where there is none.
        bpm_margin: 0 to 1: how far ahead of it this one is.
    """

    beats_s: Float64s
    strength: float
    beats_in_bar: int
    first: int
    certainty: float
    bpm_runner_up: float = 0.0
    bpm_margin: float = 1.0


def reading_features(cues: Cues, beats_s: Float64s) -> list[tuple[int, int, Float64s]]:
    """Return beats in a bar, first beat and features of every reading of a pulse."""
    at = profile(cues, beats_s)
    change = np.array([changes(cues.chroma, beats_s), changes(cues.bass, beats_s)])
    octaves = float(np.log2(60 / np.median(np.diff(beats_s)) / TYPICAL_BPM))
    readings = []
    for n in (4, 3):
        tempo = np.array([octaves, octaves**2, octaves**3, float(n == 3)])
        readings += [
            (n, k, np.concatenate([bar_features(at, change, n, k), tempo]))
            for k in range(n)
            if beats_s.size >= n + k
        ]
    return readings


def read_meter(heard: Heard, pulses: list[Pulse], downbeat_s: float | None = None) -> Meter:
    """Return the best reading of the best pulse.

    Args:
        heard: what the song sounds like.
        pulses: that may be its beat; one at least.
        downbeat_s: where a bar begins, if it is told. Pace and metre are read as ever: it moves
            the bars, and the beats by half a beat if it lies between them.
    """
    from stemfx.music.weights import WEIGHTS

    cues = read_cues(heard)
    readings = [(t, *r) for t, p in enumerate(pulses) for r in reading_features(cues, p.beats_s)]
    scores = np.array([features @ WEIGHTS for *_, features in readings])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    t, n, first, _ = readings[int(np.argmax(shares))]
    periods = np.array([np.median(np.diff(pulse.beats_s)) for pulse in pulses])
    of_pulse = np.bincount([other for other, *_ in readings], shares, len(pulses))
    is_pace = _are_near(periods, periods[t])
    if downbeat_s is not None:
        on_it = [i for i in np.flatnonzero(is_pace) if _is_on_a_beat(downbeat_s, pulses[i].beats_s)]
        t = int(max(on_it, key=lambda i: of_pulse[i], default=t))
        first = round(beat_at(pulses[t].beats_s, downbeat_s)) % n
    runner_up, margin = 0.0, 1.0
    if not is_pace.all():
        second = int(np.argmax(np.where(is_pace, -1.0, of_pulse)))
        best = of_pulse[is_pace].sum()
        rival = of_pulse[_are_near(periods, periods[second])].sum()
        runner_up, margin = 60 / float(periods[second]), float((best - rival) / (best + rival))
    return Meter(*pulses[t], n, first, float(of_pulse[t]), runner_up, max(0.0, margin))


def _are_near(periods: Float64s, period: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.log(periods / period)) <= _SAME_PACE)


def beat_at(beats_s: Float64s, time_s: float) -> float:
    """Return which beat, counted from 0, a time is; between and beyond beats in fractions."""
    step = float(np.median(np.diff(beats_s)))
    if time_s < beats_s[0]:
        return (time_s - float(beats_s[0])) / step
    if time_s > beats_s[-1]:
        return beats_s.size - 1 + (time_s - float(beats_s[-1])) / step
    return float(np.interp(time_s, beats_s, np.arange(beats_s.size)))


def _is_on_a_beat(time_s: float, beats_s: Float64s) -> bool:
    at = beat_at(beats_s, time_s)
    return abs(at - round(at)) < _ON_A_BEAT
