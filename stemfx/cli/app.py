"""The commands, in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from stemfx.cli.analyze import analyze
from stemfx.cli.cache import cache
from stemfx.cli.check import check
from stemfx.cli.demo import demo
from stemfx.cli.hits import hits
from stemfx.cli.kit import kit
from stemfx.cli.mashup import mashup
from stemfx.cli.models import models
from stemfx.cli.new import new
from stemfx.cli.new_plugin import new_plugin
from stemfx.cli.pack import pack
from stemfx.cli.plan import plan
from stemfx.cli.plugins import plugins
from stemfx.cli.rank import rank
from stemfx.cli.recipes import recipes
from stemfx.cli.report import report
from stemfx.cli.run import run
from stemfx.cli.schema import schema
from stemfx.cli.score import score
from stemfx.cli.separate import separate
from stemfx.cli.show import show
from stemfx.cli.slice import slice_
from stemfx.cli.stages import stages
from stemfx.cli.ui import ui
from stemfx.cli.unpack import unpack
from stemfx.cli.validate import validate

app = typer.Typer(
    name="stemfx",
    help="Repair, replace, layer, remix and master separated stems with one shareable recipe.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        from stemfx import __version__

        typer.echo(f"stemfx {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Repair, replace, layer, remix and master separated stems with one shareable recipe."""


for command in (
    demo,
    run,
    ui,
    report,
    plan,
    show,
    validate,
    separate,
    score,
    check,
    analyze,
    rank,
    mashup,
    hits,
    kit,
    slice_,
    pack,
    unpack,
    recipes,
    new,
    stages,
    plugins,
    new_plugin,
    cache,
    schema,
):
    app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
app.add_typer(models, name="models")
