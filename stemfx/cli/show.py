"""`stemfx show`: what a recipe or a bundle will do and needs, before it is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stemfx.cli import arguments as a
from stemfx.shown import size_text

if TYPE_CHECKING:
    from stemfx.overview import Overview

LABEL_WIDTH = 10


def show(
    recipe: a.Recipe,
    source: a.Sources = None,
    set_: a.Settings = None,
    preset: a.Preset = None,
    model: a.Model = None,
    offline: a.Offline = False,
    json: a.Json = False,
) -> None:
    """Show what a recipe or a bundle will do, its knobs, and what it needs; runs nothing."""
    from stemfx.cli.screen import print_json, print_line
    from stemfx.overview import overview, overview_json
    from stemfx.registry import build_registry
    from stemfx.session import Request, opened_recipe

    request = Request(
        settings=a.parse_pairs(set_, "--set"),
        sources=a.parse_sources(source),
        preset=a.preset_name(preset),
        models=tuple(a.name_or_path(name, "--model") for name in model or ()),
        offline=offline,
        needs_sources=False,
    )
    registry = build_registry()
    with opened_recipe(a.name_or_path(recipe, "RECIPE"), request, registry) as opened:
        shown = overview(opened, request, registry)
        told = overview_json(shown)
    if json:
        print_json(told)
        return
    for line in _lines(shown, told):
        print_line(line)


def _lines(shown: Overview, told: dict[str, Any]) -> Iterator[str]:
    recipe = shown.opened.recipe
    yield recipe.title or recipe.path.name
    by = [f"by {recipe.author}" if recipe.author else "", recipe.licence]
    yield from (line for line in (", ".join(filter(None, by)), recipe.description) if line)
    for label, lines in _parts(shown, told):
        for i, line in enumerate(lines):
            yield ("\n" if i == 0 else "") + f"{label if i == 0 else '':<{LABEL_WIDTH}}  {line}"


def _parts(shown: Overview, told: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    bundle = told["bundle"]
    if bundle is not None:
        size = f"{bundle['files']} files, {size_text(bundle['size_bytes'])}, all intact"
        yield "bundle", [f"made with stemfx {bundle['made_with']}; {size}"]
    yield "extends", told["extends"]
    yield "songs", [_song(name, source) for name, source in told["sources"].items()]
    yield "knobs", [_knob(name, knob) for name, knob in told["params"].items()]
    yield (
        "presets",
        [
            f"{name}: {' '.join(f'{knob}={_value(value)}' for knob, value in values.items())}"
            for name, values in told["presets"].items()
        ],
    )
    align = told["align"] or {}
    yield "align", [f"{name} {align[name]}" for name in ("tempo", "key") if align.get(name)]
    yield (
        "separate",
        [
            f"{name}: " + ", ".join(f"{m['model']} (weights {m['weights']})" for m in models)
            for name, models in told["separate"]["models"].items()
        ],
    )
    yield "tracks", [_track(name, track) for name, track in told["tracks"].items()]
    yield "mix", [_chain(told["mix"])] if told["mix"] else []
    yield "master", [_chain(told["master"])] if told["master"] else []
    yield "checks", told["checks"]
    yield "writes", [f"{', '.join(told['outputs'])} into {shown.opened.out_folder.resolve()}"]
    yield "needs", list(_needs(told["requires"]))
    yield "missing", told["missing"]
    yield (
        "licences",
        ["everything in the result may be sold, as far as its parts say"]
        if told["may_be_sold"]
        else [f"not for sale as it is: {line}" for line in told["unclear"]],
    )
    given = [name for name, source in told["sources"].items() if _is_absent(source)]
    options = "".join(f" --source {name}=FILE" for name in given)
    yield "run it", [f"stemfx run {recipe_name(shown)}{options}"]


def recipe_name(shown: Overview) -> str:
    """Return how the recipe is named on the command line."""
    import shlex

    opened = shown.opened
    path = opened.recipe.path if opened.lock is None else opened.lock.where
    return shlex.quote(str(path))


def _is_absent(source: dict[str, Any]) -> bool:
    return source["file"] is None and not any((source["stems"] or {}).values())


def _song(name: str, source: dict[str, Any]) -> str:
    stems = source["stems"]
    if stems:
        return f"{name}: stems " + ", ".join(
            f"{stem} ({file or 'not given'})" for stem, file in stems.items()
        )
    return f"{name}: {source['file'] or f'yours, with --source {name}=FILE'}"


def _knob(name: str, knob: dict[str, Any]) -> str:
    bounds = ["" if knob[end] is None else _value(knob[end]) for end in ("min", "max")]
    span = f" in [{bounds[0]}, {bounds[1]}]" if any(bounds) else ""
    unit = f" {knob['unit']}" if knob["unit"] else ""
    turned = f" (default {_value(knob['default'])})" if knob["value"] != knob["default"] else ""
    text = f"{name} = {_value(knob['value'])}{unit}{turned}{span}"
    return f"{text}: {knob['help']}" if knob["help"] else text


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing"}[value]
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _track(name: str, track: dict[str, Any]) -> str:
    level = [f"{track['gain_db']:+g} dB"] if track["gain_db"] else []
    pan = [f"pan {track['pan']:+g}"] if track["pan"] else []
    mute = ["not heard"] if track["mute"] else []
    stages = [_chain(track["stages"])] if track["stages"] else []
    done = "; ".join([*stages, *level, *pan, *mute]) or "as it is"
    return f"{name} ({track['from']}): {done}"


def _chain(calls: list[dict[str, Any]]) -> str:
    return " > ".join(
        call["stage"] + (f" {_params(call['params'])}" if call["params"] else "") for call in calls
    )


def _params(params: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_written(value)}" for name, value in params.items()) + "}"


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return _params({name: one for name, one in value.items() if one is not None})
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return _value(value)


def _needs(requires: dict[str, Any]) -> Iterator[str]:
    for plugin in requires["plugins"]:
        offers = ", ".join(plugin["offers"])
        yield f"{plugin['distribution']} {plugin['version']} ({_licence(plugin)}): {offers}"
    for model in requires["models"]:
        size = f", {size_text(model['size_bytes'])}" if model["size_bytes"] else ""
        source = f", from {model['source']}" if model["source"] else ""
        yield f"model {model['name']}{size}{source} ({_licence(model)})"
    for kit in requires["kits"]:
        yield f"kit {kit['name']} ({_licence(kit)})"
    files = [asset for asset in requires["assets"] if asset["role"] != "recipe"]
    if files:
        size = sum(asset["size_bytes"] for asset in files)
        yield f"{len(files)} files of its own, {size_text(size)}"


def _licence(thing: dict[str, Any]) -> str:
    return thing["licence"] or "no licence stated"
