"""Files that a kit names: found whatever the case of letters and slashes, never outside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from stemfx.errors import KitError
from stemfx.recipe.problems import quote

_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:")
_MAX_PATH = 1000
_MAX_PARTS = 20


class Folder:
    """The folder of a kit: what it names is looked for here and nowhere else.

    Args:
        root: where the kit ends.
        base: the folder that names are relative to, in `root`.

    `found` collects every file that was asked for and is there, once, in order.
    """

    def __init__(self, root: Path, base: Path | None = None) -> None:
        self.root = Path(os.path.realpath(root))
        self.base = Path(os.path.realpath(base or root))
        self.found: dict[Path, None] = {}
        self._names: Callable[[Path], dict[str, str]] = cache(_names_in)
        # Kits name one file hundreds of times, and each step through its folders asks the system.
        self._by_name: dict[str, Path] = {}

    def find(self, name: str, where: str) -> Path:
        r"""Return the file of a name.

        `\` separates folders as `/` does. Where no file is named exactly so, one whose name
        differs only in the case of letters will do: kits are made on systems that ignore it.

        Args:
            name: as the kit has it.
            where: the place in the kit that names it, for messages.

        Raises:
            KitError: it leads out of the kit, or there is no such file.
        """
        if name in self._by_name:
            return self._by_name[name]
        text = name.replace("\\", "/")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        is_long = len(text) > _MAX_PATH or len(parts) > _MAX_PARTS
        if not text or is_long or not text.isprintable():
            raise KitError(f"{quote(name)} is no file name", where=where)
        if _ABSOLUTE.match(text):
            raise KitError(
                f"{quote(name)} is an absolute path; a kit names its files relative to itself",
                where=where,
            )
        path = self.base
        for part in parts:
            if part == "..":
                path = path.parent
            else:
                names = self._names(path)
                path = path / names.get(part, names.get(part.casefold(), part))
            path = Path(os.path.realpath(path))  # unlike resolve(), bears loops of links
            if not path.is_relative_to(self.root):
                raise KitError(
                    f"{quote(name)} leads out of the kit's folder {self.root}; copy the file "
                    "into it",
                    where=where,
                )
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on names that are too long
            what = "is a folder, not a sample" if os.path.isdir(path) else "is not there"  # noqa: PTH112
            raise KitError(f"{quote(name)} {what}; check the name", where=where)
        self.found[path] = None
        self._by_name[name] = path
        return path


def read_bytes(path: Path, most: int, what: str, shown: str | None = None) -> bytes:
    """Return a file that describes a kit; one that is too large is not even read.

    Args:
        path: the file.
        most: bytes.
        what: is in it, for the message: `XML`.
        shown: what messages call it.

    Raises:
        KitError: it cannot be read, is larger, or no regular file.
    """
    where = shown or str(path)
    if not os.path.isfile(path):  # noqa: PTH113 - a pipe would be waited for without an end
        raise KitError("this is no file that can be read", where=where)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise KitError(f"cannot be read ({error.strerror})", where=where) from None
    if len(data) > most:
        raise KitError(f"more than {most >> 20} MiB of {what}; this is no kit", where=where)
    return data


def _names_in(folder: Path) -> dict[str, str]:
    """Return the names in a folder, each also under its casefolded form; the first one counts."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return {}
    return {name.casefold(): name for name in reversed(names)} | {name: name for name in names}
