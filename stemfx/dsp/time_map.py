"""Where each moment of a source sounds in the song, cut into spans of one speed.

A map is two rising rows of anchors, such as beats: `out` (samples of the song) and `source`
(samples of the loop, unrolled). Between anchors time runs evenly. A span is a stretch of the song
within which one speed will do: few spans mean few joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.units import Float64s

Anchors = NDArray[np.float64]
"""`(n,)`, strictly rising, in samples; fractions count."""


@dataclass(frozen=True)
class Span:
    """A stretch of the song at one speed: `[start, stop)` there plays from `source_start` on.

    Args:
        start: first sample in the song.
        stop: the sample after the last.
        source_start: the source's sample that sounds at `start`, maybe between two samples.
        speed: source samples a song sample; 1 is a copy.
    """

    start: int
    stop: int
    source_start: float
    speed: float


def stretched_spans(
    out: Anchors, source: Anchors, *, tolerance: float, longest: int, is_bar: Sequence[bool]
) -> list[Span]:
    """Return spans from the first anchor to the last that keep every anchor within `tolerance`.

    Each span ends at an anchor, the farthest for which a straight line from the span's first
    anchor stays close enough; one that begins a bar if there is one on the way.

    Args:
        out: anchors in the song.
        source: the same in the source.
        tolerance: how far off an anchor may sound, in samples of the song.
        longest: a span's greatest length in samples; anchors farther apart are cut up evenly.
        is_bar: which anchors begin a bar.
    """
    spans: list[Span] = []
    first, last = 0, len(out) - 1
    while first < last:
        reach = max(first + 1, int(np.searchsorted(out, out[first] + longest, "right")) - 1)
        end = bar = first + 1
        for stop in range(first + 1, min(reach, last) + 1):
            line = np.interp(
                source[first : stop + 1],
                [source[first], source[stop]],
                [out[first], out[stop]],
            )
            if np.abs(line - out[first : stop + 1]).max() > tolerance:
                if stop - first > _LOOK_ON:  # jitter ends soon; drift does not
                    break
                continue
            end = stop
            if is_bar[stop]:
                bar = stop
        if bar > first + 1 and end < last:
            end = bar
        spans += _evenly(out[first], out[end], source[first], source[end], longest)
        first = end
    return spans


_LOOK_ON = 16  # anchors


def _evenly(
    out_start: float, out_stop: float, source_start: float, source_stop: float, longest: int
) -> list[Span]:
    n = max(1, int(np.ceil((out_stop - out_start) / longest)))
    edges = [round(edge) for edge in np.linspace(out_start, out_stop, n + 1)]
    speed = (source_stop - source_start) / (out_stop - out_start)
    return [
        Span(start, stop, source_start + (start - out_start) * speed, speed)
        for start, stop in pairwise(edges)
    ]


def copied_spans(out: Anchors, source: Anchors, *, tolerance: float) -> list[Span]:
    """Return spans of speed 1 at whole samples that keep every anchor within `tolerance`.

    Neighbours that follow on from each other are one span: a song at the loop's own tempo is a
    single one.
    """
    spans: list[Span] = []
    first, n = 0, len(out)
    delays = out - source
    while first < n - 1:
        low = np.minimum.accumulate(delays[first:])
        high = np.maximum.accumulate(delays[first:])
        near = high - low <= 2 * tolerance
        end = first + (len(near) if near.all() else int(np.argmin(near)))
        delay = round((low[end - first - 1] + high[end - first - 1]) / 2)
        if abs(delays[first] - round(delays[first])) < 1e-6 and np.ptp(delays[first:end]) < 1:
            delay = round(delays[first])  # no rounding where none is needed
        stop = min(end, n - 1)
        start = spans[-1].stop if spans else round(out[first])
        spans.append(Span(start, round(out[stop]), float(start - delay), 1.0))
        first = stop
    return spans


def out_at(out: Anchors, source: Anchors, moments: Float64s) -> Float64s:
    """Return where moments of the source sound in the song; outside the anchors evenly on."""
    inside: Float64s = np.interp(moments, source, out)
    for edge, neighbour, beyond in (
        (0, 1, moments < source[0]),
        (-1, -2, moments > source[-1]),
    ):
        slope = (out[edge] - out[neighbour]) / (source[edge] - source[neighbour])
        inside = np.where(beyond, out[edge] + (moments - source[edge]) * slope, inside)
    return inside


def played_at(spans: Sequence[Span], moment: float) -> float:
    """Return the sample at which a moment of the source sounds, the spans going on as they are."""
    starts = [span.source_start for span in spans]
    span = spans[max(0, int(np.searchsorted(starts, moment, "right")) - 1)]
    return span.start + (moment - span.source_start) / span.speed
