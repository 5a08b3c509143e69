"""Read songs from files through the engine, so that what was read once is only looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stemfx.cache import Cache, LostError
from stemfx.errors import SilentFileError
from stemfx.graph import DATA
from stemfx.models import Choice
from stemfx.music.remarks import remarks
from stemfx.music_reading import NOTHING_TOLD, MusicReading, Told
from stemfx.plan_analysis import LEVEL, MUSIC, make_analysis_plan
from stemfx.plan_inputs import inspect_inputs
from stemfx.recipe import Member, Recipe, Separate
from stemfx.recipe.model import Align
from stemfx.registry import Registry
from stemfx.run import Observer, run
from stemfx.session import Request, fetch_models, recipe_for_song, recipe_for_stems
from stemfx.stage import Finding

SILENT = MusicReading(0.0, 0.0, (), (), "", 0.0, "", 0.0, 0.0, 0)


@dataclass(frozen=True)
class How:
    """How songs are read.

    Args:
        told: what their producer says of them.
        beats: the name of what tracks their beats; default: stemfx itself.
        separate: take them apart first, and read beat and key from the stems.
    """

    told: Told = NOTHING_TOLD
    beats: str | None = None
    separate: bool = False


@dataclass(frozen=True)
class Analysis:
    """What was read of a song.

    Args:
        path: its file.
        reading: tempo, beats, key and form.
        level: `lufs`, `true_peak_dbtp`, `lra_lu`, ... as far as they can be measured.
        findings: what is unsure or unusual, and what the separation says.
    """

    path: Path
    reading: MusicReading
    level: Mapping[str, Any]
    findings: tuple[Finding, ...]


def analyse(
    path: Path,
    how: How,
    request: Request,
    registry: Registry,
    cache: Cache,
    *,
    observer: Observer | None = None,
) -> Analysis:
    """Read one song.

    Raises:
        AudioFileError: the file cannot be used.
        ModelError: it cannot be separated.
        RecipeError: there is no such beat tracker.
        PluginError: it broke its contract.
        CancelledError: interrupted from the keyboard.
    """
    request = replace(request, fold_down=True)
    recipe, choices = _recipe(path, how, request, registry)
    inputs = inspect_inputs(recipe)
    here = fetch_models(recipe, choices, request, registry, try_now=True)
    plan = make_analysis_plan(recipe, inputs, here, registry, device=request.device)
    notices = dict.fromkeys(c.finding for of in here.values() for c in of if c.finding)
    try:
        outcome = run(plan, cache, observer=observer, notices=tuple(notices))
    except SilentFileError:
        silent = Finding(
            "warn", "silent", "every sample is zero: the file is silent; export it again"
        )
        seconds = inputs.files[path].duration_s
        return Analysis(path, replace(SILENT, duration_s=seconds), {}, (silent,))
    entry = cache.lookup(plan.nodes[plan.outputs[MUSIC]].key)
    if entry is None:
        raise LostError(plan.nodes[plan.outputs[MUSIC]].key)
    reading = MusicReading.from_json(entry.facts[DATA])
    level = next(node.measurements for node in outcome.nodes if node.id == plan.outputs[LEVEL])
    said = [finding for _, finding in outcome.findings]
    return Analysis(path, reading, level, (*said, *remarks(reading, how.told)))


def _recipe(
    path: Path, how: How, request: Request, registry: Registry
) -> tuple[Recipe, dict[str, list[Choice]]]:
    """Return the recipe that plays a song, and the models that take it apart if that is asked."""
    separate = Separate((Member("auto", str(path)),), str(path))
    if how.separate:
        recipe, choices = recipe_for_stems(path, request, registry, separate=separate)
    else:
        recipe, choices = recipe_for_song(path, request, separate), {}
    sources = {name: replace(source, told=how.told) for name, source in recipe.sources.items()}
    align = None if how.beats is None else Align("--beats", beat_tracker=how.beats)
    return replace(recipe, sources=sources, align=align), choices
