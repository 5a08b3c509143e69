"""Beats put where they are played: attacks near them, and the smoothest line through those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stemfx.dsp.flux import FRAME_HZ, Flux, attack_s
from stemfx.dsp.units import Float64s

PLAYED = 0.3
WIDE_S, NARROW_S = (0.045, 0.035), (0.025, 0.015)
"""Before and after a beat where its attack is looked for: tracked beats are off by 20 ms, fitted
ones by as much as a player is."""
STEADY_S = 0.006
AS_WELL = 0.8
"""A line is the beat map if so many of the attacks that lie near the best curve lie near it too:
within `STEADY_S`, or three times the curve's spread."""
EARLIEST, MAX_LATE_S = 0.6, 0.003
"""Of several players an attack is the first, a beat the middle: this many spreads later."""
_ROUNDS = 8
_LEAST_S = 0.004  # attacks that near are never taken for strays
_BEND = 460.0  # of squared third differences: waves of 17 beats pass by half


@dataclass(frozen=True)
class Grid:
    """Beats in time.

    Args:
        beats_s: one for each tracked beat.
        spread_s: median distance of the attacks that were found from their beats.
        steady: whether all lie on one line.
        found: share of beats at which something was struck.
    """

    beats_s: Float64s
    spread_s: float
    steady: bool
    found: float


def fit_grid(tracked_s: Float64s, struck: Flux, played: Flux) -> Grid:
    """Refine tracked beats to attacks and lay a line, or else the smoothest curve, through them.

    Twice, the second time among the attacks that are near the first result.
    """
    rough = _fit(tracked_s, struck, played, WIDE_S)
    fine = _fit(rough.beats_s, struck, played, NARROW_S)
    return replace(fine, spread_s=rough.spread_s, found=rough.found)  # among all that was played


def _fit(near_s: Float64s, struck: Flux, played: Flux, around_s: tuple[float, float]) -> Grid:
    times, weights = _attacks(near_s, struck, around_s)
    if played is not struck:  # where the drums rest, the others keep time, more loosely
        played_s, clear = _attacks(near_s, played, around_s)
        times = np.where(weights > 0, times, played_s)
        weights = np.where(weights > 0, weights, PLAYED * clear)
    found = float(np.mean(weights > 0))
    index = np.arange(times.size, dtype=np.float64)
    line = _robust(_first_line(times, weights), times, weights, lambda w: _line(index, times, w))
    curve = _robust(times, times, weights, lambda w: _smooth(times, w))
    struck_at = weights > 0
    off_line, off_curve = (np.abs(times - fit)[struck_at] for fit in (line, curve))
    near = max(3.0 * float(np.median(off_curve)), STEADY_S) if found else STEADY_S
    steady = bool(found and np.sum(off_line < near) >= AS_WELL * np.sum(off_curve < near))
    beats = line if steady else curve
    spread = float(np.median(np.abs(times - beats)[struck_at])) if found else 1.0
    late = min(EARLIEST * spread, MAX_LATE_S) if found else 0.0
    return Grid(beats + late, spread, steady, found)


def _attacks(
    near_s: Float64s, flux: Flux, around_s: tuple[float, float]
) -> tuple[Float64s, Float64s]:
    """Return the attack near each beat and how clear it is, 0 where there is none."""
    total = np.sum(list(flux.groups.values()), axis=0)
    clear = float(np.percentile(total, 95)) if total.size else 0.0
    times, weights = near_s.copy(), np.zeros(near_s.size)
    for i, at_s in enumerate(near_s):
        frame = round(at_s * FRAME_HZ)
        rise = float(total[max(0, frame - 4) : frame + 5].max(initial=0.0))
        if clear > 0 and rise > 0.25 * clear:
            times[i] = attack_s(flux.cells, float(at_s), *around_s)
            weights[i] = min(1.0, rise / clear)
    return times, weights


def _robust(
    fitted: Float64s, times: Float64s, weights: Float64s, solve: Callable[[Float64s], Float64s]
) -> Float64s:
    """Solve again and again from `fitted`, each time without what is far off (Tukey's biweight)."""
    if (weights > 0).sum() < 3:
        return times
    for _ in range(_ROUNDS):
        off = np.abs(times - fitted)
        scale = max(4.685 * 1.4826 * float(np.median(off[weights > 0])), _LEAST_S)
        w = weights * np.where(off < scale, (1 - (off / scale) ** 2) ** 2, 0.0)
        if (w > 0).sum() < 3:
            break
        fitted = solve(w)
    return fitted


def _first_line(times: Float64s, weights: Float64s) -> Float64s:
    """Return the line of the median slope over half the song, and the median start."""
    half = max(1, times.size // 2)
    both = (weights[half:] > 0) & (weights[:-half] > 0)
    steps = (times[half:] - times[:-half])[both] if both.any() else np.diff(times) * half
    index = np.arange(times.size)
    slope = float(np.median(steps)) / half
    kept = weights > 0 if (weights > 0).any() else np.ones(times.size, bool)
    return np.asarray(slope * index + np.median((times - slope * index)[kept]))


def _line(index: Float64s, times: Float64s, w: Float64s) -> Float64s:
    slope, start = np.polyfit(index, times, 1, w=np.sqrt(w))
    return np.asarray(start + slope * index)


def _smooth(times: Float64s, w: Float64s) -> Float64s:
    """Return the curve of least w (x - times)² + bend x'''² (Whittaker 1923).

    A tempo that grows steadily has no third difference: so it is not bent towards a line.
    """
    from scipy.linalg import solveh_banded

    n = times.size
    if n < 5:
        return times
    bands = np.zeros((4, n))
    third = np.array([-1.0, 3.0, -3.0, 1.0])
    for a in range(4):
        for b in range(a, 4):
            bands[3 - (b - a), b : n - 3 + b] += _BEND * third[a] * third[b]
    bands[3] += w + 1e-6
    return np.asarray(solveh_banded(bands, (w + 1e-6) * times))


def covering(grid: Grid, first: int, n: int, begin_s: float, end_s: float) -> tuple[Float64s, int]:
    """Continue beats so that whole bars cover the music from `begin_s` to `end_s`, and no more.

    Args:
        grid: the beats.
        first: a beat that begins a bar.
        n: beats in a bar.
        begin_s: where something first sounds.
        end_s: where something last begins.

    Returns:
        The beats, and which is the first that begins a bar. No beat lies before the song.
    """
    beats = grid.beats_s
    head, tail = float(np.median(np.diff(beats[:8]))), float(np.median(np.diff(beats[-8:])))
    more = max(0, int((beats[0] + 0.05) // head))
    before = beats[0] - head * np.arange(more, 0, -1)
    after = beats[-1] + tail * np.arange(1, 4 * n)
    longer = np.concatenate([before, beats, after])
    downbeat = (first + more) % n
    bars = np.arange(downbeat, longer.size, n)
    last_bar = bars[longer[bars] <= end_s + 0.1]
    stop = int(last_bar[-1]) + n if last_bar.size else longer.size
    start = int(np.searchsorted(longer, begin_s - 0.5 * head))
    start = min(start, stop)
    return longer[start:stop], (downbeat - start) % n
