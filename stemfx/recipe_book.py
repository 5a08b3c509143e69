"""The recipes that go by a name, and what each says of itself, read without a single stage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemfx.errors import StemfxError
from stemfx.recipe.head import read_head
from stemfx.recipe.model import Knob, KnobValue
from stemfx.recipe.problems import Problems
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Table
from stemfx.shipped import own_recipes, shipped_recipes


@dataclass(frozen=True)
class RecipeFacts:
    """One recipe of the book.

    Args:
        name: what `stemfx run NAME` takes, unless it `is_hidden`.
        path: its file.
        is_own: the user's, not one that comes with stemfx.
        is_hidden: an own recipe goes by the same name; only its path leads to this one.
        title, description, author, licence: as it says.
        knobs: what can be turned.
        presets: named settings of the knobs.
        sources: the songs that have to be given.
        stages: the names of the stages that it calls.
        problem: the first thing that is wrong with it, with its place; empty if nothing is.
    """

    name: str
    path: Path
    is_own: bool
    is_hidden: bool = False
    title: str = ""
    description: str = ""
    author: str = ""
    licence: str = ""
    knobs: tuple[Knob, ...] = ()
    presets: Mapping[str, Mapping[str, KnobValue]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    problem: str = ""


def recipe_book() -> list[RecipeFacts]:
    """Return all recipes that go by a name: the user's own, then those that come with stemfx.

    A broken one is among them, with its first problem. Whether stages, kits and models are there
    that a recipe names is not looked at.
    """
    own = own_recipes()
    return [
        *(_facts(RecipeFacts(name, path, is_own=True)) for name, path in own.items()),
        *(
            _facts(RecipeFacts(name, path, is_own=False, is_hidden=name in own))
            for name, path in shipped_recipes().items()
        ),
    ]


def search(book: Iterable[RecipeFacts], words: Sequence[str]) -> list[RecipeFacts]:
    """Return the recipes in which every word is found, in any case, best first.

    A word counts most as the name, then within the name, title, a preset or stage, and least
    within the description; equals stay in the order of the book.
    """
    rated = [(recipe, [_rating(recipe, word.casefold()) for word in words]) for recipe in book]
    found = [(sum(ratings), recipe) for recipe, ratings in rated if all(ratings)]
    return [recipe for _, recipe in sorted(found, key=lambda one: -one[0])]


def _rating(recipe: RecipeFacts, word: str) -> int:
    if recipe.name.casefold() == word:
        return 16
    places = (
        (8, [recipe.name]),
        (4, [recipe.title]),
        (2, [*recipe.presets, *recipe.stages]),
        (1, [recipe.description]),
    )
    return sum(rate for rate, texts in places if any(word in text.casefold() for text in texts))


def _facts(recipe: RecipeFacts) -> RecipeFacts:
    try:
        read = _of_bundle if recipe.path.suffix == ".stemfx" else _of_recipe
        return read(recipe)
    except StemfxError as error:
        first, *_ = str(error).splitlines() or [""]
        return replace(recipe, problem=first)


def _of_bundle(recipe: RecipeFacts) -> RecipeFacts:
    from stemfx.bundle import manifest_of

    told = manifest_of(recipe.path)
    return replace(
        recipe,
        title=told.title,
        description=told.description,
        author=told.author,
        licence=told.licence,
    )


def _of_recipe(recipe: RecipeFacts) -> RecipeFacts:
    problems = Problems()
    folder = Path(os.path.realpath(recipe.path.parent))
    head = read_head(recipe.path, folder, problems, settings={})
    problems.settle()
    return replace(
        recipe,
        title=head.header.title,
        description=head.header.description,
        author=head.header.author,
        licence=head.licence,
        knobs=tuple(head.knobs.values()),
        presets=head.presets,
        sources=tuple(_not_given(head.tree.get("sources"))),
        stages=tuple(dict.fromkeys(_stages(head.tree))),
    )


def _not_given(sources: Node | None) -> Iterator[str]:
    if isinstance(sources, Table):
        for name in sources.entries:
            node = sources.get(name)
            if node is None or (
                isinstance(node, Table) and not any(map(node.get, ("file", "stems")))
            ):
                yield name


def _stages(tree: Table) -> Iterator[str]:
    tracks, mix = tree.get("tracks"), tree.get("mix")
    layers = [*tracks.entries.values()] if isinstance(tracks, Table) else []
    lists = [layer.get("stages") for layer in (*layers, mix) if isinstance(layer, Table)]
    for listed in (*lists, tree.get("master")):
        for entry in listed.nodes if isinstance(listed, Items) else ():
            if isinstance(entry, Leaf) and isinstance(entry.value, str):
                yield entry.value
            elif isinstance(entry, Table):
                yield from entry.entries
