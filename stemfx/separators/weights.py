"""Read files of weights as data: nothing in them is ever run."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from stemfx.errors import ModelError

# How torch's files began before they were zips (until 1.6, 2020): a pickled magic number.
_BEFORE_ZIPS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ALLOWING = threading.Lock()  # torch keeps the list of allowed names for the whole process


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex; an unchanged file is read once per process."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checkpoint(path: Path, allowed: Mapping[str, Callable[..., Any]]) -> Any:
    """Read a `torch.save` file whose pickle may name `allowed` things only.

    Args:
        path: a zip of a pickle and raw tensors, as torch has written it since 1.6, or a row of
            pickles and raw tensors, as it did before.
        allowed: what may be called for each full name that the pickle uses; beside these,
            tensors, numbers, text, lists and dicts.

    Raises:
        ModelError: not such a file, damaged, or it names anything else.
    """
    import torch

    is_zip = not _begins_with(path, _BEFORE_ZIPS)
    if is_zip:
        _check_archive(path)
    names: list[Any] = [(function, name) for name, function in allowed.items()]
    try:
        with _ALLOWING, torch.serialization.safe_globals(names):
            # mmap: tensors are slices of the file, so a wrong length cannot read beyond it. An
            # older file says how long each is before it comes, and has to keep its word.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch raises many kinds on a hostile file
        if "unsupported" in str(error).lower():
            msg = "not loaded: it contains code or objects that are not weights"
        else:
            msg = "damaged weights; download the file again"
        raise ModelError(msg, where=str(path)) from error


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


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
