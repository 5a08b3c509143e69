"""`stemfx separate`: stems only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a


class MaskName(StrEnum):
    """Whether the stems are made again as masks on the song's spectrum."""

    NONE = "none"
    RATIO = "ratio"
    BINARY = "binary"
    COMPLEX = "complex"
    WIENER = "wiener"


class CombineName(StrEnum):
    """How the stems of several models become one."""

    AVERAGE = "average"
    MEDIAN = "median"
    MAX = "max"
    MIN = "min"


def separate(
    file: Annotated[Path, typer.Argument(help="A song.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the stems.")],
    model: a.Model = None,
    stem: Annotated[
        list[str] | None,
        typer.Option(help="Only this stem; may be given more than once. Default: all."),
    ] = None,
    mask: Annotated[
        MaskName, typer.Option(help="Make the stems again as masks on the song's spectrum.")
    ] = MaskName.NONE,
    combine: Annotated[
        CombineName, typer.Option(help="How the stems of several models become one.")
    ] = CombineName.AVERAGE,
    quality: a.Quality = None,
    overlap: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share of a segment in common with the next."),
    ] = None,
    shifts: Annotated[
        int | None, typer.Option(min=0, max=20, help="Passes over the song that are averaged.")
    ] = None,
    segment: Annotated[
        float | None, typer.Option(min=0.5, max=120, help="Length of a segment in seconds.")
    ] = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    commercial: a.Commercial = False,
    no_cache: a.NoCache = False,
    json: a.Json = False,
) -> None:
    """Split a song into stems that sum to it."""
    from stemfx.cli.screen import print_json, progress_bars, table_console
    from stemfx.graph import Separate as SeparateWork
    from stemfx.provenance import keep_record
    from stemfx.recipe import Member, Separate
    from stemfx.recipe.separate import effort_of
    from stemfx.registry import build_registry
    from stemfx.report import null_db, output_paths, print_outcome, separators_json
    from stemfx.run import run
    from stemfx.session import open_cache, prepare, recipe_for_stems

    registry = build_registry()
    request = a.request_from(
        model=model,
        quality=None,  # a part of `how`, beside its numbers
        device=device,
        offline=offline,
        fold_down=fold_down,
        accept_noncommercial=accept_noncommercial,
        commercial=commercial,
    )
    numbers = {"overlap": overlap, "shifts": shifts, "segment_s": segment}
    effort, asked = effort_of(quality.value if quality else "normal", numbers)
    how = Separate(
        members=(Member("auto", str(file)),),
        where=str(file),
        combine=combine.value,
        mask=mask.value,
        effort=effort,
        asked=asked,
    )
    song, folder = a.user_path(file, "FILE"), a.user_path(out, "--out")
    recipe, choices = recipe_for_stems(song, request, registry, separate=how, stems=stem or ())
    plan, notices = prepare(recipe, folder, request, registry, may_fetch=True, choices=choices)
    with open_cache(keep=not no_cache) as cache, progress_bars() as observer:
        outcome = keep_record(run(plan, cache, observer=observer, notices=notices), registry)
    if not json:
        print_outcome(outcome, table_console())
        return
    separations = [
        node for node in outcome.nodes if isinstance(plan.nodes[node.id].work, SeparateWork)
    ]
    # Unknown when some of it came from the cache or from an interrupted run.
    is_timed = all(
        node.status == "done" and "resumed_at_s" not in node.measurements for node in separations
    )
    seconds = sum(node.seconds for node in separations)
    print_json(
        {
            "schema": 1,
            "stems": output_paths(plan)["stems"],
            "model": separators_json(plan)["song"]["model"],
            "null_db": null_db(outcome),
            "seconds": round(outcome.seconds, 3),
            "realtime_factor": round(seconds / plan.duration_s, 4) if is_timed else None,
        }
    )
