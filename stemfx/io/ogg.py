"""Ogg files (RFC 3533) that are the same whenever they are made."""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

_HEADER_BYTES = 27
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def set_serial(file: BinaryIO, serial: int) -> None:
    """Rewrite the serial number of every page, which libsndfile draws by chance, and its checksum.

    In place, page by page: a page is 64 kB at most, whatever the length of the file.

    Args:
        file: at its first page; open for reading and writing.
        serial: what it shall be.
    """
    while len(header := bytearray(file.read(_HEADER_BYTES))) == _HEADER_BYTES:
        lacing = file.read(header[26])
        body = lacing + file.read(sum(lacing))
        struct.pack_into("<I", header, 14, serial)
        struct.pack_into("<I", header, 22, 0)
        # Ogg's CRC-32 has zlib's polynomial with the bits the other way round and no inversion.
        mirrored = zlib.crc32((header + body).translate(_REVERSED_BITS), 0xFFFFFFFF)
        checksum = int(f"{mirrored ^ 0xFFFFFFFF:032b}"[::-1], 2)
        struct.pack_into("<I", header, 22, checksum)
        file.seek(-len(header) - len(body), os.SEEK_CUR)
        file.write(header + body)
