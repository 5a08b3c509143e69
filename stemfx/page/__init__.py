"""The report as one page: to listen to every point of the chain and to look at what each step did.

A run has a `story` (what it did, in plain values), `making` finds pictures and listening copies of
its signals, `writing` puts both into one file. The scripts that show and play it lie here too.
`vendor` holds the libraries that they use, as their registry publishes them; `vendored.json` says
which, from where and under which licence.
"""

from __future__ import annotations

from pathlib import Path

from stemfx.cache import Cache
from stemfx.errors import UsageError
from stemfx.page.making import Rendering, rendered
from stemfx.page.story import keep_story, kept_story, story_of
from stemfx.page.writing import Page, write_page
from stemfx.plan import RECORD
from stemfx.run import Observer

__all__ = [
    "Page",
    "Rendering",
    "keep_story",
    "page_of_folder",
    "rendered",
    "story_of",
    "write_page",
]


def page_of_folder(
    folder: Path,
    cache: Cache,
    path: Path | None = None,
    *,
    observer: Observer | None = None,
    jobs: int | None = None,
) -> Page:
    """Make the page of a run that is over, of what the cache has of it.

    Args:
        folder: where the run left its `run.json`, or only that of a preview; or that file.
        cache: of the run.
        path: of the page; unsaid, `report.html` in the folder, of a preview `report-preview.html`.
        observer: told of progress.
        jobs: nodes at a time.

    Raises:
        UsageError: no run has left anything there, or the cache knows nothing of it.
        OutputError: the page cannot be written.
    """
    preview = RECORD.with_stem(f"{RECORD.stem}-preview")
    is_record = folder.name in (RECORD.name, preview.name)
    named = [folder] if is_record else [folder / RECORD, folder / preview]
    record = next((file for file in named if file.is_file()), None)
    if record is None:
        raise UsageError(
            f"no run has left its {RECORD} here; give the folder in which its results lie",
            where=str(folder),
        )
    story = kept_story(record, cache)
    if story is None:
        raise UsageError(
            "the cache has nothing of the run that left this file; run its recipe again, with "
            "`report: report.html` in its `output` if the page is wanted each time",
            where=str(record),
        )
    with cache.held():
        made = rendered(story, cache, observer=observer, jobs=jobs)
        name = f"{record.stem.replace(RECORD.stem, 'report', 1)}.html"
        return write_page(path or record.with_name(name), made, record.parent)
