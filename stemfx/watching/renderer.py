"""Renders one recipe again and again, each time as its files are then."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stemfx.bundle import is_bundle
from stemfx.errors import CancelledError, UsageError
from stemfx.plan import Plan
from stemfx.recipe import Recipe
from stemfx.registry import Registry
from stemfx.run import Outcome
from stemfx.session import Request, find_recipe, load_recipe, prepare
from stemfx.stage import Finding
from stemfx.watching.changes import Watch
from stemfx.watching.files import mentioned_files, named_files

Perform = Callable[[Plan, Sequence[Finding], Callable[[], None]], Outcome]
"""Runs a plan, given what is to be said of it beside; what the last argument raises stops it."""

_MOST_NAMES = 3


class OutdatedError(Exception):
    """What is being rendered is no longer what is wanted."""


def recipe_to_edit(name: str) -> tuple[Path, Path]:
    """Return (recipe file, default output folder) of a recipe that is edited while it renders.

    Raises:
        UsageError: there is no such recipe, or it is a bundle.
    """
    path, folder = find_recipe(name)
    if is_bundle(path):
        raise UsageError(
            "a bundle is not edited; `stemfx unpack` it and take the recipe that was in it",
            where=str(path),
        )
    return path, folder


class Renderer:
    """Renders a recipe as it is now, and knows when that is no longer so.

    Args:
        path: of the recipe.
        request: what the user asks for; with an output folder.
        registry: of what is installed.
        perform: runs a plan.
        settings: more settings of knobs for a recipe that was read with those of `request`.
        is_outdated: asked a few times a second while it renders.
    """

    def __init__(
        self,
        path: Path,
        request: Request,
        registry: Registry,
        perform: Perform,
        *,
        settings: Callable[[Recipe], Mapping[str, str]] = lambda _: {},
        is_outdated: Callable[[], bool] = lambda: False,
    ) -> None:
        self._path, self._request, self._registry = path, request, registry
        self._perform, self._settings, self._is_outdated = perform, settings, is_outdated
        self._given = {path, *request.sources.values(), *map(Path, request.models)}
        self.watch = Watch()

    def render(self) -> Outcome:
        """Render the recipe; a file that was read in the middle of a save is read again.

        Raises:
            OutdatedError: a file was saved meanwhile, or `is_outdated` said so.
            CancelledError: interrupted while steps ran.
            Exception: whatever keeps the recipe from being rendered as it is now.
        """
        while True:
            try:
                return self._render()
            except (CancelledError, OutdatedError):
                raise
            except Exception:
                if not self.watch.was_read_in_a_save():
                    raise

    @property
    def changed_names(self) -> str:
        """The files that changed, in words."""
        # a link has the name of its file
        names = list(dict.fromkeys(path.name for path in self.watch.changed))
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + more

    def _render(self) -> Outcome:
        self.watch.begin()
        recipe, folder = self._read()
        plan, notices = prepare(recipe, folder, self._request, self._registry, may_fetch=True)
        self.watch.ignore([Path(os.path.realpath(path)) for path in plan.targets])
        return self._perform(plan, notices, self._check)

    def _read(self) -> tuple[Recipe, Path]:
        """Read the recipe and follow its files, so that no change of them is missed.

        Raises:
            UsageError, RecipeError: it cannot be found or read.
        """
        while True:  # until all that was read had been looked at before
            try:
                recipe, folder = self._load()
            except Exception:
                if self.watch.follow(self._given | mentioned_files(self._path)):
                    raise
            else:
                if self.watch.follow(self._given | named_files(recipe)):
                    return recipe, folder

    def _load(self) -> tuple[Recipe, Path]:
        recipe, folder = load_recipe(str(self._path), self._request, self._registry)
        if more := self._settings(recipe):
            request = replace(self._request, settings={**self._request.settings, **more})
            return load_recipe(str(self._path), request, self._registry)
        return recipe, folder

    def _check(self) -> None:
        if self.watch.has_changed() or self._is_outdated():
            raise OutdatedError
