"""On which hits of a drum stem its bleed in another stem is heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp import stft
from stemfx.dsp.foreign_bleed import BleedMap
from stemfx.dsp.units import Floats, db_to_gain, power_to_db

AUDIBLE_DB = -30.0
"""Level of the bleed of a hit, relative to the stem while it plays, from which it is heard: 30 dB
under a voice another instrument is lost in any mix."""

AUDIBLE_SHARE = 0.4  # of a cell's power: below, the stem's own sound covers the bleed
QUIET_DB = -20.0  # relative to the stem while it plays: that is a pause
_HIT_S = 0.1  # how long a hit is looked at
_LOUDER = 0.5  # of a hit's power in bands in which it is louder than the stem

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class HeardHits:
    """How often bleed is heard.

    Args:
        n_hits: of the other stem.
        n_audible: those whose bleed is heard.
        n_in_pauses: those that are struck while the stem itself pauses.
        n_audible_in_pauses: of these, those whose bleed is heard.
        n_untold: those that the stem's own sound covers, so that nobody can tell.
        level_db: of the bleed on all hits, relative to the stem while it plays.
    """

    n_hits: int
    n_audible: int
    n_in_pauses: int
    n_audible_in_pauses: int
    n_untold: int
    level_db: float


def hit_frames(hits_s: NDArray[np.float64], found: BleedMap) -> Indices:
    """Return the frames `(n_hits, n)` that lie most in each hit, from the attack on."""
    lead_s = (stft.N_FFT - stft.HOP) / found.sample_rate
    middle_s = stft.N_FFT / 2 / found.sample_rate
    first = (hits_s + lead_s - middle_s) / found.frame_s
    n = max(1, round(_HIT_S / found.frame_s))
    frames = np.ceil(first)[:, np.newaxis] + np.arange(n)
    clamped: Indices = np.clip(frames, 0, max(0, len(found.own) - 1)).astype(np.intp)
    return clamped


def heard_hits(
    found: BleedMap, name: str, hits_s: NDArray[np.float64], gains: Floats | None = None
) -> HeardHits:
    """Count the hits of a part whose bleed is heard.

    Args:
        found: what lies in the stem.
        name: of the part.
        hits_s: where its hits begin.
        gains: factors that the stem is turned down by in each cell, if it is.
    """
    part = found.parts[name]
    if not len(hits_s) or not len(found.own) or not found.playing_power:
        return HeardHits(len(hits_s), 0, 0, 0, 0, power_to_db(0.0))
    at = hit_frames(hits_s, found)
    own, other = found.own[at], part.power[at]
    leak = part.leak[at]
    is_open = leak > AUDIBLE_SHARE * own
    if gains is not None:
        leak = leak * np.square(gains[at])
    heard = np.sum(leak * is_open, axis=(1, 2), dtype=np.float64) / at.shape[1]
    audible = heard > found.playing_power * db_to_gain(AUDIBLE_DB) ** 2
    rest = np.maximum(own - leak, 0.0).sum(axis=(1, 2), dtype=np.float64) / at.shape[1]
    pauses = rest < found.playing_power * db_to_gain(QUIET_DB) ** 2
    louder = np.sum(other * (other > own), axis=(1, 2), dtype=np.float64)
    untold = louder < _LOUDER * other.sum(axis=(1, 2), dtype=np.float64)
    mean = float(np.mean(leak.sum(axis=(1, 2), dtype=np.float64))) / at.shape[1]
    return HeardHits(
        n_hits=len(hits_s),
        n_audible=int(audible.sum()),
        n_in_pauses=int(pauses.sum()),
        n_audible_in_pauses=int((audible & pauses).sum()),
        n_untold=int((untold & ~audible).sum()),
        level_db=power_to_db(mean / found.playing_power),
    )
