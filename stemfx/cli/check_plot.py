"""`stemfx check --plot`: where the picture goes, and what is drawn in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stemfx.cli.arguments import user_path
from stemfx.errors import UsageError

if TYPE_CHECKING:
    from stemfx.plot.looking import Pictured

MOST_FILES = 12
"""A picture of more would be taller than what most programs open: about 750 pixels a file."""

_REMEDY = "choose another place with --plot"


def plot_target(named: Path, files: Sequence[Path], mixture: Path | None = None) -> Path:
    """Return where the picture goes, before any file is read; its folder is made if need be.

    Raises:
        UsageError: another suffix, more files than a picture holds, or one of them would be lost.
        OutputError: nothing can be written there.
    """
    from stemfx.io import check_writable
    from stemfx.plot.saving import SUFFIXES

    path = user_path(named, "--plot")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path.name!r} should end in {' or '.join(SUFFIXES)}", where="--plot")
    if len(files) > MOST_FILES:
        raise UsageError(
            f"a picture holds {MOST_FILES} files, and {len(files)} are given; name fewer of them",
            where="--plot",
        )
    if path.is_dir():
        raise UsageError(f"{path.name!r} is a folder; name a file", where="--plot")
    read = [*files, *([] if mixture is None else [mixture])]
    if path.exists() and any(file.exists() and path.samefile(file) for file in read):
        raise UsageError(
            f"{path.name!r} is one of the files to read, and would be lost; say another name",
            where="--plot",
        )
    check_writable(path.parent, _REMEDY)
    return path


def write_plot(pictured: Sequence[Pictured], target: Path) -> None:
    """Draw files and write the picture whole or not at all.

    Raises:
        OutputError, DiskFullError: it cannot be written.
    """
    from stemfx.io import write_bytes
    from stemfx.plot.saving import picture_bytes

    write_bytes(target, picture_bytes(pictured, target.suffix.lower()))
