"""What a recipe or a bundle will do, and what it needs, before anything of it is run.

No audio is touched, no song has to be there, and of a bundle not even the plugins: stand-ins take
the place of what is not installed, so that a stranger's recipe can be read first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemfx.bundle.manifest import Manifest
from stemfx.errors import ModelError, StemfxError
from stemfx.models import Choice, separators_of
from stemfx.plan import RECORD
from stemfx.recipe import Recipe, Source, StageCall, Track
from stemfx.recipe.sources import NOT_GIVEN
from stemfx.registry import Registry, weights_of
from stemfx.requirements import Requirements, requirements, unclear_licences
from stemfx.session import Opened, Request, choose_models


@dataclass(frozen=True)
class Overview:
    """What can be told of a recipe.

    Args:
        opened: the recipe.
        needed: what it needs, as far as that is here.
        choices: its models, by source.
        missing: what keeps it from being run here, one sentence each.
        unclear: what keeps its result from being sold.
    """

    opened: Opened
    needed: Requirements
    choices: Mapping[str, Sequence[Choice]]
    missing: tuple[str, ...]
    unclear: tuple[str, ...]


def overview(opened: Opened, request: Request, registry: Registry) -> Overview:
    """Find out what a recipe needs and whether it could be run here.

    Raises:
        StemfxError: a file that it names cannot be read.
    """
    recipe, lock = opened.recipe, opened.lock
    missing = []
    for check in (lock.check_plugins, lock.check_model_names) if lock is not None else ():
        try:
            check(registry)
        except StemfxError as error:
            missing.append(error.message)
    choices: dict[str, list[Choice]] = {}
    try:
        choices = choose_models(recipe, request, registry, lock)
    except ModelError as error:
        missing.append(error.message)
    needed = requirements(recipe, separators_of(choices), registry)
    unclear = tuple(problem.message for problem in unclear_licences(recipe, needed))
    return Overview(opened, needed, choices, tuple(dict.fromkeys(missing)), unclear)


# --- as JSON -------------------------------------------------------------------------------


def overview_json(shown: Overview) -> dict[str, Any]:
    """Return the object that `stemfx show --json` prints."""
    recipe, lock = shown.opened.recipe, shown.opened.lock
    return {
        "schema": 1,
        "recipe": str(recipe.path.resolve()),
        "bundle": None if lock is None else _bundle_json(lock.manifest),
        "title": recipe.title,
        "author": recipe.author,
        "licence": recipe.licence,
        "description": recipe.description,
        "extends": [
            asset.path.as_posix() for asset in shown.needed.assets[1:] if asset.role == "recipe"
        ],
        "sources": {name: source_json(source) for name, source in recipe.sources.items()},
        "params": {
            name: {
                "value": recipe.values[name],
                **{key: getattr(knob, key) for key in ("default", "min", "max", "unit", "help")},
            }
            for name, knob in recipe.knobs.items()
        },
        "presets": {name: dict(values) for name, values in recipe.presets.items()},
        "separate": _separate_json(shown),
        "align": None if recipe.align is None else asdict(recipe.align),
        "tracks": {name: _track_json(track) for name, track in recipe.tracks.items()},
        "mix": [call_json(call) for call in recipe.mix],
        "master": [call_json(call) for call in recipe.master],
        "checks": [f"{check.name} {check.limits}" for check in recipe.checks],
        "outputs": outputs_of(recipe),
        "requires": {
            "assets": [
                {
                    "path": asset.path.as_posix(),
                    "role": asset.role,
                    "sha256": asset.sha256,
                    "size_bytes": asset.size_bytes,
                }
                for asset in shown.needed.assets
            ],
            "plugins": [asdict(plugin) for plugin in shown.needed.plugins],
            "models": [asdict(model) for model in shown.needed.models],
            "kits": [asdict(kit) for kit in shown.needed.kits],
        },
        "missing": list(shown.missing),
        "may_be_sold": not shown.unclear,
        "unclear": list(shown.unclear),
    }


def _bundle_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "made_with": manifest.made_with,
        "files": len(manifest.files),
        "size_bytes": sum(file.size_bytes for file in manifest.files.values()),
        "sources": sorted(manifest.sources),
        "plugins": [plugin.model_dump() for plugin in manifest.plugins],
        "models": [model.model_dump() for model in manifest.models],
        "kits": [kit.model_dump() for kit in manifest.kits],
    }


def source_json(source: Source) -> dict[str, Any]:
    """Return what is known of a song; files that are not here are None."""
    return {
        "file": _file(source.file),
        "stems": None if source.stems is None else {n: _file(f) for n, f in source.stems.items()},
        "mixture": _file(source.mixture),
    }


def _file(path: Path | None) -> str | None:
    return None if path is None or path == NOT_GIVEN else str(path)


def _separate_json(shown: Overview) -> dict[str, Any]:
    separate = shown.opened.recipe.separate
    return {
        "asked": [member.model for member in separate.members],
        "models": {
            source: [
                {"model": c.separator.card.name, "weights": weights_of(c.separator)} for c in of
            ]
            for source, of in shown.choices.items()
        },
        "combine": separate.combine,
        "mask": separate.mask,
        "residual": separate.residual,
    }


def _track_json(track: Track) -> dict[str, Any]:
    return {
        "from": origin_of(track),
        "stages": [call_json(call) for call in track.stages],
        "gain_db": track.gain_db,
        "pan": track.pan,
        "mute": track.mute,
    }


def origin_of(track: Track) -> str:
    """Say what a track plays, as a recipe writes it."""
    if track.takes_best:
        return "best of " + ", ".join(_part(*part) for part in track.played)
    if track.takes:
        return ", ".join(
            f"{_part(take.source, take.stem)} bars {take.first_bar}-{take.last_bar or ''}"
            for take in track.takes
        )
    if track.removed_of is not None:
        return f"{track.removed_of}/removed"
    if track.asset is not None:
        return track.asset.name
    return _part(track.source or "", track.stem)


def _part(source: str, stem: str | None) -> str:
    return f"{source}/{stem}" if stem else source


def call_json(call: StageCall) -> dict[str, Any]:
    """Return a stage and those of its parameters that are not the default."""
    params = call.params.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    return {"stage": call.stage.name, "params": params}


def outputs_of(recipe: Recipe) -> list[str]:
    """Return what a run writes, relative to the output folder."""
    output = recipe.output
    files = [file.path.as_posix() for file in output.masters]
    files += [file.path.as_posix() for file in output.sessions]
    folders = [
        f"{folder.as_posix()}/" for folder in (output.stems, output.ab) if folder is not None
    ]
    report = [] if output.report is None else [output.report.as_posix()]
    return [*files, *folders, *report, RECORD.name]
