"""The pulses of a song: trains of times, each at one of the paces at which its onsets repeat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stemfx.dsp.beats import track_beats
from stemfx.dsp.flux import FRAME_HZ
from stemfx.dsp.tempogram import period_strength, tempo_curve, tempogram
from stemfx.dsp.units import Float64s
from stemfx.music.listen import Heard

BPM_RANGE = (48.0, 220.0)
RELATIVES = (0.5, 2.0, 2 / 3, 1.5, 1 / 3, 3.0, 0.75, 4 / 3)
"""Paces that share beats with a pace: a tracker may have met one and mean another."""
LEAST_RISE_DB = 2.0
"""Of loud onsets: a drone has 1 dB, where its partials beat; the softest songs have 4 dB."""
TOLD_SHARE = 0.04
"""How far off a tempo that a producer tells may be."""
_N_PEAKS, _N_PERIODS, _N_NEAR = 6, 600, 41
_MOVES = 0.02  # a curve that stays within that is a steady pace, read in windows
_SAME = 0.03  # paces that near are one


class Pulse(NamedTuple):
    """A train of times in seconds, and how strongly the song repeats at its pace, at most 1."""

    beats_s: Float64s
    strength: float


def envelope(heard: Heard) -> Float64s:
    """Return one onset envelope with a deviation of 1; all zero where nothing begins."""
    total = np.zeros(heard.struck.groups["low"].size)
    rises = [g for flux in (heard.struck, heard.played) for g in flux.groups.values() if g.size]
    if max((float(np.percentile(g, 98)) for g in rises), default=0.0) < LEAST_RISE_DB:
        return total
    for flux, weight in ((heard.struck, 1.0), (heard.played, 0.4)):
        for group in flux.groups.values():
            spread = float(np.std(group)) if group.size else 0.0
            if spread > 0:
                n = min(group.size, total.size)
                total[:n] += weight * group[:n] / spread
    spread = float(np.std(total)) if total.size else 0.0
    return total / spread if spread > 0 else total


def paces(strengths: Float64s) -> list[tuple[float, float]]:
    """Return period in seconds and strength of the paces worth following, strongest first."""
    acf = tempogram(strengths, FRAME_HZ, 4 * 60 / BPM_RANGE[0]).mean(axis=0)
    periods = 60 / np.geomspace(*BPM_RANGE, _N_PERIODS)
    strength = period_strength(acf, FRAME_HZ, periods)
    inner = strength[1:-1]
    peaks = 1 + np.flatnonzero((inner > strength[:-2]) & (inner >= strength[2:]))
    peaks = peaks[np.argsort(-strength[peaks])][:_N_PEAKS]
    found: list[tuple[float, float]] = []
    wanted = [periods[p] for p in peaks]
    wanted += [periods[p] / r for p in peaks[:2] for r in RELATIVES]
    for period in wanted:
        fits = 60 / BPM_RANGE[1] <= period <= 60 / BPM_RANGE[0]
        if fits and all(abs(np.log(period / other)) > _SAME for other, _ in found):
            found.append((float(period), float(np.interp(-period, -periods, strength))))
    return found


def told_pace(strengths: Float64s, bpm: float) -> list[tuple[float, float]]:
    """Return period and strength of the pace within `TOLD_SHARE` of a tempo that is strongest."""
    periods = 60 / bpm * np.geomspace(1 - TOLD_SHARE, 1 + TOLD_SHARE, _N_NEAR)
    strength = strength_of(strengths, periods)
    best = int(np.argmax(strength))
    if best in (0, _N_NEAR - 1):  # no peak: what lies at the edge is a neighbour's
        best = _N_NEAR // 2
    return [(float(periods[best]), float(strength[best]))]


def strength_of(strengths: Float64s, periods_s: Float64s) -> Float64s:
    """Return how strongly a song repeats at each of some periods, at most 1."""
    acf = tempogram(strengths, FRAME_HZ, 4 * float(np.max(periods_s))).mean(axis=0)
    return period_strength(acf, FRAME_HZ, periods_s)


def pulses(strengths: Float64s, bpm: float | None = None) -> list[Pulse]:
    """Return trains of times, two for every pace: half a period apart.

    Where the pace moves, time is bent first so that it stands still, and the trains are bent back.

    Args:
        strengths: onset envelope at `FRAME_HZ`.
        bpm: the tempo, if it is told: then there is no other pace.
    """
    seconds = np.arange(strengths.size) / FRAME_HZ
    curve = tempo_curve(strengths, FRAME_HZ, 60 / np.geomspace(*BPM_RANGE, _N_PERIODS))
    if np.ptp(curve) > _MOVES:
        bent = np.concatenate([[0.0], np.cumsum(1 / curve)[:-1]])
        places = np.arange(int(bent[-1]))
        strengths = np.interp(places, bent, strengths)
        seconds = np.interp(places, bent, seconds)
    found = []
    for period, strength in paces(strengths) if bpm is None else told_pace(strengths, bpm):
        frames = track_beats(strengths, period * FRAME_HZ)
        if frames.size >= 4:
            beats_s = seconds[frames]
            between = beats_s[:-1] + 0.5 * np.diff(beats_s)
            found += [Pulse(beats_s, strength), Pulse(between, strength)]
    return found
