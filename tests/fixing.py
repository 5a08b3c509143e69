"""Puts a fix into a recipe as a producer would: where its comment says, else as a stage."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from stemfx import fixes
from stemfx.recipe import Recipe
from stemfx.recipe.reader import read_recipe
from stemfx.registry import Registry, build_registry

Document = dict[str, Any]
LISTS = ("stages", "master")


def recipe(*stages: dict[str, Any], **sections: Any) -> Document:
    """Return a recipe of a song and two takes; `stages` are those of its vocals."""
    names = ("vocals", "drums", "bass", "other")
    tracks: Document = {name: {"from": f"song/{name}"} for name in names}
    tracks["vocals"]["stages"] = list(stages)
    stems = {name: f"{name}.wav" for name in names}
    return {
        "stemfx": 1,
        "sources": {"song": {"stems": stems, "mixture": "mix.wav"}, "a": "a.wav", "b": "b.wav"},
        "tracks": tracks | {"pad": {"from": "a"}},
        "output": {"master": "out.wav"},
    } | sections


def with_fix(document: Document, fix: str, found_by: int | None = None) -> Document:
    """Return a recipe with a fix in it.

    Args:
        document: the recipe.
        fix: of a finding about the song, or its track of vocals.
        found_by: which of the stages of that track found it.
    """
    document = copy.deepcopy(document)
    first, *rest = fix.splitlines()
    where, text = (first[2:], "\n".join(rest)) if first.startswith("# ") else ("", fix)
    lines = yaml.safe_load(text)
    vocals = document["tracks"]["vocals"]
    stages = vocals.setdefault("stages", [])
    if not where:
        stages[found_by or 0 : found_by or 0] = lines
        return document
    assert fixes.is_place(where), where
    if where in (fixes.THIS_STAGE, fixes.AFTER_IT, fixes.TO_THE_FRONT):
        assert found_by is not None
        _beside(stages, where, lines, found_by)
    elif where == fixes.HIT_STAGE:
        (call,) = (stage for stage in stages if "replace_drums" in stage)
        call["replace_drums"] |= lines
    elif where == fixes.EVERY_TRACK:
        for track in document["tracks"].values():
            if track["from"].startswith("song/"):
                track.setdefault("stages", [])[:0] = lines
    elif where == fixes.LAST_IN_MASTER:
        document.setdefault("master", []).extend(lines)
    else:
        _at_path(document, _WRITTEN_OUT.get(where, where), lines)
    return document


_WRITTEN_OUT = {
    fixes.SOURCE: "in sources.song",
    fixes.TRACK: "in tracks.vocals",
    fixes.FIRST_IN_MASTER: "in master",
}


def _beside(stages: list[Any], where: str, lines: list[Any], found_by: int) -> None:
    if where == fixes.AFTER_IT:
        stages[found_by + 1 : found_by + 1] = lines
        return
    del stages[found_by]
    at = 0 if where == fixes.TO_THE_FRONT else found_by
    stages[at:at] = lines


def _at_path(document: Document, where: str, lines: Any) -> None:
    *way, last = where.removeprefix("in ").split(".")
    for key in way:
        document = document.setdefault(key, {})
    if isinstance(document.get(last), str):  # `song: song.wav`
        document[last] = {"file": document[last]}
    if last in LISTS:
        document.setdefault(last, [])[:0] = lines
    else:
        document.setdefault(last, {}).update(lines)


def read(folder: Path, document: Document, *, needs_sources: bool = False) -> Recipe:
    """Read it with the stages that are installed."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    found = _registry()
    return read_recipe(path, stages=found.stages, kits=found.kits, needs_sources=needs_sources)


@cache
def _registry() -> Registry:
    return build_registry()
