"""Comb filtering: a sound added to a late copy of itself, which makes it hollow.

x + g x(t - T) has the spectrum |1 + g e^(-jwT)|^2, in logarithms

    2 (g cos wT - g^2/2 cos 2wT + g^3/3 cos 3wT - ...):

a ripple with the same depth everywhere and notches 1/T apart. Music has ripples too (the
harmonics of its notes), but none that keeps its depth from the bass to the treble; and harmonics
are narrow peaks where a comb has narrow notches, so their second ripple is positive where that of
a comb, whatever the sign of g, is negative. Measured: music reaches 1.7 dB, g = 0.5 makes 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_STEP_HZ = 10.0  # a hundredth of a millisecond's ripple, a fifth of 20 ms'
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 16_000.0
_FEW_EDGES_HZ = (300.0, 6000.0)
_MANY_EDGES_HZ = (300.0, 1500.0, 4000.0, 8000.0)
_SHORT_S = 0.001  # below, four bands hold too few notches each
_MIN_S, _MAX_S = 0.00035, 0.02
_RESOLUTION_S = 1 / 64_000
_MIN_PERIODS = 1.9  # of the ripple in a band that is to tell
_TREND_ORDER = 3
_RIPPLE_DB = 3.0
_SECOND_DB = -0.25
_NEPER_DB = 20.0 / np.log(10.0)


@dataclass(frozen=True)
class CombReading:
    """The comb that was found, or the strongest ripple.

    Args:
        is_comb: it is a comb.
        delay_ms: how late the copy is.
        ripple_db: amplitude of the ripple in the band where it is least.
        copy_gain: g of the copy, by that ripple, -1 to 1; negative for an inverted copy.
    """

    is_comb: bool
    delay_ms: float
    ripple_db: float
    copy_gain: float


NO_COMB = CombReading(is_comb=False, delay_ms=0.0, ripple_db=0.0, copy_gain=0.0)


def find_comb(power: Values, sample_rate: int, bandwidth_hz: float | None = None) -> CombReading:
    """Look for a comb in an averaged power spectrum.

    Args:
        power: `(n_bins,)` from 0 to half the sample rate, averaged over seconds of music.
        sample_rate: in Hz.
        bandwidth_hz: where the spectrum ends, if before half the sample rate.
    """
    step_hz = sample_rate / 2 / (len(power) - 1)
    join = max(1, round(_STEP_HZ / step_hz))
    n_bins = len(power) // join
    joined = power[: n_bins * join].reshape(n_bins, join).mean(axis=1)
    freq_hz: Values = (np.arange(n_bins, dtype=np.float64) * join + (join - 1) / 2) * step_hz
    loudest = float(joined.max(initial=0.0))
    if loudest <= 0:
        return NO_COMB
    level_db = 10.0 * np.log10(joined + 1e-12 * loudest)
    top_hz = min(_HIGHEST_HZ, 0.45 * sample_rate, 0.95 * (bandwidth_hz or np.inf))
    found = [
        _strongest(level_db, freq_hz, (*edges, top_hz), _grid(*delays_s))
        for edges, delays_s in (
            (_FEW_EDGES_HZ, (_MIN_S, _SHORT_S)),
            (_MANY_EDGES_HZ, (_SHORT_S, _MAX_S)),
        )
        if top_hz > 1.3 * edges[-1]
    ]
    return max(found, key=lambda comb: (comb.is_comb, comb.ripple_db), default=NO_COMB)


def _grid(first_s: float, last_s: float) -> Values:
    steps: Values = np.arange(round((last_s - first_s) / _RESOLUTION_S), dtype=np.float64)
    return first_s + _RESOLUTION_S * steps


def _strongest(
    level_db: Values, freq_hz: Values, edges_hz: tuple[float, ...], delays_s: Values
) -> CombReading:
    ripples, seconds = [], []
    for low, high in pairwise(edges_hz):
        inside = (freq_hz >= low) & (freq_hz < high)
        flat = _without_trend(level_db[inside])
        tells = (high - low) * delays_s >= _MIN_PERIODS
        ripple = _ripple(flat, freq_hz[inside], delays_s)
        ripples.append(np.where(tells, ripple, np.nan))
        seconds.append(_ripple(flat, freq_hz[inside], 2.0 * delays_s))
    every = np.array(ripples)
    telling = np.isfinite(every)
    second = np.mean(seconds, axis=0)
    best = NO_COMB
    for sign in (1.0, -1.0):
        least = np.where(telling, sign * every, np.inf).min(axis=0)
        least[telling.sum(axis=0) < 2] = -np.inf
        at = int(np.argmax(least))
        if np.isfinite(least[at]) and least[at] > best.ripple_db:
            ripple_db = float(least[at])
            best = CombReading(
                is_comb=ripple_db > _RIPPLE_DB and float(second[at]) < _SECOND_DB,
                delay_ms=1e3 * float(delays_s[at]),
                ripple_db=ripple_db,
                copy_gain=sign * min(1.0, ripple_db / float(_NEPER_DB)),
            )
    return best


def _without_trend(level_db: Values) -> Values:
    """Take away the slope and the bend that any spectrum has."""
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(level_db)), _TREND_ORDER)
    flat: Values = level_db - basis @ np.linalg.lstsq(basis, level_db, rcond=None)[0]
    return flat


def _ripple(level_db: Values, freq_hz: Values, delays_s: Values) -> Values:
    """Return the amplitude of cos(2 pi f T) in a stretch of a spectrum, for each delay T."""
    window = np.hanning(len(level_db) + 2)[1:-1]
    cosines = np.cos(2.0 * np.pi * np.outer(delays_s, freq_hz))
    amplitude: Values = 2.0 * (cosines @ (window * level_db)) / window.sum()
    return amplitude
