"""`stemfx separate`: stems only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a


def separate(
    file: Annotated[Path, typer.Argument(help="A song.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stems.")],
    model: a.Model = "auto",
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    no_cache: a.NoCache = False,
    json: a.Json = False,
) -> None:
    """Split a song into stems that sum to it."""
    from stemfx.cli.screen import print_json, progress_bars, table_console
    from stemfx.plan import Separate
    from stemfx.registry import build_registry
    from stemfx.report import null_db, output_paths, print_outcome
    from stemfx.run import run
    from stemfx.session import Request, open_cache, prepare, recipe_for_stems

    registry = build_registry()
    chosen = a.name_or_path(model or "auto", "--model")
    request = Request(model=chosen, offline=offline, fold_down=fold_down)
    song, folder = a.user_path(file, "FILE"), a.user_path(out, "--out")
    recipe, choices = recipe_for_stems(song, request, registry)
    plan, notices = prepare(recipe, folder, request, registry, may_fetch=True, choices=choices)
    with open_cache(keep=not no_cache) as cache, progress_bars() as observer:
        outcome = run(plan, cache, observer=observer, notices=notices)
    if not json:
        print_outcome(outcome, table_console())
        return
    seconds = sum(
        node.seconds for node in outcome.nodes if isinstance(plan.nodes[node.id].work, Separate)
    )
    print_json(
        {
            "schema": 1,
            "stems": output_paths(plan)["stems"],
            "model": next(iter(plan.separators.values())).card.name,
            "null_db": null_db(outcome),
            "seconds": round(outcome.seconds, 3),
            # Unknown when the separation came from the cache.
            "realtime_factor": round(seconds / plan.duration_s, 4) if seconds else None,
        }
    )
