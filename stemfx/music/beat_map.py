"""The beat map of a song: its beats and bars in seconds, from the first sound to the last bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemfx.dsp.flux import CELL_HZ, FRAME_HZ
from stemfx.dsp.units import Float64s
from stemfx.music.grid import Grid, covering, fit_grid
from stemfx.music.listen import Heard
from stemfx.music.meter import Meter, read_meter
from stemfx.music.pulses import envelope, pulses

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


@dataclass(frozen=True)
class BeatMap:
    """Tempo, beats and downbeats; `confidence` is 0 to 1. Nothing found: zeros and empty."""

    bpm: float
    confidence: float
    beats_s: Float64s
    downbeats_s: Float64s
    beats_per_bar: int
    steady: bool


NOTHING = BeatMap(0.0, 0.0, np.zeros(0), np.zeros(0), 0, steady=False)


def read_beats(heard: Heard) -> BeatMap:
    """Find the beats and bars of a song."""
    strengths = envelope(heard)
    if strengths.size < _LEAST_S * FRAME_HZ or not strengths.any():
        return NOTHING
    found = pulses(strengths)
    if not found:
        return NOTHING
    meter = read_meter(heard, found)
    grid = fit_grid(meter.beats_s, heard.struck, heard.played)
    confidence = _confidence(meter, grid)
    begin_s, end_s = _sounding(heard)
    beats, first = covering(grid, meter.first, meter.beats_in_bar, begin_s, end_s)
    beats = np.maximum(beats[beats < heard.duration_s], 0.0)
    if beats.size < 4 or confidence < LEAST_CONFIDENCE:
        return NOTHING
    period = float(np.polyfit(np.arange(beats.size), beats, 1)[0])
    downbeats = beats[first :: meter.beats_in_bar]
    return BeatMap(60 / period, confidence, beats, downbeats, meter.beats_in_bar, grid.steady)


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
    begin_s = min(float(clear[0]) / FRAME_HZ, float(sounds[0]) / CELL_HZ)
    return begin_s, float(clear[-1]) / FRAME_HZ
