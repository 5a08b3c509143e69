"""What speaks for a section to begin at a bar: the song sounds new there, or begins to repeat."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music.bar_features import Bars

CHANNELS = ("chords", "sound", "rhythm")
WIDTHS = (1, 2, 4, 8)
RUNS = (2, 4, 8)
_CLIP = 3.0
_LEAST_SPREAD = 0.02


def distances(bars: Bars) -> Float64s:
    """Return how far bars are from one another, `(3, n_bars, n_bars)`, for each of `CHANNELS`.

    Chords: one minus the cosine about the mean pitch class. Sound and rhythm: root mean square
    difference in dB. Each is divided by its mean over the song, so 1 is usual.
    """
    chords = bars.chords.reshape(-1, 2, 12)
    chords = (chords - chords.mean(axis=2, keepdims=True)).reshape(-1, 24)
    chords /= np.maximum(np.linalg.norm(chords, axis=1, keepdims=True), 1e-9)
    kinds = [np.maximum(1 - chords @ chords.T, 0.0)]
    kinds += [_rms_distance(rows) for rows in (bars.sound, bars.rhythm)]
    return np.array([_scaled(kind) for kind in kinds])


def _rms_distance(rows: Float64s) -> Float64s:
    square = (rows**2).sum(axis=1)
    apart = square[:, np.newaxis] + square - 2 * rows @ rows.T
    return np.asarray(np.sqrt(np.maximum(apart, 0.0) / rows.shape[1]))


def _scaled(apart: Float64s) -> Float64s:
    return np.asarray(apart / max(float(apart.mean()), 1e-9))


def border_cues(apart: Float64s) -> Float64s:
    """Return `(n_bars, n_cues)`: row k is about a section that begins at bar k; row 0 is zero.

    Each cue is in standard deviations of the song, at most `_CLIP` from its mean.
    """
    cues = [_novelty(one, width) for one in apart for width in WIDTHS]
    both = apart[0] + 0.5 * (apart[1] + apart[2])
    for one in (apart[0], both):
        for width in RUNS:
            cues += _turns(one, width)
    for one in apart:
        step = np.concatenate([[0.0], np.diagonal(one, 1)])  # from the bar before to each
        cues.append(np.concatenate([[0.0], step[:-1]]))  # the bar before is a fill
        cues.append(np.append(step[1:], 0.0))
    rows = np.array([_standard(cue) for cue in cues]).T
    rows[0] = 0.0
    return np.asarray(rows)


def _standard(cue: Float64s) -> Float64s:
    spread = float(cue[1:].std()) if cue.size > 1 else 0.0
    centred = cue - (float(cue[1:].mean()) if cue.size > 1 else 0.0)
    return np.clip(centred / max(spread, _LEAST_SPREAD), -_CLIP, _CLIP)


def _novelty(apart: Float64s, width: int) -> Float64s:
    """Return how much farther bars are across each line than on either side of it."""
    n = len(apart)
    out = np.zeros(n)
    for k in range(1, n):
        a, b = max(0, k - width), min(n, k + width)
        before, after = apart[a:k, a:k], apart[k:b, k:b]
        inner = (before.sum() + after.sum()) / (before.size + after.size)
        out[k] = apart[a:k, k:b].mean() - inner
    return out


def _turns(apart: Float64s, width: int) -> tuple[Float64s, Float64s]:
    """Return how clearly a repetition begins at each bar, and how clearly one ends before it.

    Bars k on are like those from some other bar j on, while the bars before k are unlike those
    before j; and the other way round.
    """
    n = len(apart)
    forward, backward = np.full((n, n), np.nan), np.full((n, n), np.nan)
    for lag in range(1, n):
        line = np.diagonal(apart, lag)  # of bars i and i + lag
        sums = np.concatenate([[0.0], np.cumsum(line)])
        at = np.arange(line.size)
        to, since = np.minimum(at + width, line.size), np.maximum(at - width, 0)
        ahead = (sums[to] - sums[at]) / np.maximum(to - at, 1)
        behind = np.where(at > since, (sums[at] - sums[since]) / np.maximum(at - since, 1), 1.0)
        forward[at, at + lag] = forward[at + lag, at] = ahead
        backward[at, at + lag] = backward[at + lag, at] = behind
    change = backward - forward
    likeness = np.maximum(1 - np.fmin(forward, backward), 0.0)
    begins = np.nan_to_num(np.where(change > 0, change * likeness, 0.0)).max(axis=1)
    ends = np.nan_to_num(np.where(change < 0, -change * likeness, 0.0)).max(axis=1)
    return begins, ends
