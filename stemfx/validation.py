"""Whether recipes could be run, as far as their text and their own files tell.

No audio is touched and no song has to be there. Whether the weights of a model are on this machine
is no matter of the recipe; whether its name means anything is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from stemfx.errors import ModelError, PluginError, Problem, RecipeError, StemfxError
from stemfx.models import AUTO, choose
from stemfx.recipe import Recipe, read_recipe
from stemfx.recipe.problems import did_you_mean, listing
from stemfx.registry import Registry
from stemfx.separator import LicenceClass
from stemfx.session import Request, opened_recipe
from stemfx.stage import HitParams

_PLACE = re.compile(r"(?P<file>.*):(?P<line>\d+):(?P<column>\d+)", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """Something wrong in a recipe.

    Args:
        file: where it lies; a recipe that is extended, say.
        line: from 1; None of a file as such.
        column: likewise.
        message: what is wrong, in one line.
    """

    file: str
    line: int | None
    column: int | None
    message: str

    @property
    def where(self) -> str:
        """The place, as an editor jumps to it."""
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def faults_of(name: str, registry: Registry) -> tuple[Fault, ...]:
    """Return what is wrong with a recipe, a bundle or a shipped recipe, in its order."""
    request = Request(needs_sources=False)
    try:
        with opened_recipe(name, request, registry) as opened:
            if opened.lock is not None:  # what its author had is told by its manifest
                return ()
            return _located(_unknown_names(opened.recipe, registry))
    except StemfxError as error:
        return _told(error, name)


def faults_in(content: bytes, path: Path, shown: Path, registry: Registry) -> tuple[Fault, ...]:
    """Return what is wrong with the text of a recipe that is not, or not yet, in a file.

    Args:
        content: the text, UTF-8.
        path: the file that it is for: its folder holds the files that it names.
        shown: what it is called.
        registry: what is installed.
    """
    try:
        recipe = read_recipe(
            path,
            stages=registry.stages,
            kits=registry.kits,
            explain_unknown_stage=registry.explain_unknown_stage,
            needs_sources=False,
            shown=shown,
            content=content,
        )
    except StemfxError as error:
        return _told(error, str(shown))
    return _located(_unknown_names(recipe, registry))


def _unknown_names(recipe: Recipe, registry: Registry) -> Iterator[Problem]:
    """Yield the names of models, beat trackers and classifiers that mean nothing here."""
    for member in recipe.separate.members:
        if member.model == AUTO or member.model in registry.separators:
            continue
        try:
            choose(
                registry,
                member.model,
                stems=(),
                offline=True,
                where=member.where,
                inside=recipe.folder,
                allowed=get_args(LicenceClass),
            )
        except ModelError as error:
            yield Problem(error.where or member.where, error.message)
    if recipe.align is not None:
        try:
            registry.beat_tracker(recipe.align.beat_tracker)
        except PluginError as error:
            yield Problem(recipe.align.where, f"align.beats: {error.message}")
    known = registry.hit_classifiers
    for call in recipe.calls:
        named = call.params.classifier if isinstance(call.params, HitParams) else None
        if named is not None and named not in known:
            what = f"there is no classifier {named!r}{did_you_mean(named, known)}"
            told = f"{call.stage.name}.classifier: {what} (known: {listing(known)})"
            yield Problem(call.where, told)


def _told(error: StemfxError, name: str) -> tuple[Fault, ...]:
    if isinstance(error, RecipeError):
        return _located(error.problems)
    return _located([Problem(error.where or name, error.message)])


def _located(problems: Any) -> tuple[Fault, ...]:
    return tuple(_fault(problem) for problem in problems)


def _fault(problem: Problem) -> Fault:
    message = "; ".join(problem.message.splitlines())
    place = _PLACE.fullmatch(problem.where)
    if place is None:
        return Fault(problem.where, None, None, message)
    return Fault(place["file"], int(place["line"]), int(place["column"]), message)
