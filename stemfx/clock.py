"""Times as people write them."""

from __future__ import annotations

import re
from typing import Any

_CLOCK = re.compile(r"^(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)$")


def parse_time(value: Any) -> Any:
    """Turn `"1:30"` or `"1:02:03.5"` into seconds; anything else is left to the type check.

    >>> parse_time("1:30"), parse_time("1:02:03.5"), parse_time(12.5)
    (90.0, 3723.5, 12.5)
    """
    match = _CLOCK.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    hours, minutes, seconds = match.groups()
    if float(seconds) >= 60:
        msg = f"{value!r} is no time of day: seconds go up to 59"
        raise ValueError(msg)
    return int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(seconds)
