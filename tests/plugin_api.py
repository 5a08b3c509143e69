"""What a plugin may rely on, as text: a line for every public name of the contract modules.

`python tests/plugin_api.py` writes `tests/plugin_api.txt` anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import stemfx

PACKAGE = Path(stemfx.__file__).parent
LISTING = Path(__file__).with_suffix(".txt")
CONTRACT = ("audio", "beat_tracker", "hits", "hookspecs", "kit", "separator", "stage")
READING = {"MusicReading", "Section"}
"""What stages are given of `stemfx.music_reading`; the rest of it is not theirs."""

TESTING = tuple(f"testing/{path.stem}" for path in sorted((PACKAGE / "testing").glob("[!_]*.py")))


@dataclass(frozen=True)
class Public:
    """One public name: where it is, and what it looks like."""

    module: str
    name: str
    """With its class, where it is a member of one."""
    told: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}{self.told}"


def contract() -> list[Public]:
    """Return the public names of what a plugin is written against."""
    found = [public for module in CONTRACT for public in _public(module)]
    read = [p for p in _public("music_reading") if p.name.partition(".")[0] in READING]
    return [*found, *(p for p in read if not p.name.endswith("_json"))]


def testing() -> list[Public]:
    """Return those of the conformance suites: functions and classes, not the limits they set."""
    found = [public for module in TESTING for public in _public(module)]
    return [p for p in found if p.told or p.name == "LAWS"]


def _public(module: str) -> list[Public]:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    name = f"stemfx.{module.replace('/', '.')}"
    return [Public(name, *told) for node in tree.body for told in _told(node)]


def _told(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield the public names that a statement makes, each with its signature or type."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        members = [member for inner in node.body for member in _told(inner)]
        told = [(node.name, f": class({bases})")]
        told += [(f"{node.name}.{name}", signature) for name, signature in members]
    elif isinstance(node, ast.FunctionDef):
        marks = {ast.unparse(mark).partition("(")[0] for mark in node.decorator_list}
        takes = "" if "property" in marks else f"({ast.unparse(node.args)})"
        gives = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        told = [(node.name, takes + gives + (" [abstract]" if "abstractmethod" in marks else ""))]
    elif isinstance(node, ast.AnnAssign):
        default = f" = {ast.unparse(node.value)}" if node.value and node.simple else ""
        told = [(ast.unparse(node.target), f": {ast.unparse(node.annotation)}{default}")]
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        told = [(node.targets[0].id, "")]
    else:
        told = []
    yield from (one for one in told if not one[0].startswith("_") and "._" not in one[0])


def listing() -> str:
    """Return the whole of it, a paragraph a module."""
    lines: list[str] = []
    before = ""
    for public in (*contract(), *testing()):
        lines += [""] if before not in ("", public.module) else []
        before = public.module
        lines.append(str(public))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LISTING.write_text(listing(), encoding="utf-8")
