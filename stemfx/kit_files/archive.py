"""Unpack an `.h2drumkit`, a tar (usually with gzip) that may come from anybody.

Only regular files with harmless names are taken, into a new temporary folder; what is decompressed
is bounded before anything of it is looked at.
"""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from stemfx.errors import KitError
from stemfx.kit_files.parts import MAX_SAMPLES
from stemfx.recipe.problems import quote

XML_NAME = "drumkit.xml"
MAX_UNPACKED_BYTES = 2 << 30
MAX_RATIO = 100
"""Unpacked for one byte of the archive, beyond `FREE_BYTES`: music shrinks to a half."""

FREE_BYTES = 64 << 20
MAX_MEMBERS = MAX_SAMPLES + 1_000
_CHUNK = 1 << 18
_LONGEST_READ = 1 << 20  # of the tar itself: what is longer is a header made to fill the memory


def unpack(archive: Path, into: Path) -> Path:
    """Unpack the files of an archive into an empty folder; return the `drumkit.xml` among them.

    Raises:
        KitError: it is no tar, damaged, too large, or holds what no kit holds.
    """
    with _explained(archive):
        tar_path = into / ".tar"
        _decompress(archive, tar_path)
        with tar_path.open("rb") as file:
            reader = _BoundedReads(file)
            with tarfile.open(fileobj=reader, mode="r:") as tar:
                for member in _members(tar, archive):
                    _write(tar, member, into, archive)
        tar_path.unlink()
    found = sorted(into.rglob(XML_NAME), key=lambda xml: (len(xml.parts), str(xml)))
    if not found:
        raise KitError(f"no {XML_NAME} in it, so this is no Hydrogen kit", where=str(archive))
    return found[0]


@contextmanager
def _explained(archive: Path) -> Iterator[None]:
    try:
        yield
    except RecursionError:  # tarfile reads a header behind a header by calling itself
        raise KitError(
            "this is no Hydrogen kit: header upon header, and no file", where=str(archive)
        ) from None
    except (tarfile.TarError, zlib.error, EOFError, ValueError, UnicodeError) as error:
        raise KitError(
            f"this is no Hydrogen kit, or a damaged one ({error or type(error).__name__}); "
            "download or export it again",
            where=str(archive),
        ) from None
    except OSError as error:
        raise KitError(
            f"it cannot be unpacked ({error.strerror or error})", where=str(archive)
        ) from None


class _BoundedReads(io.RawIOBase):
    """A file that refuses to be read in one piece: tarfile reads headers whole into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError("a header of more than 1 MiB")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _decompress(archive: Path, target: Path) -> None:
    """Write the tar inside a gzip stream, or the file itself where it is no gzip."""
    written = 0
    most = min(MAX_UNPACKED_BYTES, FREE_BYTES + MAX_RATIO * archive.stat().st_size)
    with archive.open("rb") as source, target.open("wb") as out:
        is_gzip = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        for chunk in _inflated(source) if is_gzip else iter(lambda: source.read(_CHUNK), b""):
            written += len(chunk)
            if written > most:
                raise KitError(
                    f"it unpacks to more than {most >> 20:,} MiB; this is no kit",
                    where=str(archive),
                )
            out.write(chunk)


def _inflated(source: IO[bytes]) -> Iterator[bytes]:
    """Yield what a gzip file holds, its members one after the other, in bounded pieces."""
    inflate = zlib.decompressobj(wbits=31)
    data = source.read(_CHUNK)
    while data or inflate.unconsumed_tail:
        yield inflate.decompress(inflate.unconsumed_tail or data, _CHUNK)
        if inflate.eof:
            data = inflate.unused_data or source.read(_CHUNK)
            if not data.startswith(b"\x1f\x8b"):  # padding after the end
                return
            inflate = zlib.decompressobj(wbits=31)
        elif not inflate.unconsumed_tail:
            data = source.read(_CHUNK)
    raise EOFError("the compressed data ends too early")


def _members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files to unpack."""
    for count, member in enumerate(tar, start=1):
        if count > MAX_MEMBERS:
            raise KitError(f"more than {MAX_MEMBERS:,} files; this is no kit", where=str(archive))
        if member.isdir():
            continue
        name = quote(member.name)
        if not member.isreg() or member.issparse():
            raise KitError(
                f"{name} is a link or a device; a kit holds only files", where=str(archive)
            )
        path = PurePosixPath(member.name)
        odd = not member.name.isprintable() or "\\" in member.name or ":" in member.name
        if path.is_absolute() or ".." in path.parts or odd or len(path.parts) > 8:
            raise KitError(f"{name} would lie outside the kit's folder", where=str(archive))
        yield member


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, archive: Path) -> None:
    target = into / member.name
    source = tar.extractfile(member)
    if source is None or target.exists():
        raise KitError(f"{quote(member.name)} is in it twice", where=str(archive))
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with target.open("xb") as out:
        while left > 0:
            data = source.read(min(_CHUNK, left))
            if not data:
                raise EOFError("the archive ends too early")
            left -= len(data)
            out.write(data)
