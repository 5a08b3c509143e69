"""`stemfx new`: a recipe of one's own, made from another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfx.cli import arguments as a


def new(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="The recipe to start from, a file or a name; unsaid, a small one with comments."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The new file; default: my-RECIPE.yaml."),
    ] = None,
    source: a.Sources = None,
    preset: a.Preset = None,
    set_: a.Settings = None,
    json: a.Json = False,
) -> None:
    """Write a recipe of your own, made from another one, with your songs and settings in it."""
    import shlex

    from stemfx.cli.screen import print_json, print_line
    from stemfx.new_recipe import STARTER, write_new_recipe
    from stemfx.registry import build_registry
    from stemfx.session import Request

    request = Request(
        sources=a.parse_sources(source),
        settings=a.parse_pairs(set_, "--set"),
        preset=a.preset_name(preset),
    )
    target = None if out is None else a.user_path(out, "-o")
    name = STARTER if recipe is None else a.name_or_path(recipe, "RECIPE")
    made = write_new_recipe(name, target, request, build_registry())
    missing = [part for song in made.missing_sources for part in ("--source", f"{song}=YOUR.wav")]
    if json:
        print_json(
            {
                "schema": 1,
                "recipe": str(made.path),
                "made_from": str(made.made_from),
                "missing_sources": made.missing_sources,
            }
        )
    else:
        print_line(
            f"{made.path}\nrun it: {shlex.join(['stemfx', 'run', str(made.path), *missing])}"
        )
