"""The key of a song: which of 24 explains its notes, its chords, its bass and its endings best.

A profile of pitch classes says which notes a key has, but a key shares all of them with its
relative, and nearly all with its neighbours. What tells them apart is where the music rests: which
chord bars begin and end with, which note the bass plays on the one, what follows the dominant.
Every key is judged by all of these; their weights are fitted to rendered songs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemfx.dsp.chroma import FRAME_HZ
from stemfx.dsp.key import key_name, profile_scores
from stemfx.dsp.transpose import parse_key
from stemfx.dsp.units import Float64s
from stemfx.music.listen import Heard
from stemfx.music.tonality_weights import KEY_WEIGHTS

IN_TUNE, FIT = (0.02, 0.04), (0.5, 0.75)
"""From no key to a sure one: how near the partials lie to semitones (see `Pitches.concentration`),
and how well the notes correlate with the profile of the best key. Songs have over 0.05 and 0.76;
drums, noise and speech less than 0.03, or less than 0.6 of the other."""
_STEADY_FRAMES = 5
"""A bass note lasts longer than half of these 0.46 s; the ring of a kick does not."""
_NO_BARS_S = 2.0
"""Where no bars are known, stretches of this length stand for them."""
_TRIADS = np.array([[1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]])
_SCALES = np.array([[1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1]])
"""Major, and minor with both its sevenths."""
_QUIET = 0.1  # of the loud frames: what is softer counts less
_LEAST_PEAK = 1e-3


@dataclass(frozen=True)
class Tonality:
    """Key and runner-up by name, empty if there is none; and how sure the key is, 0 to 1.

    That is how far it is ahead of the runner-up, less where the music has no clear pitch.
    """

    key: str
    runner_up: str
    confidence: float


def read_key(heard: Heard, beats_s: Float64s, downbeats_s: Float64s, told: str = "") -> Tonality:
    """Return the key that the cues of a song speak for.

    Where next to nothing is in tune with anything, as in drums and speech, there is none. A key
    that is told is the key; the best other one is the runner-up, and the confidence is 0 where the
    song speaks more for that.
    """
    cues = key_cues(heard, beats_s, downbeats_s)
    in_tune, fit = heard.pitches.concentration(), float(cues[:, 0].max())
    scores = cues @ KEY_WEIGHTS
    pitched = float(np.interp(in_tune, IN_TUNE, (0, 1)) * np.interp(fit, FIT, (0, 1)))
    if pitched == 0 or (in_tune < IN_TUNE[1] and fit < FIT[1]):
        scores = np.zeros(24)
    order = np.argsort(-scores, kind="stable")
    if told:
        tonic, mode = parse_key(told)
        named = 12 * mode + tonic
        order = np.array([named, *order[order != named]])
    key = key_name(int(order[0]))
    if not scores.any():
        return Tonality(key if told else "", "", 0.0)
    first, second = np.exp(scores[order[:2]] - scores.max())
    ahead = max(0.0, float((first - second) / max(first + second, 1e-12)))
    return Tonality(key, key_name(int(order[1])), ahead * pitched)


def key_cues(heard: Heard, beats_s: Float64s, downbeats_s: Float64s) -> Float64s:
    """Return `(24, n_cues)`; all zero where nothing has a pitch."""
    from scipy.ndimage import median_filter

    chroma = _level(heard.pitches.chroma())
    bass = _level(median_filter(heard.bass_pitches.bass_chroma(), (_STEADY_FRAMES, 1)))
    starts, stops, first_beats = _bars(len(chroma) / FRAME_HZ, beats_s, downbeats_s)
    bars = _sums(chroma, starts, stops)
    kept = np.sqrt((bars**2).sum(axis=1)) > 1e-6
    if not kept.any():
        return np.zeros((24, KEY_WEIGHTS.size))
    chords = _chords(bars[kept])  # (n_bars, 24)
    ones = _unit(_sums(bass, starts, first_beats)[kept])  # bass on the one, (n_bars, 12)
    best = chords >= chords.max(axis=1, keepdims=True) - 1e-9
    profile, notes, low = (
        profile_scores(chroma.sum(axis=0)),
        _unit(chroma.sum(0)),
        _unit(bass.sum(0)),
    )
    cues = []
    for key in range(24):
        tonic, minor = key % 12, key // 12
        chord, one = chords[:, key], ones[:, tonic]
        fifth, seventh = chords[:, (tonic + 7) % 12], chords[:, (tonic + 10) % 12]
        at_rest = np.maximum(chord[1:], 0)
        degrees = np.roll(notes, -tonic)
        outside = 1.0 - degrees @ _SCALES[minor] / max(degrees.sum(), 1e-9)
        cues.append(
            [
                profile[key],
                *(low[(tonic + step) % 12] for step in (0, 7, 5)),
                *(chord.mean(), best[:, key].mean(), chord[0], chord[-1]),
                *(one[0], one[-1], one.mean()),
                *(chord[::2].mean(), chord[::4].mean(), chord[::8].mean(), one[::4].mean()),
                *(fifth.mean() * (1 - minor), fifth.mean() * minor),
                np.mean(np.maximum(fifth[:-1], 0) * at_rest) if at_rest.size else 0.0,
                np.mean(np.maximum(seventh[:-1], 0) * at_rest) if at_rest.size else 0.0,
                minor,
                outside,
                *(degrees * (1 - minor)),
                *(degrees * minor),
            ]
        )
    return np.array(cues, np.float64)


def _level(chroma: Float64s) -> Float64s:
    """Bring frames to one length, but for quiet ones, so that loud notes are not all there is."""
    length = np.sqrt((chroma**2).sum(axis=1))
    loud = float(np.percentile(length, 95)) if length.size else 0.0
    if loud < _LEAST_PEAK:
        return np.zeros_like(chroma)
    return np.asarray(chroma / np.maximum(length, _QUIET * loud)[:, np.newaxis])


def _bars(
    duration_s: float, beats_s: Float64s, downbeats_s: Float64s
) -> tuple[Float64s, Float64s, Float64s]:
    """Return where bars begin and end, and where their first beat ends."""
    if downbeats_s.size < 2:
        starts = np.arange(0.0, max(duration_s, 1e-3), _NO_BARS_S)
        return starts, starts + _NO_BARS_S, starts + 0.5 * _NO_BARS_S
    beat = float(np.median(np.diff(beats_s)))
    stops = np.append(downbeats_s[1:], beats_s[-1] + beat)
    return downbeats_s, stops, downbeats_s + beat


def _sums(frames: Float64s, starts_s: Float64s, stops_s: Float64s) -> Float64s:
    """Sum the frames of each stretch, `(n, 12)`."""
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(frames, axis=0)])
    edges = [
        np.clip(np.round(t * FRAME_HZ).astype(int), 0, len(frames)) for t in (starts_s, stops_s)
    ]
    return np.asarray(sums[edges[1]] - sums[edges[0]])


def _unit(rows: Float64s) -> Float64s:
    length = np.sqrt((rows**2).sum(axis=-1, keepdims=True))
    return np.asarray(rows / np.maximum(length, 1e-9))


def _chords(bars: Float64s) -> Float64s:
    """Correlate bars `(n, 12)` with the 24 triads."""
    triads = np.concatenate([[np.roll(triad, k) for k in range(12)] for triad in _TRIADS])
    centred = [_unit(x - x.mean(axis=1, keepdims=True)) for x in (bars, triads)]
    return np.asarray(centred[0] @ centred[1].T)
