"""`stemfx new-plugin`: a plugin to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a


class Offer(StrEnum):
    """What a plugin can offer."""

    STAGE = "stage"
    SEPARATOR = "separator"
    KIT = "kit"
    BEAT_TRACKER = "beat-tracker"
    HIT_CLASSIFIER = "hit-classifier"


def new_plugin(
    name: Annotated[
        str, typer.Argument(help="What a recipe will call it, in lower case: `soft-clip`.")
    ],
    kind: Annotated[Offer, typer.Option(help="What it adds to stemfx.")] = Offer.STAGE,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Where the new folder goes; default: here.")
    ] = Path(),
    json: a.Json = False,
) -> None:
    """Write a plugin that works: a package with an example of its kind, its tests and a README.

    It goes into a new folder NAME. Its tests hold it to every law of its kind.
    """
    from stemfx.cli.screen import print_json, print_line
    from stemfx.new_plugin import named, texts, write
    from stemfx.registry import build_registry

    plugin = named(name, kind.value, build_registry())
    folder = write(plugin, a.user_path(out, "--out"))
    if json:
        told = {
            "kind": plugin.kind,
            "offers": plugin.offers,
            "distribution": plugin.distribution,
            "module": plugin.module,
            "folder": str(folder),
            "files": [str(folder / path) for path in texts(plugin)],
            "next": plugin.next_commands(folder),
        }
        print_json({"schema": 1, "plugin": told})
        return
    print_line(f"{folder}: a {plugin.kind} that works, its tests and a README. Next:")
    for command in plugin.next_commands(folder):
        print_line(f"    {command}")
