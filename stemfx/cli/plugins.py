"""`stemfx plugins`: what is installed, what it offers, and what is broken and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stemfx.cli import arguments as a
from stemfx.errors import UsageError

if TYPE_CHECKING:
    from stemfx.registry import Plugin, Registry


def plugins(
    name: Annotated[
        str | None, typer.Argument(help="Show only this plugin or package, a line for each thing.")
    ] = None,
    json: a.Json = False,
) -> None:
    """List the plugins, what each offers, its licence, and which are broken and why."""
    from dataclasses import asdict

    from stemfx.cli.screen import print_json
    from stemfx.registry import build_registry

    registry = build_registry()
    shown = [p for p in registry.plugins if name in (None, p.name, p.distribution)]
    if name is not None and not shown:
        raise UsageError(_unknown(name, registry))
    if json:
        listed = [asdict(plugin) for plugin in shown]
        if name is not None:
            for plugin, told in zip(shown, listed, strict=True):
                told["offers"] = [
                    {"kind": kind, "name": offered, "summary": summary}
                    for kind, offered, summary in _offers(plugin, registry)
                ]
        print_json({"schema": 1, "plugins": listed})
    elif name is None:
        _list(shown)
    else:
        for plugin in shown:
            _show(plugin, registry)


def _unknown(name: str, registry: Registry) -> str:
    from stemfx.recipe.problems import did_you_mean

    for plugin in registry.plugins:
        offered = [kind for kind, thing, _ in _offers(plugin, registry) if thing == name]
        if offered:
            return f"{name!r} is a {offered[0]} of the plugin {plugin.name!r}, and no plugin"
    names = [n for plugin in registry.plugins for n in (plugin.name, plugin.distribution)]
    hint = did_you_mean(name, names) or "; `stemfx plugins` lists them"
    return f"plugin {name!r} is unknown{hint}"


def _list(shown: list[Plugin]) -> None:
    from rich.table import Table

    from stemfx.cli.screen import table_console
    from stemfx.shown import plain

    table = Table("plugin", "package", "offers", "licence")
    for plugin in shown:
        offers = {
            "stages": plugin.stages,
            "models": plugin.separators,
            "kits": plugin.kits,
            "hit classifiers": plugin.hit_classifiers,
            "beat trackers": plugin.beat_trackers,
        }
        told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in offers.items() if names)
        table.add_row(
            plain(plugin.name),
            plain(f"{plugin.distribution} {plugin.version}"),
            plain(f"broken: {plugin.broken}", "red") if plugin.broken else plain(told),
            plain(plugin.licence or "not stated"),
        )
    table_console().print(table)


def _show(plugin: Plugin, registry: Registry) -> None:
    from rich.table import Table

    from stemfx.cli.screen import print_line, table_console
    from stemfx.shown import plain

    licence = plugin.licence or "licence not stated"
    print_line(f"{plugin.name} ({plugin.distribution} {plugin.version}; {licence})")
    if plugin.broken:
        print_line(f"broken: {plugin.broken}")
        return
    table = Table("kind", "name", "what it is")
    for row in _offers(plugin, registry):
        table.add_row(*map(plain, row))
    table_console().print(table)


def _offers(plugin: Plugin, registry: Registry) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and summary of what a plugin offers, and nobody else does too."""
    everything: tuple[tuple[str, Sequence[str], Mapping[str, object]], ...] = (
        ("stage", plugin.stages, registry.stages),
        ("model", plugin.separators, registry.separators),
        ("kit", plugin.kits, registry.kits),
        ("hit classifier", plugin.hit_classifiers, registry.hit_classifiers),
        ("beat tracker", plugin.beat_trackers, registry.beat_trackers),
    )
    for kind, names, known in everything:
        for name in names:
            if thing := known.get(name):
                summary = getattr(getattr(thing, "card", thing), "summary", "")
                yield kind, name, str(summary)
