"""What the cues of a metre weigh.

Fitted, not written by hand: a softmax over all readings of 192 rendered songs (see
`tests/benchmarks/bench_music.py` for how well it does on others), with a squared penalty that
keeps cues of one kind together. A row for each cue of `meter.CUES`, a column for each contrast.
"""

import numpy as np

# fmt: off
_CUES = (
    #   on   on-1/2 1/2-1/4 swing   2+4   1-3    2-4   of three: 1, 2-3
    ( 0.11,  0.24,  0.39, -0.05, -0.19,  0.33, -0.33,  0.26, -1.05),  # struck low
    ( 0.32,  0.24,  0.17, -0.09, -0.05, -0.01,  0.53, -0.46,  0.28),  # struck body
    ( 0.37,  0.27,  0.27, -0.30,  0.04,  0.34,  0.54, -0.14,  0.14),  # struck middle
    ( 0.14,  0.20,  0.43, -0.26,  0.54,  1.06, -1.14, -0.31, -0.00),  # struck high
    (-0.07, -0.05,  1.02, -0.24,  0.01,  0.53, -0.77,  0.64, -0.66),  # played low
    ( 0.15, -0.16,  0.71, -0.38, -0.07,  0.23,  0.25,  0.17,  0.27),  # played body
    ( 0.24, -0.03,  0.52, -0.34,  0.10, -0.29,  0.36,  0.20,  0.22),  # played middle
    ( 0.10,  0.05,  0.61, -0.19,  0.19,  0.34,  0.27, -0.11,  0.22),  # played high
    ( 0.44,  0.64, -0.15,  0.37, -0.44,  0.78,  0.01,  0.63, -0.68),  # struck low, loud
    ( 0.46,  0.40, -0.18,  0.07,  0.10,  0.15, -0.24, -0.38, -0.06),  # struck body, loud
    ( 0.51,  0.52, -0.26, -0.04,  0.37, -0.11,  0.27,  0.20, -0.09),  # struck middle, loud
    ( 0.40,  0.54,  0.01,  0.01,  0.71,  0.08,  0.51, -0.19, -0.01),  # struck high, loud
    ( 0.36,  0.41,  0.53,  0.15, -0.48,  0.12, -0.06,  0.51, -0.66),  # played low, loud
    ( 0.37,  0.08,  0.32, -0.19, -0.13,  0.23, -0.46,  0.13,  0.04),  # played body, loud
    ( 0.48,  0.26,  0.05, -0.09,  0.01,  0.24, -0.46,  0.26,  0.10),  # played middle, loud
    ( 0.42,  0.43,  0.22,  0.08,  0.34, -0.05,  0.86, -0.14,  0.30),  # played high, loud
    ( 0.36,  0.44,  0.49,  0.17, -0.52,  0.20,  0.29,  0.52, -0.64),  # bass, loud
)
_CHORDS_OF_FOUR = (-3.15, 0.05, 19.96, 2.03)  # of the chords, of the bass: 2+4, each; 1-3, each
_CHORDS_OF_THREE = (3.17, 0.08, -3.84, 0.25)  # likewise: 1, each; 2-3, each
_TEMPO = (0.86, -0.84, 0.50, -0.66)  # octaves off `meter.TYPICAL_BPM`, squared, cubed; 3 in a bar
# fmt: on

_TABLE = np.array(_CUES).T
WEIGHTS = np.concatenate(
    [_TABLE[:7].ravel(), _CHORDS_OF_FOUR, _TABLE[7:].ravel(), _CHORDS_OF_THREE, _TEMPO]
)
