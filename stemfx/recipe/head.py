"""What a recipe says of itself: its header, its knobs and presets; all the rest still as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemfx.recipe.document import SECTIONS, Document
from stemfx.recipe.inherit import load
from stemfx.recipe.knobs import insert, read_knobs, turned
from stemfx.recipe.model import Knob, KnobValue
from stemfx.recipe.presets import choose_preset, read_presets
from stemfx.recipe.problems import Problems
from stemfx.recipe.templates import take_templates
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Leaf, Table


@dataclass(frozen=True)
class Head:
    """A recipe as far as it can be read without knowing a single stage.

    Args:
        tree: the rest of the file, on what it extends and on its templates, knobs put in place.
        files: its own file and those that it extends, links followed.
        header: title, author, licence, description.
        knobs: what can be turned.
        values: how it is turned.
        presets: the named settings of the knobs.
    """

    tree: Table
    files: tuple[Path, ...]
    header: Document
    knobs: Mapping[str, Knob]
    values: Mapping[str, KnobValue]
    presets: Mapping[str, Mapping[str, KnobValue]]

    @property
    def licence(self) -> str:
        """Under which licence it may be shared, whichever way that key is spelt."""
        return self.header.license or self.header.licence


def read_head(
    path: Path,
    folder: Path,
    problems: Problems,
    *,
    preset: str = "",
    settings: Mapping[str, str],
    shown: Path | None = None,
    content: bytes | None = None,
) -> Head:
    """Read a recipe's head; see `read_recipe` for what the arguments are.

    Raises:
        RecipeError: nothing can be made of a file; lesser faults are noted.
    """
    tree, files = load(path, folder, problems, shown, content)
    tree = take_templates(tree, problems)
    knobs, values = read_knobs(subtree(tree, "params", problems), problems)
    presets = read_presets(subtree(tree, "presets", problems), knobs, values, problems)
    values |= choose_preset(preset, presets, problems)
    values = turned(knobs, values, settings, problems)
    tree = insert(tree.without("params", "presets", "extends", "stemfx"), values, problems)
    header = section(tree, Document, "", problems, without=SECTIONS) or Document()
    if header.license and header.licence:
        problems.add(tree.keys["licence"], "`license` and `licence` are the same; keep one")
    bare_presets = {name: _bare(settings) for name, settings in presets.items()}
    return Head(tree, files, header, knobs, _bare(values), bare_presets)


def subtree(tree: Table, name: str, problems: Problems) -> Table:
    """Return a section of the recipe; an empty one where it is missing or no mapping."""
    node = tree.get(name)
    if isinstance(node, Table):
        return node
    if node is not None and not (isinstance(node, Leaf) and node.broken):
        problems.add(node.mark, f"{name}: expects a mapping, got {given(node)}")
    return Table(tree.where(name))


def _bare(values: Mapping[str, Leaf]) -> dict[str, KnobValue]:
    return {name: leaf.value for name, leaf in values.items() if leaf.value is not None}
