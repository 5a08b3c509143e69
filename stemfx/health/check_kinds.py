"""What a recipe may demand of its result: each kind of check, its limits, and what mends a failure.

The numbers are those of `stemfx check`. A check of `checks` is a limit on one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from stemfx.fixes import FIRST_IN_MASTER, LAST_IN_MASTER, entries, placed, stage_line

Direction = Literal["at most", "at least", "about", ""]


@dataclass(frozen=True)
class Kind:
    """One thing that can be checked.

    Args:
        what: in words, for sentences.
        unit: of its limits.
        range: outside of it no limit makes sense.
        digits: to which it is measured, told and judged, so that a verdict never contradicts what
            is shown.
        help: one line for the recipe's author.
        over: what mends a value above the limit; `GOAL` is the number to ask for.
        under: what mends one below it.
        over_fix: writes the line that does so, given that number; None where it takes more.
        under_fix: likewise.
        under_zero: what may mend it, too, where it is below zero.
        missing: why there may be no value.
        direction: what a number alone means; "" asks for more than that.
        about: how far a value may be from a number that it is to be about.
        tolerance: how far a value may be over its limit, for what meters differ by.
        goals: the range of `GOAL` that its remedy takes.
        goal_for: the goal that brings a value to a limit, where that is not the limit.
    """

    what: str
    unit: str
    range: tuple[float, float]
    digits: int
    help: str
    over: str
    under: str
    under_zero: str = ""
    missing: str = "it is silent"
    direction: Direction = ""
    about: float = 0.0
    tolerance: float = 0.0
    goals: tuple[float, float] = (-1e9, 1e9)
    goal_for: Callable[[float, float], float] | None = None
    over_fix: Callable[[float], str] | None = None
    under_fix: Callable[[float], str] | None = None


def width_for_correlation(value: float, limit: float) -> float:
    """Return the `width` that brings a correlation to a limit, for sides of one level.

    With the powers M of the mid and S of the side rho = (M - S) / (M + S), and a width of w makes
    S into w^2 S.
    """
    side_before, side_after = 1.0 - value, 1.0 - limit
    mid_before, mid_after = 1.0 + value, 1.0 + limit
    if side_before <= 0 or mid_after <= 0:
        return math.inf
    return math.sqrt(side_after * mid_before / (mid_after * side_before))


def _fix(where: str, stage: str, param: str, **others: float) -> Callable[[float], str]:
    """Return what writes a stage with one parameter set to a goal."""
    return lambda goal: placed(where, stage_line(stage, **{param: goal}, **others))


def _without_goal(fix: str) -> Callable[[float], str]:
    return lambda _goal: fix


_LOUDER = _fix(LAST_IN_MASTER, "loudness", "target_lufs")
_LOWER = _fix(LAST_IN_MASTER, "limiter", "ceiling_dbtp")
_NARROWER = _fix(FIRST_IN_MASTER, "width", "width")
_COMPRESSED = _without_goal(
    placed(FIRST_IN_MASTER, stage_line("compress", threshold_lu=3, ratio=2))
)
_WIDER = _without_goal(placed(FIRST_IN_MASTER, stage_line("width", width=1.3)))
_NO_DC = _without_goal(placed(FIRST_IN_MASTER, stage_line("dc_remove", above_dbfs=-120)))
_REST_IN_OTHER = _without_goal(entries("in separate", residual="other"))

_TOO_SHORT = "it is silent, below -70 LUFS, or shorter than "
_EARLY = "add to `master`, before its loudness: "
_LEVEL = "end `master` with - loudness: {target_lufs: GOAL}"
_CEILING = (
    "end `master` with - limiter: {ceiling_dbtp: GOAL}, or where it ends with loudness write "
    "`ceiling_dbtp: GOAL` there"
)
_DENSER = f"{_EARLY}- compress: {{threshold_lu: 3, ratio: 2}}"
_LIVELIER = "ask loudness for a lower `target_lufs`, and compress less"
_WIDTH = f"{_EARLY}- width: {{width: GOAL}}"
_LENGTH = "look at where the sources begin and end; the stage `trim` cuts a track"
_THE_LIMIT = "look at the limit; nothing in a recipe has to bring it there"
_NULL = (
    "`separate: {residual: other}` gives back what a model leaves out; of given stems `stemfx "
    "check STEMS --mixture FILE` tells which one is late, missing or changed"
)

KINDS: Mapping[str, Kind] = {
    "lufs": Kind(
        "the integrated loudness",
        "LUFS",
        (-70, 0),
        2,
        "integrated loudness (BS.1770)",
        over=_LEVEL,
        under=_LEVEL,
        missing=f"{_TOO_SHORT}400 ms",
        direction="about",
        about=0.5,  # EBU R 128's own tolerance
        goals=(-40, -6),
        over_fix=_LOUDER,
        under_fix=_LOUDER,
    ),
    "true_peak_dbtp": Kind(
        "the true peak",
        "dBTP",
        (-60, 24),
        2,
        "true peak, at 8x; 0.05 dB over it pass, as far as meters differ",
        over=_CEILING,
        under=_THE_LIMIT,
        direction="at most",
        tolerance=0.05,
        goals=(-9, 0),
        over_fix=_LOWER,
    ),
    "sample_peak_dbfs": Kind(
        "the highest sample",
        "dBFS",
        (-60, 24),
        2,
        "highest sample",
        over=_CEILING,
        under=_THE_LIMIT,
        direction="at most",
        goals=(-9, 0),
        over_fix=_LOWER,
    ),
    "max_momentary_lufs": Kind(
        "the loudest 400 ms",
        "LUFS",
        (-70, 12),
        2,
        "loudest 400 ms (EBU Tech 3341)",
        over=_DENSER,
        under=_LEVEL,
        missing=f"{_TOO_SHORT}400 ms",
        direction="at most",
        goals=(-14, -14),
        over_fix=_COMPRESSED,
        under_fix=_LOUDER,
    ),
    "max_short_term_lufs": Kind(
        "the loudest 3 s",
        "LUFS",
        (-70, 12),
        2,
        "loudest 3 s (EBU Tech 3341)",
        over=_DENSER,
        under=_LEVEL,
        missing=f"{_TOO_SHORT}3 s",
        direction="at most",
        goals=(-14, -14),
        over_fix=_COMPRESSED,
        under_fix=_LOUDER,
    ),
    "lra_lu": Kind(
        "the loudness range",
        "LU",
        (0, 60),
        2,
        "loudness range (EBU Tech 3342)",
        over=_DENSER,
        under=_LIVELIER,
        missing=f"{_TOO_SHORT}3 s",
        over_fix=_COMPRESSED,
    ),
    "plr_lu": Kind(
        "the peak to loudness ratio",
        "LU",
        (0, 60),
        2,
        "true peak less integrated loudness: how lively it is",
        over=_DENSER,
        under=_LIVELIER,
        missing=f"{_TOO_SHORT}400 ms",
        direction="at least",
        over_fix=_COMPRESSED,
    ),
    "psr_lu": Kind(
        "the lowest peak to short-term loudness ratio",
        "LU",
        (0, 60),
        2,
        "true peak less loudness of the densest 3 s: 8 is limited hard, 12 lively",
        over=_DENSER,
        under=_LIVELIER,
        missing=f"{_TOO_SHORT}3 s",
        direction="at least",
        over_fix=_COMPRESSED,
    ),
    "mono_loss_db": Kind(
        "the mono loss",
        "dB",
        (0, 100),
        2,
        "what mono playback loses; 3 is normal for a wide image",
        over=f"{_EARLY}- mono_safe: {{max_mono_loss_db: GOAL}}",
        under=f"{_EARLY}- width: {{width: 1.3}}",
        direction="at most",
        goals=(0, 40),
        over_fix=_fix(FIRST_IN_MASTER, "mono_safe", "max_mono_loss_db"),
        under_fix=_WIDER,
    ),
    "correlation": Kind(
        "the correlation of left and right",
        "",
        (-1, 1),
        4,
        "of left and right: 1 is mono, 0 wide, below 0 cancels in mono; 1 of a mono master",
        over=_WIDTH,
        under=_WIDTH,
        under_zero="; where a channel is upside down: - polarity: {channels: right}",
        missing="a channel is silent",
        direction="at least",
        goals=(0, 2),
        goal_for=width_for_correlation,
        over_fix=_NARROWER,
        under_fix=_NARROWER,
    ),
    "clipped_samples": Kind(
        "the number of clipped samples",
        "",
        (0, 1e9),
        0,
        "samples on flat tops, at whatever level these lie",
        over="drive saturation and limiters less; where a source is clipped already, add to the "
        "track's stages: - declip: {}",
        under=_THE_LIMIT,
        direction="at most",
    ),
    "dc_offset": Kind(
        "the DC offset",
        "",
        (0, 1),
        6,
        "size of the mean of the channel that has most; 1 is full scale",
        over="add to `master`: - dc_remove: {above_dbfs: -120}",
        under=_THE_LIMIT,
        direction="at most",
        over_fix=_NO_DC,
    ),
    "null_db": Kind(
        "the null",
        "dB",
        (-200, 0),
        2,
        "mixture minus the sum of its stems beside the mixture, of each song that is separated or "
        "given as stems with their `mixture`; the worst counts",
        over=_NULL,
        under=_THE_LIMIT,
        missing="the song is silent",
        direction="at most",
        over_fix=_REST_IN_OTHER,
    ),
    "duration_s": Kind(
        "the length",
        "s",
        (0, 360_000),
        3,
        "length",
        over=_LENGTH,
        under=_LENGTH,
    ),
}
"""Every check, by the name that a recipe writes."""

OF_STEMS = frozenset({"null_db"})
"""The checks that are about the songs' stems; all others are about the master."""

OTHER_WORDS = {
    "loudness": "lufs",
    "integrated_lufs": "lufs",
    "clipping": "clipped_samples",
    "clipped": "clipped_samples",
    "peak": "true_peak_dbtp",
    "ceiling_dbtp": "true_peak_dbtp",
    "phase": "correlation",
    "mono": "mono_loss_db",
    "dc": "dc_offset",
    "length": "duration_s",
    "duration": "duration_s",
    "dynamics": "plr_lu",
}
"""What producers call some of them elsewhere: for hints."""
