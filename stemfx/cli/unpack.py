"""`stemfx unpack`: the files of a bundle, to look at and to change."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfx.cli import arguments as a

if TYPE_CHECKING:
    from stemfx.bundle.unpacking import Unpacked


def unpack(
    bundle: Annotated[Path, typer.Argument(metavar="FILE.stemfx", help="A bundle.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="A new folder; default: NAME beside the bundle."
        ),
    ] = None,
    json: a.Json = False,
) -> None:
    """Unpack a bundle into a new folder, every file checked."""
    from stemfx.bundle.unpacking import unpack as unpack_bundle
    from stemfx.cli.screen import print_json, table_console
    from stemfx.shown import plain

    target = None if out is None else a.user_path(out, "-o")
    unpacked = unpack_bundle(a.user_path(bundle, "FILE"), target)
    manifest, folder = unpacked.manifest, unpacked.folder
    command = _command(unpacked)
    if json:
        print_json(
            {
                "schema": 1,
                "folder": str(folder),
                "recipe": str(folder / manifest.recipe),
                "files": [str(folder / name) for name in manifest.names],
                "sources": {key: str(folder / name) for key, name in manifest.sources.items()},
                "was_there": unpacked.was_there,
                "run": command,
            }
        )
        return
    console = table_console()
    done = "was unpacked before, unchanged" if unpacked.was_there else "unpacked"
    console.print(plain(f"{folder}: {done}"), soft_wrap=True)
    console.print(plain(f"run it: {shlex.join(command)}"), soft_wrap=True)
    if not manifest.sources:
        console.print(
            plain("the music is not in it: add --source FILE, or --source NAME=FILE for each song"),
            soft_wrap=True,
        )


def _command(unpacked: Unpacked) -> list[str]:
    """Return what runs the recipe, with the music that came along."""
    folder, manifest = unpacked.folder, unpacked.manifest
    sources = [f"{key}={folder / name}" for key, name in manifest.sources.items()]
    options = [part for source in sources for part in ("--source", source)]
    return ["stemfx", "run", str(folder / manifest.recipe), *options]
