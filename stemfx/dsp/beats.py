"""Beats: the train of times that meets strong onsets and keeps its pace best (Ellis 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.units import Float64s

TIGHTNESS = 800.0
"""Cost of leaving the pace: times log² of the ratio of an interval to the period."""


def track_beats(
    envelope: Float64s, period: float | Float64s, tightness: float = TIGHTNESS
) -> NDArray[np.intp]:
    """Return the frames of the beats of an onset envelope.

    Args:
        envelope: `(n_frames,)`, >= 0, about 1 at a clear onset.
        period: frames a beat, for the whole song or for each frame.
        tightness: what an interval that is off the period costs.
    """
    n = envelope.size
    if not n:
        return np.zeros(0, np.intp)
    periods = np.broadcast_to(np.asarray(period, np.float64), (n,))
    shortest, longest = int(periods.min() * 0.6), int(np.ceil(periods.max() * 1.7))
    if n < 2 * shortest or shortest < 2:
        return np.zeros(0, np.intp)
    lags = np.arange(shortest, longest + 1)
    score = np.concatenate([np.zeros(longest), envelope])  # before the song nothing is gained
    back = np.full(n, -1, np.int32)
    for start in range(0, n, shortest):  # no frame of a run looks back into it
        frames = np.arange(start, min(n, start + shortest))
        cost = tightness * np.log(lags / periods[frames, np.newaxis]) ** 2
        chain = score[longest + frames[:, np.newaxis] - lags] - cost
        best = chain.argmax(axis=1)
        gain = chain[np.arange(frames.size), best]
        linked = gain > 0
        score[longest + frames] += np.where(linked, gain, 0)
        back[frames] = np.where(linked, frames - lags[best], -1)
    # The last beat is one of the last period's frames: the best of them.
    tail = score[longest + max(0, n - int(np.ceil(periods[-1]))) :]
    beat = n - tail.size + int(tail.argmax())
    beats = []
    while beat >= 0:
        beats.append(beat)
        beat = int(back[beat])
    return np.array(beats[::-1], np.intp)
