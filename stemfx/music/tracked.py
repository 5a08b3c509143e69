"""The beats that somebody else's tracker hears, held to its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Signal
from stemfx.beat_tracker import BeatTracker, TrackedBeats
from stemfx.dsp.units import Float64s
from stemfx.errors import PluginError

LATE_S = 0.1
"""How far after the end a time may lie: trackers count in frames."""


@dataclass(frozen=True)
class Tracked:
    """Beats in seconds, and which of them, counted from 0, begin a bar; none: not said."""

    beats_s: Float64s
    downbeats: tuple[int, ...] = ()


def ask(tracker: BeatTracker, mixture: Signal) -> Tracked:
    """Return what a tracker hears in a song.

    A downbeat that is none of its beats means the nearest one.

    Raises:
        PluginError: the tracker failed, or its answer is not what `BeatTracker` declares.
    """
    name, end_s = tracker.name, mixture.n_samples / mixture.sample_rate
    try:
        answer = tracker.track(mixture)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        raise PluginError(f"the beat tracker {name!r} failed ({told})") from error
    if not isinstance(answer, TrackedBeats):
        msg = f"the beat tracker {name!r} returned {answer!r:.80} where TrackedBeats are declared"
        raise PluginError(msg)
    beats_s = _times(name, "beats_s", answer.beats_s, end_s)
    downbeats_s = _times(name, "downbeats_s", answer.downbeats_s, end_s)
    if not beats_s.size:
        return Tracked(beats_s)
    nearest = np.abs(downbeats_s[:, np.newaxis] - beats_s).argmin(axis=1)
    return Tracked(beats_s, tuple(np.unique(nearest).tolist()))


def _times(name: str, what: str, values: Sequence[float], end_s: float) -> Float64s:
    try:
        times = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        times = np.zeros((0, 0))
    if times.ndim != 1:
        msg = f"the beat tracker {name!r} gave {what} that are no list of times in seconds"
        raise PluginError(msg)
    inside = (times >= 0) & (times <= end_s + LATE_S)
    if not inside.all():
        msg = (
            f"the beat tracker {name!r} gave {times[~inside][0]:g} s among its {what}; times lie "
            f"in the song, from 0 to {end_s:.3f} s"
        )
        raise PluginError(msg)
    falls = np.flatnonzero(np.diff(times) <= 0)
    if falls.size:
        here, then = times[falls[0]], times[falls[0] + 1]
        msg = (
            f"the beat tracker {name!r} gave {then:g} s after {here:g} s in {what}; they must rise"
        )
        raise PluginError(msg)
    return times
