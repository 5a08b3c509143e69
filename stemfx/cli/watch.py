"""`stemfx run --watch`: renders again what changed, whenever a file of the recipe is saved."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemfx.bundle import is_bundle
from stemfx.cli import tell
from stemfx.cli.run import FailOn, exit_code, render, report, show
from stemfx.cli.screen import print_line
from stemfx.errors import EXIT_EXPECTED, EXIT_INTERRUPTED, CancelledError, UsageError
from stemfx.recipe import Recipe
from stemfx.registry import build_registry
from stemfx.session import Request, find_recipe, load_recipe, open_cache, prepare
from stemfx.watching import Watch, changes_told, mentioned_files, named_files

if TYPE_CHECKING:
    from stemfx.cache import Cache
    from stemfx.registry import Registry
    from stemfx.run import Outcome

_MOST_NAMES = 3


class _OutdatedError(Exception):
    """A file was saved while it rendered."""


def watch_recipe(
    name: str, request: Request, *, jobs: int | None, keep: bool, fail_on: FailOn
) -> int:
    """Render a recipe, and again whenever one of its files is saved, until interrupted.

    Without `keep` the work of one render is there for the next, and removed at the end.

    Returns:
        The exit code of the last render: an interruption while it waits is how a watch ends. That
        of an interruption when it had not got so far.

    Raises:
        UsageError: there is no such recipe to begin with, or it is a bundle.
        CancelledError: interrupted while it renders.
    """
    path, folder = find_recipe(name)
    if is_bundle(path):
        raise UsageError(
            "a bundle is not edited; `stemfx unpack` it and watch the recipe that was in it",
            where=str(path),
        )
    registry = build_registry()  # once: a plugin that changes is loaded by the next start
    _say(f"watching {path.name} and all that it names: save to render again, Ctrl-C to end")
    request = replace(request, out_folder=request.out_folder or folder)
    with open_cache(keep=keep) as cache:
        renderer = _Renderer(path, request, registry, cache, jobs, fail_on)
        watch = renderer.watch
        try:
            while True:
                try:
                    renderer.render_and_tell()
                    watch.wait()
                    _say(f"{_names(watch.changed)} changed")
                except _OutdatedError:
                    _say(f"{_names(watch.changed)} changed while it rendered: begins anew")
        except KeyboardInterrupt:
            return renderer.code


class _Renderer:
    """Renders one recipe again and again, and tells what that changed."""

    def __init__(
        self,
        path: Path,
        request: Request,
        registry: Registry,
        cache: Cache,
        jobs: int | None,
        fail_on: FailOn,
    ) -> None:
        self._path, self._request, self._registry = path, request, registry
        self._cache, self._jobs, self._fail_on = cache, jobs, fail_on
        self._given = {path, *request.sources.values(), *map(Path, request.models)}
        self._told: Outcome | None = None
        self.watch = Watch()
        self.code = EXIT_INTERRUPTED
        """The exit code of an interruption now."""

    def render_and_tell(self) -> None:
        """Render the recipe as it is now, and tell what became of it; a fault is told, not raised.

        Raises:
            _OutdatedError: a file was saved meanwhile.
            CancelledError: interrupted while steps ran.
        """
        self.code = EXIT_INTERRUPTED
        began_s = time.perf_counter()
        while True:
            try:
                outcome = self._render()
            except (CancelledError, _OutdatedError):
                raise
            except Exception as error:  # noqa: BLE001 - a bug, too, may be gone with the next save
                if self.watch.was_read_in_a_save():
                    continue
                self._tell_fault(error)
            else:
                self.code = exit_code(outcome, self._fail_on)
                self._tell(outcome, time.perf_counter() - began_s)
                report(outcome, self._cache, jobs=self._jobs, check=self._check)
            return

    def _render(self) -> Outcome:
        self.watch.begin()
        recipe, folder = self._read()
        plan, notices = prepare(recipe, folder, self._request, self._registry, may_fetch=True)
        self.watch.ignore([Path(os.path.realpath(path)) for path in plan.targets])
        return render(
            plan,
            self._cache,
            self._registry,
            jobs=self._jobs,
            notices=notices,
            check=self._check,
        )

    def _read(self) -> tuple[Recipe, Path]:
        """Read the recipe and follow its files, so that no change of them is missed.

        Raises:
            UsageError, RecipeError: it cannot be found or read.
        """
        while True:  # until all that was read had been looked at before
            try:
                recipe, folder = load_recipe(str(self._path), self._request, self._registry)
            except Exception:
                if self.watch.follow(self._given | mentioned_files(self._path)):
                    raise
            else:
                if self.watch.follow(self._given | named_files(recipe)):
                    return recipe, folder

    def _check(self) -> None:
        if self.watch.has_changed():
            raise _OutdatedError

    def _tell(self, outcome: Outcome, seconds: float) -> None:
        """Show all of the first outcome, and of those after it what is not as it was."""
        before, self._told = self._told, outcome
        if before is None:
            show(outcome, as_json=False)
            return
        for line in changes_told(outcome, before, seconds):
            _say(line)

    def _tell_fault(self, error: Exception) -> None:
        if os.path.exists(self._path):  # noqa: PTH110 - never raises
            self.code = tell(error)
            _say("earlier results stay; waiting for the next save")
        else:
            self.code = EXIT_EXPECTED
            _say(f"{self._path.name} is gone; earlier results stay; waiting for it to come back")


def _names(paths: Sequence[Path]) -> str:
    names = list(dict.fromkeys(path.name for path in paths))  # a link has the name of its file
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _say(text: str) -> None:
    print_line(f"{time.strftime('%H:%M:%S')}  {text}")
