"""What a recipe needs beside its songs: files of its folder, plugins, models and kits.

Each with its hash or version and its licence: what a bundle carries, what another machine has to
have for the same bytes, and what a producer who sells the result has to know.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from stemfx.errors import Problem
from stemfx.io import file_sha256, visible_files
from stemfx.kit import Kit
from stemfx.kit_files import FileKit
from stemfx.licences import licence_class
from stemfx.plan_inputs import used_calls, used_tracks
from stemfx.recipe import Recipe
from stemfx.registry import SUITE, Kind, Plugin, Registry, files_of, weights_of
from stemfx.separator import LicenceClass, Separator
from stemfx.separators.weights import sha256 as weights_sha256

Separators = Mapping[str, Sequence[Separator]]
Role = Literal["recipe", "sound", "file", "kit", "cover", "model"]


@dataclass(frozen=True)
class Asset:
    """A file in the recipe's folder.

    Args:
        path: relative to that folder, links followed.
        file: its absolute path.
        role: what it is for; `file` is any file that a stage reads.
        sha256: of its bytes, in hex.
        size_bytes: its size.
    """

    path: PurePosixPath
    file: Path
    role: Role
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class NeededPlugin:
    """An installed package that gives what the recipe names, by `kind name` in `offers`."""

    distribution: str
    version: str
    licence: str
    licence_class: LicenceClass
    offers: tuple[str, ...]


@dataclass(frozen=True)
class NeededModel:
    """A separation model.

    Args:
        name: as a recipe writes it.
        family: architecture.
        licence: of its weights, in words.
        licence_class: what that comes to.
        source: where the weights are published; empty for a file of somebody's own.
        size_bytes: of the weights; 0 when unknown.
        files: SHA-256 of each of its files by name; empty while the weights are not here.
        sources: the songs that it separates.
        is_inside: whether the recipe brings it along: its files are among the assets.
    """

    name: str
    family: str
    licence: str
    licence_class: LicenceClass
    source: str
    size_bytes: int
    files: Mapping[str, str]
    sources: tuple[str, ...]
    is_inside: bool = False


@dataclass(frozen=True)
class NeededKit:
    """A drum kit: of the package `distribution`, or, where that is empty, one of the assets."""

    name: str
    distribution: str
    version: str
    licence: str
    licence_class: LicenceClass


@dataclass(frozen=True)
class Requirements:
    """All that a recipe needs, each in a fixed order.

    Args:
        assets: by path, the recipe's own file first.
        plugins: by name; the suite itself is among them.
        models: in the order of their songs.
        kits: by name.
    """

    assets: tuple[Asset, ...] = ()
    plugins: tuple[NeededPlugin, ...] = ()
    models: tuple[NeededModel, ...] = ()
    kits: tuple[NeededKit, ...] = field(default=())


def requirements(
    recipe: Recipe,
    separators: Separators,
    registry: Registry,
    digest: Callable[[Path], str] = file_sha256,
) -> Requirements:
    """Find what a recipe needs. Every asset, and every file of weights that is here, is read once.

    Args:
        recipe: as read.
        separators: the models of every source that has to be separated.
        registry: of what is installed.
        digest: returns the SHA-256 of a file; whoever asks several times may remember it.

    Raises:
        AudioFileError: an asset cannot be read.
    """
    return Requirements(
        tuple(_assets(recipe, separators, registry, digest)),
        tuple(_plugins(recipe, separators, registry)),
        tuple(_models(recipe, separators, registry)),
        tuple(_kits(recipe, registry)),
    )


def united(several: Sequence[Requirements]) -> Requirements:
    """Return what a recipe needs whichever of its presets is used; the first is what it usually is.

    The models stay in the order of `several`, the rest in that of `Requirements`.
    """
    assets = {asset.path: asset for needed in reversed(several) for asset in needed.assets}
    own = several[0].assets[0].path
    models: dict[str, NeededModel] = {}
    plugins: dict[str, NeededPlugin] = {}
    for needed in several:
        for model in needed.models:
            known = models.get(model.name, model)
            sources = tuple(dict.fromkeys((*known.sources, *model.sources)))
            models[model.name] = replace(known, sources=sources)
        for plugin in needed.plugins:
            offers = {*plugins.get(plugin.distribution, plugin).offers, *plugin.offers}
            plugins[plugin.distribution] = replace(plugin, offers=tuple(sorted(offers)))
    kits = {(kit.name, kit.distribution): kit for needed in several for kit in needed.kits}
    return Requirements(
        (assets.pop(own), *(assets[path] for path in sorted(assets))),
        tuple(plugins[name] for name in _suite_first(plugins)),
        tuple(models.values()),
        tuple(kits[key] for key in sorted(kits)),
    )


# --- files ---------------------------------------------------------------------------------


def _assets(
    recipe: Recipe, separators: Separators, registry: Registry, digest: Callable[[Path], str]
) -> Iterator[Asset]:
    roles: dict[Path, Role] = {}
    for role, file in (*_named_files(recipe), *_model_files(recipe, separators, registry)):
        roles.setdefault(Path(os.path.realpath(file)), role)
    own = recipe.files[:1]  # none where no file was read: `stemfx separate`
    names = {file: PurePosixPath(recipe.path.name) for file in own}  # it may be a link to anywhere
    for file in sorted(roles, key=lambda path: (path not in own, path.as_posix())):
        if file not in names:
            names[file] = PurePosixPath(file.relative_to(recipe.folder))
        yield Asset(names[file], file, roles[file], digest(file), file.stat().st_size)


def _named_files(recipe: Recipe) -> Iterator[tuple[Role, Path]]:
    yield from (("recipe", file) for file in recipe.files)
    yield from (("sound", t.asset) for t in recipe.tracks.values() if t.asset is not None)
    for call in recipe.calls:
        yield from (("sound", file) for file in call.sounds.values())
        yield from (("file", file) for file in call.files.values())
        for param, path in call.kit_paths.items():
            yield from (("kit", file) for file in _kit_files(call.kits[param], path))
    tags = recipe.output.tags
    if tags is not None and tags.cover is not None:
        yield "cover", tags.cover


def _kit_files(kit: Kit, path: Path) -> Iterator[Path]:
    """Yield the files of a kit from disk: of a folder all, since its names tell what is what."""
    if path.is_dir():
        yield from (file for file in visible_files(path) if file.is_file())
    else:
        yield path
    if isinstance(kit, FileKit) and not kit.is_unpacked:
        yield from (*kit.named, *kit.files)


def _model_files(
    recipe: Recipe, separators: Separators, registry: Registry
) -> Iterator[tuple[Role, Path]]:
    for separator in each_separator(separators):
        if _is_inside(separator, recipe, registry):
            yield from (("model", file) for file in files_of(separator))


def _is_inside(separator: Separator, recipe: Recipe, registry: Registry) -> bool:
    """Tell whether a model is one of files in the recipe's folder, and has no name here."""
    files = files_of(separator) if separator.card.name not in registry.separators else ()
    inside = [Path(os.path.realpath(file)).is_relative_to(recipe.folder) for file in files]
    return bool(inside) and all(inside)


def each_separator(separators: Separators) -> list[Separator]:
    """Return every model once, in the order of their songs."""
    return list({id(one): one for of_source in separators.values() for one in of_source}.values())


# --- what is installed ---------------------------------------------------------------------


def _plugins(recipe: Recipe, separators: Separators, registry: Registry) -> Iterator[NeededPlugin]:
    owners: dict[str, Plugin] = {}
    offers: dict[str, set[str]] = {}
    for kind, name in _named_things(recipe, separators, registry):
        owner = registry.owner(kind, name)
        if owner is not None:
            owners[owner.distribution] = owner
            offers.setdefault(owner.distribution, set()).add(f"{kind} {name}")
    for name in _suite_first(owners):
        owner = owners[name]
        class_ = licence_class(owner.licence)
        offered = tuple(sorted(offers[name]))
        yield NeededPlugin(name, owner.version, owner.licence, class_, offered)


def _suite_first(distributions: Iterable[str]) -> list[str]:
    return sorted(distributions, key=lambda name: (name != SUITE, name))


def _named_things(
    recipe: Recipe, separators: Separators, registry: Registry
) -> Iterator[tuple[Kind, str]]:
    for call in recipe.calls:
        yield "stage", call.stage.name
        yield from (("kit", kit.name) for kit in call.kits.values() if _is_installed(kit, registry))
        if call.hears_hits:
            classifier = getattr(call.params, "classifier", None)
            if classifier:
                yield "hit classifier", classifier
    if recipe.align is not None and recipe.align.beat_tracker is not None:
        yield "beat tracker", recipe.align.beat_tracker
    yield from (("model", s.card.name) for s in each_separator(separators))


def _is_installed(kit: Kit, registry: Registry) -> bool:
    return registry.kits.get(kit.name) is kit


def _models(recipe: Recipe, separators: Separators, registry: Registry) -> Iterator[NeededModel]:
    for separator in each_separator(separators):
        card = separator.card
        here = files_of(separator) if weights_of(separator) == "here" else ()
        yield NeededModel(
            card.name,
            card.family,
            card.licence,
            card.licence_class,
            card.source,
            card.size_bytes,
            {file.name: weights_sha256(file) for file in sorted(here)},
            tuple(name for name, of_source in separators.items() if separator in of_source),
            is_inside=_is_inside(separator, recipe, registry),
        )


def _kits(recipe: Recipe, registry: Registry) -> Iterator[NeededKit]:
    kits = {kit.name: kit for call in recipe.calls for kit in call.kits.values()}
    for name, kit in sorted(kits.items()):
        owner = registry.owner("kit", name) if _is_installed(kit, registry) else None
        # What the recipe brings along is under the recipe's licence unless it says otherwise.
        licence = kit.licence if owner else kit.licence or recipe.licence
        yield NeededKit(
            name,
            owner.distribution if owner else "",
            owner.version if owner else "",
            licence,
            licence_class(licence),
        )


# --- licences ------------------------------------------------------------------------------


def unclear_licences(recipe: Recipe, needed: Requirements) -> list[Problem]:
    """Return everything in the result that may not be sold, or of which nobody says that it may.

    The songs are the producer's own matter, and so is what is only listened to.
    """
    found = [
        Problem(recipe.separate.where, f"the weights of the model {m.name!r}{_says(m)}")
        for m in needed.models
        if m.licence_class != "open"
    ]
    calls = used_calls(recipe)
    for call in calls:
        played = {kit.name for kit in call.kits.values()}
        offer = f"stage {call.stage.name}"
        unclear = {f"the kit {kit.name!r}": kit for kit in needed.kits if kit.name in played} | {
            f"the plugin {plugin.distribution!r} of the {offer}": plugin
            for plugin in needed.plugins
            if offer in plugin.offers
        }
        found += [
            Problem(call.where, f"{what}{_says(thing)}")
            for what, thing in unclear.items()
            if thing.licence_class != "open"
        ]
    own = licence_class(recipe.licence)
    sounds = [(call.where, file) for call in calls for file in call.sounds.values()]
    sounds += [(t.from_where, t.asset) for t in used_tracks(recipe) if t.asset is not None]
    if own == "non-commercial":
        found.append(Problem(str(recipe.path), f"the recipe is under {recipe.licence!r}"))
    elif own == "not stated":
        found += [
            Problem(
                where,
                f"no licence of the sound {file.name!r} is stated; if it is free to use, say so "
                "with `license:` in the recipe",
            )
            for where, file in sounds
        ]
    return list(dict.fromkeys(found))


def _says(needed: NeededModel | NeededPlugin | NeededKit) -> str:
    if needed.licence_class == "non-commercial":
        return f": for non-commercial use only ({needed.licence})"
    return f": nobody states what the licence allows ({needed.licence or 'none is stated'})"
