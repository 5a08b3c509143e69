"""Two singers at once, from different songs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.fixes import stage_line
from stemfx.stage import Finding

SINGS_DB = -26.0
"""Level, relative to a voice's loud moments, from which it sings; bleed and breath lie below."""

SILENT_DBFS = -60.0
LONGEST_REST_S = 0.4
"""A rest within a line: whoever sings on after it never stopped."""

SHORTEST_S = 1.0
"""Overlaps that are shorter are an entry on somebody's last word, as in any duet."""

_WINDOW_S = 0.1
_LOUD_QUANTILE = 95.0
_MOST_TOLD = 4
_STEPS_BACK_DB = 48.0  # and no less: a voice is held against its own loud moments
_FADE_DB = 6.0  # `duck` takes so much above its threshold to its full depth


@dataclass(frozen=True)
class VoicesOverlap:
    """Where two voices sing at once.

    Args:
        overlap_s: how long, in all.
        spans_s: from when to when, in seconds.
        findings: what a producer should know.
    """

    overlap_s: float
    spans_s: tuple[tuple[float, float], ...]
    findings: tuple[Finding, ...]


def voices_overlap(
    one: Signal,
    other: Signal,
    *,
    names: tuple[str, str] = ("one", "the other"),
    downbeats_s: Sequence[float] = (),
) -> VoicesOverlap:
    """Tell where two tracks on one timeline both sing.

    Args:
        one: a vocal track.
        other: another, of the same rate.
        names: of the two, for the words.
        downbeats_s: of the timeline, to tell bars from 1 on; without them times are told.
    """
    first, second = _sings(one), _sings(other)
    n = min(len(first), len(second))
    edges = _edges(first[:n] & second[:n])
    spans = [(a * _WINDOW_S, b * _WINDOW_S) for a, b in edges]
    spans = [(a, b) for a, b in spans if b - a >= SHORTEST_S]
    total = sum(b - a for a, b in spans)
    if not spans:
        return VoicesOverlap(0.0, (), ())
    told = ", ".join(_place(a, b, downbeats_s) for a, b in spans[:_MOST_TOLD])
    more = f" and {len(spans) - _MOST_TOLD} more times" if len(spans) > _MOST_TOLD else ""
    finding = Finding(
        "warn",
        "two_voices",
        f"{names[0]} and {names[1]} both sing for {total:.0f} s: {told}{more}; if that is no duet, "
        "give these bars to one of them: from: [{source: ..., bars: ...}, ...]",
        stage_line(
            "duck",
            by=names[0],
            depth_db=_STEPS_BACK_DB,
            threshold_db=SINGS_DB - _FADE_DB,
            release_ms=1e3 * LONGEST_REST_S,
        ),
    )
    return VoicesOverlap(round(total, 1), tuple(spans), (finding,))


def _sings(signal: Signal) -> NDArray[np.bool_]:
    """Return in which windows a voice sings; short rests are bridged."""
    n = round(_WINDOW_S * signal.sample_rate)
    power = np.array([float(np.mean(np.square(x, dtype=np.float64))) for x in signal.blocks(n)])
    if not power.size:
        return np.zeros(0, bool)
    heard = power > 10 ** (SILENT_DBFS / 10)
    if not heard.any():
        return heard
    loud = float(np.percentile(power[heard], _LOUD_QUANTILE))
    sings: NDArray[np.bool_] = heard & (power > loud * 10 ** (SINGS_DB / 10))
    for start, stop in _edges(~sings):
        if start > 0 and stop < sings.size and (stop - start) * _WINDOW_S <= LONGEST_REST_S:
            sings[start:stop] = True
    return sings


def _edges(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of True begin and end."""
    steps = np.diff(np.concatenate(([0], on.astype(np.int8), [0])))
    return list(
        zip(np.flatnonzero(steps > 0).tolist(), np.flatnonzero(steps < 0).tolist(), strict=True)
    )


def _place(start_s: float, stop_s: float, downbeats_s: Sequence[float]) -> str:
    if len(downbeats_s):
        first = max(1, bisect_right(downbeats_s, start_s))
        last = max(first, bisect_right(downbeats_s, stop_s - _WINDOW_S))
        return f"bars {first}-{last}" if last > first else f"bar {first}"
    return f"{_clock(start_s)} to {_clock(stop_s)}"


def _clock(at_s: float) -> str:
    return f"{int(at_s // 60)}:{at_s % 60:04.1f}"
