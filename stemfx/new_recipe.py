"""A recipe of one's own, made from another: its text as it is, songs and knobs filled in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stemfx import __version__
from stemfx.bundle.opening import is_bundle
from stemfx.errors import OutputError, RecipeError, UsageError
from stemfx.io import write_new_bytes
from stemfx.recipe import Recipe, Source
from stemfx.recipe.edit import EditError, edited, tree_of
from stemfx.recipe.edit import Path as Keys
from stemfx.recipe.model import KnobValue
from stemfx.recipe.problems import label, listing, quote
from stemfx.recipe.sources import NOT_GIVEN
from stemfx.recipe.yaml_tree import Leaf, Node, Table
from stemfx.registry import Registry
from stemfx.requirements import requirements
from stemfx.session import Request, find_recipe, load_recipe
from stemfx.shipped import shipped_recipes

STARTER = "starter"
"""The shipped recipe that a new one is made from when none is named."""

SUFFIXES = (".yaml", ".yml")

_USAGE = re.compile(rb"\A(?:\xef\xbb\xbf)?# stemfx run [^\r\n]*\r?\n")


@dataclass(frozen=True)
class NewRecipe:
    """What was written: its file, the recipe it was made from, the songs that are still to come."""

    path: Path
    made_from: Path
    missing_sources: tuple[str, ...]


def write_new_recipe(
    name: str, target: Path | None, request: Request, registry: Registry
) -> NewRecipe:
    """Write a recipe that gives the same as another one does with the options of `request`.

    Comments and order stay. Songs are named relative to the new file where that can be, and what
    is set by `--set` or a preset becomes the default of its knob.

    Args:
        name: a recipe's file or name.
        target: the new file; None is `my-NAME.yaml` in the working directory.
        request: its `sources`, `settings` and `preset` count.
        registry: of what is installed.

    Raises:
        UsageError: the recipe is a bundle, names files of its own folder, or is written so that
            it cannot be changed piece by piece.
        RecipeError: it cannot be read with these options.
        OutputError: something is there already, or the place cannot be written to.
    """
    path, _ = find_recipe(name)
    if is_bundle(path):
        what = "a bundle is not changed; unpack it (`stemfx unpack FILE`) and name its recipe"
        raise UsageError(what, where=str(path))
    target = Path(f"my-{path.stem}.yaml") if target is None else target
    if target.suffix not in SUFFIXES:
        what = f"a recipe ends in {' or '.join(SUFFIXES)}; write {target.name}.yaml"
        raise UsageError(what, where=str(target))
    if os.path.lexists(target):
        what = "is there already and stays as it is; choose another file with -o"
        raise OutputError(what, where=str(target))
    request = replace(request, needs_sources=False)
    recipe, _ = load_recipe(str(path), request, registry)
    folder = Path(os.path.realpath(target.parent))
    if folder != recipe.folder:
        _check_alone(recipe, registry, folder)
    data = path.read_bytes()
    try:
        text = edited(data, dict(_changes(recipe, request, tree_of(data), folder)))
    except EditError:
        what = "is written so that its values cannot be changed one by one (an alias, perhaps)"
        raise UsageError(f"{what}; copy it and change the copy by hand", where=str(path)) from None
    missing = tuple(name for name, source in recipe.sources.items() if NOT_GIVEN in source.files)
    text = _usage(name, path, target, missing) + _USAGE.sub(b"", text)
    write_new_bytes(target, text)
    try:
        load_recipe(str(target), Request(needs_sources=False), registry)
    except RecipeError:
        target.unlink()
        raise
    return NewRecipe(target.absolute(), path.absolute(), missing)


def _usage(name: str, path: Path, target: Path, missing: tuple[str, ...]) -> bytes:
    """Return the comment at the top: where it comes from and how it is run."""
    comes_from = f"recipe {name} of stemfx {__version__}"
    if path not in shipped_recipes().values():
        comes_from = f"recipe {path.name}"
    needed = "".join(f" --source {label(source)}=YOUR.wav" for source in missing)
    file = target.name if re.fullmatch(r"[\w.-]+", target.name) else quote(target.name)
    return f"# Made from the {comes_from}. Run it: stemfx run {file}{needed}\n".encode()


def _check_alone(recipe: Recipe, registry: Registry, folder: Path) -> None:
    """Refuse to take a recipe away from files that it names by their place beside it."""
    files = [asset.path.as_posix() for asset in requirements(recipe, {}, registry).assets[1:]]
    models = [member.model for member in recipe.separate.members]
    files += [model for model in models if (recipe.folder / model).exists()]
    if files:
        what = f"names files of its folder {recipe.folder}, which {folder} lacks"
        fix = f"write the new recipe there: -o {recipe.folder / 'NAME.yaml'}"
        raise UsageError(f"{what} ({listing(files, 5)}); {fix}", where=str(recipe.path))


# --- what is different from the text ---------------------------------------------------------


def _changes(
    recipe: Recipe, request: Request, own: Table, folder: Path
) -> Iterator[tuple[Keys, KnobValue]]:
    """Yield each value that the new text has in place of the old one's.

    Args:
        recipe: as read with what `request` has.
        request: as given.
        own: the tree of the recipe's own file.
        folder: where the new one lies.
    """
    params, sources = own.get("params"), own.get("sources")
    for name, value in recipe.values.items():
        knob = recipe.knobs[name]
        if value != knob.default or type(value) is not type(knob.default):
            written = params.get(name) if isinstance(params, Table) else None
            is_short = isinstance(written, Leaf)
            yield ("params", name) if is_short else ("params", name, "default"), value
    for name, source in recipe.sources.items():
        is_replaced = any(key.partition("/")[0] in ("", name) for key in request.sources)
        if folder == recipe.folder and not is_replaced:
            continue
        node = sources.get(name) if isinstance(sources, Table) else None
        for keys, file in _files(source, node):
            if file != NOT_GIVEN and not _leads_to(file, _at(node, keys), folder):
                yield ("sources", name, *keys), _relative(file, folder).replace("${", "$${")


def _files(source: Source, node: Node | None) -> Iterator[tuple[Keys, Path]]:
    """Yield the place within a source, and the file, of all that it plays."""
    if source.file is not None:
        if isinstance(node, Table) and node.get("stems") is not None:
            what = "its stems cannot be replaced by one file here; change the new recipe by hand"
            raise UsageError(what, where=f"--source {source.name}")
        yield (("file",) if isinstance(node, Table) else ()), source.file
    for stem, file in (source.stems or {}).items():
        yield ("stems", stem), file
    if source.mixture is not None:
        yield ("mixture",), source.mixture


def _at(node: Node | None, keys: Keys) -> Node | None:
    for key in keys:
        node = node.get(key) if isinstance(node, Table) else None
    return node


def _leads_to(file: Path, written: Node | None, folder: Path) -> bool:
    if not isinstance(written, Leaf):
        return False
    named = folder / os.path.expanduser(written.text)  # noqa: PTH111 - never raises
    return os.path.abspath(named) == str(file)  # noqa: PTH100


def _relative(file: Path, folder: Path) -> str:
    """Return a path as a recipe in that folder names it; absolute where no other leads there."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # another drive
        return str(file)
