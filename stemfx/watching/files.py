"""Which files a recipe is made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stemfx.errors import RecipeError
from stemfx.models import AUTO
from stemfx.plan_results import input_files
from stemfx.recipe import Recipe
from stemfx.recipe.inherit import MAX_EXTENDS
from stemfx.recipe.problems import Problems, whole_file
from stemfx.recipe.yaml_tree import MAX_BYTES, Items, Leaf, Node, Table, has_control, parse

MOST_MENTIONED = 1000
_LONGEST_PATH = 1000  # characters


def named_files(recipe: Recipe) -> set[Path]:
    """Return all that a recipe is read from: its files and folders, links followed.

    Installed kits, and the copies that archives of kits are unpacked to, are not among them.
    """
    calls = recipe.calls
    of_kits = {file for call in calls for kit in call.kits.values() for file in kit.files}
    elsewhere = {file for file in of_kits if not file.is_relative_to(recipe.folder)}
    kits = {path for call in calls for path in call.kit_paths.values()}
    weights = {
        recipe.folder / member.model for member in recipe.separate.members if member.model != AUTO
    }
    return (input_files(recipe) - elsewhere) | kits | weights


def mentioned_files(recipe: Path) -> set[Path]:
    """Return every path that a text of a recipe may mean, and the recipe; there or not.

    For a recipe with faults, which waits for one of them. What `output` names is not among them.

    Args:
        recipe: its file, sound or not.
    """
    folder = Path(os.path.realpath(recipe.parent))
    files = [recipe]
    found: dict[Path, None] = {}
    for file in files:  # grows while it is read
        tree = _tree(file)
        for text in _texts(tree.without("output")):
            if len(found) < MOST_MENTIONED and (path := _path(text, folder)):
                found[path] = None
        output = tree.get("output")
        tags = output.get("tags") if isinstance(output, Table) else None
        cover = tags.get("cover") if isinstance(tags, Table) else None
        if isinstance(cover, Leaf) and (path := _path(cover.text, folder)):
            found[path] = None
        base = tree.get("extends")
        path = _path(base.text, folder) if isinstance(base, Leaf) else None
        if path is not None and path not in files and len(files) <= MAX_EXTENDS:
            files.append(path)
    return {*files, *found}


def _tree(file: Path) -> Table:
    """Return what can be read of a recipe; an empty mapping when nothing can."""
    problems = Problems()
    try:
        with file.open("rb") as opened:
            return parse(opened.read(MAX_BYTES + 1), str(file), 0, problems)
    except (OSError, RecipeError):
        return Table(whole_file(str(file)))


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Leaf):
        if isinstance(node.value, str):
            yield node.value
        return
    for inner in node.nodes if isinstance(node, Items) else node.entries.values():
        yield from _texts(inner)


def _path(text: str, folder: Path) -> Path | None:
    """Return the file, or the folder below the recipe's, that a text may mean."""
    if not text or len(text) > _LONGEST_PATH or "\n" in text or has_control(text):
        return None
    path = Path(os.path.abspath(folder / os.path.expanduser(text)))  # noqa: PTH100, PTH111 - never raise
    if os.path.isdir(path):  # noqa: PTH112 - likewise
        return path if folder in path.parents else None
    return path
