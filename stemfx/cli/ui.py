"""`stemfx ui`: the report page while the recipe is edited, with its knobs to turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stemfx.cli import arguments as a
from stemfx.errors import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stemfx.cache import Cache
    from stemfx.cli.watch import Teller
    from stemfx.plan import Plan
    from stemfx.registry import Registry
    from stemfx.run import Outcome
    from stemfx.session import Request
    from stemfx.stage import Finding
    from stemfx.ui import Desk
    from stemfx.watching import Renderer

_LOOK_S = 0.1  # how often a waiting page looks at files and knobs


def ui(
    recipe: a.Recipe,
    source: a.Sources = None,
    preset: a.Preset = None,
    set_: a.Settings = None,
    out: a.Out = None,
    preview: a.Preview = None,
    model: a.Model = None,
    quality: a.Quality = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    commercial: a.Commercial = False,
    jobs: a.Jobs = None,
    no_cache: a.NoCache = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page; 0 takes a free one.")
    ] = 0,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the page in a browser.")
    ] = False,
) -> int:
    """Open a page of a recipe in the browser: turn its knobs, or edit it, and hear the result."""
    request = a.request_from(
        source=source,
        preset=preset,
        set_=set_,
        out=out,
        preview=preview,
        model=model,
        quality=quality,
        device=device,
        offline=offline,
        fold_down=fold_down,
        accept_noncommercial=accept_noncommercial,
        commercial=commercial,
    )
    name = a.name_or_path(recipe, "RECIPE")
    return serve_recipe(name, request, jobs=jobs, keep=not no_cache, port=port, opens=not no_open)


def serve_recipe(
    name: str, request: Request, *, jobs: int | None, keep: bool, port: int, opens: bool
) -> int:
    """Serve a recipe's page on this machine and render what changes, until interrupted.

    Returns:
        0: an interruption while it waits is how it ends.

    Raises:
        UsageError: there is no such recipe, it is a bundle, or the port cannot be had.
        CancelledError: interrupted while it renders.
    """
    import webbrowser

    from stemfx.cli.run import FailOn
    from stemfx.cli.screen import print_line
    from stemfx.cli.watch import Teller, say
    from stemfx.registry import build_registry
    from stemfx.session import open_cache
    from stemfx.ui import Desk, PageServer, command_line, empty_page, serving
    from stemfx.watching import Renderer, recipe_to_edit

    path, folder = recipe_to_edit(name)

    def command(settings: Mapping[str, str]) -> str:
        return command_line(name, request, settings)

    desk = Desk(empty_page(path.name), command)
    server = PageServer(desk, port)
    with open_cache(keep=keep) as cache, serving(server):
        say(f"serving {path.name} to this machine: save it to render again, Ctrl-C to end")
        print_line(server.url)
        if opens and not webbrowser.open(server.invitation):
            say("no browser could be opened: open that address in one")
        registry = build_registry()
        teller = Teller(path, FailOn.NEVER)
        renderer = Renderer(
            path,
            replace(request, out_folder=request.out_folder or folder),
            registry,
            _performer(desk, teller, cache, registry, jobs),
            settings=desk.settings,
            is_outdated=desk.turned.is_set,
        )
        with suppress(KeyboardInterrupt):
            _go_on(desk, renderer, teller)
    return EXIT_OK


def _performer(
    desk: Desk, teller: Teller, cache: Cache, registry: Registry, jobs: int | None
) -> Callable[[Plan, Sequence[Finding], Callable[[], None]], Outcome]:
    """Return what runs a plan and puts its page on a desk."""
    from stemfx.cli.run import render, report, served
    from stemfx.ui import StepObserver, page_of

    def perform(plan: Plan, notices: Sequence[Finding], check: Callable[[], None]) -> Outcome:
        with cache.held():
            steps = StepObserver(desk, len(plan.nodes))
            outcome = render(
                plan, cache, registry, jobs=jobs, notices=notices, check=check, observer=steps
            )
            teller.tell(outcome)
            pictures = StepObserver(desk, None)
            made = served(outcome, cache, jobs=jobs, check=check, observer=pictures)
            desk.publish(page_of(made, desk.next_version))
            report(outcome, cache, jobs=jobs, check=check)
        return outcome

    return perform


def _go_on(desk: Desk, renderer: Renderer, teller: Teller) -> None:
    """Render, and again whenever a file is saved or a knob turned; never returns."""
    from stemfx.cli.watch import say
    from stemfx.watching import OutdatedError

    while True:
        desk.begin()
        try:
            if fault := teller.render_and_tell(renderer):
                desk.fault(_in_words(fault))
            while not (desk.turned.is_set() or renderer.watch.has_changed()):
                desk.turned.wait(_LOOK_S)
            say(f"{renderer.changed_names or 'a knob'} changed")
        except OutdatedError:
            say(f"{renderer.changed_names or 'a knob'} changed while it rendered: begins anew")


def _in_words(error: Exception) -> str:
    from stemfx.errors import StemfxError
    from stemfx.shown import visible

    if isinstance(error, StemfxError):
        return visible(str(error))
    return f"This is a bug in stemfx or a plugin ({type(error).__name__}); the terminal tells more."
