"""Bars of the timeline in seconds, and what of it is in a window."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from stemfx.errors import AlignmentError
from stemfx.music_reading import MusicReading, Section

_SAME_S = 1e-6  # times that are the same but for rounding


def bar_times(
    reading: MusicReading, first_bar: int, last_bar: int | None = None
) -> tuple[float, float]:
    """Return where bars begin and end; what is played before bar 1 belongs to it.

    Args:
        reading: of the timeline.
        first_bar: from 1 on.
        last_bar: the last one that is played; None, or one past the end, is the end.

    Raises:
        AlignmentError: the song ends before the first bar.
    """
    n_bars = len(reading.downbeats_s)
    if first_bar > n_bars:
        what = f"bar {first_bar} is asked for, and the song has {n_bars}"
        raise AlignmentError(f"{what}; `stemfx analyze` shows the bars of a file")
    start_s = 0.0 if first_bar == 1 else reading.downbeats_s[first_bar - 1]
    is_end = last_bar is None or last_bar >= n_bars
    return start_s, reading.duration_s if is_end else reading.downbeats_s[last_bar or 0]


def in_window(reading: MusicReading, window_s: tuple[float, float] | None) -> MusicReading:
    """Return a reading as it is heard in a window (start, length): times count from its start.

    Of sections there is what is heard of them; their bars are the window's.
    """
    if window_s is None:
        return reading
    start_s, length_s = window_s[0], min(window_s[1], max(0.0, reading.duration_s - window_s[0]))

    def inside(times: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(time - start_s for time in times if 0 <= time - start_s < length_s)

    downbeats_s = inside(reading.downbeats_s)

    def part(section: Section) -> Section:
        first_s, end_s = max(0.0, section.start_s - start_s), min(length_s, section.end_s - start_s)
        first, end = (bisect_left(downbeats_s, time_s - _SAME_S) for time_s in (first_s, end_s))
        return Section(section.label, first_s, end_s, first + 1, end - first)

    return replace(
        reading,
        beats_s=inside(reading.beats_s),
        downbeats_s=downbeats_s,
        duration_s=length_s,
        sections=tuple(
            part(section)
            for section in reading.sections
            if section.start_s < start_s + length_s - _SAME_S and section.end_s > start_s + _SAME_S
        ),
        bars=(),
    )
