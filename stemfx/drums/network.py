"""A small network that says how likely each drum is part of a stroke.

It was taught on rendered songs whose drums are known: see `tests/benchmarks/learn_drums.py`, which
made `network.npz`. One stroke is one vector of numbers; the outputs are one log odds a drum class,
independent of each other, since drums sound together.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FIRST_AFTER, LAST_ATTACK = 2, 6
"""The spectra of `strokes` from the attack on, and those within 45 ms of it."""

LONGEST_GAP_S, SHORTEST_GAP_S = 1.0, 0.02


def describe(short_db: Floats, long_db: Floats, times_s: NDArray[np.float64]) -> Floats:
    """Return what the network is told of each stroke, `(strokes, n)`.

    All levels around the attack; the loudest of each band within 45 ms of it against those before
    it, and against all strokes of the song (quantiles), so that the network hears how loud a band
    is for this song; and how far the strokes before and after are.

    Args:
        short_db: as `stroke_levels` returns them.
        long_db: as `stroke_levels` returns them.
        times_s: of the strokes.
    """
    n = times_s.size
    attack = short_db[:, FIRST_AFTER:LAST_ATTACK].max(axis=1)
    low = long_db[:, 1]
    attack_ranks = np.quantile(attack, (0.5, 0.9, 0.98), axis=0)
    low_ranks = np.quantile(low, (0.5, 0.95), axis=0)
    gaps = np.diff(times_s)
    gaps_s = np.stack([np.append(LONGEST_GAP_S, gaps), np.append(gaps, LONGEST_GAP_S)], axis=1)
    told = [
        short_db.reshape(n, -1),
        long_db.reshape(n, -1),
        *(attack - rank for rank in attack_ranks),
        *(low - rank for rank in low_ranks),
        attack - short_db[:, :FIRST_AFTER].max(axis=1),
        10 * np.log(gaps_s.clip(SHORTEST_GAP_S, LONGEST_GAP_S)),
    ]
    return np.concatenate(told, axis=1).astype(np.float32)


def log_odds(described: Floats) -> Floats:
    """Return how likely each drum class is part of each stroke, `(strokes, len(DRUM_CLASSES))`."""
    network = _network()
    x = ((described - network["mean"]) / network["deviation"]).clip(-5, 5)
    for k in range(3):
        x = x @ network[f"weight_{k}"] + network[f"bias_{k}"]
        if k < 2:
            x = np.maximum(x, 0)
    odds: Floats = x.astype(np.float32)
    return odds


@cache
def _network() -> dict[str, Floats]:
    path = files("stemfx.drums") / "network.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}
