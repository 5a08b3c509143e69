"""What comes from outside, written so that no terminal obeys it and every program reads it."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text


def visible(text: str) -> str:
    """Write what steers a terminal (control codes, turned writing, broken letters) as escapes.

    A recipe, a plugin or a file name may come from anybody. Line breaks stay.
    """
    return "".join(_escaped(letter) if _steers(letter) else letter for letter in text)


def _steers(letter: str) -> bool:
    return letter != "\n" and (
        unicodedata.category(letter) in ("Cc", "Cs")
        or unicodedata.bidirectional(letter) in _TURNS_THE_WRITING
    )


_TURNS_THE_WRITING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def plain(value: object, style: str = "") -> Text:
    """Return a text that is shown as it is: no markup, no emoji names, no control codes."""
    from rich.text import Text

    return Text(visible(str(value)), style)


def size_text(n_bytes: int) -> str:
    """Write a size for people."""
    for name, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {name}"
    return f"{n_bytes} B"


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Write JSON in plain ASCII; a number that JSON does not know (NaN, infinite) reads null."""
    return json.dumps(_finite(value), allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
