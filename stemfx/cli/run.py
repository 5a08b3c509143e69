"""`stemfx run`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import EXIT_FINDING, EXIT_OK, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from stemfx.cache import Cache
    from stemfx.page import Rendering
    from stemfx.plan import Plan
    from stemfx.registry import Registry
    from stemfx.run import Observer, Outcome
    from stemfx.session import Request
    from stemfx.stage import Finding


class FailOn(StrEnum):
    """The lowest level of finding that makes the exit code 1."""

    WARN = "warn"
    ERROR = "error"
    NEVER = "never"


def run(
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
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 when a finding is this bad.")
    ] = FailOn.ERROR,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Stay, and render again what changed when a file is saved."),
    ] = False,
    json: a.Json = False,
) -> int:
    """Run a recipe: separate, process, mix, master, write."""
    if watch and json:
        raise UsageError(
            "prints results again and again, and --json exactly one object; leave one of them out",
            where="--watch",
        )
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
    if watch:
        from stemfx.cli.watch import watch_recipe

        return watch_recipe(name, request, jobs=jobs, keep=not no_cache, fail_on=fail_on)
    outcome = run_recipe(name, request, jobs=jobs, keep=not no_cache, as_json=json)
    return exit_code(outcome, fail_on)


def run_recipe(
    name: str, request: Request, *, as_json: bool, jobs: int | None = None, keep: bool = True
) -> Outcome:
    """Read, plan and run a recipe with progress on the screen; tell the outcome, write its report.

    What became of the run is told before the report is made, which takes a while and may fail.
    As JSON, of which there is one object, it is told when that is written.
    """
    from stemfx.registry import build_registry
    from stemfx.session import open_cache, opened_recipe, prepare

    registry = build_registry()
    with opened_recipe(name, request, registry) as opened:
        plan, notices = prepare(
            opened.recipe, opened.out_folder, request, registry, may_fetch=True, lock=opened.lock
        )
        with open_cache(keep=keep) as cache, cache.held():
            outcome = render(
                plan, cache, registry, jobs=jobs, notices=notices, authors_record=opened.record
            )
            if not as_json:
                show(outcome, as_json=False)
            report(outcome, cache, jobs=jobs)
    if as_json:
        show(outcome, as_json=True)
    return outcome


def render(
    plan: Plan,
    cache: Cache,
    registry: Registry,
    *,
    jobs: int | None,
    notices: Sequence[Finding],
    authors_record: Path | None = None,
    check: Callable[[], None] = lambda: None,
    observer: Observer | None = None,
) -> Outcome:
    """Run a plan with progress on the screen, and write its record.

    What `check`, called a few times a second, raises stops the run as Ctrl-C does. `observer` is
    told of progress, too.
    """
    from stemfx.cli.screen import progress_bars
    from stemfx.provenance import keep_record
    from stemfx.run import run as run_plan

    with progress_bars(observer) as told:
        outcome = run_plan(plan, cache, observer=told, jobs=jobs, notices=notices, check=check)
    return keep_record(outcome, registry, authors_record)


def report(
    outcome: Outcome,
    cache: Cache,
    *,
    jobs: int | None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write the report of a run, if its recipe asks for one; leave its story for a later one.

    See `render` for `check`.
    """
    from stemfx.page import keep_story, write_page
    from stemfx.report import write_report

    plan = outcome.plan
    story = _story(outcome)
    if plan.record is not None and cache.is_kept:
        keep_story(story, plan.record, cache)
    if plan.report is None:
        return
    if plan.report.suffix.lower() == ".json":
        write_report(outcome, plan.report)
        return
    shown = _shown(story, plan, cache, jobs=jobs, check=check)
    write_page(plan.report, shown, plan.out_folder)


def served(
    outcome: Outcome,
    cache: Cache,
    *,
    jobs: int | None,
    check: Callable[[], None],
    observer: Observer,
) -> Rendering:
    """Return what a served page shows and plays; see `render` for `check` and `observer`."""
    return _shown(
        _story(outcome),
        outcome.plan,
        cache,
        is_served=True,
        jobs=jobs,
        check=check,
        observer=observer,
    )


def _story(outcome: Outcome) -> dict[str, Any]:
    from stemfx.page import story_of
    from stemfx.provenance import read_record

    record = outcome.plan.record
    return story_of(outcome, read_record(record) if record else None)


def _shown(
    story: Mapping[str, Any],
    plan: Plan,
    cache: Cache,
    *,
    is_served: bool = False,
    jobs: int | None,
    check: Callable[[], None],
    observer: Observer | None = None,
) -> Rendering:
    from stemfx.cli.screen import progress_bars
    from stemfx.page import rendered

    with progress_bars(observer) as told:
        return rendered(
            story,
            cache,
            plan.listening.nodes,
            is_served=is_served,
            observer=told,
            jobs=jobs,
            check=check,
        )


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print what became of a run."""
    from stemfx.cli.screen import print_json, table_console
    from stemfx.report import outcome_json, print_outcome

    if as_json:
        print_json(outcome_json(outcome))
    else:
        print_outcome(outcome, table_console())


def exit_code(outcome: Outcome, fail_on: FailOn) -> int:
    """Return 1 when a finding reached `fail_on`, else 0."""
    reached = is_reached((finding for _, finding in outcome.findings), fail_on)
    return EXIT_FINDING if reached else EXIT_OK


def is_reached(findings: Iterable[Finding], fail_on: FailOn) -> bool:
    """Tell whether one of `findings` is as bad as `fail_on`."""
    bad = {FailOn.WARN: {"warn", "error"}, FailOn.ERROR: {"error"}, FailOn.NEVER: set()}[fail_on]
    return any(finding.level in bad for finding in findings)
