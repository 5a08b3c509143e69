"""Packs a recipe with all that it names; the music only when that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stemfx import __version__
from stemfx.bundle.manifest import (
    Manifest,
    PackedFile,
    PackedKit,
    PackedModel,
    PackedPlugin,
)
from stemfx.bundle.opening import SUFFIX, opened_bundle
from stemfx.bundle.writing import write_bundle
from stemfx.errors import BundleError, RecipeError, UsageError
from stemfx.io import file_sha256
from stemfx.plan import RECORD
from stemfx.recipe import Recipe, Source, read_recipe
from stemfx.recipe.problems import quote
from stemfx.recipe.sources import MIXTURE
from stemfx.registry import Registry
from stemfx.requirements import Requirements


@dataclass(frozen=True)
class Packed:
    """A bundle that was written."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest

    @property
    def unlocked(self) -> list[str]:
        """The models whose weights were not here: nobody can tell if theirs are the same."""
        return [model.name for model in self.manifest.models if not model.files]


def pack(
    recipe: Recipe,
    needed: Requirements,
    target: Path,
    registry: Registry,
    *,
    with_sources: bool,
    record: Path | None = None,
) -> Packed:
    """Write a bundle; equal recipes and assets give equal bytes, wherever they lie.

    Before it takes its place it is opened and its recipe is read, as another machine would.

    Args:
        recipe: as read, with its songs if they come along.
        needed: what it needs.
        target: the bundle; one that is there is replaced.
        registry: of what is installed.
        with_sources: whether the songs come along.
        record: the `run.json` that a run of this recipe has left, so that others can compare.

    Raises:
        UsageError: the target cannot be that.
        BundleError: it cannot be packed.
        AudioFileError, OutputError: a file cannot be read or written.
    """
    files = {str(asset.path): asset.file for asset in needed.assets}
    _check_target(target, files.values())
    music = dict(_music(recipe, files)) if with_sources else {}
    if not with_sources:
        _check_no_music(recipe, files)
    packed = {
        str(asset.path): PackedFile(
            sha256=asset.sha256, size_bytes=asset.size_bytes, role=asset.role
        )
        for asset in needed.assets
    } | {
        name: PackedFile(sha256=file_sha256(file), size_bytes=file.stat().st_size, role="source")
        for name, file in music.values()
    }
    if record is not None:
        files[RECORD.name] = record
        size_bytes = record.stat().st_size
        packed[RECORD.name] = PackedFile(
            sha256=file_sha256(record), size_bytes=size_bytes, role="record"
        )
    manifest = Manifest(
        stemfx_bundle=1,
        made_with=__version__,
        recipe=str(needed.assets[0].path),
        title=recipe.title,
        author=recipe.author,
        licence=recipe.licence,
        description=recipe.description,
        files=packed,
        sources={key: name for key, (name, _) in music.items()},
        plugins=[PackedPlugin.model_validate(_plain(plugin)) for plugin in needed.plugins],
        models=[PackedModel.model_validate(_plain(model)) for model in needed.models],
        kits=[PackedKit.model_validate(_plain(kit)) for kit in needed.kits],
    )

    def check(bundle: Path) -> None:
        _check_it_reads(bundle, target, recipe, registry)

    sha256 = write_bundle(target, manifest, files | dict(music.values()), check)
    return Packed(target, sha256, target.stat().st_size, manifest)


def _plain(needed: object) -> dict[str, object]:
    """Return the fields of a requirement as the manifest has them: lists for tuples."""
    fields = asdict(needed)  # type: ignore[call-overload]
    fields.pop("is_inside", None)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def _check_target(target: Path, files: Iterable[Path]) -> None:
    if target.suffix.lower() != SUFFIX:
        raise UsageError(f"{target.name!r} should end in {SUFFIX}", where="-o")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file", where="-o")
    if target.exists() and any(target.samefile(file) for file in files):
        raise UsageError(f"{target} is a file of the recipe; name another", where="-o")


# --- the music -----------------------------------------------------------------------------


def _music(recipe: Recipe, files: Mapping[str, Path]) -> Iterator[tuple[str, tuple[str, Path]]]:
    """Yield what `--source` calls each audio file of a source: its name in the bundle, and it."""
    folder = _free_folder(files)
    for source in recipe.sources.values():
        if source.file is not None:
            yield source.name, (f"{folder}/{source.name}{_suffix(source.file)}", source.file)
        for stem, file in _parts(source).items():
            yield f"{source.name}/{stem}", (f"{folder}/{source.name}/{stem}{_suffix(file)}", file)


def _parts(source: Source) -> dict[str, Path]:
    parts = dict(source.stems or {})
    if source.mixture is not None:
        if MIXTURE in parts:
            raise BundleError(
                f"a stem is called {MIXTURE!r}, so that the mixture of its song cannot come along; "
                "rename the stem",
                where=source.where,
            )
        parts[MIXTURE] = source.mixture
    return parts


def _suffix(file: Path) -> str:
    return file.suffix.lower()


def _free_folder(names: Iterable[str]) -> str:
    """Return a folder in which no file of the recipe lies."""
    taken = {name.partition("/")[0].casefold() for name in names}
    n = 1
    while (folder := "sources" if n == 1 else f"sources-{n}") in taken:
        n += 1
    return folder


def _check_no_music(recipe: Recipe, files: Mapping[str, Path]) -> None:
    """Refuse assets that are a source as well: music goes along only when that is asked for."""
    music = {
        Path(os.path.realpath(file)): source.name
        for source in recipe.sources.values()
        for file in source.files
    }
    for name, file in files.items():
        if file in music:
            raise BundleError(
                f"{quote(name)} is the music of the source {quote(music[file])}, and the recipe "
                "uses it as a file of its own too; pass --with-sources to pack the music, or "
                "move it out of the recipe's folder",
                where=str(recipe.path),
            )


# --- the check -----------------------------------------------------------------------------


def _check_it_reads(bundle: Path, target: Path, recipe: Recipe, registry: Registry) -> None:
    """Read the recipe out of the bundle, with nothing beside it.

    Raises:
        BundleError: that fails.
    """
    with opened_bundle(bundle, beside=target.parent) as (folder, manifest):
        for preset in ("", *recipe.presets):
            try:
                read_recipe(
                    folder / manifest.recipe,
                    stages=registry.stages,
                    kits=registry.kits,
                    preset=preset,
                    explain_unknown_stage=registry.explain_unknown_stage,
                    needs_sources=False,
                    is_bundled=True,
                    shown=recipe.path,
                )
            except RecipeError as error:
                told = str(error.problems[0]).replace(str(folder), "the bundle")
                raise BundleError(
                    f"it would not run elsewhere: {told}; does the recipe name it through a link? "
                    "Name the file itself",
                    where=str(target),
                ) from None
