"""Read tempo, beats, bars and key of a song."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.flux import FRAME_HZ
from stemfx.dsp.units import Float64s
from stemfx.music.grid import covering, fit_grid
from stemfx.music.listen import Heard, listen
from stemfx.music.meter import read_meter
from stemfx.music.pulses import envelope, pulses
from stemfx.music.tonality import read_key
from stemfx.music_reading import MusicReading


def read_music(mixture: Signal, stems: Mapping[str, Signal]) -> MusicReading:
    """Read the tempo, beats, bars and key of a song.

    Args:
        mixture: the whole song.
        stems: of the same length and rate, by name; may be empty. Drums are listened to for
            the beat, all others for harmony; without them the mixture is.
    """
    return read(listen(mixture, stems))


def read(heard: Heard) -> MusicReading:
    """Read a song from what was heard."""
    bpm, confidence, beats_s, downbeats_s = _beats(heard)
    tonality = read_key(heard, beats_s, downbeats_s)
    return MusicReading(
        bpm=bpm,
        bpm_confidence=confidence,
        beats_s=tuple(beats_s.tolist()),
        downbeats_s=tuple(downbeats_s.tolist()),
        key=tonality.key,
        key_confidence=tonality.confidence,
        key_runner_up=tonality.runner_up,
        tuning_cents=heard.pitches.tuning_cents,
        duration_s=heard.duration_s,
    )


def _beats(heard: Heard) -> tuple[float, float, Float64s, Float64s]:
    """Return tempo, confidence, beats and downbeats."""
    nothing = 0.0, 0.0, np.zeros(0), np.zeros(0)
    strengths = envelope(heard)
    if strengths.size < 2 * FRAME_HZ or not strengths.any():
        return nothing
    trains = pulses(strengths)
    if not trains:
        return nothing
    meter = read_meter(heard, trains)
    grid = fit_grid(meter.beats_s, heard.struck)
    begin_s, end_s = _sounding(heard)
    beats, first = covering(grid, meter.first, meter.beats_in_bar, begin_s, end_s)
    inside = beats < heard.duration_s
    beats = np.maximum(beats[inside], 0.0)
    period = float(np.polyfit(np.arange(beats.size), beats, 1)[0]) if beats.size > 1 else 0.0
    confidence = meter.certainty * grid.found * float(np.exp(-grid.spread_s / 0.02))
    return 60 / period if period else 0.0, confidence, beats, beats[first :: meter.beats_in_bar]


def _sounding(heard: Heard) -> tuple[float, float]:
    """Return where something clear begins first and last, in seconds."""
    total = sum(heard.struck.groups.values()) + sum(heard.played.groups.values())
    clear = np.flatnonzero(total > 0.3 * np.percentile(total, 98))
    return float(clear[0]) / FRAME_HZ, float(clear[-1]) / FRAME_HZ
