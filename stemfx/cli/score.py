"""`stemfx score`: how close separated stems are to the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a

if TYPE_CHECKING:
    from stemfx.scoring.measure import Score, Values


def score(
    reference: Annotated[
        Path, typer.Option("--reference", help="Folder of the true stems, or one file.")
    ],
    estimate: Annotated[
        Path, typer.Option("--estimate", help="Folder of the stems to score, or one file.")
    ],
    mixture: Annotated[
        Path | None,
        typer.Option(
            "--mixture", help="The song, as the baseline; default: mix or mixture in --reference."
        ),
    ] = None,
    json: a.Json = False,
) -> None:
    """Score separated stems against the true ones (files of the same names)."""
    import time

    from stemfx.cli.screen import print_json
    from stemfx.scoring.material import find_material
    from stemfx.scoring.measure import score as measure

    began = time.perf_counter()
    material = find_material(
        a.user_path(reference, "--reference"),
        a.user_path(estimate, "--estimate"),
        None if mixture is None else a.user_path(mixture, "--mixture"),
    )
    with _progress() as advanced:
        scored = measure(material, advanced)
    if json:
        print_json(score_json(scored) | {"seconds": round(time.perf_counter() - began, 3)})
    else:
        _print(scored)


def score_json(scored: Score) -> dict[str, Any]:
    """Return the object that `stemfx score --json` prints, less the time that it took.

    A measure that has no value is null, and a finding says why.
    """
    from stemfx.findings import finding_json

    material = scored.material
    mixture = material.mixture
    return {
        "schema": 1,
        "stems": {name: _rounded(values) for name, values in scored.stems.items()},
        "mean": _rounded(scored.mean),
        "bss_frames": {"counted": scored.n_counted, "total": scored.n_frames},
        "files": {
            name: {
                "reference": str(material.references[name].path.resolve()),
                "estimate": str(info.path.resolve()),
            }
            for name, info in material.estimates.items()
        },
        "mixture": None if mixture is None else str(mixture.path.resolve()),
        "sample_rate": material.sample_rate,
        "duration_s": round(material.n_samples / material.sample_rate, 6),
        "findings": [finding_json(finding, stem=stem) for stem, finding in scored.findings],
    }


def _rounded(values: Values) -> Values:
    return {
        name: None if value is None else round(value, 4) + 0.0 for name, value in values.items()
    }


def _print(scored: Score) -> None:
    from rich.table import Table

    from stemfx.cli.screen import table_console
    from stemfx.finding_lines import finding_text
    from stemfx.scoring.measure import MEASURES
    from stemfx.shown import plain

    columns = {**scored.stems, "mean": scored.mean} if len(scored.stems) > 1 else scored.stems
    table = Table("measure")
    for name in columns:
        table.add_column(plain(name), justify="right")
    for measure in scored.mean:
        told = (_told(values[measure]) for values in columns.values())
        table.add_row(MEASURES[measure], *told)
    console = table_console()
    console.print(table)
    for stem, finding in scored.findings:
        console.print(finding_text(finding, of=stem or ""), soft_wrap=True)


def _told(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("score", total=1.0)
        yield lambda share: progress.update(task, completed=share)
