"""What the first network is told of a stroke: its levels, by themselves and against the song's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FIRST_AFTER, LAST_ATTACK = 2, 6
"""The short spectra from the attack on, and those within 45 ms of it."""

LONGEST_GAP_S, SHORTEST_GAP_S = 1.0, 0.02


def attack_levels(short_db: Floats) -> Floats:
    """Return the loudest of each band within 45 ms of the attack, `(strokes, bands)`, in dB."""
    levels: Floats = short_db[:, FIRST_AFTER:LAST_ATTACK].max(axis=1)
    return levels


def describe(short_db: Floats, long_db: Floats, times_s: NDArray[np.float64]) -> Floats:
    """Return the numbers that describe each stroke by itself, `(strokes, n)`.

    All levels around the attack; the loudest of each band at the attack against those before it,
    and against all strokes of the song (quantiles), so that the network hears how loud a band is
    for this song; how far the strokes before and after are.

    Args:
        short_db: as `stroke_levels` returns them.
        long_db: as `stroke_levels` returns them.
        times_s: of the strokes.
    """
    n = times_s.size
    attack, low = attack_levels(short_db), long_db[:, 1]
    told = [
        short_db.reshape(n, -1),
        long_db.reshape(n, -1),
        *(attack - np.quantile(attack, rank, axis=0) for rank in (0.5, 0.9, 0.98)),
        *(low - np.quantile(low, rank, axis=0) for rank in (0.5, 0.95)),
        attack - short_db[:, :FIRST_AFTER].max(axis=1),
        gaps(times_s),
    ]
    return np.concatenate(told, axis=1).astype(np.float32)


def gaps(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of the times since the stroke before and to the one after."""
    between = np.diff(times_s)
    both = np.stack([np.append(LONGEST_GAP_S, between), np.append(between, LONGEST_GAP_S)], axis=1)
    logarithms: NDArray[np.float64] = 10 * np.log(both.clip(SHORTEST_GAP_S, LONGEST_GAP_S))
    return logarithms
