"""Bundles for tests: honest ones from bytes, and ones whose manifest no `stemfx pack` would write.

The headers are those that a zip needs; `tests/bundle/test_hostile_bundles.py` changes them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemfx.bundle.archive import Entry, directory

RECIPE = b"stemfx: 1\nsources: {song: song.wav}\n"
FILES = {"kits/tight/kick.wav": b"kick" * 500, "kits/tight/snare.wav": b"", "remix.yaml": RECIPE}


def manifest_of(files: Mapping[str, bytes], /, **changes: Any) -> dict[str, Any]:
    """Return what `stemfx.json` says of these files."""
    listed = {
        name: {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "role": "recipe" if name.endswith(".yaml") else "asset",
        }
        for name, data in files.items()
    }
    return {"stemfx_bundle": 1, "made_with": "1", "recipe": "remix.yaml", "files": listed} | changes


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return these files as a bundle has them, in this order."""
    entries = [Entry(name, len(data), zlib.crc32(data)) for name, data in files.items()]
    data = b"".join(e.local_header + files[e.name] for e in entries)
    return data + directory(entries)


def bundle_bytes(files: Mapping[str, bytes], /, manifest: Any = None, **changes: Any) -> bytes:
    """Return the bytes of a bundle; `manifest` (or `changes` of the true one) may lie."""
    told = manifest_of(files, **changes) if manifest is None else manifest
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    return zipped({"stemfx.json": text} | {name: files[name] for name in sorted(files)})


def write_made(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
