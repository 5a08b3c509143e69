"""Make the low ends of a new and an old drum add up: which pitch, how late, which way round.

One answer for all hits of a drum keeps the feel of their timing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from stemfx.drums.playing import Player, Recording, Stroke
from stemfx.dsp.placing import BEFORE_S, HitSpectra, Placement

PLACE_HZ = {"kick": (40.0, 160.0), "tom": (60.0, 250.0), "snare": (150.0, 400.0)}
"""Where the body of a drum lies: two of them are laid over each other so that these add up."""

FLAM_S = 0.001
"""Attacks that are closer are one: a shift stays below, if the low ends add up there."""

MAX_SHIFT_S = 0.003
TUNED = ("kick",)
MAX_TUNE_ST = 3
FAR_TUNE_ST = 7  # where nothing nearer adds up, such as a 41 Hz kick under a 60 Hz one
ADDS_UP_DB = 0.5
"""Over the power sum: from here on two low ends are stronger together than by chance."""

PLACED_BY = 40
"""Hits of a drum, evenly over the song, that tell its shift and polarity."""

_ENOUGH_DB = 1.2  # what goes beyond is worth no tuning
_PAYS_DB = 0.3  # a shift that is nearly heard as a flam has to gain this much
_COST_DB_PER_ST = 0.08
_COST_DB_PER_MS = 0.1

Spectrum = NDArray[np.complex128]
Played = Iterable[tuple[Recording, float]]
"""What is played on each hit, and its gain."""


def some_of(n_hits: int) -> list[int]:
    """Return which hits tell where a drum lies best."""
    some = np.unique(np.linspace(0, n_hits - 1, PLACED_BY).round().astype(int))
    return [int(i) for i in some]


def find_place(
    spectra: HitSpectra,
    old: Iterable[Spectrum],
    played_at: Callable[[float], Played],
    tune_st: float,
    *,
    is_tuned: bool,
    may_be_late: bool,
) -> tuple[Placement, float]:
    """Return shift, polarity and tuning with which the low ends add up.

    Args:
        spectra: of the band.
        old: each hit's spectrum in it.
        played_at: what is played there when it is tuned by so many semitones.
        tune_st: the tuning that is preferred.
        is_tuned: others are tried, of up to three semitones, or seven where nothing else helps.
        may_be_late: a shift of up to 3 ms is tried where 1 ms does not help.
    """
    heard = list(old)
    sums: dict[float, HitSpectra] = {}

    def tune(*semitones: float) -> None:
        for st in semitones:
            sums[st] = _summed(spectra.empty(), heard, played_at(st))

    def best_within(reach_s: float) -> tuple[Placement, float]:
        found = [(one.placement(reach_s, _COST_DB_PER_MS), st) for st, one in sums.items()]
        return max(found, key=_worth)

    tune(tune_st)
    if is_tuned:
        tune(*_either_way(1, MAX_TUNE_ST))
    best = best_within(FLAM_S)
    if is_tuned and best[0].gain_db < ADDS_UP_DB:
        tune(*_either_way(MAX_TUNE_ST + 1, FAR_TUNE_ST))
        best = best_within(FLAM_S)
    if may_be_late and best[0].gain_db < ADDS_UP_DB:
        farther = best_within(MAX_SHIFT_S)
        if farther[0].gain_db > best[0].gain_db + _PAYS_DB:
            best = farther
    return best


def _either_way(first: int, last: int) -> list[float]:
    return [sign * st for st in range(first, last + 1) for sign in (1.0, -1.0)]


def _worth(found: tuple[Placement, float]) -> tuple[bool, float]:
    """Say how good a place is: once low ends add up, they are tuned no further."""
    placement, tune_st = found
    gain_db = placement.gain_db
    return gain_db >= ADDS_UP_DB, min(gain_db, _ENOUGH_DB) - _COST_DB_PER_ST * abs(tune_st)


def _summed(spectra: HitSpectra, heard: Iterable[Spectrum], played: Played) -> HitSpectra:
    known: dict[int, Spectrum] = {}
    for old, (recording, gain) in zip(heard, played, strict=True):
        if id(recording) not in known:
            known[id(recording)] = _spectrum(spectra, recording)
        spectra.add(old, gain * known[id(recording)])
    return spectra


def _spectrum(spectra: HitSpectra, recording: Recording) -> Spectrum:
    rate, channels = spectra.sample_rate, recording.audio.channels
    # Whole samples only: the rest is nothing to a low end.
    time = round(BEFORE_S * rate) + recording.attack % 1
    stroke = Stroke(time, recording, (1.0,) * channels)
    played = Player([stroke], rate).play(0, spectra.n_samples, channels)
    return spectra.band(np.zeros(spectra.n_samples) if played is None else played.mean(axis=0))
