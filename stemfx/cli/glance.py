"""A quick look at a recipe: the names in it, for completion. Nothing is checked, little is read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

MOST_BYTES = 256 << 10
"""A recipe that is larger is looked at no further."""

MOST_EXTENDED = 8
SECTIONS = ("params", "presets", "sources")


def glance(path: Path) -> dict[str, dict[str, Any]]:
    """Return the knobs, presets and sources of a recipe or bundle and of what it extends.

    Raises:
        whatever goes wrong: OSError, ValueError, yaml.YAMLError, KeyError ...
    """
    read = _Bundle(path) if path.suffix.lower() == ".stemfx" else _Folder(path)
    found: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    extended, left = read.name, MOST_EXTENDED
    while extended and left:
        document, left = _values(read.text(extended)), left - 1
        for section, below in found.items():
            told = document.get(section)
            if isinstance(told, Mapping):
                for name, value in told.items():
                    below.setdefault(name, value)
        extended = str(document.get("extends") or "")
    return found


def title_of(path: Path) -> str:
    """Return what a recipe says that it does; its first lines are enough."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = dict(line.partition(":")[::2] for line in file.read(2000).splitlines())
    return (lines.get("description") or lines.get("title") or "").strip()


class _Folder:
    """A recipe's folder; what it extends lies there."""

    def __init__(self, path: Path) -> None:
        self.name, self._folder = path.name, path.parent

    def text(self, name: str) -> bytes:
        path = self._folder / _inside(name)
        if not path.is_file():  # a pipe would wait for its writer
            raise FileNotFoundError(name)
        with path.open("rb") as file:
            return file.read(MOST_BYTES)


class _Bundle:
    """A bundle; its manifest says which of its files is the recipe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(json.loads(self.text("stemfx.json"))["recipe"])

    def text(self, name: str) -> bytes:
        with zipfile.ZipFile(self._path) as bundle, bundle.open(name) as file:
            return file.read(MOST_BYTES)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
    return path


def _values(text: bytes) -> Mapping[str, Any]:
    """Return a recipe's values, every one a text; aliases are shared and nothing is merged."""
    import yaml

    document = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - texts only
    return document if isinstance(document, Mapping) else {}
