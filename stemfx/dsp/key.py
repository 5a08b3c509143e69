"""The key that a distribution of pitch classes is nearest to."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.units import Float64s

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("major", "minor")

# "bgate": means over popular and electronic music with the passing notes gated to zero
# (Faraldo et al. 2016, the default profile of Essentia's KeyExtractor).
PROFILES = np.array(
    [
        [1.00, 0.00, 0.42, 0.00, 0.53, 0.37, 0.00, 0.77, 0.00, 0.38, 0.21, 0.30],
        [1.00, 0.00, 0.36, 0.39, 0.00, 0.38, 0.00, 0.74, 0.27, 0.00, 0.42, 0.23],
    ]
)


def key_name(index: int) -> str:
    """Name key `index`: 0 to 11 the major keys from C up, 12 to 23 the minor ones.

    >>> key_name(0), key_name(21)
    ('C major', 'A minor')
    """
    return f"{NAMES[index % 12]} {MODES[index // 12]}"


def profile_scores(chroma: Float64s) -> Float64s:
    """Correlate `(12,)` chroma with the profile of each of the 24 keys, `(24,)` in [-1, 1]."""
    centred = chroma - chroma.mean()
    norm = float(np.sqrt(np.sum(centred**2)))
    if norm <= 1e-12 * (1 + float(np.abs(chroma).max())):
        return np.zeros(24)
    scores = []
    for profile in PROFILES:
        centred_profile = profile - profile.mean()
        unit = centred_profile / np.sqrt(np.sum(centred_profile**2))
        scores += [float(np.sum(np.roll(unit, tonic) * centred)) / norm for tonic in range(12)]
    return np.array(scores)
