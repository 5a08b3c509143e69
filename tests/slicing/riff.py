"""An independent reader of RIFF files, by the letter of the standard."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any


def chunks(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    riff, size, kind = struct.unpack_from("<4sI4s", data)
    assert (riff, kind) == (b"RIFF", b"WAVE")
    assert size + 8 == len(data), "the header's length is that of the file"
    found: dict[str, bytes] = {}
    at = 12
    while at < len(data):
        name, n = struct.unpack_from("<4sI", data, at)
        assert at + 8 + n + n % 2 <= len(data), f"{name!r} reaches beyond the file"
        assert name.decode("ascii") not in found
        found[name.decode("ascii")] = data[at + 8 : at + 8 + n]
        at += 8 + n + n % 2
    return found


def sampler(content: bytes) -> dict[str, Any]:
    fields = struct.unpack_from("<9I", content)
    n_loops = fields[7]
    assert len(content) == 36 + 24 * n_loops + fields[8]
    loops = [struct.unpack_from("<6I", content, 36 + 24 * k) for k in range(n_loops)]
    return {
        "period_ns": fields[2],
        "note": fields[3],
        "cents": fields[4],
        "loops": [{"type": x[1], "start": x[2], "end": x[3], "times": x[5]} for x in loops],
    }


def cues(content: bytes) -> list[int]:
    (n,) = struct.unpack_from("<I", content)
    assert len(content) == 4 + 24 * n
    points = [struct.unpack_from("<II4sIII", content, 4 + 24 * k) for k in range(n)]
    assert all(point[2] == b"data" for point in points)
    assert len({point[0] for point in points}) == n, "names of cue points are distinct"
    return [point[5] for point in points]


def acid(content: bytes) -> dict[str, Any]:
    flags, note, _, _, beats, lower, upper, bpm = struct.unpack("<IHHfIHHf", content)
    return {
        "is_one_shot": bool(flags & 1),
        "note": note,
        "beats": beats,
        "meter": (upper, lower),
        "bpm": bpm,
    }
