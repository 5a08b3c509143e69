"""Where a fault lies, how it is worded, and the list that collects them all."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple, NoReturn

from stemfx.errors import Problem, RecipeError

MAX_PROBLEMS = 100
"""A file with more faults than this is not worth reading on."""

_LONGEST_HINT = 64  # difflib is quadratic: a hostile recipe must not choose its input
_MOST_CHOICES = 500


class Mark(NamedTuple):
    """A place in a file; marks sort in reading order and print as `file:line:column`."""

    order: int
    line: int
    column: int
    file: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def whole_file(file: str, order: int = 0) -> Mark:
    """Return the mark of a file as such, e.g. of one that cannot be read."""
    return Mark(order, 0, 0, file)


def command_line(option: str) -> Mark:
    """Return the mark of a command-line option; it sorts after every file."""
    return whole_file(option, sys.maxsize)


class Problems:
    """Collects every fault, so that one reading shows them all."""

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str], None] = {}  # a set that keeps its order

    def add(self, mark: Mark, message: str) -> None:
        """Note a fault; the same one reached twice, through an alias, counts once."""
        self._found[mark, message] = None
        if len(self._found) >= MAX_PROBLEMS:
            self.stop(command_line("and more"), f"only the first {MAX_PROBLEMS} problems are shown")

    def stop(self, mark: Mark, message: str) -> NoReturn:
        """Note a fault after which nothing more can be read."""
        self._found[mark, message] = None
        raise self._error()

    def settle(self) -> None:
        """Raise everything that was found, in file order; return when that is nothing."""
        if self._found:
            raise self._error()

    def _error(self) -> RecipeError:
        in_file_order = sorted(self._found, key=lambda fault: fault[0])
        return RecipeError([Problem(str(mark), message) for mark, message in in_file_order])


def quote(text: str) -> str:
    """Return `text` in quotes, short, and with whatever a terminal might obey escaped."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def label(name: str) -> str:
    """Return a name for use in a dotted path: bare where that is harmless."""
    return name if name.isprintable() and 0 < len(name) <= 64 else quote(name)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'this'?` when one of the choices is near, else nothing.

    >>> did_you_mean("sample_replce", ["deess", "sample_replace"])
    "; did you mean 'sample_replace'?"
    """
    known = {choice.casefold(): choice for choice in choices}
    if len(word) > _LONGEST_HINT or len(known) > _MOST_CHOICES:
        return ""
    close = get_close_matches(word.casefold(), known, n=1)
    return f"; did you mean {quote(known[close[0]])}?" if close else ""


def listing(names: Iterable[str], limit: int = 20) -> str:
    """Return the first names, comma-separated; `none` when there is none."""
    shown = [label(name) for name in names]
    return ", ".join(shown[:limit] + ["..."] * (len(shown) > limit)) or "none"
