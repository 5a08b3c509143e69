"""`stemfx stages`: every stage, and what its parameters are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.cli import completion
from stemfx.errors import UsageError

if TYPE_CHECKING:
    from stemfx.stage import Stage


def stages(
    name: Annotated[
        str | None, typer.Argument(help="Show only this stage.", autocompletion=completion.stages)
    ] = None,
    json: a.Json = False,
) -> None:
    """List the stages, or one with its parameters, units, ranges and defaults."""
    from rich.table import Table

    from stemfx.cli.screen import print_json, table_console
    from stemfx.recipe.problems import did_you_mean
    from stemfx.registry import build_registry
    from stemfx.shown import plain

    registry = build_registry()
    if name is not None and name not in registry.stages:
        hint = did_you_mean(name, registry.stages) or "; `stemfx stages` lists them"
        raise UsageError(f"stage {name!r} is unknown{hint}")
    shown = [registry.stages[name]] if name else list(registry.stages.values())
    owners = {s: plugin.name for plugin in registry.plugins for s in plugin.stages}
    if json:
        listed = [_stage_json(stage, owners[stage.name]) for stage in shown]
        print_json({"schema": 1, "stages": listed})
        return
    console = table_console()
    if name is None:
        table = Table("stage", "what it does", "plugin")
        for stage in shown:
            table.add_row(*map(plain, (stage.name, stage.summary, owners[stage.name])))
        console.print(table)
        return
    console.print(plain((shown[0].process.__doc__ or "").strip()))
    table = Table("parameter", "default", "range", "unit", "what it is")
    for parameter in _parameters(shown[0]):
        table.add_row(
            plain(parameter["name"]),
            plain(_shown(parameter["default"])),
            plain(_range(parameter)),
            plain(parameter["unit"]),
            plain(parameter["help"]),
        )
    console.print(table)


def _stage_json(stage: Stage, plugin: str) -> dict[str, Any]:
    return {
        "name": stage.name,
        "summary": stage.summary,
        "plugin": plugin,
        "version": stage.version,
        "parameters": _parameters(stage),
    }


def _parameters(stage: Stage) -> list[dict[str, Any]]:
    schema = stage.params.model_json_schema()
    return _described(schema, schema.get("$defs", {}))


def _described(schema: dict[str, Any], shapes: dict[str, Any]) -> list[dict[str, Any]]:
    """Describe every property of a model; those of a list's entries follow it as `bands[].q`."""
    described = []
    for name, told in schema.get("properties", {}).items():
        options = [told, *told.get("anyOf", [])]
        default = "required" if name in schema.get("required", []) else told.get("default")
        described.append(
            {
                "name": name,
                "default": default,
                "min": next((o["minimum"] for o in options if "minimum" in o), None),
                "max": next((o["maximum"] for o in options if "maximum" in o), None),
                "choices": [
                    value
                    for option in options
                    for value in option.get("enum", [option["const"]] if "const" in option else [])
                ],
                "unit": told.get("unit", ""),
                "help": told.get("description", ""),
            }
        )
        for option in options:
            entry = option.get("items", {}).get("$ref", "").rpartition("/")[2]
            if entry in shapes:
                inner = _described(shapes[entry], shapes)
                described += [row | {"name": f"{name}[].{row['name']}"} for row in inner]
    return described


def _shown(default: Any) -> str:
    """Write a default as a recipe would; what is empty is left out."""
    if default is None or default in ([], {}):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _range(parameter: dict[str, Any]) -> str:
    low, high = parameter["min"], parameter["max"]
    bounds = ["" if bound is None else str(bound) for bound in (low, high)]
    span = [" .. ".join(bounds).strip()] if any(bounds) else []
    return " | ".join([*map(str, parameter["choices"]), *span])
