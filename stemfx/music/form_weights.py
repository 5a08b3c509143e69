"""Weights of what speaks for borders, likeness and bars that mean one another.

Fitted by logistic regression to songs that a soundfont played, 40 of loops, four takes each, and
50 short ones that go on without repeating, as `tests/benchmarks/learn_form.py` does. The last
weight of each array is the constant.
"""

import numpy as np

BORDER_WEIGHTS = np.array(
    [
        -0.339,
        0.218,
        -0.184,
        0.593,
        0.635,
        0.213,
        0.831,
        -0.596,
        1.449,
        -0.003,
        0.188,
        -0.361,
        0.488,
        0.335,
        0.142,
        0.099,
        -0.081,
        -0.222,
        0.175,
        0.227,
        0.116,
        0.102,
        0.286,
        0.182,
        0.324,
        0.363,
        -0.328,
        -0.294,
        -0.144,
        0.279,
        -3.903,
    ]
)
"""Of the columns of `borders.border_cues`."""

ALIKE_WEIGHTS = np.array(
    [
        -6.502,
        -2.348,
        -1.021,
        -1.058,
        -1.164,
        -0.138,
        -1.320,
        -1.695,
        0.741,
        -5.007,
        6.663,
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

LENGTH_ODDS = {1: -0.6, 2: 0.0, 4: 1.4, 6: 0.3, 8: 1.6, 12: 0.8, 16: 1.2}
"""Log odds of a section's bars; other odd numbers as 1, other even ones as 2. Set by hand."""
