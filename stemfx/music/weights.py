"""What the cues of a metre weigh.

Fitted, not written by hand: a softmax over all readings of 648 renderings of made songs (see
`tests/benchmarks/bench_music.py` for how well it does on others), with a squared penalty that
keeps cues of one kind together. A row for each cue of `meter.CUES`, a column for each contrast.
"""

import numpy as np

# fmt: off
_CUES = (
    #   on   on-1/2 1/2-1/4 swing   2+4   1-3    2-4   of three: 1, 2-3
    ( 0.07,  0.30,  0.54, -0.18, -0.28,  0.58, -0.09,  0.22, -1.02),  # struck low
    ( 0.28,  0.22,  0.30, -0.10, -0.09,  0.09,  0.38, -0.53,  0.37),  # struck body
    ( 0.48,  0.32,  0.53, -0.49, -0.25, -0.24,  0.74, -0.43,  0.15),  # struck middle
    ( 0.23,  0.30,  0.64, -0.30,  0.30,  0.98, -1.60, -0.68,  0.04),  # struck high
    (-0.15, -0.09,  1.53, -0.53,  0.13,  1.21, -1.23,  0.73, -0.79),  # played low
    ( 0.02, -0.43,  1.13, -0.30, -0.30,  0.71,  0.51,  0.25,  0.46),  # played body
    ( 0.30, -0.16,  0.76, -0.56, -0.14, -0.93,  0.96,  0.34,  0.32),  # played middle
    ( 0.09,  0.02,  0.64, -0.23,  0.05,  0.50,  0.08, -0.14,  0.31),  # played high
    ( 0.61,  1.00, -0.40,  0.51, -0.57,  0.66,  0.11,  0.90, -0.79),  # struck low, loud
    ( 0.52,  0.52, -0.31,  0.25,  0.42,  0.21, -0.63, -0.24, -0.03),  # struck body, loud
    ( 0.65,  0.70, -0.41, -0.14,  0.44, -0.19,  0.07,  0.18, -0.18),  # struck middle, loud
    ( 0.65,  0.81,  0.01,  0.00,  0.84, -0.88,  1.13, -0.49, -0.08),  # struck high, loud
    ( 0.63,  0.77,  0.68,  0.15, -0.40, -0.01,  0.01,  0.63, -0.83),  # played low, loud
    ( 0.40,  0.02,  0.41,  0.24, -0.25,  0.49, -0.46,  0.14,  0.18),  # played body, loud
    ( 0.61,  0.31, -0.15, -0.11, -0.02,  0.50, -0.49,  0.39,  0.11),  # played middle, loud
    ( 0.57,  0.51,  0.23,  0.06,  0.59, -0.64,  0.84, -0.12,  0.19),  # played high, loud
    ( 0.62,  0.79,  0.75,  0.28, -0.61,  0.02,  0.17,  0.67, -0.79),  # bass, loud
)
_CHORDS_OF_FOUR = (-1.99, -0.24, 25.64, 1.59)  # of the chords, of the bass: 2+4, each; 1-3, each
_CHORDS_OF_THREE = (4.94, 0.43, 0.15, 0.15)  # likewise: 1, each; 2-3, each
_TEMPO = (1.24, -1.03, 0.52, -1.05)  # octaves off `meter.TYPICAL_BPM`, squared, cubed; 3 in a bar
# fmt: on

_TABLE = np.array(_CUES).T
WEIGHTS = np.concatenate(
    [_TABLE[:7].ravel(), _CHORDS_OF_FOUR, _TABLE[7:].ravel(), _CHORDS_OF_THREE, _TEMPO]
)
