"""Drum kits from disk."""

from __future__ import annotations

from pathlib import Path

from stemfx.errors import StemfxError
from stemfx.kit import Kit


def read_kit(path: Path) -> Kit:
    """Return the kit of a folder or file."""
    raise StemfxError("kits are not read yet", where=str(path))
