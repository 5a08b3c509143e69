"""Boxes of an MP4 file (ISO/IEC 14496-12): what no library puts where DJ software looks for it.

A box is its length (32 bits; 64 more follow where that says 1), four letters and its content.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

_TO_CHUNKS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
"""The boxes that lead to the tables of where the chunks of sound lie."""

_OFFSETS = {b"stco": ">I", b"co64": ">Q"}
"""Those tables: a version, a count, and an offset from the start of the file for every chunk."""


_COPIED_BYTES = 1 << 20
"""At a time."""


class OffsetError(Exception):
    """A chunk of sound would lie beyond what its table can say (4 GB)."""


@dataclass(frozen=True)
class Box:
    """Where a box lies, in bytes: `start` to `stop`, its content from `content` on."""

    kind: bytes
    start: int
    content: int
    stop: int


def boxes(data: bytes | bytearray | mmap, start: int, stop: int) -> Iterator[Box]:
    """Yield the boxes that follow one another from `start` to `stop`.

    Raises:
        ValueError: what is there are no boxes.
    """
    while start < stop:
        content = start + 8
        if content > stop:
            raise ValueError(f"half a box at {start}")
        size, kind = struct.unpack(">I4s", data[start:content])
        if size == 1:
            content += 8
            size = int.from_bytes(data[content - 8 : content], "big")
        if not content <= start + size <= stop:
            raise ValueError(f"a box {kind!r} of {size} bytes at {start}")
        yield Box(kind, start, content, start + size)
        start += size


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box of less than 4 GB."""
    return struct.pack(">I4s", len(content) + 8, kind) + content


def add_user_data(source: Path, target: Path, kind: bytes, content: bytes) -> None:
    """Copy an MP4 with one more box in `moov/udta`, and with `moov` before the sound.

    There the programs that make such files have it, and a player can begin before it has seen the
    end. The tables of where the sound lies are corrected.

    Args:
        source: with `ftyp`, `mdat` and `moov`, in any order.
        target: another file; is made anew.
        kind: of the new box, which comes first in `udta`.
        content: of the new box.

    Raises:
        OffsetError: the file is too long.
        ValueError: `source` is no such file.
        OSError: as the system says.
    """
    with source.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        top = {each.kind: each for each in boxes(data, 0, len(data))}
        if not {b"ftyp", b"mdat", b"moov"} <= top.keys():
            raise ValueError(f"{source} holds {sorted(top)}")
        head = data[top[b"ftyp"].start : top[b"ftyp"].stop]
        moov = bytearray(_with_user_data(data, top[b"moov"], box(kind, content)))
        sound = top[b"mdat"]
        _shift_chunks(moov, 0, len(moov), len(head) + len(moov) - sound.start)
        with target.open("wb") as out:
            out.write(head + moov)
            file.seek(sound.start)  # by reading: what is mapped counts as memory
            for start in range(sound.start, sound.stop, _COPIED_BYTES):
                out.write(file.read(min(_COPIED_BYTES, sound.stop - start)))
            out.flush()
            os.fsync(out.fileno())


def _with_user_data(data: mmap, moov: Box, added: bytes) -> bytes:
    """Return `moov` with a box first in its `udta`, which is made where there is none."""
    others, user_data = b"", b""
    for each in boxes(data, moov.content, moov.stop):
        if each.kind == b"udta":
            user_data = data[each.content : each.stop]
        else:
            others += data[each.start : each.stop]
    return box(b"moov", others + box(b"udta", added + user_data))


def _shift_chunks(moov: bytearray, start: int, stop: int, by: int) -> None:
    """Add `by` to every offset of a chunk in the boxes from `start` to `stop`."""
    for each in boxes(moov, start, stop):
        if each.kind in _TO_CHUNKS:
            _shift_chunks(moov, each.content, each.stop, by)
        elif each.kind in _OFFSETS:
            number = struct.Struct(_OFFSETS[each.kind])
            first = each.content + 8
            for at in range(first, each.stop, number.size):
                try:
                    number.pack_into(moov, at, number.unpack_from(moov, at)[0] + by)
                except struct.error:
                    raise OffsetError from None
