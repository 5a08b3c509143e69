"""Find the strokes of a drum stem, and where each attack begins, to the sample.

Candidates are weighed by what speaks for them (`onset_candidates`, `onset_weights`); the attack
of those that are believed is then read off the samples. Of the whole stem only levels are kept.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.onset_candidates import N_GROUPS, candidates
from stemfx.dsp.onset_weights import BIAS, WEIGHTS
from stemfx.dsp.windows import read_windows

Times = NDArray[np.float64]

BELIEVED = 0.45
"""Probability from which a candidate is a stroke: where misses and false hits weigh the same."""

APART_S = 0.030
"""Drums struck within this time are one stroke."""

MIN_STROKE_DB = 8.0
"""The highest rise of a stem's clearer strokes: noise strays up to 6 dB, drums rise by 15."""

BEFORE_S, AFTER_S = 0.025, 0.018
"""Where an attack is looked for, around where it is thought to be."""

PAST_S = 0.060
ORDER = 16
"""Of the linear prediction from the `PAST_S` before: enough for a ringing drum and a bass."""

SPLITS_HZ = (600.0, 5_000.0)
"""A kick under a cymbal changes the lowest band only, and there it changes most of it."""

GUARD = 16  # samples on either side of an attack, so that a variance is one
QUIET = 1e-9  # of the mean power around an attack: below it, nothing sounds


def find_onsets(signal: Signal) -> Times:
    """Return where the strokes of a drum stem begin, in seconds, in order.

    Drums struck within `APART_S` are one stroke, told where the first clear attack begins. The
    answer depends neither on the gain nor on the blocks in which the signal comes; silence and
    steady noise have no strokes.
    """
    found = candidates(signal)
    log_odds = found.evidence @ WEIGHTS + BIAS
    believed = np.flatnonzero(log_odds > np.log(BELIEVED / (1 - BELIEVED)))
    if not believed.size:
        return np.zeros(0)
    highest_db = found.evidence[believed, :N_GROUPS].max(axis=1)
    if np.percentile(highest_db, 80) < MIN_STROKE_DB:
        return np.zeros(0)
    times = _attacks(signal, found.times_s[believed])
    kept: list[float] = []
    for k in np.argsort(-log_odds[believed], kind="stable"):
        place = bisect(kept, times[k])
        if all(abs(times[k] - other) > APART_S for other in kept[max(0, place - 1) : place + 1]):
            kept.insert(place, float(times[k]))
    return np.array(kept)


def _attacks(signal: Signal, near_s: Times) -> Times:
    """Return the attack near each time, in one pass: some signals can only run forward."""
    rate = signal.sample_rate
    starts = [max(0, round((at_s - BEFORE_S - PAST_S) * rate)) for at_s in near_s]
    stops = [min(round((at_s + AFTER_S) * rate), signal.n_samples) for at_s in near_s]
    heard = read_windows(signal, list(zip(starts, stops, strict=True)))
    return np.array(
        [
            start / rate + attack_s(samples, rate, at_s - start / rate)
            for start, samples, at_s in zip(starts, heard, near_s, strict=True)
        ]
    )


def attack_s(samples: Block, sample_rate: int, near_s: float) -> float:
    """Return where the attack near `near_s` begins, in seconds from the start of `samples`.

    What sounds already is predicted from its own past; where the error of the prediction changes
    most, something new begins (the AR-AIC picker of Sleeman and van Eck, Physics of the Earth and
    Planetary Interiors 113, 1999). So a hat is found over a ringing kick. The criterion is added
    up over the bands between `SPLITS_HZ`, each with as many degrees of freedom as it is wide.

    Args:
        samples: `(channels, n)`, from 85 ms before `near_s` to 18 ms after it where there is as
            much; before its start is silence.
        sample_rate: in Hz.
        near_s: where the attack is thought to be, within 15 ms.
    """
    near = round(near_s * sample_rate)
    start = near - round(BEFORE_S * sample_rate)
    stop = min(samples.shape[1], near + round(AFTER_S * sample_rate))
    first = max(0, start - round(PAST_S * sample_rate))
    heard = samples[:, first:stop].astype(np.float64)
    power = float(np.mean(heard**2)) if heard.size else 0.0
    if power == 0.0:
        return max(0.0, near_s)
    n_past = max(0, start - first)
    errors = np.stack([_prediction_error(channel, n_past, power) for channel in heard])
    surprise = np.zeros(max(1, stop - start - 2 * GUARD))
    silence = np.zeros(max(0, first - start))
    for bandwidth, band in _bands(sample_rate):
        part = np.sum(np.square(band(errors)), axis=0)
        surprise += bandwidth * _split(np.concatenate((silence, part)) + QUIET * power)
    return max(0, start + GUARD + int(np.argmin(surprise))) / sample_rate


@cache
def _bands(sample_rate: int) -> list[tuple[float, Callable[[Times], Times]]]:
    """Return bands, as their share of all frequencies and their filter."""
    from scipy.signal import butter, sosfilt

    edges = [0.0, *(hz for hz in SPLITS_HZ if hz < 0.4 * sample_rate), 0.5 * sample_rate]
    bands: list[tuple[float, Callable[[Times], Times]]] = []
    for low, high in pairwise(edges):
        kind = "lowpass" if low == 0 else "highpass" if high == edges[-1] else "bandpass"
        at = [hz for hz in (low, high) if 0 < hz < edges[-1]]
        sos = butter(2, at if len(at) > 1 else at[0], kind, fs=sample_rate, output="sos")
        bands.append(((high - low) / edges[-1], partial(sosfilt, sos)))
    return bands


def _prediction_error(heard: NDArray[np.float64], n_past: int, power: float) -> Times:
    """Return the error of predicting `heard` after its first `n_past` samples."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    past = heard[:n_past]
    if n_past < 4 * ORDER:
        return heard[n_past:]
    products = np.array([past[: n_past - k] @ past[k:] for k in range(ORDER + 1)]) / n_past
    products[0] += 1e-6 * products[0] + 1e-8 * power
    predictor = solve_toeplitz(products[:-1], products[1:])
    error = lfilter(np.concatenate(([1.0], -predictor)), 1.0, heard)
    return np.asarray(error[n_past:])


def _split(energy: Times) -> Times:
    """Return how badly two variances, before and after each sample, explain `energy` (AIC)."""
    n = energy.size
    k = np.arange(GUARD, n - GUARD)
    if not k.size:
        return np.zeros(1)
    total = np.cumsum(energy)
    before, after = total[k - 1], total[-1] - total[k - 1]
    return np.asarray(k * np.log(before / k) + (n - k) * np.log(after / (n - k)))
