"""Opens a bundle that may come from anybody.

The manifest is read first and says how every other byte outside the files' data has to be; what
is not so is refused. The data of each file is held against its size and SHA-256 while it is
written. Names are checked before anything is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stemfx.bundle.archive import (
    LOCAL,
    Entry,
    crc32s,
    directory,
    directory_size,
    header_fault,
)
from stemfx.bundle.limits import MAX_MANIFEST_BYTES
from stemfx.bundle.manifest import Manifest, read_manifest
from stemfx.bundle.names import MANIFEST_NAME
from stemfx.errors import BundleError, DiskFullError
from stemfx.io.places import writing_to
from stemfx.recipe.problems import quote

SUFFIX = ".stemfx"
_CHUNK = 1 << 20


def is_bundle(path: Path) -> bool:
    """Tell whether a name is that of a bundle."""
    return path.suffix.lower() == SUFFIX


@contextmanager
def opened_bundle(path: Path, *, beside: Path | None = None) -> Iterator[tuple[Path, Manifest]]:
    """Unpack a bundle into a private folder that is removed at the end.

    Args:
        path: the bundle.
        beside: where that folder is made; the system's place for temporary files if not given,
            which is often memory.

    Yields:
        the folder (absolute, links followed) and the manifest: the recipe is
        `folder / manifest.recipe`, a source that came along `folder / manifest.sources[name]`.

    Raises:
        BundleError: it cannot be read, is damaged or is not to be trusted.
        OutputError: there is no room to unpack it.
    """
    with reading(path) as bundle:
        if beside is not None:
            with writing_to(beside, _REMEDY):
                beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="stemfx-bundle-", dir=beside) as made:
            folder = Path(made).resolve()
            bundle.unpack(folder)
            yield folder, bundle.manifest


_REMEDY = "the bundle is unpacked there; set STEMFX_CACHE to a folder that can be written"


def manifest_of(path: Path) -> Manifest:
    """Return the manifest of a bundle; its files are not looked at, its structure is.

    Raises:
        BundleError: as for `opened_bundle`.
    """
    with reading(path) as bundle:
        return bundle.manifest


@contextmanager
def reading(path: Path) -> Iterator[Bundle]:
    """Open a bundle and check all of it but the data of its files.

    Raises:
        BundleError: as for `opened_bundle`.
    """
    where = str(path)
    try:
        mode = path.stat().st_mode  # before it is opened: a pipe would wait for its writer
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "no file"
            raise BundleError(f"is {what}, not a bundle", where=where)
        file = path.open("rb")
    except FileNotFoundError:
        raise BundleError("there is no such bundle; check the name", where=where) from None
    except OSError as error:
        raise BundleError(f"cannot be read ({error.strerror or error})", where=where) from None
    with file:
        yield _checked(file, where)


@dataclass(frozen=True)
class Bundle:
    """An open bundle of which all is checked but the data of its files."""

    file: IO[bytes]
    where: str
    manifest: Manifest
    entries: tuple[Entry, ...]
    """Every file but the manifest, in order."""
    start: int
    """Where the first of them begins."""

    def unpack(self, folder: Path) -> None:
        """Write every file but the manifest into an empty folder.

        Raises:
            BundleError: a file is not what the manifest says.
            OutputError: it cannot be written.
        """
        needed, free = sum(e.size_bytes for e in self.entries), shutil.disk_usage(folder).free
        if needed > free:
            raise DiskFullError(
                f"it unpacks to {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free on this "
                "disk; free some space",
                where=self.where,
            )
        _seek(self.file, self.start, self.where)
        for entry in self.entries:
            self._write(entry, folder / entry.name)

    def _write(self, entry: Entry, target: Path) -> None:
        header = _read(self.file, len(entry.local_header), self.where)
        if header != entry.local_header:
            raise _odd(entry.name, header_fault(header, entry.local_header), self.where)
        left, sha256, crc = entry.size_bytes, hashlib.sha256(), 0
        with writing_to(Path(self.where, entry.name), _REMEDY), self._new(entry, target) as out:
            while left:
                data = _read(self.file, min(left, _CHUNK), self.where)
                if not data:
                    raise _odd(entry.name, "ends too early", self.where)
                left -= len(data)
                sha256.update(data)
                crc = zlib.crc32(data, crc)
                out.write(data)
        if sha256.hexdigest() != self.manifest.files[entry.name].sha256 or crc != entry.crc32:
            raise _odd(entry.name, "is not what was packed: its SHA-256 differs", self.where)

    def _new(self, entry: Entry, target: Path) -> IO[bytes]:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return target.open("xb")
        except FileExistsError:
            raise _odd(entry.name, "has the name of another on this system", self.where) from None


def _checked(file: IO[bytes], where: str) -> Bundle:
    head = _read(file, LOCAL.size + len(MANIFEST_NAME), where)
    if not head.startswith(b"PK") or not head.endswith(MANIFEST_NAME.encode()):
        what = "this is no bundle; `stemfx pack` writes one"
        if head.startswith(b"PK"):
            what = (
                f"this is no bundle, or another program zipped it again: {MANIFEST_NAME} is not "
                "its first file; unzip it and run the recipe in it, or ask for the bundle as "
                "`stemfx pack` wrote it"
            )
        raise BundleError(what, where=where)
    crc, size = LOCAL.unpack_from(head)[6:8]
    first = Entry(MANIFEST_NAME, size, crc)
    if head != first.local_header:
        raise _odd(MANIFEST_NAME, header_fault(head, first.local_header), where)
    if size > MAX_MANIFEST_BYTES:
        raise _odd(MANIFEST_NAME, f"has more than {MAX_MANIFEST_BYTES >> 20} MiB", where)
    data = _read(file, size, where)
    if zlib.crc32(data) != crc:
        raise _odd(MANIFEST_NAME, "is damaged", where)
    manifest = read_manifest(data, where)
    sizes = {MANIFEST_NAME: size} | {n: manifest.files[n].size_bytes for n in manifest.names}
    at = sum(len(Entry(n, s, 0).local_header) + s for n, s in sizes.items())
    length = _seek(file, 0, where, os.SEEK_END)
    wanted = at + directory_size(list(sizes))
    if length != wanted:
        raise BundleError(
            f"it has {length:,} bytes and should have {wanted:,}; it was cut short, or something "
            "was added to it; get it again",
            where=where,
        )
    _seek(file, at, where)
    tail = _read(file, wanted - at, where)
    crcs = crc32s(tail, list(sizes))
    entries = [Entry(*facts, crc) for facts, crc in zip(sizes.items(), crcs, strict=True)]
    if directory(entries) != tail:
        raise BundleError(
            f"the directory at its end differs from its {MANIFEST_NAME}: it is damaged, or holds "
            "what no bundle does (links, compressed, hidden or overlapping files); get it again",
            where=where,
        )
    return Bundle(file, where, manifest, tuple(entries[1:]), len(head) + size)


def _read(file: IO[bytes], size: int, where: str) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise BundleError(f"cannot be read ({error.strerror or error})", where=where) from None


def _seek(file: IO[bytes], offset: int, where: str, whence: int = os.SEEK_SET) -> int:
    try:
        return file.seek(offset, whence)
    except OSError as error:
        raise BundleError(f"cannot be read ({error.strerror or error})", where=where) from None


def _odd(name: str, what: str, where: str) -> BundleError:
    return BundleError(f"{quote(name)} in it {what}; get the bundle again", where=where)
