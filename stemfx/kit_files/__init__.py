"""Drum kits from disk: a folder of samples, with a `kit.yaml` if you like; SFZ; Hydrogen."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

from stemfx.errors import KitError, StemfxError
from stemfx.kit_files.file_kit import FileKit
from stemfx.kit_files.kit_sample import KitSample
from stemfx.kit_files.write_hydrogen import write_h2drumkit
from stemfx.kit_files.write_sfz import write_sfz

__all__ = ["FileKit", "KitError", "KitSample", "read_kit", "write_h2drumkit", "write_sfz"]


def read_kit(path: Path, *, root: Path | None = None) -> FileKit:
    """Read a kit; every sample's header is checked, and none is decoded before it has to be.

    Args:
        path: a folder of samples or of another kit; an `.sfz`, a `drumkit.xml`, an `.h2drumkit`.
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
    if path.suffix.lower() == ".sfz":
        from stemfx.kit_files.sfz import read_sfz

        return read_sfz(path, root or path.parent)
    if path.suffix.lower() == ".h2drumkit" and path.is_file():
        return _read_archive(path)
    raise KitError(
        "this is no kit; a kit is a folder of samples, an .sfz file, or a Hydrogen kit "
        "(.h2drumkit, or a folder with a drumkit.xml)",
        where=str(path),
    )


def _read_folder(folder: Path, root: Path) -> FileKit:
    from stemfx.kit_files.archive import XML_NAME
    from stemfx.kit_files.folder import read_folder
    from stemfx.kit_files.hydrogen import read_hydrogen
    from stemfx.kit_files.manifest import MANIFEST_NAMES, read_manifest

    for name in MANIFEST_NAMES:
        if (folder / name).is_file():
            return read_folder(folder, read_manifest(folder / name, root))
    if (folder / XML_NAME).is_file():
        return read_hydrogen(folder / XML_NAME, root, shown=str(folder / XML_NAME))
    maps = [each for each in sorted(folder.rglob("*.sfz")) if not each.name.startswith(".")]
    if len(maps) == 1:
        from stemfx.kit_files.sfz import read_sfz

        return read_sfz(maps[0], root)
    if len(maps) > 1:
        names = ", ".join(str(each.relative_to(folder)) for each in maps[:5])
        raise KitError(
            f"{len(maps)} .sfz files are in this folder; name one of them: {names}",
            where=str(folder),
        )
    return read_folder(folder)


def _read_archive(path: Path) -> FileKit:
    """Read an archive from a temporary folder, which lives as long as the kit."""
    from stemfx.kit_files.archive import unpack
    from stemfx.kit_files.hydrogen import read_hydrogen

    folder = tempfile.mkdtemp(prefix="stemfx-kit-")
    try:
        inside = Path(os.path.realpath(folder))
        xml = unpack(path, inside)
        kit = read_hydrogen(xml, inside, shown=f"{path}/{xml.relative_to(inside)}")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, StemfxError):
            raise
        # The temporary folder means nothing to anybody.
        where = (error.where or str(path)).replace(str(inside), str(path))
        raise KitError(error.message.replace(str(inside), str(path)), where=where) from None
    kit.is_unpacked = True
    weakref.finalize(kit, shutil.rmtree, folder, ignore_errors=True)  # also at exit
    return kit
