"""The built-in hit classifier: which drums a stroke's spectrum is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.hits import DRUM_CLASSES, Hit, HitClassifier

HATS = ("hat_closed", "hat_open")
HAT_ODDS = 0.6
"""A hat of which it is not clear whether it is open: the sum of both probabilities."""


class SpectralClassifier(HitClassifier):
    """Tells drums apart by the levels of bands before, at and after the attack."""

    name = "spectral"
    summary = "Two small networks hear each stroke by itself, then within its song"
    licence = "GPL-3.0-or-later"
    version = 5

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        """Return the hits at the strokes, in the order of time.

        Each stroke is none, one or several drums; a hat is open or closed, never both.
        """
        from stemfx.drums.context import in_song
        from stemfx.drums.description import describe
        from stemfx.drums.network import log_odds
        from stemfx.drums.strokes import stroke_levels
        from stemfx.drums.velocity import velocities

        times_s = np.array(sorted(onsets_s), np.float64)
        if not times_s.size:
            return []
        short_db, long_db = stroke_levels(drums, times_s.tolist())
        first = log_odds(describe(short_db, long_db, times_s), "first")
        struck = _struck(log_odds(in_song(short_db, times_s, first), "second"))
        velocity = velocities(short_db, struck)
        return sorted(
            Hit(float(times_s[i]), drum, float(velocity[drum][i]))
            for drum, at in struck.items()
            for i in np.flatnonzero(at)
        )


def _struck(odds: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    """Return for each class at which strokes it is."""
    by_class = dict(zip(DRUM_CLASSES, odds.T, strict=True))
    closed, opened = (by_class[name] for name in HATS)
    chance = sum(1 / (1 + np.exp(-by_class[name].clip(-50, 50))) for name in HATS)
    is_hat = (closed > 0) | (opened > 0) | (chance > HAT_ODDS)
    struck = {name: value > 0 for name, value in by_class.items()}
    struck |= {"hat_closed": is_hat & (closed >= opened), "hat_open": is_hat & (opened > closed)}
    return struck
