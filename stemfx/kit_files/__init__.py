"""Drum kits from disk: a folder of samples, with a `kit.yaml` if you like; SFZ; Hydrogen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from stemfx.errors import KitError, StemfxError
from stemfx.kit_files.file_kit import FileKit

__all__ = ["FileKit", "KitError", "read_kit"]


def read_kit(path: Path, *, root: Path | None = None) -> FileKit:
    """Read a kit; every sample's header is checked, and none is decoded before it has to be.

    Args:
        path: a folder of samples or of a Hydrogen kit, its `drumkit.xml`, or an `.h2drumkit`.
        root: the folder that nothing in the kit may lead out of; the kit's own if not given.

    Raises:
        KitError: there is no kit, or one that cannot be used.
        AudioFileError: a sample is missing or damaged.
    """
    if not path.exists():
        raise KitError("there is no such kit; check the name", where=str(path))
    if path.is_dir():
        return _read_folder(path, root or path)
    if path.suffix.lower() == ".xml":
        from stemfx.kit_files.hydrogen import read_hydrogen

        return read_hydrogen(path, root or path.parent, shown=str(path))
    if path.suffix.lower() == ".h2drumkit":
        return _read_archive(path)
    raise KitError(
        "this is no kit; a kit is a folder of samples, an .sfz file, or a Hydrogen kit "
        "(.h2drumkit, or a folder with a drumkit.xml)",
        where=str(path),
    )


def _read_folder(folder: Path, root: Path) -> FileKit:
    from stemfx.kit_files.folder import read_folder
    from stemfx.kit_files.hydrogen import XML_NAME, read_hydrogen

    if (folder / XML_NAME).is_file():
        return read_hydrogen(folder / XML_NAME, root, shown=str(folder / XML_NAME))
    return read_folder(folder)


def _read_archive(path: Path) -> FileKit:
    """Read an archive from a temporary folder, which lives as long as the kit."""
    from stemfx.kit_files.archive import unpack
    from stemfx.kit_files.hydrogen import XML_NAME, read_hydrogen

    folder = tempfile.TemporaryDirectory(prefix="stemfx-kit-", ignore_cleanup_errors=True)
    try:
        inside = Path(folder.name)
        unpack(path, inside)
        found = sorted(inside.rglob(XML_NAME), key=lambda xml: len(xml.parts))
        if not found:
            raise KitError(f"no {XML_NAME} in it, so this is no Hydrogen kit", where=str(path))
        kit = read_hydrogen(found[0], inside, shown=f"{path}/{found[0].relative_to(inside)}")
    except StemfxError as error:
        folder.cleanup()
        # The temporary folder means nothing to anybody.
        where = (error.where or str(path)).replace(folder.name, str(path))
        raise KitError(error.message.replace(folder.name, str(path)), where=where) from None
    kit.holds = folder
    return kit
