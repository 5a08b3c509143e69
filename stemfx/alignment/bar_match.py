"""Which bars of two songs are alike."""

from __future__ import annotations

from dataclasses import dataclass

from stemfx.music_reading import MusicReading


@dataclass(frozen=True)
class BarMatch:
    """Bars of a reference and bars of another song that are alike, counted from 1."""

    first_bar: int
    first_bar_of_other: int
    n_bars: int


def matched(reference: MusicReading, other: MusicReading) -> tuple[BarMatch, ...]:
    """Return the bars that are alike, in the order of the reference: bar 1 on bar 1."""
    n_bars = min(len(reference.downbeats_s), len(other.downbeats_s))
    return (BarMatch(1, 1, n_bars),) if n_bars else ()
