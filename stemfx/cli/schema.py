"""`stemfx schema`: the JSON Schema by which an editor completes and checks recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import UsageError

if TYPE_CHECKING:
    from stemfx.registry import Registry

_TITLE = '"title": "stemfx recipe"'


def schema(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it here, for an editor."),
    ] = None,
    json: a.Json = False,
) -> None:
    """Print the JSON Schema of recipes with every installed stage, or write it for an editor.

    Make it again when a plugin or a model has come or gone.
    """
    from stemfx.cli.screen import print_json
    from stemfx.registry import build_registry
    from stemfx.shown import json_text

    made = schema_of(build_registry())
    if output is None:
        print_json(made)
        return
    from stemfx.io.places import write_text

    path = a.user_path(output, "--output").absolute()
    _check_free(path)
    write_text(path, json_text(made, indent=1) + "\n")
    if json:
        print_json({"schema": 1, "file": str(path)})
    else:
        _tell(path)


def schema_of(registry: Registry) -> dict[str, Any]:
    """Return the schema of recipes with everything that is installed."""
    from stemfx.beat_tracker import OWN_TRACKER
    from stemfx.recipe.schema import Known, json_schema

    cards = [separator.card for separator in registry.separators.values()]
    stems = dict.fromkeys(stem for card in cards for stem in card.stems)
    own = {OWN_TRACKER: "stemfx's own: it hears the stems too"}
    known = Known(
        models={card.name: card.summary for card in cards},
        kits={name: kit.summary for name, kit in registry.kits.items()},
        hit_classifiers={name: one.summary for name, one in registry.hit_classifiers.items()},
        beat_trackers=own | {name: one.summary for name, one in registry.beat_trackers.items()},
        stems=tuple(stems),
    )
    return json_schema(registry.stages, known)


def _check_free(path: Path) -> None:
    """Refuse to write over anything but an earlier schema.

    Raises:
        UsageError: something else is there.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            is_ours = _TITLE in file.read(1000)
    except FileNotFoundError:
        return
    except OSError:
        is_ours = False  # a folder, say
    if not is_ours:
        raise UsageError(f"{path} is there and is no schema of stemfx; choose another name")


def _tell(path: Path) -> None:
    from rich.console import Console

    from stemfx.shown import plain

    line = f"# yaml-language-server: $schema=./{path.name}"
    told = (
        f"{path}\nWith this as the first line of a recipe beside it, VS Code (extension YAML of "
        f"Red Hat) completes and checks the recipe:\n{line}"
    )
    Console(stderr=True, highlight=False).print(plain(told), soft_wrap=True)
