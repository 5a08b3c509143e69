"""Colours and sizes: of Okabe and Ito's palette, which people with any colour vision can tell.

Nothing is told by a colour alone: what is wrong also has a mark, a name or a place of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from stemfx.plot.words import families

BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREY, PALE, INK = "#767676", "#D0D0D0", "#222222"
LEVEL_COLOUR = {"error": VERMILION, "warn": "#9A6700", "info": BLUE}
HEAT = "magma"

WIDTH = 1200
DPI = 100
SMALL, NORMAL, LARGE = 7.5, 8.0, 11.0


@contextmanager
def styled() -> Iterator[None]:
    """Draw with matplotlib's own settings and ours, whatever the user's file of settings says."""
    import matplotlib as mpl

    log = logging.getLogger("matplotlib")  # it tells of every font that it considers
    level, style = log.level, _style()
    with mpl.rc_context():
        log.setLevel(logging.ERROR)
        try:
            mpl.rcdefaults()
            mpl.rcParams.update(style)
            yield
        finally:
            log.setLevel(level)


def _style() -> dict[str, object]:
    return {
        "font.family": list(families()),
        "font.size": NORMAL,
        "axes.labelsize": NORMAL,
        "axes.titlesize": NORMAL,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.fontsize": SMALL,
        "text.color": INK,
        "text.parse_math": False,  # a file may well be called $HOME$.wav
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": PALE,
        "grid.linewidth": 0.6,
        "axes.unicode_minus": True,
        "svg.hashsalt": "stemfx",  # names inside an SVG are random without
        "agg.path.chunksize": 10_000,
    }
