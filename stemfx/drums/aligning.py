"""Time a drum's hits by its own sound: a stroke of several drums begins with the first of them.

A kick that comes 6 ms after a hat is heard as one stroke, at the hat. But all kicks of a song are
alike in their low end, so each is put where it fits the average of all best. The feel stays: only
where the hit was heard is corrected, by no more than a drummer's hands are apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp.placing import HitSpectra, excerpts
from stemfx.dsp.units import Float64s
from stemfx.hits import Hit

ALIGN_HZ = {"kick": (40.0, 400.0), "tom": (60.0, 600.0), "snare": (150.0, 1_200.0)}
"""The bands in which the hits of a drum are alike, whatever is struck together with it."""

MAX_MOVE_S = 0.01
"""Hands that mean one stroke are closer than this."""

_BEFORE_S = 0.02
_AFTER_S = 0.08
_ALIKE = 0.6  # normalised correlation with the average, from which a hit is moved
_COST = 0.25  # of the widest move, in correlation: a nearer place that fits as well is right
_RISE = 2.0  # of the power, from before a hit to after: what goes on evenly tells no time
_FEWEST = 4  # hits that make an average
_ALONE_S = 0.02  # another drum that is closer may be what was heard
_PASSES = 3
_COMPARED = 24  # hits, of which one stands for all at first

Spectra = NDArray[np.complex128]


def aligned(signal: Signal, hits: Sequence[Hit], classes: Sequence[str]) -> list[Hit]:
    """Return the hits in order of time, those of `classes` put where their drum begins.

    Args:
        signal: the drum stem.
        hits: of all drums, in order of time.
        classes: those without a band in `ALIGN_HZ` stay where they are.
    """
    moving = [i for i, hit in enumerate(hits) if hit.drum_class in ALIGN_HZ.keys() & set(classes)]
    rate = signal.sample_rate
    n = round((_BEFORE_S + _AFTER_S) * rate)
    bands = {name: HitSpectra(rate, *band_hz, n) for name, band_hz in ALIGN_HZ.items()}
    fade = np.minimum(1.0, np.arange(n, 0, -1) / (0.3 * n))
    spectra: dict[int, Spectra] = {}
    starts = [round((hits[i].time_s - _BEFORE_S) * rate) for i in moving]
    for i, excerpt in zip(moving, excerpts(signal, starts, n), strict=True):
        mono = excerpt.mean(axis=0)
        if _rises(mono, rate):
            spectra[i] = bands[hits[i].drum_class].band(mono * fade)
    moved = list(hits)
    for name, band in bands.items():
        mine = [i for i in spectra if hits[i].drum_class == name]
        if len(mine) < _FEWEST:
            continue
        alone = np.array([_is_alone(hits, i) for i in mine])
        late_s = _lateness_s(np.stack([spectra[i] for i in mine]), band.freq_hz, alone)
        for i, late in zip(mine, late_s, strict=True):
            moved[i] = replace(hits[i], time_s=max(0.0, hits[i].time_s + float(late)))
    return sorted(moved)


def _rises(excerpt: NDArray[np.float32], rate: int) -> bool:
    """Say whether something begins where a hit was heard, 10 ms early or late."""
    hit, reach = round(_BEFORE_S * rate), round(MAX_MOVE_S * rate)
    before, after = excerpt[: hit - reach], excerpt[hit : hit + 2 * reach]
    return float(np.mean(after**2)) > _RISE * float(np.mean(before**2))


def _is_alone(hits: Sequence[Hit], i: int) -> bool:
    near = [*hits[max(0, i - 4) : i], *hits[i + 1 : i + 5]]
    return all(abs(hit.time_s - hits[i].time_s) > _ALONE_S for hit in near)


def _lateness_s(spectra: Spectra, freq_hz: Float64s, alone: NDArray[np.bool_]) -> Float64s:
    """Return how much later than it was heard each hit is; 0 where it is not like the others."""
    norms = np.linalg.norm(spectra, axis=1, keepdims=True)
    units = np.divide(spectra, norms, out=np.zeros_like(spectra), where=norms > 0)
    step_s = 1.0 / (20.0 * freq_hz[-1])
    n = round(MAX_MOVE_S / step_s)
    shifts_s = step_s * np.arange(-n, n + 1)
    turns = np.exp(2j * np.pi * np.outer(freq_hz, shifts_s))
    costs = _COST * np.abs(shifts_s) / MAX_MOVE_S
    average = _most_alike(units, turns)
    for _ in range(_PASSES):
        fit = ((units * average.conj()) @ turns).real
        best = (fit - costs).argmax(axis=1)
        like = np.take_along_axis(fit, best[:, np.newaxis], axis=1)[:, 0] >= _ALIKE
        if not like.any():
            return np.zeros(len(units))
        late_s = np.where(like, shifts_s[best], 0.0)
        # A sound that comes later by s has turned by -2 pi f s.
        together = (units * np.exp(2j * np.pi * np.outer(late_s, freq_hz)))[like].sum(axis=0)
        average = together / np.linalg.norm(together)
    # What is struck with another drum is heard at the first of them: too early, never too late.
    certain = like & alone
    right_s = (
        np.median(late_s[certain]) if certain.sum() >= _FEWEST else np.quantile(late_s[like], 0.25)
    )
    return np.where(like, late_s - right_s, 0.0)


def _most_alike(units: Spectra, turns: Spectra) -> NDArray[np.complex128]:
    """Return the hit that is most like the others, wherever they lie.

    An average of hits that are apart would be like none of them.
    """
    some = units[np.unique(np.linspace(0, len(units) - 1, _COMPARED).round().astype(int))]
    fits = [((some * one.conj()) @ turns).real.max(axis=1).sum() for one in some]
    likest: NDArray[np.complex128] = some[int(np.argmax(fits))]
    return likest
