"""Small networks that say how likely each drum is part of a stroke.

Two, of three layers each, taught on rendered songs whose drums are known (in the way of
`tests/benchmarks/learn_drums.py`): the first hears a stroke by itself,
the second what the first heard in the whole song. One stroke is one vector of numbers; out come
the log odds of the drum classes, each for itself, since drums sound together.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
N_LAYERS = 3


def log_odds(told: Floats, look: Literal["first", "second"]) -> Floats:
    """Return how likely each drum class is part of each stroke, `(strokes, len(DRUM_CLASSES))`.

    Args:
        told: `(strokes, n)`: of `description.describe` for the first look, of `context.in_song`
            for the second.
        look: which network.
    """
    network = _networks()
    x = (told - network[f"{look}_mean"]) / network[f"{look}_deviation"]
    x = x.clip(-5, 5)
    for k in range(N_LAYERS):
        x = x @ network[f"{look}_weight_{k}"] + network[f"{look}_bias_{k}"]
        if k < N_LAYERS - 1:
            x = np.maximum(x, 0)
    odds: Floats = x.astype(np.float32)
    return odds


@cache
def _networks() -> dict[str, Floats]:
    path = files("stemfx.drums") / "networks.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}
