"""The timeline read as a song: its beats, bars, key and sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.alignment.beat_line import BarLine, BeatLine
from stemfx.alignment.keys import KeyChoice
from stemfx.alignment.song import Song
from stemfx.alignment.tempo import TempoChoice
from stemfx.alignment.timeline import SectionWish
from stemfx.music_reading import MusicReading, Section

_APART_S = 1e-6


@dataclass(frozen=True)
class Grid:
    """The beats of the timeline.

    Args:
        line: where they lie; None if there are none.
        duration_s: the last moment at which any song sounds.
        reference: the song whose bars they are.
        octave: beats of the timeline for one of that song.
        bars: which of them begin bars.
    """

    line: BeatLine | None
    duration_s: float
    reference: Song
    octave: float
    bars: BarLine


@dataclass(frozen=True)
class _Bars:
    """A named stretch of the timeline, in bars from 0 on."""

    label: str
    first: int
    end: int


def read_grid(
    grid: Grid,
    tempo: TempoChoice | None,
    key: KeyChoice,
    wishes: Sequence[SectionWish],
    songs: Mapping[str, Song],
) -> MusicReading:
    """Return the reading of the timeline; bar 1 is bar 1 of the song whose bars it has."""
    own = grid.reference.reading
    keyed = songs[key.follows].reading if key.follows else own
    is_told = bool(key.key) and not key.follows
    beats, times_s = _beats(grid)
    bpm = tempo.bpm if tempo else own.bpm
    downbeats_s = times_s[
        np.isin(beats, grid.bars.starts_to(float(beats[-1])) if beats.size else ())
    ]
    return MusicReading(
        bpm=bpm if times_s.size else 0.0,
        bpm_confidence=1.0 if tempo and not tempo.follows else own.bpm_confidence,
        beats_s=tuple(times_s.tolist()),
        downbeats_s=tuple(downbeats_s.tolist()),
        key=key.key or own.key,
        key_confidence=1.0 if is_told else keyed.key_confidence,
        key_runner_up="" if is_told else keyed.key_runner_up,
        tuning_cents=key.tuning_cents if key.key else own.tuning_cents,
        duration_s=grid.duration_s,
        beats_per_bar=grid.bars.beats_per_bar if times_s.size else 0,
        steady=grid.line is not None and grid.line.is_straight,
        sections=_sections(grid, wishes, len(downbeats_s)),
    )


def _beats(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    if grid.line is None or grid.duration_s <= 0:
        return np.zeros(0), np.zeros(0)
    first, last = grid.line.beat_at(np.array([0.0, grid.duration_s]))
    beats = np.arange(np.ceil(first - _APART_S), np.floor(last) + 1)
    times_s = np.maximum(grid.line.at(beats), 0.0)
    inside = times_s < grid.duration_s - _APART_S
    return beats[inside], times_s[inside]


def _sections(grid: Grid, wishes: Sequence[SectionWish], n_bars: int) -> tuple[Section, ...]:
    """Return sections by hand, or those of the reference, and nameless ones between them."""
    if grid.line is None or not n_bars:
        return ()
    if wishes:
        bars = [_Bars(w.name, w.first_bar - 1, w.first_bar - 1 + w.n_bars) for w in wishes]
    else:
        bars = [
            _Bars(
                one.label,
                round((one.first_bar - 1) * grid.octave),
                round((one.first_bar - 1 + one.n_bars) * grid.octave),
            )
            for one in grid.reference.reading.sections
        ]
    if not bars:
        return ()
    whole: list[_Bars] = []
    at = 0
    for one in [*bars, _Bars("", n_bars, n_bars)]:
        if one.first > at:
            whole.append(_Bars("", at, min(one.first, n_bars)))
        if min(one.end, n_bars) > max(one.first, at):
            whole.append(_Bars(one.label, max(one.first, at), min(one.end, n_bars)))
        at = max(at, one.end)
    start = grid.bars.start
    edges = np.array([(start(one.first), start(one.end)) for one in whole], np.float64)
    times_s = np.clip(grid.line.at(edges), 0.0, grid.duration_s)
    return tuple(
        Section(one.label, float(start), float(end), one.first + 1, one.end - one.first)
        for one, (start, end) in zip(whole, times_s, strict=True)
        if one.end > one.first
    )
