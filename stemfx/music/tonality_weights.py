"""What the cues of a key weigh: fitted to rendered songs (see `tonality`), not written by hand."""

import numpy as np

_CUES = {
    "profile": 2.49,
    "bass: tonic": 2.99,
    "bass: fifth": 0.56,
    "bass: fourth": 0.54,
    "chord: mean": 2.48,
    "chord: share of bars": 4.72,
    "chord: first bar": 1.97,
    "chord: last bar": 1.12,
    "bass on the one: first bar": 1.03,
    "bass on the one: last bar": -0.53,
    "bass on the one: mean": -0.35,
    "chord: every 2nd bar": 3.13,
    "chord: every 4th bar": -2.02,
    "chord: every 8th bar": 1.36,
    "bass on the one: every 4th bar": 0.83,
    "dominant major": -0.45,
    "dominant in minor": -0.17,
    "dominant then tonic": 7.57,
    "subtonic then tonic": -0.15,
    "minor": 0.17,
}
# Degrees of the scale, in semitones above the tonic.
_MAJOR = (4.77, -1.12, -1.12, -2.73, 0.78, 3.63, -6.03, -3.01, -2.69, 6.41, -4.16, 2.78)
_MINOR = (3.31, -3.29, -2.33, 3.59, -0.83, -4.51, -2.04, 3.14, 7.10, -3.04, 0.09, 1.29)

KEY_WEIGHTS = np.array([*_CUES.values(), *_MAJOR, *_MINOR])
