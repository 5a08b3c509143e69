"""How well the points of a page sound, and which do, so that the page stays small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stemfx.io.opus import copy_bytes

RATES_KBPS = (128, 96, 80, 64)
"""Of stereo Opus, the best that fits first."""

SERVED_KBPS = 96
MOST_BYTES = 36_000_000
"""Of all copies, as the text that a page carries: with its pictures it stays under 40 MB."""

Place = Literal["embedded", "beside", "served"]


@dataclass(frozen=True)
class Copies:
    """The points that can be heard, at how many kbit/s, and where their copies are."""

    kbps: int
    points: frozenset[str]
    place: Place


def copies_for(
    points: Sequence[Mapping[str, Any]], lengths_s: Mapping[str, float], *, is_served: bool
) -> Copies:
    """Choose what can be heard.

    Everything, as well as it fits into the page. Else all but what lies between the first and the
    last of a track, as well as that fits, and of the rest what still fits. Where that does not
    fit either, all copies lie beside the page.

    Args:
        points: as in the story.
        lengths_s: of each.
        is_served: copies are asked for one by one, so their number does not matter.
    """
    everything = list(lengths_s)
    if is_served:
        return Copies(SERVED_KBPS, frozenset(everything), "served")
    roles = {point["id"]: point["role"] for point in points}
    essential = [name for name in everything if roles[name] not in _BETWEEN]
    for wanted in (everything, essential):
        for kbps in RATES_KBPS:
            sizes = {name: copy_bytes(lengths_s[name], kbps) for name in everything}
            left = MOST_BYTES - sum(sizes[name] for name in wanted)
            if left < 0:
                continue
            chosen = set(wanted)
            for name in everything:
                if name not in chosen and sizes[name] <= left:
                    left -= sizes[name]
                    chosen.add(name)
            return Copies(kbps, frozenset(chosen), "embedded")
    return Copies(SERVED_KBPS, frozenset(everything), "beside")


_BETWEEN = ("step", "early")
