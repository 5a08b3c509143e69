"""What each bar of a song sounds like: its chords, its rhythm, and how loud it is in each band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp import chroma as pitch
from stemfx.dsp.flux import FRAME_HZ, GROUPS, RANGE_DB, Flux
from stemfx.dsp.units import Float64s
from stemfx.music.listen import Heard

CHORDS, LEVELS, ONSETS = slice(0, 24), slice(24, 28), slice(28, 32)
"""Places in a row of `MusicReading.bars`: pitch classes from C up of the first and of the second
half bar, each with a length of one; level of the groups of `GROUPS` in dB; their flux in dB."""
N_FEATURES = 32

_PLACES = 8  # in a bar, where its rhythm is looked at
_NEAR_FRAMES = 5  # 50 ms: what is played near a place is played there


@dataclass(frozen=True)
class Bars:
    """The bars of a song.

    Args:
        starts_s: where each begins.
        end_s: where the last one ends.
        chords: `(n_bars, 24)`, see `CHORDS`.
        sound: `(n_bars, n_bands)`: levels in dB of the mixture, and of drums and rest if known.
        rhythm: `(n_bars, n_places)`: flux in dB of each group at each of the places of a bar.
        levels, onsets: `(n_bars, 4)`, see `LEVELS` and `ONSETS`.
    """

    starts_s: Float64s
    end_s: float
    chords: Float64s
    sound: Float64s
    rhythm: Float64s
    levels: Float64s
    onsets: Float64s

    def compact(self) -> tuple[tuple[float, ...], ...]:
        """Return a row of `N_FEATURES` for each bar, rounded."""
        rows = np.concatenate([self.chords, self.levels, self.onsets], axis=1)
        digits = [3] * (CHORDS.stop - CHORDS.start) + [1] * 4 + [2] * 4
        return tuple(
            tuple(round(float(x), n) for x, n in zip(row, digits, strict=True)) for row in rows
        )


def read_bars(heard: Heard, downbeats_s: Float64s, bar_s: float) -> Bars:
    """Read every bar from the first downbeat on.

    Args:
        heard: the song.
        downbeats_s: at least one.
        bar_s: the length of the last bar, which no downbeat ends.
    """
    edges = np.append(downbeats_s, min(downbeats_s[-1] + bar_s, heard.duration_s))
    edges[-1] = max(edges[-1], edges[-2])
    halves = np.sort(np.concatenate([edges, 0.5 * (edges[:-1] + edges[1:])]))
    chroma = _means(heard.pitches.chroma(), halves * pitch.FRAME_HZ)
    chroma = chroma / np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-9)
    parts = [heard.whole]
    if heard.struck is not heard.whole and heard.played is not heard.whole:
        parts += [heard.struck, heard.played]
    bands = [_levels(part, edges) for part in parts]
    onsets = np.array([_means(heard.whole.groups[g], edges * FRAME_HZ) for g in GROUPS]).T
    n_groups = len(GROUPS)
    return Bars(
        starts_s=edges[:-1],
        end_s=float(edges[-1]),
        chords=chroma.reshape(-1, 24),
        sound=np.concatenate(bands, axis=1),
        rhythm=_rhythm(heard.struck, edges),
        levels=bands[0].reshape(len(edges) - 1, n_groups, -1).mean(axis=2),
        onsets=onsets,
    )


def _levels(flux: Flux, edges_s: Float64s) -> Float64s:
    """Return mean levels in dB of each band in each bar, none `RANGE_DB` below the loudest."""
    levels = flux.levels.astype(np.float64)
    top = float(levels.max()) if levels.size else 0.0
    return _means(np.maximum(levels, max(top - RANGE_DB, -100.0)).T, edges_s * FRAME_HZ)


def _rhythm(flux: Flux, edges_s: Float64s) -> Float64s:
    from scipy.ndimage import maximum_filter1d

    steps = np.diff(edges_s)[:, np.newaxis] * np.arange(_PLACES) / _PLACES
    frames = np.round((edges_s[:-1, np.newaxis] + steps) * FRAME_HZ).astype(int)
    rows = []
    for group in flux.groups.values():
        near = maximum_filter1d(group.astype(np.float64), _NEAR_FRAMES) if group.size else group
        rows.append(near[np.clip(frames, 0, max(0, near.size - 1))] if near.size else 0.0 * frames)
    return np.concatenate(rows, axis=1)


def _means(frames: NDArray[np.floating], edges: Float64s) -> Float64s:
    """Return the mean of the frames between neighbouring edges, `(n_edges - 1, ...)`."""
    frames = np.asarray(frames, np.float64)
    sums = np.concatenate([np.zeros((1, *frames.shape[1:])), np.cumsum(frames, axis=0)])
    at = np.clip(np.round(edges).astype(int), 0, len(frames))
    counts = np.maximum(np.diff(at), 1).reshape(-1, *(1,) * (frames.ndim - 1))
    return np.asarray(np.diff(sums[at], axis=0) / counts)
