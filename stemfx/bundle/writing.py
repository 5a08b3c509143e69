"""Writes a bundle, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BufferedRandom, BytesIO
from pathlib import Path
from typing import IO

from stemfx.bundle.archive import Entry, directory
from stemfx.bundle.limits import MAX_MANIFEST_BYTES
from stemfx.bundle.manifest import Manifest
from stemfx.bundle.names import MANIFEST_NAME
from stemfx.errors import BundleError
from stemfx.io.places import reading_from, writing_to

_CHUNK = 1 << 20


def _accept(_bundle: Path) -> None:
    """Find nothing wrong."""


def write_bundle(
    path: Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    check: Callable[[Path], None] = _accept,
) -> str:
    """Write a bundle; equal manifests and files give equal bytes, wherever they lie.

    What is there already is replaced in one step.

    Args:
        path: the bundle.
        manifest: what is in it.
        files: where each file of the manifest lies.
        check: is given the finished bundle before it takes its place; what it raises keeps it out.

    Returns:
        the SHA-256 of the bundle.

    Raises:
        BundleError: it would be one that nobody can open, or a file changed meanwhile.
        AudioFileError: a file cannot be read.
        OutputError, DiskFullError: the bundle cannot be written.
    """
    text = manifest.to_bytes()
    fault = manifest.fault()
    if len(text) > MAX_MANIFEST_BYTES:
        fault = f"its manifest has more than {MAX_MANIFEST_BYTES >> 20} MiB"
    if fault:
        raise BundleError(f"cannot be packed: {fault}", where=str(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path, _REMEDY):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w+b") as out:
                entries = [_add(out, MANIFEST_NAME, BytesIO(text), len(text), None)]
                for name in manifest.names:
                    with reading_from(files[name]):
                        source = files[name].open("rb")
                    with source:
                        file = manifest.files[name]
                        entries.append(_add(out, name, source, file.size_bytes, file.sha256))
                out.write(directory(entries))
                sha256 = _sha256(out)
        check(part)
        with writing_to(path, _REMEDY):
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()
    return sha256


_REMEDY = "choose another place with -o FILE"


def _add(out: BufferedRandom, name: str, source: IO[bytes], size: int, wanted: str | None) -> Entry:
    """Write one file behind the others; its CRC-32, known at its end, is put before it then."""
    start = out.tell()
    out.write(Entry(name, size, 0).local_header)
    left, sha256, crc = size, hashlib.sha256(), 0
    while data := source.read(min(_CHUNK, left + 1)):
        left -= len(data)
        sha256.update(data)
        crc = zlib.crc32(data, crc)
        if left < 0:
            break
        out.write(data)
    if left or (wanted is not None and sha256.hexdigest() != wanted):
        raise BundleError("it was changed while it was packed; pack again", where=name)
    entry = Entry(name, size, crc)
    out.seek(start)
    out.write(entry.local_header)
    out.seek(0, os.SEEK_END)
    return entry


def _sha256(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
