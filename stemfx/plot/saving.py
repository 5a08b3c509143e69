"""A figure as the bytes of a file: the same figure gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from stemfx.plot.looking import Pictured
from stemfx.plot.looks import DPI, styled
from stemfx.plot.sheet import sheet

# What is None is left out: the date, and the version of matplotlib.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}

SUFFIXES = tuple(_METADATA)
"""What a picture's name may end in."""


def picture_bytes(pictured: Sequence[Pictured], suffix: str) -> bytes:
    """Draw files, one below the other.

    Args:
        pictured: at least one.
        suffix: one of `SUFFIXES`.
    """
    file = io.BytesIO()
    with styled():
        sheet(pictured).savefig(file, format=suffix[1:], dpi=DPI, metadata=_METADATA[suffix])
    return file.getvalue()
