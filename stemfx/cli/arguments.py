"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfx.clock import parse_time
from stemfx.errors import UsageError

Recipe = Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME=FILE",
        help="Use FILE for a source of the recipe; FILE alone if it has only one.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Turn a knob of the recipe."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the results; default: the recipe's folder."),
]
Preview = Annotated[
    str | None,
    typer.Option(metavar="[START:]SECONDS", help="Render only a part, e.g. 20 or 1:30:20."),
]
Model = Annotated[str | None, typer.Option(help="Separation model: a name, a path, or auto.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never open a connection.")]
Jobs = Annotated[int | None, typer.Option(min=1, max=64, help="Steps at a time.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep earlier work.")]
FoldDown = Annotated[
    bool, typer.Option("--fold-down", help="Fold surround sources to stereo (ITU-R BS.775).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def parse_pairs(pairs: list[str] | None, option: str) -> dict[str, str]:
    """Split `NAME=VALUE` texts.

    Raises:
        UsageError: one has no `=`, or a name comes twice.
    """
    parsed: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{pair!r} is not NAME=VALUE", where=option)
        if name in parsed:
            raise UsageError(f"{name!r} is given twice", where=option)
        parsed[name] = value
    return parsed


def parse_sources(pairs: list[str] | None) -> dict[str, Path]:
    """Split `NAME=FILE` texts; a bare FILE gets the name "", the recipe's only source."""
    bare = [pair for pair in pairs or () if "=" not in pair or Path(pair).is_file()]
    if len(bare) > 1:
        raise UsageError("only one FILE may come without its NAME=", where="--source")
    named = parse_pairs([pair for pair in pairs or () if pair not in bare], "--source")
    files = named | ({"": bare[0]} if bare else {})
    return {name: Path(file).expanduser() for name, file in files.items()}


def parse_preview(text: str | None) -> tuple[float, float] | None:
    """Read `20`, `90:20` or `1:30:20` as (start, length) in seconds.

    Raises:
        UsageError: it is none of these, or the length is not above zero.
    """
    if text is None:
        return None
    start, _, length = text.rpartition(":")
    try:
        window = float(parse_time(start) if start else 0.0), float(length)
    except (ValueError, TypeError):
        window = (-1.0, -1.0)
    if window[0] < 0 or not 0 < window[1] < 1e6:
        raise UsageError(
            f"{text!r} is no length in seconds, nor START:SECONDS; e.g. 20, or 1:30:20 for 20 s "
            "from 1:30",
            where="--preview",
        )
    return window
