"""The names of what is installed, kept for completion: loading all plugins takes half a second."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from stemfx.folders import cache_folder

Names: TypeAlias = dict[str, dict[str, str]]
"""By kind (`stages`, `models`): each name with a line about it."""

MAX_AGE_S = 600.0
"""How long a model that was added or removed may go unnoticed; a plugin is noticed at once."""

_FILE = "completion.json"
_MOST_BYTES = 1 << 20


def installed_names() -> Names:
    """Return the names of what is installed, from the last time if nothing has changed since."""
    file = cache_folder() / _FILE
    key = _key()
    kept = _kept(file, key)
    if kept is None:
        kept = _names()
        _keep(file, {"key": key, "names": kept})
    return kept


def _key() -> list[str]:
    """Return what changes whenever a plugin comes, goes or changes its version."""
    from importlib.metadata import entry_points

    from stemfx import __version__

    found = (
        f"{point.name} {point.value} {point.dist.version if point.dist else ''}"
        for point in entry_points(group="stemfx")
    )
    return [__version__, *sorted(found)]


def _kept(file: Path, key: list[str]) -> Names | None:
    try:
        if not 0 <= time.time() - file.stat().st_mtime < MAX_AGE_S:
            return None
        with file.open("rb") as opened:
            told = json.loads(opened.read(_MOST_BYTES))
        if told["key"] != key:
            return None
        return {kind: _texts(told["names"][kind]) for kind in ("stages", "models")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _texts(told: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(about) for name, about in told.items()}


def _names() -> Names:
    from stemfx.registry import build_registry

    registry = build_registry()
    return {
        "stages": {name: stage.summary for name, stage in registry.stages.items()},
        "models": {name: one.card.summary for name, one in registry.separators.items()},
    }


def _keep(file: Path, value: Any) -> None:
    """Write the names for the next time, whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(value), encoding="utf-8")
            part.replace(file)
    finally:
        with suppress(OSError):
            part.unlink()
