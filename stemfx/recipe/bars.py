"""Ranges of bars as recipes write them: `1-16`, `17-` or `5`."""

from __future__ import annotations

import re
from typing import NamedTuple

_RANGE = re.compile(r"\s*(\d{1,6})\s*(?:(-)\s*(\d{1,6})?\s*)?")


class BarRange(NamedTuple):
    """Bars from `first` to `last`, both played, counted from 1; `last` None is the end."""

    first: int
    last: int | None


def parse_bars(text: str) -> BarRange:
    """Read a range of bars.

    >>> parse_bars("1-16"), parse_bars("17-"), parse_bars("5")
    (BarRange(first=1, last=16), BarRange(first=17, last=None), BarRange(first=5, last=5))

    Raises:
        ValueError: this is no range of bars; the sentence says what is.
    """
    found = _RANGE.fullmatch(text)
    msg = f"{text!r} is no range of bars; write 1-16, 17- (to the end) or 5"
    if not found:
        raise ValueError(msg)
    first = int(found[1])
    last = first if not found[2] else int(found[3]) if found[3] else None
    if first < 1:
        msg = f"{text!r}: bars are counted from 1"
        raise ValueError(msg)
    if last is not None and last < first:
        msg = f"{text!r} ends before it begins; write {last}-{first}"
        raise ValueError(msg)
    return BarRange(first, last)
