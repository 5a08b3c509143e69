"""The bytes of a bundle: a zip in one fixed form, so that its files determine it to the last bit.

Files are stored, not deflated. Equal files must give equal bytes, and deflate does not: zlib,
zlib-ng and every level of either choose other bytes, and Pythons differ in which they come with.
Nothing much is lost (audio hardly deflates), and a stored bundle cannot be a bomb: it unpacks to
what it weighs. The headers are written here for the same reason, and because the reader compares
them: what a zip may say in two places, lie about or hide (links, extra fields, 64-bit sizes, data
between files, overlapping files) differs from this form, so nothing of it has to be understood.

Local headers and data in the order of `Entry`s, then the directory, then its end: APPNOTE 6.3.10,
sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")

_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION = 20  # of the zip format: one that knows folders
_UNIX = 3 << 8
_REGULAR_FILE = 0o100644 << 16
_UTF8 = 1 << 11
_ENCRYPTED = 1
_STORED = 0
_MIDNIGHT, _FIRST_DAY = 0, 1 << 5 | 1  # 1980-01-01 00:00, the first that zip can say


@dataclass(frozen=True)
class Entry:
    """One file: its name with `/` between folders, its size and its CRC-32."""

    name: str
    size_bytes: int
    crc32: int

    @property
    def local_header(self) -> bytes:
        """What stands before its data."""
        name = self.name.encode()
        return LOCAL.pack(_LOCAL_MAGIC, *self._facts, len(name), 0) + name

    def central_header(self, offset: int) -> bytes:
        """Return its line in the directory; `offset` is where its local header begins."""
        name = self.name.encode()
        rest = (len(name), 0, 0, 0, 0, _REGULAR_FILE, offset)
        return CENTRAL.pack(_CENTRAL_MAGIC, _UNIX | _VERSION, *self._facts, *rest) + name

    @property
    def _facts(self) -> tuple[int, ...]:
        sizes = (self.size_bytes, self.size_bytes)
        return (_VERSION, _UTF8, _STORED, _MIDNIGHT, _FIRST_DAY, self.crc32, *sizes)


def directory(entries: Sequence[Entry]) -> bytes:
    """Return all that follows the data of the last file."""
    headers, offset = [], 0
    for entry in entries:
        headers.append(entry.central_header(offset))
        offset += len(entry.local_header) + entry.size_bytes
    size = sum(map(len, headers))
    count = len(entries)
    return b"".join(headers) + END.pack(_END_MAGIC, 0, 0, count, count, size, offset, 0)


def directory_size(names: Sequence[str]) -> int:
    """Return the length of `directory` in bytes."""
    return sum(CENTRAL.size + len(name.encode()) for name in names) + END.size


def crc32s(tail: bytes, names: Sequence[str]) -> list[int]:
    """Return the CRC-32s that a directory of these names gives, whatever else it says.

    `tail` is as long as `directory_size` says.
    """
    found, at = [], 0
    for name in names:
        found.append(CENTRAL.unpack_from(tail, at)[7])
        at += CENTRAL.size + len(name.encode())
    return found


def header_fault(header: bytes, wanted: bytes) -> str:
    """Say what is wrong with a local header that is not the one that it has to be."""
    if len(header) < len(wanted) or not header.startswith(_LOCAL_MAGIC):
        return "is not where it has to be"
    flags, method = LOCAL.unpack_from(header)[2:4]
    if flags & _ENCRYPTED:
        return "is encrypted"
    if method != _STORED:
        return f"is compressed (method {method})"
    return "has another name, size or header than it has to have"
