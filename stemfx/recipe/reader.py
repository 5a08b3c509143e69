"""The one way into a recipe: read the file, check it all, return values or every problem."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from stemfx.kit import Kit
from stemfx.recipe.align import read_align, read_sections
from stemfx.recipe.checks import read_checks
from stemfx.recipe.document import MixShape
from stemfx.recipe.head import read_head, subtree
from stemfx.recipe.model import Recipe
from stemfx.recipe.output import read_output
from stemfx.recipe.paths import check_names
from stemfx.recipe.problems import Problems
from stemfx.recipe.separate import read_separate
from stemfx.recipe.sources import SourceReader
from stemfx.recipe.stage_calls import StageReader
from stemfx.recipe.templates import check_unused
from stemfx.recipe.tracks import TrackReader
from stemfx.recipe.validate import section
from stemfx.recipe.yaml_tree import Table
from stemfx.stage import Stage

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_FILES: Mapping[str, Path] = MappingProxyType({})
_NO_KITS: Mapping[str, Kit] = MappingProxyType({})


def _no_more(_name: str) -> str:
    return ""


def read_recipe(
    path: Path,
    *,
    stages: Mapping[str, Stage],
    kits: Mapping[str, Kit] = _NO_KITS,
    preset: str = "",
    settings: Mapping[str, str] = _NOTHING,
    sources: Mapping[str, Path] = _NO_FILES,
    explain_unknown_stage: Callable[[str], str] = _no_more,
    needs_sources: bool = True,
    is_bundled: bool = False,
    shown: Path | None = None,
    content: bytes | None = None,
) -> Recipe:
    """Read a recipe and everything that it extends.

    Args:
        path: the recipe's file.
        stages: the stages that a recipe may call.
        kits: the drum kits that it may name.
        preset: the recipe's named setting of its knobs to use (`--preset NAME`), if any.
        settings: values of knobs, as text (`--set NAME=VALUE`); they go before the preset's.
        sources: files that replace sources, by `song`, or stems, by `song/vocals`
            (`--source NAME=FILE`), or the only source, by the empty name; relative to the
            working directory.
        explain_unknown_stage: one more sentence about a stage that is not there.
        needs_sources: whether a source without a file is a fault; if not, `NOT_GIVEN` stands for
            its file, and the recipe can be looked at but not run.
        is_bundled: the files that a recipe names for its sources are not looked for: they are
            those of its author. Only `sources` gives files.
        shown: what the recipe's file is called in messages, if not `path`.
        content: what stands for the recipe's text, if not what is in `path`: unsaved work.

    Raises:
        RecipeError: carries every problem, each with `file:line:column`, in file order.
    """
    problems = Problems()
    folder = Path(os.path.realpath(path.parent))
    head = read_head(
        path, folder, problems, preset=preset, settings=settings, shown=shown, content=content
    )
    tree, header = head.tree, head.header
    found = SourceReader(
        folder, problems, needs_files=needs_sources, uses_named_files=not is_bundled
    ).sources(subtree(tree, "sources", problems), sources)
    table = subtree(tree, "tracks", problems)
    names = check_names(table, "track", problems)
    heard = tuple(names if table.entries else found)
    calls = StageReader(stages, heard, tuple(found), kits, folder, explain_unknown_stage, problems)
    align = read_align(tree.get("align"), found, problems)
    parts = read_sections(subtree(tree, "sections", problems), found, align, problems)
    tracks = TrackReader(found, calls, folder, align, parts, problems).tracks(table, names)
    check_unused(subtree(tree, "templates", problems), calls, problems)
    played = (tree.get("sources"), tree.get("tracks"))
    if all(node is None or (isinstance(node, Table) and not node.entries) for node in played):
        problems.add(tree.mark, "there is nothing to play; name a song under `sources`")

    mix = subtree(tree, "mix", problems)
    section(mix, MixShape, "mix", problems, without=("stages",))
    mix_calls = calls.calls(mix.get("stages"), "mix.stages", None)
    master_calls = calls.calls(tree.get("master"), "master", None)
    calls.check_loops()
    if not table.entries:  # a song that is only listened to is no layer
        listened_to = {name for call in (*mix_calls, *master_calls) for name in call.songs.values()}
        played_too = {name: track for name, track in tracks.items() if name not in listened_to}
        tracks = played_too or tracks

    separate = read_separate(subtree(tree, "separate", problems), problems)
    written = subtree(tree, "output", problems)
    output = read_output(written, path, folder, problems)
    has_master = bool(output.masters) or written.get("master") is not None
    checks = read_checks(tree.get("checks"), problems, has_master=has_master)
    problems.settle()
    return Recipe(
        path=path if shown is None else shown,
        folder=folder,
        title=header.title,
        author=header.author,
        licence=head.licence,
        description=header.description,
        knobs=head.knobs,
        values=head.values,
        sources={name: source for name, source in found.items() if source},
        separate=separate,
        tracks=tracks,
        mix=mix_calls,
        master=master_calls,
        output=output,
        align=align,
        sections=parts,
        checks=checks,
        files=head.files,
        presets=head.presets,
        preset=preset,
    )
