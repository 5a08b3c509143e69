"""What has to be known of the takes of a mashup, found through the cache that runs use, too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from stemfx.alignment.offers import PARTS, STEM_OF, Offer, Take
from stemfx.audio import Signal
from stemfx.cache import Cache, LostError, StoredSignal
from stemfx.dsp.loudness import METERS_VERSION
from stemfx.graph import DATA, Measure, Port, canonical
from stemfx.health import FileFacts
from stemfx.models import AUTO, separators_of
from stemfx.music_reading import MusicReading
from stemfx.plan import Plan
from stemfx.plan_analysis import songs_alone
from stemfx.plan_inputs import Inputs, inspect_inputs
from stemfx.ranking.faults import Weights
from stemfx.ranking.measure import measure_take
from stemfx.ranking.measurements import Measurements
from stemfx.ranking.order import TOLD_POINTS, WHOLE_SCORE, Found, faults_of, inherited
from stemfx.ranking.stems import measure_stems
from stemfx.recipe import Member, Output, Recipe, Separate, Source, Track
from stemfx.recipe.separate import effort_of
from stemfx.registry import Registry
from stemfx.session import Request, choose_models, fetch_models
from stemfx.stage import Finding

_ABSENT_LU = -25.0
"""A stem as far as that under its song is what a separator left of other stems."""

MEASUREMENTS_VERSION = 1
"""Raise it when takes measure differently: it is part of the cache key."""

STEMS = tuple(STEM_OF.values())


def recipe_of(files: Sequence[Path], request: Request) -> Recipe:
    """Return the recipe that takes every file apart, named `a`, `b`, ... in their order."""
    effort, asked = effort_of(request.quality or "normal", {})
    members = tuple(Member(model, "--model") for model in request.models or (AUTO,))
    separate = Separate(members, "--model", effort=effort, asked=asked)
    sources, tracks = {}, {}
    for name, file in zip(ascii_lowercase, files, strict=False):
        where = str(file)
        sources[name] = Source(name, file.absolute(), None, request.fold_down, where)
        for stem in STEMS:
            track = f"{name} {stem}"
            tracks[track] = Track(
                track, name, stem, None, (), 0.0, 0.0, mute=False, where=where, from_where=where
            )
    return Recipe(
        path=Path("mashup"),
        folder=Path.cwd(),
        title="",
        author="",
        licence="",
        description="",
        knobs={},
        values={},
        sources=sources,
        separate=separate,
        tracks=tracks,
        mix=(),
        master=(),
        output=Output(""),
    )


def listening_plan(
    recipe: Recipe, request: Request, registry: Registry
) -> tuple[Plan, Inputs, list[Finding]]:
    """Return the plan that reads, separates and measures every take.

    Raises:
        StemfxError: a file cannot be used, or no model can be had.
    """
    inputs = inspect_inputs(recipe)
    choices = choose_models(recipe, request, registry)
    here = fetch_models(recipe, choices, request, registry, try_now=True)
    graph, ports = songs_alone(recipe, inputs, here, registry, request.device)
    read = {ports.reading(name).node for name in recipe.sources}
    for source in recipe.sources.values():
        stems = {stem: ports.stem(source, stem, source.where) for stem in STEMS}
        for name, port in {"": ports.whole(source), **stems}.items():
            node = _measuring(source.name, name)
            graph.add(node, "measure", Measure(), (port,), config=METERS_VERSION, signals=())
    nodes = {k: replace(n, is_told=n.is_told or k in read) for k, n in graph.nodes.items()}
    findings = [c.finding for of_source in here.values() for c in of_source if c.finding]
    plan = Plan(
        recipe=recipe,
        nodes=nodes,
        sample_rate=ports.sample_rate,
        duration_s=graph.seconds,
        separators=separators_of(here),
    )
    return plan, inputs, list(dict.fromkeys(findings))


def _measuring(source: str, stem: str) -> str:
    return f"{source}/{stem}/measure" if stem else f"{source}/measure"


def takes_of(plan: Plan, inputs: Inputs, cache: Cache, weights: Weights) -> dict[str, Take]:
    """Return the takes as they were read and measured; the plan has been run."""
    sources = plan.recipe.sources
    labels = labels_of([source.files[0] for source in sources.values()])
    return {
        name: _take(source, plan, inputs, cache, weights, label=label)
        for (name, source), label in zip(sources.items(), labels, strict=True)
    }


def labels_of(files: Sequence[Path]) -> list[str]:
    """Return the names of files, with their folders where two are called alike.

    >>> labels_of([Path("a/mix.wav"), Path("b/mix.wav"), Path("b/c.wav")])
    ['a/mix.wav', 'b/mix.wav', 'c.wav']
    """
    names = [file.name for file in files]
    return [
        n if names.count(n) == 1 else f"{f.parent.name}/{n}"
        for f, n in zip(files, names, strict=True)
    ]


def _take(
    source: Source, plan: Plan, inputs: Inputs, cache: Cache, weights: Weights, *, label: str
) -> Take:
    name = source.name
    reading = MusicReading.from_json(_facts(plan, cache, f"{name}/music")[DATA])
    lufs = {stem: _lufs(plan, cache, _measuring(name, stem)) for stem in ("", *STEMS)}
    mixture = _signal(plan, cache, plan.nodes[_measuring(name, "")].inputs[0])
    stems = {
        stem: _signal(plan, cache, plan.nodes[_measuring(name, stem)].inputs[0]) for stem in STEMS
    }
    info = inputs.files[source.files[0]]
    facts = FileFacts(info.bit_depth is None, info.channels, info.format)
    whole, measured = _measured(
        source, plan, cache, lambda: _measure(mixture, stems, reading, facts)
    )
    faults = faults_of(whole, weights.take)
    lost = sum(found.points for found in inherited(faults))
    offers = {}
    for part in PARTS:
        stem = STEM_OF[part]
        if _is_there(lufs[stem], lufs[""]):
            found = faults_of(measured[stem], weights.stem)
            offers[part] = Offer(_score(found) - lost, _reasons(found), lufs[stem])
    return Take(name, label, reading, _score(faults), _reasons(faults), lufs[""], offers)


def _measure(
    mixture: Signal, stems: Mapping[str, Signal], reading: MusicReading, facts: FileFacts
) -> tuple[Measurements, dict[str, Measurements]]:
    whole = measure_take(mixture, reading, facts)
    clip_level_dbfs = whole.get("clip_level_dbfs")
    return whole, measure_stems(stems, mixture, reading, clip_level_dbfs=clip_level_dbfs)


def _measured(
    source: Source,
    plan: Plan,
    cache: Cache,
    measure: Callable[[], tuple[Measurements, dict[str, Measurements]]],
) -> tuple[Measurements, Mapping[str, Measurements]]:
    """Return what ranks a take and its stems; it is kept, whatever the weights."""
    heard = [plan.nodes[_measuring(source.name, stem)].key for stem in ("", *STEMS)]
    text = canonical(["ranking", MEASUREMENTS_VERSION, *heard])
    key = hashlib.sha256(text.encode()).hexdigest()
    entry = cache.lookup(key)
    if entry is None:
        writer = cache.writer(key, keeps_partial=False)
        try:
            whole, stems = measure()
            entry = writer.commit({"op": "ranking", DATA: {"whole": whole, "stems": stems}})
        finally:
            writer.abandon()
    data = entry.facts[DATA]
    return data["whole"], data["stems"]


def _is_there(stem_lufs: float | None, song_lufs: float | None) -> bool:
    return stem_lufs is not None and (song_lufs is None or stem_lufs > song_lufs + _ABSENT_LU)


def _score(found: Sequence[Found]) -> float:
    return WHOLE_SCORE - sum(fault.points for fault in found)


def _reasons(found: Sequence[Found]) -> tuple[str, ...]:
    return tuple(fault.reason for fault in found if fault.points >= TOLD_POINTS)


def _facts(plan: Plan, cache: Cache, node: str) -> Mapping[str, Any]:
    entry = cache.lookup(plan.nodes[node].key)
    if entry is None:
        raise LostError(node)
    return entry.facts


def _lufs(plan: Plan, cache: Cache, node: str) -> float | None:
    value = _facts(plan, cache, node)["measurements"].get("lufs")
    return None if value is None else float(value)


def _signal(plan: Plan, cache: Cache, port: Port) -> StoredSignal:
    entry = cache.lookup(plan.nodes[port.node].key)
    if entry is None or port.signal not in entry.signals:
        raise LostError(port.node)
    return entry.signals[port.signal]


def same_files(recipe: Recipe, inputs: Inputs) -> list[Finding]:
    """Tell of songs that are one file, byte for byte."""
    by_hash: dict[str, list[str]] = {}
    for name, source in recipe.sources.items():
        by_hash.setdefault(inputs.hashes[source.files[0]], []).append(name)
    return [
        Finding("warn", "same_file", f"{' and '.join(names)} are one and the same file")
        for names in by_hash.values()
        if len(names) > 1
    ]
