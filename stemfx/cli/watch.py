"""`stemfx run --watch`: renders again what changed, whenever a file of the recipe is saved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemfx.cli import tell
from stemfx.cli.run import FailOn, exit_code, render, report, show
from stemfx.cli.screen import print_line
from stemfx.errors import EXIT_EXPECTED, EXIT_INTERRUPTED, CancelledError
from stemfx.registry import build_registry
from stemfx.session import Request, open_cache
from stemfx.watching import OutdatedError, Renderer, changes_told, recipe_to_edit

if TYPE_CHECKING:
    from stemfx.plan import Plan
    from stemfx.run import Outcome
    from stemfx.stage import Finding


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
    path, folder = recipe_to_edit(name)
    registry = build_registry()  # once: a plugin that changes is loaded by the next start
    say(f"watching {path.name} and all that it names: save to render again, Ctrl-C to end")
    request = replace(request, out_folder=request.out_folder or folder)
    with open_cache(keep=keep) as cache:

        def perform(plan: Plan, notices: Sequence[Finding], check: Callable[[], None]) -> Outcome:
            with cache.held():
                outcome = render(plan, cache, registry, jobs=jobs, notices=notices, check=check)
                teller.tell(outcome)
                report(outcome, cache, jobs=jobs, check=check)
            return outcome

        teller = Teller(path, fail_on)
        renderer = Renderer(path, request, registry, perform)
        try:
            while True:
                try:
                    teller.render_and_tell(renderer)
                    renderer.watch.wait()
                    say(f"{renderer.changed_names} changed")
                except OutdatedError:
                    say(f"{renderer.changed_names} changed while it rendered: begins anew")
        except KeyboardInterrupt:
            return teller.code


class Teller:
    """Tells on the screen what each render of a recipe changed."""

    def __init__(self, path: Path, fail_on: FailOn) -> None:
        self._path, self._fail_on = path, fail_on
        self._told: Outcome | None = None
        self._began_s = time.perf_counter()
        self.code = EXIT_INTERRUPTED
        """The exit code of an interruption now."""

    def render_and_tell(self, renderer: Renderer) -> Exception | None:
        """Render with what calls `tell`; a fault is told and returned, not raised.

        Raises:
            OutdatedError: a file was saved meanwhile.
            CancelledError: interrupted while steps ran.
        """
        self.code = EXIT_INTERRUPTED
        self._began_s = time.perf_counter()
        try:
            renderer.render()
        except (CancelledError, OutdatedError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug, too, may be gone with the next save
            self._tell_fault(error)
            return error
        return None

    def tell(self, outcome: Outcome) -> None:
        """Show all of the first outcome, and of those after it what is not as it was."""
        self.code = exit_code(outcome, self._fail_on)
        seconds = time.perf_counter() - self._began_s
        before, self._told = self._told, outcome
        if before is None:
            show(outcome, as_json=False)
            return
        for line in changes_told(outcome, before, seconds):
            say(line)

    def _tell_fault(self, error: Exception) -> None:
        if os.path.exists(self._path):  # noqa: PTH110 - never raises
            self.code = tell(error)
            say("earlier results stay; waiting for the next save")
        else:
            self.code = EXIT_EXPECTED
            say(f"{self._path.name} is gone; earlier results stay; waiting for it to come back")


def say(text: str) -> None:
    """Print a line with the time of day."""
    print_line(f"{time.strftime('%H:%M:%S')}  {text}")
