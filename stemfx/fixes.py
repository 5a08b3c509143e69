"""Writes fixes: what a producer pastes into a recipe to mend what was found; see `Finding`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stemfx.stage import StageParams

THIS_STAGE = "in place of this stage"
AFTER_IT = "after this stage"
TO_THE_FRONT = "first of these stages, in place of this one"
HIT_STAGE = "in the stage that plays the hits"
SOURCE, TRACK = "in the source", "in the track"
EVERY_TRACK = "in every track's stages"
FIRST_IN_MASTER, LAST_IN_MASTER = "first in master", "last in master"

PLACES: Mapping[str, str] = {
    THIS_STAGE: "it stands for the stage that found this",
    AFTER_IT: "behind that stage",
    TO_THE_FRONT: "that stage goes, and this is the first of the list",
    HIT_STAGE: "a parameter of it",
    SOURCE: "of the file that was looked at",
    TRACK: "that is what was looked at, or plays the file that was",
    EVERY_TRACK: "of the song",
    FIRST_IN_MASTER: "before all that is there",
    LAST_IN_MASTER: "behind all that is there",
    "in KEY.KEY": "keys on the way from the top of the recipe; a list of stages takes it in front",
}
"""What the comment above a fix may say."""

_IS_PATH = re.compile(r"in (sources|separate|align|tracks|mix|output)(\.\S+)*")
_WIDE = 1_000_000


def is_place(where: str) -> bool:
    """Tell whether a comment is one of `PLACES`."""
    return where in PLACES or _IS_PATH.fullmatch(where) is not None


def stage_line(name: str, **params: Any) -> str:
    """Write a stage; a parameter that is None is left out.

    >>> stage_line("mono_below", cutoff_hz=120.0), stage_line("declip")
    ('- mono_below: {cutoff_hz: 120}', '- declip: {}')
    """
    return f"- {_flow({name: {key: value for key, value in params.items() if value is not None}})}"


def instead(name: str, params: StageParams, **changes: Any) -> str:
    """Write the stage that found something once more, with some of its parameters changed.

    What the recipe does not give stays unsaid, and so does what is changed to None.
    """
    given = params.model_dump(mode="json", exclude_unset=True)
    return placed(THIS_STAGE, stage_line(name, **(given | changes)))


def to_the_front(name: str, params: StageParams) -> str:
    """Write the stage that found something as the one that begins its list."""
    given = params.model_dump(mode="json", exclude_unset=True)
    return placed(TO_THE_FRONT, stage_line(name, **given))


def entries(where: str, **values: Any) -> str:
    """Write keys and their values, a line each; one that is None is left out.

    >>> print(entries("in sources.a", bpm=128.004, downbeat_s=None))
    # in sources.a
    bpm: 128.004
    """
    given = {name.rstrip("_"): value for name, value in values.items() if value is not None}
    return placed(where, *(_flow({name: value}) for name, value in given.items()))


def placed(where: str, *lines: str) -> str:
    """Write lines below a comment that says where they go."""
    return "\n".join((f"# {where}", *lines))


def in_sources(name: str) -> str:
    """Return the place of a song of the recipe."""
    return f"in sources.{name}"


def _flow(value: Mapping[str, Any]) -> str:
    """Write a mapping of one key on one line of YAML, without its own braces."""
    import yaml

    text = yaml.safe_dump(
        _tidy(value), default_flow_style=True, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    return text.strip()[1:-1]


def _tidy(value: Any) -> Any:
    """Return plain values: no float where a whole number does, no digits that nothing measured."""
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, Mapping):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_tidy(item) for item in value]
    number = float(f"{float(value):.7g}")
    return int(number) if number.is_integer() else number
