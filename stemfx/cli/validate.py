"""`stemfx validate`: whether recipes are right, for editors, scripts and hooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.cli import completion
from stemfx.errors import EXIT_EXPECTED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from stemfx.registry import Registry
    from stemfx.validation import Fault

_STDIN = "-"


def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Recipes, bundles, or folders of them; - reads a recipe from standard input.",
            autocompletion=completion.recipes,
        ),
    ],
    stdin_name: Annotated[
        Path | None,
        typer.Option(
            "--stdin-name",
            metavar="FILE",
            help="The file that standard input is for: what it names lies in that folder.",
        ),
    ] = None,
    json: a.Json = False,
) -> int:
    """Check recipes without songs: every fault as FILE:LINE:COLUMN, exit code 2 if there is one."""
    from stemfx.cli.screen import print_json
    from stemfx.registry import build_registry

    names = list(dict.fromkeys(_named(files)))
    registry = build_registry()
    found = {name: _faults(name, stdin_name, registry) for name in names}
    if json:
        print_json({"schema": 1, "files": [_json(name, faults) for name, faults in found.items()]})
    else:
        _print(found)
    return EXIT_EXPECTED if any(found.values()) else EXIT_OK


def _named(files: list[str]) -> Iterator[str]:
    """Yield what is to be checked: of a folder every recipe and bundle in it, by name.

    Raises:
        UsageError: a folder holds none.
    """
    for name in files:
        path = Path(name) if name == _STDIN else a.user_path(name, "FILE")
        if name == _STDIN or not path.is_dir():
            yield a.name_or_path(name, "FILE")
            continue
        inside = [
            str(one)
            for one in sorted(path.iterdir())
            if one.suffix.lower() in completion.RECIPE_SUFFIXES
            and one.is_file()
            and not one.name.startswith(".")
        ]
        if not inside:
            raise UsageError(f"there is no recipe in the folder {name!r} (.yaml, .yml, .stemfx)")
        yield from inside


def _faults(name: str, stdin_name: Path | None, registry: Registry) -> tuple[Fault, ...]:
    from stemfx.validation import faults_in, faults_of

    if name != _STDIN:
        return faults_of(name, registry)
    import sys

    from stemfx.recipe.yaml_tree import MAX_BYTES

    path = Path(_STDIN) if stdin_name is None else a.user_path(stdin_name, "--stdin-name")
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    return faults_in(content, path.absolute(), path, registry)


def _json(name: str, faults: tuple[Fault, ...]) -> dict[str, Any]:
    return {
        "file": _absolute(name),
        "valid": not faults,
        "problems": [
            {
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
                "where": _absolute(fault.file) + fault.where.removeprefix(fault.file),
            }
            for fault in faults
        ],
    }


def _absolute(name: str) -> str:
    from stemfx.shipped import named_recipes

    if name == _STDIN:
        return name
    path = Path(name)
    named = {} if path.exists() else named_recipes()
    return str(named.get(name, path).absolute())


def _print(found: dict[str, tuple[Fault, ...]]) -> None:
    from stemfx.cli.screen import print_line

    # Recipes may extend the same one: its faults are told once.
    for line in dict.fromkeys(str(fault) for faults in found.values() for fault in faults):
        print_line(line)
    if not any(found.values()):
        print_line("1 recipe is valid" if len(found) == 1 else f"{len(found)} recipes are valid")
