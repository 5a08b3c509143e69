"""How loud a drum is, and in which bands it is to be found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.dsp.band_split import Powers
from stemfx.dsp.hit_ducking import HitBands
from stemfx.dsp.units import Float64s, db_to_gain

DRUM_BANDS = {
    "kick": HitBands((0, 1)),
    "snare": HitBands((1, 2, 3, 4)),
    "tom": HitBands((0, 1, 2)),
    "clap": HitBands((2, 3, 4), covers_from=1),
    "hat_closed": HitBands((4, 5), covers_from=2),
    "hat_open": HitBands((4, 5), covers_from=2),
    "crash": HitBands((3, 4, 5), covers_from=2),
}
"""Of the bands of `BandSplit`."""

LOUDNESS_S = 0.2
"""The ear adds up loudness over about this long (Zwicker): what comes later is only length."""

_BAND_WEIGHTS_DB = (-2.0, -0.6, -0.3, 1.5, 3.9, 4.0)
"""The K-weighting of ITU-R BS.1770 in the middle of the bands of `BandSplit`."""

_MOST_LOUDER_DB = 6.0  # as a whole, when the bands that a drum is known by are equally loud


@dataclass(frozen=True)
class Loudness:
    """Weighted energy of the first 200 ms of a drum.

    Args:
        body: in the bands that the drum is known by.
        whole: in all bands.
    """

    body: float
    whole: float

    @classmethod
    def of(cls, shape: Powers | Float64s, known_by: Sequence[int], frame_s: float) -> Loudness:
        """Measure `(n_bands, n_frames)` powers that begin at the attack."""
        n = max(1, round(LOUDNESS_S / frame_s))
        weights = db_to_gain(np.array(_BAND_WEIGHTS_DB[: len(shape)])) ** 2
        energies = weights * shape[:, :n].sum(axis=1, dtype=np.float64)
        return cls(float(energies[[b for b in known_by if b < len(shape)]].sum()), energies.sum())

    def gain_to(self, other: Loudness) -> float:
        """Return the factor that makes this sound as loud as the other; 0 if either is silent.

        Its body as loud as the other's, but the whole of it not more than 6 dB louder: a click
        without a body must not become a shot.
        """
        if not self.whole or not other.whole:
            return 0.0
        most = db_to_gain(_MOST_LOUDER_DB) * math.sqrt(other.whole / self.whole)
        return min(most, math.sqrt(other.body / self.body)) if self.body else most
