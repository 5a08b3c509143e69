"""How hard each drum was struck, from the level of its bands in the 10 ms around the attack."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stemfx.drums.strokes import SHORT_EDGES_HZ

Floats = NDArray[np.float32]

BANDS_HZ = {
    "kick": (20, 151),
    "snare": (151, 480),
    "hat_closed": (6_200, 16_000),
    "hat_open": (6_200, 16_000),
    "tom": (65, 300),
    "crash": (3_700, 16_000),
    "clap": (800, 3_700),
}
"""Where each drum is told from the others by its level; all are edges of the short spectra."""

COVERED_BY = {
    "hat_closed": ("snare", "clap", "crash"),
    "hat_open": ("snare", "clap", "crash"),
    "snare": ("tom",),
    "tom": ("kick",),
}
"""What is louder in a drum's own bands: struck with one of these, its level is not heard."""

DECIBELS_PER_DECADE = 30.0
"""How the level follows the velocity: by 20 where amplitude follows it, by 40 as General MIDI
recommends; sampled kits lie between (20 to 31 measured on the corpus songs)."""

LOUDEST_QUANTILE = 0.9
"""The hits of a class that are as hard as it gets. No higher, since a louder drum that was taken
for one of the class would make all true ones soft (hats: mean error 0.35 with 98 %, 0.1 now)."""

LEAST = 0.05


def velocities(short_db: Floats, struck: Mapping[str, NDArray[np.bool_]]) -> dict[str, Floats]:
    """Return the velocity in (0, 1] of every class at every stroke, `(strokes,)` each.

    1 is the level that a tenth of the class's hits in the song reach; where louder drums cover a
    hit, it is the median of its class.

    Args:
        short_db: as `stroke_levels` returns them.
        struck: for each class, at which strokes it is; classes without any are left out.
    """
    found = {}
    for drum, at in struck.items():
        if not at.any():
            continue
        level = _level_db(short_db, *BANDS_HZ[drum])
        covers = [struck[other] for other in COVERED_BY.get(drum, ()) if other in struck]
        covered = np.any(covers, axis=0) if covers else np.zeros_like(at)
        heard = at & ~covered
        loudest = float(np.quantile(level[heard if heard.any() else at], LOUDEST_QUANTILE))
        velocity = 10 ** ((level - loudest) / DECIBELS_PER_DECADE)
        if heard.any():
            velocity = np.where(covered, np.median(velocity[heard]), velocity)
        found[drum] = velocity.clip(LEAST, 1.0).astype(np.float32)
    return found


def _level_db(short_db: Floats, low_hz: float, high_hz: float) -> Floats:
    """Return the loudest of the three spectra that lie around 8 to 30 ms after each attack."""
    first, last = SHORT_EDGES_HZ.index(int(low_hz)), SHORT_EDGES_HZ.index(int(high_hz))
    power = (10 ** (short_db[:, 2:5, first:last] / 10)).sum(axis=2).max(axis=1)
    level: Floats = 10 * np.log10(power)
    return level
