"""Loads a recipe with the recipes that it `extends`, as one tree."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from stemfx.recipe.document import FORMAT
from stemfx.recipe.paths import PathError, asset
from stemfx.recipe.problems import Mark, Problems, whole_file
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import MAX_BYTES, Leaf, Node, Table, parse

MAX_EXTENDS = 8


def load(
    path: Path,
    folder: Path,
    problems: Problems,
    shown: Path | None = None,
    content: bytes | None = None,
) -> tuple[Table, tuple[Path, ...]]:
    """Return the tree of a recipe, merged over what it extends, and all files that were read.

    Marks keep their own file, under the name that it has beside `shown` (else `path`). `content`
    stands for what is in `path`.

    Mappings are merged, everything else is replaced, and a key with nothing after it takes
    what the extended recipe says.

    Raises:
        RecipeError: a file cannot be read, or is of another format.
    """
    seen = [Path(os.path.realpath(path))]
    shown = path if shown is None else shown
    beside = shown.parent
    mark = whole_file(str(shown))
    layers: list[Table] = []
    while True:
        data = _content(seen[-1], shown, mark, problems) if content is None else content
        content = None  # what it extends is read from its file
        table = parse(data, str(shown), len(layers), problems)
        _check_format(table, problems)
        layers.append(table)
        extends = table.get("extends")
        if extends is None or (isinstance(extends, Leaf) and extends.broken):
            break
        mark = extends.mark
        base = _base(extends, folder, problems)
        if base in seen:
            loop = " -> ".join(file.name for file in [*seen[seen.index(base) :], base])
            problems.stop(mark, f"extends goes in a circle: {loop}")
        if len(layers) > MAX_EXTENDS:
            problems.stop(mark, f"at most {MAX_EXTENDS} recipes may extend one another")
        seen.append(base)
        shown = beside / base.relative_to(folder)
    merged = layers.pop()
    while layers:
        merged = merged_over(merged, layers.pop())
    return merged, tuple(seen)


def _base(extends: Node, folder: Path, problems: Problems) -> Path:
    if not isinstance(extends, Leaf) or not isinstance(extends.value, str):
        problems.stop(extends.mark, f"extends: expects the file of a recipe, got {given(extends)}")
    try:
        return asset(extends.value, folder)
    except PathError as error:
        problems.stop(extends.mark, f"extends: {error}")


def _content(path: Path, shown: Path, mark: Mark, problems: Problems) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        problems.stop(mark, f"{shown} is a folder, not a recipe")
    except FileNotFoundError:
        problems.stop(mark, f"there is no file {Path.cwd() / shown}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.stop(mark, f"the recipe cannot be read: {reason}")


def _check_format(table: Table, problems: Problems) -> None:
    """Note a format that is not ours; stop at a newer one, whose faults would mean nothing."""
    node = table.get("stemfx")
    if node is None:
        problems.add(table.mark, f"`stemfx: {FORMAT}` is missing; a recipe starts with it")
    elif isinstance(node, Leaf) and node.broken:
        return
    elif not isinstance(node, Leaf) or type(node.value) is not int:
        problems.add(node.mark, f"stemfx: expects the number {FORMAT}, got {given(node)}")
    elif node.value > FORMAT:
        problems.stop(
            node.mark,
            f"this recipe was made by a newer stemfx (format {node.value}; this program reads "
            f"format {FORMAT}); update stemfx",
        )
    elif node.value != FORMAT:
        problems.add(node.mark, f"stemfx: expects the number {FORMAT}, got {given(node)}")


def merged_over(base: Table, over: Table) -> Table:
    """Return `over` on `base`: mappings are merged, the rest is replaced, nothing keeps the base's.

    Marks stay those of where each value was written.
    """
    entries, keys = dict(base.entries), dict(base.keys)
    for name, node in over.entries.items():
        below = base.get(name)
        if below is not None and over.get(name) is None:
            continue
        both = isinstance(below, Table) and isinstance(node, Table)
        entries[name] = merged_over(below, node) if both else node  # type: ignore[arg-type]
        keys[name] = over.keys[name]
    return replace(over, entries=entries, keys=keys)
