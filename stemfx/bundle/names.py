"""Which names the files of a bundle may have: those that mean one file on every system."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from stemfx.bundle.limits import MAX_DEPTH, MAX_PATH_BYTES
from stemfx.recipe.paths import PathError, path_inside
from stemfx.recipe.problems import quote

MANIFEST_NAME = "stemfx.json"


def names_fault(names: Iterable[str]) -> str | None:
    """Say which name no bundle may hold and why, or return None.

    A name is a path with `/` between folders. Two that macOS or Windows take for one (by case or
    Unicode composition) are refused, and so is a file where another name has a folder.
    """
    spellings: dict[str, str] = {_folded(MANIFEST_NAME): MANIFEST_NAME}
    folders: set[str] = set()
    for name in names:
        if fault := name_fault(name):
            return fault
        if _folded(name) in spellings:
            return _same(spellings[_folded(name)], name)
        spellings[_folded(name)] = name
        for parent in PurePosixPath(name).parents[:-1]:
            folder, folded = str(parent), _folded(str(parent))
            if spellings.setdefault(f"{folded}/", folder) != folder:
                return _same(spellings[f"{folded}/"], folder)
            folders.add(folded)
    both = next((name for folded, name in spellings.items() if folded in folders), None)
    return both and f"{quote(both)} is a file, and a folder of other files"


def name_fault(name: str) -> str | None:
    """Say why no file of a bundle may have this name, or return None."""
    try:
        n_bytes = len(name.encode())
        path_inside(name, "the bundle", "a bundle reaches nothing outside itself")
    except UnicodeEncodeError:
        return f"{quote(name)} holds half a character"
    except PathError as error:
        return str(error)
    path = PurePosixPath(name)
    if str(path) != name or not path.parts:
        return f"{quote(name)} is no plain name of a file"
    if any(part.startswith(".") for part in path.parts):
        return f"{quote(name)} is hidden, which nothing in a bundle is"
    if n_bytes > MAX_PATH_BYTES or len(path.parts) > MAX_DEPTH:
        most = f"{MAX_PATH_BYTES} bytes and {MAX_DEPTH - 1} folders"
        return f"{quote(name)} is too long or lies too deep; at most {most} are allowed"
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _same(one: str, other: str) -> str:
    if one == other:
        return f"{quote(one)} is in it twice"
    return f"{quote(one)} and {quote(other)} are one to macOS and Windows"
