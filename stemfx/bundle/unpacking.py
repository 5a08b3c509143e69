"""Unpacks a bundle into a folder of the user's, whole or not at all."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from stemfx.bundle.manifest import Manifest
from stemfx.bundle.opening import Bundle, reading
from stemfx.errors import UsageError
from stemfx.io import file_sha256, writing_to


@dataclass(frozen=True)
class Unpacked:
    """A bundle in a folder; `was_there` when it was already."""

    folder: Path
    manifest: Manifest
    was_there: bool


def unpack(path: Path, target: Path | None = None) -> Unpacked:
    """Unpack a bundle into a new folder, which appears whole or not at all.

    A folder in which all files of the bundle lie already, unchanged, is left as it is; any other
    that holds something is refused: nothing of the user's is overwritten, and nothing of a
    stranger's is put among it.

    Args:
        path: the bundle.
        target: the folder; by default it lies beside the bundle and has its name.

    Raises:
        BundleError: the bundle cannot be read or is not to be trusted.
        UsageError: the folder holds other files.
        OutputError, DiskFullError: it cannot be written.
    """
    target = path.absolute().with_suffix("") if target is None else target.absolute()
    with reading(path) as bundle:
        if _is_free(target):
            _unpack_new(bundle, target)
            return Unpacked(target, bundle.manifest, was_there=False)
        _check_same(bundle.manifest, target)
        return Unpacked(target, bundle.manifest, was_there=True)


_REMEDY = "choose another folder with -o DIR"


def _is_free(target: Path) -> bool:
    """Tell whether a folder can appear here: there is nothing, or an empty one."""
    if not target.exists() and not target.is_symlink():
        return True
    if not target.is_dir():
        raise UsageError(f"{target} is no folder; name another with -o DIR", where="-o")
    if any(target.iterdir()):
        return False
    if target.is_symlink() or target.samefile(Path.cwd()):
        raise UsageError(
            f"{target} would be replaced by the new folder, and is a link or the one you are in; "
            "name a new one with -o DIR",
            where="-o",
        )
    return True


def _unpack_new(bundle: Bundle, target: Path) -> None:
    with writing_to(target, _REMEDY):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}-", dir=target.parent)
    with scratch as made:
        whole = Path(made, "whole")  # with the rights of any folder; the scratch one is private
        with writing_to(target, _REMEDY):
            whole.mkdir()
        bundle.unpack(whole)
        with writing_to(target, _REMEDY):
            if target.is_dir():
                target.rmdir()
            whole.rename(target)


def _check_same(manifest: Manifest, target: Path) -> None:
    for name in manifest.names:
        found, wanted = target / name, manifest.files[name]
        is_same = (
            found.is_file()
            and found.stat().st_size == wanted.size_bytes
            and file_sha256(found) == wanted.sha256
        )
        if not is_same:
            what = "differs" if found.exists() else "is not there"
            raise UsageError(
                f"{target} holds other files ({name} {what}), and nothing is overwritten; name a "
                "new folder with -o DIR",
                where="-o",
            )
