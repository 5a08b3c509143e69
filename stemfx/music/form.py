"""The form of songs: their sections, and which bars of two takes of one song mean one another."""

from __future__ import annotations

import numpy as np

from stemfx.music.bar_features import read_bars
from stemfx.music.beat_map import BeatMap
from stemfx.music.listen import Heard
from stemfx.music.match import BarMatch, Matching, match_bars
from stemfx.music.sections import find_sections
from stemfx.music_reading import Section

__all__ = ["BarMatch", "Matching", "match_bars", "read_form"]

Rows = tuple[tuple[float, ...], ...]


def read_form(heard: Heard, beat_map: BeatMap) -> tuple[tuple[Section, ...], Rows]:
    """Return the sections of a song, from its first downbeat to its end, and a row for each bar.

    Both are empty where no bar was found. What is in a row: `music.bar_features`.
    """
    if not beat_map.downbeats_s.size:
        return (), ()
    beat_s = float(np.median(np.diff(beat_map.beats_s))) if beat_map.beats_s.size > 1 else 0.5
    bars = read_bars(heard, beat_map.downbeats_s, beat_map.beats_per_bar * beat_s)
    return find_sections(bars), bars.compact()
