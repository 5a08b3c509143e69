"""The beat map of a song: its beats and bars in seconds, from the first sound to the last bar."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.flux import CELL_HZ, FRAME_HZ
from stemfx.dsp.units import Float64s
from stemfx.music.grid import Grid, covering, fit_grid
from stemfx.music.listen import Heard
from stemfx.music.meter import Meter, read_meter
from stemfx.music.pulses import TOLD_SHARE, Pulse, envelope, pulses, strength_of
from stemfx.music.tracked import Tracked
from stemfx.music_reading import NOTHING_TOLD, Told

CLEAR = 0.3
"""Of a loud onset: what rises less is no sign that the music goes on."""
SOUNDS = 1e-4
"""Of the energy of loud moments: 40 dB below them the music has begun."""
LOOSE_S = 0.012
"""Beats that stray this far from a smooth line halve the confidence: a band keeps within 8 ms."""
STRONG = 0.12
"""A pulse that repeats at least so strongly is one: noise has 0.03, songs 0.15 to 0.8."""
LEAST_CONFIDENCE = 0.05
"""Below it there is no beat: noise and drones have less."""
_LEAST_S = 2.0
_USUAL_BAR = 4  # beats, where nothing tells
_LONGEST_BAR = 12


@dataclass(frozen=True)
class BeatMap:
    """Tempo, beats and downbeats; `confidence` is 0 to 1. Nothing found: zeros and empty."""

    bpm: float
    confidence: float
    beats_s: Float64s
    downbeats_s: Float64s
    beats_per_bar: int
    steady: bool
    bpm_runner_up: float = 0.0
    bpm_margin: float = 1.0


NOTHING = BeatMap(0.0, 0.0, np.zeros(0), np.zeros(0), 0, steady=False)


def read_beats(heard: Heard, told: Told = NOTHING_TOLD, tracked: Tracked | None = None) -> BeatMap:
    """Find the beats and bars of a song.

    Args:
        heard: what it sounds like.
        told: what is known of it. Where a tempo is told and no beat is heard, the beats are even.
        tracked: the beats that a tracker heard, which are then refined. They are let go where they
            are neither at the tempo that is told nor an octave from it.
    """
    strengths = envelope(heard)
    found, downbeats = _given(tracked, strengths, told)
    if tracked is None or (tracked.beats_s.size >= _USUAL_BAR and not found):
        is_long = strengths.size >= _LEAST_S * FRAME_HZ and strengths.any()
        tracked, found = None, pulses(strengths, told.bpm) if is_long else []
    beat_map = _beat_map(heard, found, downbeats, told) if found else NOTHING
    if not beat_map.beats_s.size or (tracked is None and beat_map.confidence < LEAST_CONFIDENCE):
        return NOTHING if told.bpm is None else _even(told, heard.duration_s)
    return beat_map


def _beat_map(heard: Heard, found: list[Pulse], downbeats: tuple[int, ...], told: Told) -> BeatMap:
    """Read the best of some pulses; `downbeats` are the beats of the first that begin bars."""
    meter = read_meter(heard, found, told.downbeat_s)
    if downbeats:
        bar = int(np.median(np.diff(downbeats)))
        first = int(np.bincount(np.array(downbeats) % bar).argmax())
        meter = replace(meter, beats_in_bar=bar, first=first)
    n = meter.beats_in_bar
    grid = fit_grid(meter.beats_s, heard.struck, heard.played)
    beats, first = covering(grid, meter.first, n, *_sounding(heard))
    beats = np.maximum(beats[beats < heard.duration_s], 0.0)
    if beats.size < 4:
        return NOTHING
    period = float(np.polyfit(np.arange(beats.size), beats, 1)[0])
    return BeatMap(
        60 / period,
        _confidence(meter, grid),
        beats,
        beats[_bar_lines(np.isin(beats, grid.beats_s[list(downbeats)]), first, n)],
        n,
        grid.steady,
        meter.bpm_runner_up,
        meter.bpm_margin,
    )


def _bar_lines(is_given: NDArray[np.bool_], first: int, n: int) -> list[int]:
    """Return the beats that begin a bar: those given, and before and after them every n-th."""
    given = np.flatnonzero(is_given).tolist()
    if not given:
        return list(range(first, is_given.size, n))
    before = list(range(given[0] - n, -1, -n))[::-1]
    return [*before, *given, *range(given[-1] + n, is_given.size, n)]


def _given(
    tracked: Tracked | None, strengths: Float64s, told: Told
) -> tuple[list[Pulse], tuple[int, ...]]:
    """Return the pulses that a tracker's beats may mean, and which beats of the first begin bars.

    One, unless a tempo is told of which they are the double. Bars that are told go before its own.
    """
    if tracked is None or tracked.beats_s.size < _USUAL_BAR:
        return [], ()
    beats, downbeats = tracked.beats_s, tracked.downbeats
    times = 1.0 if told.bpm is None else told.bpm * float(np.median(np.diff(beats))) / 60
    if abs(times / 2 - 1) <= TOLD_SHARE:
        index = np.arange(2 * beats.size - 1) / 2
        trains = [np.interp(index, np.arange(beats.size), beats)]
        downbeats = tuple(2 * k for k in downbeats)
    elif abs(times / 0.5 - 1) <= TOLD_SHARE:
        trains, downbeats = [beats[::2], beats[1::2]], ()
    elif abs(times - 1) <= TOLD_SHARE:
        trains = [beats]
    else:
        return [], ()
    bars = np.diff(downbeats)
    is_told = told.downbeat_s is not None
    if is_told or not bars.size or not 2 <= np.median(bars) <= _LONGEST_BAR:
        downbeats = ()
    trains = [train for train in trains if train.size >= _USUAL_BAR]
    periods = np.array([np.median(np.diff(train)) for train in trains])
    strong = strength_of(strengths, periods) if strengths.size and trains else periods * 0
    return [Pulse(*pulse) for pulse in zip(trains, strong.tolist(), strict=True)], downbeats


def _even(told: Told, duration_s: float) -> BeatMap:
    """Return beats at the tempo that is told, from the bar that is told or from the start on."""
    assert told.bpm is not None  # noqa: S101 - asked by the caller
    beat_s, from_s = 60 / told.bpm, told.downbeat_s or 0.0
    before = int(from_s / beat_s + 1e-9)
    count = np.arange(-before, max(1, int(np.ceil((duration_s - from_s) / beat_s))))
    beats = np.maximum(from_s + beat_s * count, 0.0)
    inside = beats < duration_s
    beats, count = beats[inside], count[inside]
    return BeatMap(told.bpm, 0.0, beats, beats[count % _USUAL_BAR == 0], _USUAL_BAR, steady=True)


def _confidence(meter: Meter, grid: Grid) -> float:
    """Multiply what each may spoil: rival readings, beats without attacks, loose time, no pulse."""
    tight = 1 / (1 + (grid.spread_s / LOOSE_S) ** 2)
    pulse = float(np.clip(meter.strength / STRONG, 0.0, 1.0))
    return meter.certainty * grid.found * tight * pulse


def _sounding(heard: Heard) -> tuple[float, float]:
    """Return from where on anything sounds, and where something clear begins last, in seconds."""
    total = sum(heard.struck.groups.values()) + sum(heard.played.groups.values())
    clear = np.flatnonzero(total > CLEAR * np.percentile(total, 98))
    energy = heard.struck.cells + heard.played.cells
    sounds = np.flatnonzero(energy > SOUNDS * np.percentile(energy, 95))
    if not (clear.size and sounds.size):
        return 0.0, heard.duration_s
    begin_s = min(float(clear[0]) / FRAME_HZ, float(sounds[0]) / CELL_HZ)
    return begin_s, float(clear[-1]) / FRAME_HZ
