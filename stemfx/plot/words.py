"""Texts in a picture: names of strangers' files, times, what is long cut short.

A font lacks most of the world's letters. Those that DejaVu Sans (it comes with matplotlib) lacks
are drawn in a font of the system that has them, and as a box where there is none.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from stemfx.shown import visible

FONT = "DejaVu Sans"
_BOX = "\N{WHITE SQUARE}"
_OTHERS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "IPAGothic"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Nirmala UI", "Segoe UI Symbol"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Hebrew", "Noto Sans Arabic"),
    *("Noto Emoji", "Symbola"),
)
"""In the order in which they are asked; colour fonts cannot be drawn."""


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return the fonts that are here, the first choice first."""
    from matplotlib.font_manager import fontManager

    here = {entry.name for entry in fontManager.ttflist}
    return (FONT, *(name for name in _OTHERS if name in here))


@lru_cache(maxsize=64)
def _letters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=family))).get_charmap())


def drawable(text: str) -> str:
    """Return a text that every picture can hold: one line, no control codes, only known letters."""
    return "".join(_drawable(letter) for letter in visible(text).replace("\n", " "))


def _drawable(letter: str) -> str:
    if any(ord(letter) in _letters(family) for family in families()):
        return letter
    # Marks and joiners belong to the letter before them.
    return "" if unicodedata.category(letter) in {"Mn", "Me", "Cf"} else _BOX


def width(text: str) -> int:
    """Return how many Latin letters are about as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, most: int) -> str:
    """Return a text without its middle, where it is wider than `most` letters."""
    if width(text) <= most:
        return text
    head, tail = text, text
    while width(head) > (2 * most) // 3 - 1:
        head = head[:-1]
    while width(tail) > most // 3:
        tail = tail[1:]
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


def wrapped(text: str, most: int) -> list[str]:
    """Break a text into lines of at most `most` letters."""
    return textwrap.wrap(drawable(text), most, break_on_hyphens=False) or [""]


def time_text(at_s: float, duration_s: float) -> str:
    """Write a time of a file that lasts `duration_s`: seconds, minutes or hours."""
    if duration_s < 60:
        return f"{at_s:.6g}"
    minutes, seconds = divmod(round(at_s), 60)
    if duration_s < 3600:
        return f"{minutes}:{seconds:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def time_unit(duration_s: float) -> str:
    """Say what `time_text` counts."""
    return "s" if duration_s < 60 else "min:s" if duration_s < 3600 else "h:min:s"


def time_steps(duration_s: float, most: int = 10) -> float:
    """Return the shortest usual step of which at most `most` fit into a file."""
    steps = [*_decades(), 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200]
    return next((step for step in steps if duration_s / step <= most), 14_400)


def _decades() -> Iterable[float]:
    return (step * 10.0**power for power in range(-5, 0) for step in (1, 2, 5))
