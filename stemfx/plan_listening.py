"""What of a plan can be listened to and looked at: every song, and every track at each stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from stemfx.errors import RecipeError
from stemfx.graph import Graph, Node, Port
from stemfx.plan_inputs import played_sources
from stemfx.plan_sources import SourcePorts
from stemfx.recipe import Recipe, Source


@dataclass(frozen=True)
class Taken:
    """A song and the stems that were made of it."""

    mixture: Port
    stems: Mapping[str, Port]


@dataclass(frozen=True)
class Listening:
    """The signals of a plan that a producer may want to hear, and what is known of their time.

    Args:
        nodes: those of the plan, and some that only this needs.
        songs: each song that is played, as it came.
        chains: by track, `mix` or `master`: what came in, then what each stage gave. Where a stage,
            or `align`, moves the signal in time there are several; the last is in time with the
            result, those before it are in a time of their own.
        readings: the data of what each song plays to, in its own time.
        taken: each song that is there as stems beside its mixture.
    """

    nodes: Mapping[str, Node] = field(default_factory=dict)
    songs: Mapping[str, Port] = field(default_factory=dict)
    chains: Mapping[str, tuple[tuple[Port, ...], ...]] = field(default_factory=dict)
    readings: Mapping[str, Port] = field(default_factory=dict)
    taken: Mapping[str, Taken] = field(default_factory=dict)


def listening(
    graph: Graph,
    recipe: Recipe,
    sources: SourcePorts,
    separated: Collection[str],
    passed: Mapping[str, Sequence[Sequence[Port]]],
) -> Listening:
    """Return what of a plan can be listened to; nodes that this needs are added to its graph.

    Args:
        graph: that of the plan.
        recipe: its recipe.
        sources: its songs.
        separated: the names of those that models take apart.
        passed: see `Listening.chains`.
    """
    songs, readings, taken = {}, {}, {}
    for source in played_sources(recipe):
        songs[source.name] = sources.mixture(source)
        with suppress(RecipeError):  # what is told of its bars cannot be: nobody asked for them
            readings[source.name] = sources.reading(source.name)
        stems = _stems(source, sources, separated)
        if stems:
            taken[source.name] = Taken(songs[source.name], stems)
    chains = {name: tuple(tuple(ports) for ports in parts) for name, parts in passed.items()}
    return Listening(dict(graph.nodes), songs, chains, readings, taken)


def _stems(source: Source, sources: SourcePorts, separated: Collection[str]) -> dict[str, Port]:
    """Return the stems that should add up to a song; none where not all of them are there."""
    if source.name in separated:
        split = sources.split(source)
        names = split.song if split.is_complete else ()
        return {stem: split.port(stem, source.where) for stem in names}
    if source.stems is not None and source.mixture is not None:
        return {stem: sources.stem(source, stem, source.where) for stem in source.stems}
    return {}
