"""Weights of what speaks for borders, likeness and bars that mean one another.

Fitted by logistic regression to 40 songs, four takes each, that a soundfont played
(`tests/benchmarks/learn_form.py`). The last weight of each array is the constant.
"""

import numpy as np

BORDER_WEIGHTS = np.array(
    [
        -0.136,
        0.098,
        0.265,
        0.484,
        0.718,
        0.511,
        0.516,
        -0.841,
        1.595,
        0.049,
        -0.064,
        -0.039,
        0.514,
        0.344,
        0.179,
        0.179,
        0.187,
        -0.143,
        0.604,
        0.445,
        0.023,
        -0.092,
        0.547,
        0.641,
        0.160,
        0.276,
        -0.528,
        -0.558,
        -0.373,
        0.278,
        -4.685,
    ]
)
"""Of the columns of `borders.border_cues`."""

ALIKE_WEIGHTS = np.array(
    [
        -5.000,
        -1.872,
        -1.302,
        -1.318,
        -0.653,
        -1.317,
        -0.855,
        -1.537,
        0.701,
        -4.616,
        6.797,
    ]
)
"""Of `sections.likeness`."""

PAIR_WEIGHTS = np.array(
    [
        1.023,
        9.249,
        0.348,
        -2.748,
        0.481,
        1.096,
        1.440,
        -1.331,
        -6.360,
    ]
)
"""Of the columns of `bar_pairs.pair_cues`."""

LENGTH_ODDS = {1: -1.2, 2: -0.6, 4: 0.8, 6: -0.3, 8: 1.0, 12: 0.2, 16: 0.6}
"""Log odds of a section's bars; other odd numbers as 1, other even ones as 2. Set by hand."""
