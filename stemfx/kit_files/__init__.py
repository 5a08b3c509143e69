"""Drum kits from disk: a folder of samples, with a `kit.yaml` if you like; SFZ; Hydrogen."""

from __future__ import annotations

from pathlib import Path

from stemfx.errors import KitError
from stemfx.kit_files.file_kit import FileKit

__all__ = ["FileKit", "KitError", "read_kit"]


def read_kit(path: Path) -> FileKit:
    """Read a kit; every sample's header is checked, and none is decoded before it has to be.

    Args:
        path: a folder of samples.

    Raises:
        KitError: there is no kit, or one that cannot be used.
        AudioFileError: a sample is missing or damaged.
    """
    from stemfx.kit_files.folder import read_folder

    if not path.exists():
        raise KitError("there is no such kit; check the name", where=str(path))
    if path.is_dir():
        return read_folder(path)
    raise KitError("this is no kit; a folder of samples is one", where=str(path))
