"""Take single hits of one drum out of a drum stem, and leave the rest: cymbal wash, other drums.

Nothing is muted. In each band of `BandSplit` the gain follows from how much of the power there is
the hit's, by power spectral subtraction (Boll, IEEE TASSP 27(2), 1979; Berouti et al., ICASSP
1979, for the over-subtraction):

    gain^2 = 1 - 2 hit / power, not below the floor

so a band in which the hit is at least half of the power goes down to the floor, and a band in
which a cymbal is 10 dB louder loses 1 dB. What a hit of a drum is like is learnt from the stem: the
median over all its hits, band by band and frame by frame, of what no other hit covers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.band_split import Powers
from stemfx.dsp.units import Float64s, db_to_gain

OVER_SUBTRACTION = 2.0
"""Makes up for the ripple of a tone's power and for hits that differ from the typical one."""

RING_S = 0.9  # what a typical hit is learnt of
_LEVEL_MS = 45.0  # from the attack on: what tells how loud a hit is
_BEFORE_MS = 20.0  # the background that a hit rises out of
_TOGETHER_MS = 12.0  # hits that are closer sound as one
_COVERS_S = 0.25  # how long a hit covers what goes on
_GONE_DB = -40.0  # of its loudest frame: from there on a band of a hit is over
_MOST_HITS = 200  # from which a drum is learnt: more do not change a median
_FEWEST = 3  # uncovered hits that a frame of a band is learnt from
_FAINT_SHARE = 0.25  # of a covered band, when it is not one that the drum is known by
_OPEN_MS = 12.0  # from the floor to unity
_SMOOTH_MS = 12.0


@dataclass(frozen=True)
class DrumPowers:
    """What the hits of one drum are like in a stem.

    Args:
        levels: `(n_hits,)`; power of each hit in the bands that it is known by, of its loudest
            moment; 0 where nothing rises.
        shape: `(n_bands, n_frames)`; power of a hit of level one, from its attack on.
    """

    levels: Float64s
    shape: Float64s


@dataclass(frozen=True)
class HitBands:
    """Which bands a drum is known by, and from which one on it covers others."""

    known_by: tuple[int, ...]
    covers_from: int = 0


def learn_drum(
    powers: Powers,
    own: NDArray[np.intp],
    others: Sequence[tuple[int, int]],
    bands: HitBands,
    frame_s: float,
) -> DrumPowers:
    """Learn one drum from all its hits in a stem.

    Args:
        powers: of the stem.
        own: frames in which the drum's hits begin, rising.
        others: frame and `covers_from` of every hit of another drum.
        bands: of this drum.
        frame_s: duration of a frame.
    """
    n_bands = len(powers)
    known_by = [band for band in bands.known_by if band < n_bands] or [n_bands - 1]
    levels = _levels(powers[known_by].sum(axis=0), own, frame_s)
    n_frames = math.ceil(RING_S / frame_s)
    heard = np.flatnonzero(levels > 0.0)
    if not heard.size:
        return DrumPowers(levels, np.zeros((n_bands, n_frames)))
    picked = heard[np.unique(np.linspace(0, heard.size - 1, _MOST_HITS).round().astype(int))]
    padded = np.pad(powers, ((0, 0), (0, n_frames)))
    onsets = np.array(others, np.intp).reshape(-1, 2)
    windows = np.empty((picked.size, n_bands, n_frames))
    covered = np.zeros((picked.size, n_bands, n_frames), bool)
    for i, hit in enumerate(picked):
        start = own[hit]
        before = _before(powers, start, frame_s)[:, np.newaxis]
        windows[i] = np.maximum(padded[:, start : start + n_frames] - before, 0.0) / levels[hit]
        _cover(covered[i], onsets, start, frame_s)
        later = own[own > start]
        over = min([powers.shape[1], *later[:1]]) - start
        covered[i, :, max(1, over - 1) :] = True
    return DrumPowers(levels, _typical(windows, covered, known_by, frame_s))


def _levels(power: Float64s, own: NDArray[np.intp], frame_s: float) -> Float64s:
    n = max(1, round(_LEVEL_MS / 1000 / frame_s))
    levels = np.zeros(len(own))
    for i, start in enumerate(own):
        stop = own[i + 1] if i + 1 < len(own) and own[i + 1] > start else start + n
        after = power[start : min(start + n, stop)]
        if after.size:
            before = float(_before(power[np.newaxis], start, frame_s)[0])
            levels[i] = max(0.0, float(after.mean()) - before)
    return levels


def _before(powers: Powers | Float64s, start: int, frame_s: float) -> Float64s:
    """Return the mean power of each band just before a hit."""
    n = max(1, round(_BEFORE_MS / 1000 / frame_s))
    stretch = powers[:, max(0, start - n - 1) : max(0, start - 1)]
    before: Float64s = stretch.mean(axis=1) if stretch.shape[1] else np.zeros(len(powers))
    return before


def _cover(
    covered: NDArray[np.bool_], onsets: NDArray[np.intp], start: int, frame_s: float
) -> None:
    """Mark what hits of other drums cover."""
    together, length = (round(t / frame_s) for t in (_TOGETHER_MS / 1000, _COVERS_S))
    near = onsets[(onsets[:, 0] > start - length) & (onsets[:, 0] < start + covered.shape[1])]
    for frame, first_band in near:
        first = max(0, frame - start - together)
        covered[first_band:, first : max(0, frame - start + length)] = True


def _typical(
    windows: Float64s, covered: NDArray[np.bool_], known_by: Sequence[int], frame_s: float
) -> Float64s:
    """Return the median of what is not covered; where all is, what the quietest hits have."""
    count = (~covered).sum(axis=0)
    clear = np.where(covered, np.nan, windows)
    shape = np.quantile(windows, 0.2, axis=0)
    faint = np.setdiff1d(np.arange(shape.shape[0]), known_by)
    shape[faint] *= _FAINT_SHARE
    enough = count >= min(_FEWEST, len(windows))
    if enough.any():
        shape[enough] = np.nanmedian(clear[:, enough], axis=0)
    # A drum that was struck only decays; its attack may take some time to come up.
    rise = max(1, round(_LEVEL_MS / 1000 / frame_s))
    peak = shape[:, :rise].max(axis=1, keepdims=True)
    # Running means first: the power of a low tone swings at twice its frequency.
    smooth = _smooth(shape, max(1, round(2 * _SMOOTH_MS / 1000 / frame_s)))
    falling = np.minimum.accumulate(np.hstack((peak, smooth[:, rise:])), axis=1)
    shape[:, rise:] = falling[:, 1:]
    gone = shape < peak * 10 ** (_GONE_DB / 10)
    gone[:, :rise] = False
    shape[gone] = 0.0
    return shape


def _smooth(values: Float64s, n: int) -> Float64s:
    """Return running means over `n` values, centred; the ends are held."""
    if n < 2 or not values.shape[1]:
        return values
    padded = np.pad(values, ((0, 0), (n // 2 + 1, n - n // 2 - 1)), mode="edge")
    sums = np.cumsum(padded, axis=1)
    smooth: Float64s = (sums[:, n:] - sums[:, :-n]) / n
    return np.maximum(smooth, 0.0)


def duck_gains(
    powers: Powers,
    hits: Mapping[str, tuple[NDArray[np.intp], DrumPowers]],
    *,
    floor_db: float,
    frame_s: float,
) -> NDArray[np.float32]:
    """Return the gain of each band in each frame, `(n_bands, n_frames)`, that takes hits out.

    Args:
        powers: of the stem.
        hits: for each drum, the frames in which the hits to take out begin, and what it is like
            (its levels are those of these hits).
        floor_db: the lowest gain, 0 or less.
        frame_s: duration of a frame.
    """
    factors = np.zeros(powers.shape, np.float32)
    for frames, drum in hits.values():
        shape = drum.shape.astype(np.float32)
        for frame, level in zip(frames, drum.levels, strict=True):
            theirs = factors[:, frame : frame + shape.shape[1]]
            theirs += np.float32(level) * shape[:, : theirs.shape[1]]
    for power, row in zip(powers, factors, strict=True):  # in place: an hour is long
        row[:] = _gains(power, row, floor_db, frame_s)
    return factors


def _gains(
    power: NDArray[np.float32], theirs: NDArray[np.float32], floor_db: float, frame_s: float
) -> Float64s:
    """Return the gains of one band in which `theirs` is the power of the hits."""
    # Look-ahead: the frame before the attack goes down with it.
    ahead = np.maximum(theirs, np.append(theirs[1:], np.float32(0)))
    n = max(1, round(_SMOOTH_MS / 1000 / frame_s))
    smooth = _smooth(power[np.newaxis].astype(np.float64), n)[0]
    share = np.divide(ahead, smooth, out=np.zeros_like(smooth), where=smooth > 1e-20)
    gains = np.sqrt(np.maximum(1.0 - OVER_SUBTRACTION * share, db_to_gain(floor_db) ** 2))
    # A gain comes back no faster than this: g[n] <= g[m] + rate (n - m), in dB.
    steps = np.arange(power.size) * (-floor_db * frame_s * 1000 / _OPEN_MS)
    gains_db: Float64s = np.minimum.accumulate(20.0 * np.log10(gains) - steps) + steps
    return db_to_gain(gains_db)
