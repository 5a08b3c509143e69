"""`stemfx report`: the page of a run that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a
from stemfx.shown import size_text


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_FOLDER", help="Where a run left its `run.json`.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page (RUN_FOLDER/report.html).")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    jobs: a.Jobs = None,
    json: a.Json = False,
) -> None:
    """Make one page of a run: hear and see what each of its steps did.

    Its signals come from the cache, so it is made of what `stemfx run` left there; of what is
    gone meanwhile the page has no sound.
    """
    from stemfx.cli.screen import print_json, print_line, progress_bars
    from stemfx.page import page_of_folder
    from stemfx.session import open_cache

    with open_cache() as cache, progress_bars() as observer:
        page = page_of_folder(
            a.user_path(folder, "RUN_FOLDER"),
            cache,
            None if out is None else a.user_path(out, "--out"),
            observer=observer,
            jobs=jobs,
        )
    if json:
        told = {
            "schema": 1,
            "report": str(page.path.absolute()),
            "size_bytes": page.size_bytes,
            "audio_kbps": page.kbps,
            "points": page.n_points,
            "points_with_audio": page.n_heard,
        }
        print_json(told)
    else:
        heard = f"{page.n_heard} of {page.n_points} points can be heard, Opus {page.kbps} kbit/s"
        print_line(f"{page.path}: {size_text(page.size_bytes)}; {heard}")
    if open_:
        import webbrowser

        webbrowser.open(page.path.absolute().as_uri())
