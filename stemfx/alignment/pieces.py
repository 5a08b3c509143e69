"""Runs of beats as moments in seconds: where each moment of a song sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stemfx.alignment.beat_line import BeatLine
from stemfx.alignment.placement import Run
from stemfx.alignment.song import Song
from stemfx.alignment.timeline import Piece
from stemfx.dsp.units import Float64s

WHOLE_S = 0.02
"""A song is moved by a multiple of this: whole samples at every usual rate, so it stays a copy."""
_ON_LINE_S = 1e-7
_SAME_S = 1e-9
_APART = 1e-6  # of a beat: moments nearer to one another are one


def grid_of(song: Song, runs: Sequence[Run]) -> BeatLine:
    """Return the beats of a timeline that follows a song: its own, in the order they are played.

    Where it was put together by hand and its tempo wanders, each beat keeps its length; where it
    is silent the grid goes on at its usual pace.
    """
    line = song.beats
    if line.is_straight or all(run.first == run.own for run in runs):
        return line
    first, end = int(runs[0].first), int(np.ceil(runs[-1].end))
    lengths_s = np.full(end - first, 60.0 / line.bpm)
    for run in runs:
        own = run.own + np.arange(int(run.n) + 1, dtype=np.float64)
        start = int(run.first) - first
        lengths_s[start : start + int(run.n)] = np.diff(line.at(own))
    start_s = float(line.at(np.array([runs[0].own]))[0])
    times_s = start_s + np.concatenate(([0.0], np.cumsum(lengths_s)))
    return BeatLine(np.arange(first, end + 1, dtype=np.float64), times_s, line.head_s, line.tail_s)


def sounds_from_s(song: Song) -> float:
    """Return from where on a song sounds: half a beat before its first one, or its very start."""
    return max(0.0, song.reading.beats_s[0] - 30.0 / song.reading.bpm)


def rung(song: Song, runs: Sequence[Run], begin_s: float) -> list[Run]:
    """Return runs with what sounds before the first bar and after the last, where there is room.

    A pickup or an intro before bar 1, from `begin_s` on, leads into it; what rings after the last
    bar goes on at the last speed.
    """
    edges = song.beats.beat_at(np.array([begin_s, song.reading.duration_s]))
    whole: list[Run] = []
    for k, run in enumerate(runs):
        first, end = run.first, run.end
        if run.own == 0:
            room = runs[k - 1].end if k else -np.inf
            first = max(room, run.first + float(edges[0]) * run.octave)
        if run.own_end >= song.bars.end:
            room = runs[k + 1].first if k + 1 < len(runs) else np.inf
            end = min(room, run.first + (float(edges[1]) - run.own) * run.octave)
        if end - first > _APART:
            whole.append(Run(first, run.own_at(first), end - first, run.octave))
    return whole


def lead_in_s(grid: BeatLine, rung_runs: Mapping[str, Sequence[Run]]) -> float:
    """Return how much later a grid has to begin so that nothing sounds before the start."""
    starts = [float(grid.at(np.array([runs[0].first]))[0]) for runs in rung_runs.values() if runs]
    missing_s = max(0.0, -min(starts, default=0.0))
    return round(WHOLE_S * float(np.ceil(missing_s / WHOLE_S - 1e-7)), 6)


def pieces_of(song: Song, rung_runs: Sequence[Run], grid: BeatLine) -> tuple[Piece, ...]:
    """Return where the moments of a song sound: at each beat, or fewer where all lie on a line."""
    return tuple(_piece(song, run, grid) for run in rung_runs)


def _piece(song: Song, run: Run, grid: BeatLine) -> Piece:
    step = min(1.0, run.octave)
    inside = np.arange(np.ceil(run.first / step), np.floor(run.end / step) + 1) * step
    inside = inside[(inside > run.first + _APART) & (inside < run.end - _APART)]
    beats = np.concatenate(([run.first], inside, [run.end]))
    out_s = _snapped(np.maximum(grid.at(beats), 0.0), 0.0)
    own_s = song.beats.at(run.own + (beats - run.first) / run.octave)
    source_s = _snapped(_snapped(own_s, 0.0), song.reading.duration_s)
    out_s, source_s = _simplified(out_s, source_s)
    return Piece(tuple(out_s.tolist()), tuple(source_s.tolist()))


def _snapped(times_s: Float64s, to_s: float) -> Float64s:
    """Return times without the rounding at one where a song begins or ends."""
    return np.where(np.abs(times_s - to_s) < _SAME_S, to_s, times_s)


def _simplified(out_s: Float64s, source_s: Float64s) -> tuple[Float64s, Float64s]:
    """Return both ends alone where everything between them lies on a line."""
    line = np.interp(out_s, out_s[[0, -1]], source_s[[0, -1]])
    if np.abs(line - source_s).max() < _ON_LINE_S:
        return out_s[[0, -1]], source_s[[0, -1]]
    return out_s, source_s
