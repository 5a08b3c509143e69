"""What is shown while work goes on: one bar a running step, on stderr, only on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from stemfx.shown import json_text, plain, visible

if TYPE_CHECKING:  # commands that run nothing answer at once
    from stemfx.graph import Node
    from stemfx.run import NodeResult, Observer
    from stemfx.separator import ModelCard
    from stemfx.separator import Progress as FetchProgress


def print_json(value: Any) -> None:
    """Print one JSON object on stdout, in plain ASCII: every terminal and pipe can hold it."""
    print(json_text(value))  # noqa: T201


def print_line(text: str) -> None:
    """Print text for people on stdout as it is: no markup, no wrapping."""
    table_console().print(plain(text), soft_wrap=True)


def table_console() -> Console:
    """Return the console for results: stdout, wide enough for paths when it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


class _Bars:
    def __init__(self, progress: Progress, also: Observer) -> None:
        self._progress, self._also = progress, also
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def started(self, node: Node, n_samples: int) -> None:
        with self._lock:
            self._tasks[node.id] = self._progress.add_task(
                visible(node.id), total=n_samples or None
            )
        self._also.started(node, n_samples)

    def advanced(self, node: Node, n_samples: int) -> None:
        self._progress.update(self._tasks[node.id], completed=n_samples)
        self._also.advanced(node, n_samples)

    def finished(self, node: Node, result: NodeResult) -> None:
        with self._lock:
            task = self._tasks.pop(node.id, None)
        if task is not None:
            self._progress.remove_task(task)
        self._also.finished(node, result)


@contextmanager
def progress_bars(also: Observer | None = None) -> Iterator[Observer]:
    """Show progress while the block runs; `also` is told of it."""
    from stemfx.run import SilentObserver

    console = Console(stderr=True)
    if not console.is_terminal:
        yield also or SilentObserver()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    # Networks take seconds to minutes a segment: the time left needs a long look back.
    with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as progress:
        yield _Bars(progress, also or SilentObserver())


@contextmanager
def fetch_bar(card: ModelCard) -> Iterator[FetchProgress]:
    """Say on stderr what is downloaded, how much and under which licence; show how far it is."""
    from stemfx.models import fetch_notice
    from stemfx.separator import silent

    console = Console(stderr=True, highlight=False)
    console.print(plain(fetch_notice(card)), soft_wrap=True)
    if not console.is_terminal:
        yield silent
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(visible(card.name), total=card.size_bytes or None)

        def show(n_bytes: int, total_bytes: int) -> None:
            bars.update(task, completed=n_bytes, total=total_bytes or card.size_bytes or None)

        yield show


@contextmanager
def file_progress(what: str) -> Iterator[Callable[[Path, int, int], Callable[[float], None]]]:
    """Show how far the work on several files is.

    Yields what is to be told of each one before it begins (the file, its place from 0 on, how many
    there are); that returns what is to be told the share of it that is done.

    Args:
        what: what is done to them.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda *_: lambda _: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=1.0)

        def begin(path: Path, index: int, count: int) -> Callable[[float], None]:
            progress.update(task, description=visible(path.name)[:60], total=count, completed=index)
            return lambda share: progress.update(task, completed=index + share)

        yield begin
