"""Where files of weights lie, and how they are read: as data, nothing in them is ever run."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from stemfx.errors import ModelError

_ALLOWING = threading.Lock()  # torch keeps the list of allowed names for the whole process


def models_folder() -> Path:
    """Return the folder for weights of one's own: `STEMFX_MODELS`, else the user's data folder."""
    chosen = os.environ.get("STEMFX_MODELS")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("stemfx") / "models"


def check_plain(path: Path) -> None:
    """Refuse what only looks like files: reading a pipe would wait, and a device never ends.

    A folder is looked at one level deep. Links in it may not lead out of it, except as those of
    the Hugging Face hub's cache do, to the blobs of the same repository.

    Raises:
        ModelError: `path`, or something in it, is neither a plain file nor a folder.
    """
    if path.is_file():
        return
    if not path.is_dir():
        raise ModelError(
            "neither a file nor a folder" if os.path.lexists(path) else "there is no such file",
            where=str(path),
        )
    inside = path.resolve()
    allowed = (
        [inside, inside.parent.parent / "blobs"] if inside.parent.name == "snapshots" else [inside]
    )
    for entry in sorted(path.iterdir()):
        if not (entry.is_file() or entry.is_dir()):
            raise ModelError(
                f"{entry.name!r} in it is neither a file nor a folder", where=str(path)
            )
        if entry.is_symlink() and not any(entry.resolve().is_relative_to(a) for a in allowed):
            raise ModelError(
                f"{entry.name!r} in it is a link that leads out of the folder; put the file itself "
                "there",
                where=str(path),
            )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex; an unchanged file is read once per process."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fraction(*parts: Any) -> Fraction:
    """Make a small fraction of `("39/5",)` or `(39, 5)`; `Fraction("1e999999999")` would hang."""
    if not re.fullmatch(r"-?\d{1,12}(/\d{1,12})?", "/".join(map(str, parts))):
        raise ValueError("Unsupported fraction")
    return Fraction(*parts)


def read_checkpoint(path: Path, allowed: Mapping[str, Callable[..., Any]]) -> Any:
    """Read a `torch.save` file whose pickle may name `allowed` things only.

    Args:
        path: a zip of a pickle and raw tensors, as torch has written it since 1.6.
        allowed: what may be called for each full name that the pickle uses; beside these,
            tensors, numbers, text, lists and dicts.

    Raises:
        ModelError: not such a file, damaged, or it names anything else.
    """
    import torch

    _check_archive(path)
    names: list[Any] = [(function, name) for name, function in allowed.items()]
    try:
        with _ALLOWING, torch.serialization.safe_globals(names):
            # mmap: tensors are slices of the file, so a wrong length cannot read beyond it.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds on a hostile file
        if "unsupported" in str(error).lower():
            msg = (
                "not loaded: it contains code or objects that are not weights; if you trust where "
                "it is from, `stemfx models add FILE --allow-pickle SHA256` takes only the tensors "
                "out of it"
            )
        else:
            msg = "damaged weights; download the file again"
        raise ModelError(msg, where=str(path)) from error


def _check_archive(path: Path) -> None:
    """Refuse what is no plain torch archive; a zip bomb needs compression or shared bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        msg = "not a file of torch weights, or cut off in the middle"
        raise ModelError(msg, where=str(path)) from error
    size = sum(entry.file_size for entry in entries)
    if any(entry.compress_type for entry in entries) or size > path.stat().st_size:
        msg = "not a file of torch weights (its parts are compressed)"
        raise ModelError(msg, where=str(path))
