"""The plan that reads one song: what it plays to, and how loud it is. It writes nothing."""

from __future__ import annotations

from dataclasses import replace

from stemfx.dsp.loudness import METERS_VERSION
from stemfx.graph import Graph, Measure, Node
from stemfx.models import separators_of
from stemfx.plan import Plan
from stemfx.plan_inputs import Inputs
from stemfx.plan_sources import SourcePorts
from stemfx.plan_stems import Choices
from stemfx.recipe import Recipe
from stemfx.registry import Registry

MUSIC, LEVEL = "music", "measure"
"""The outputs of an analysis: the node that reads the music, and the one that measures levels."""


def make_analysis_plan(
    recipe: Recipe,
    inputs: Inputs,
    choices: Choices,
    registry: Registry,
    *,
    device: str = "auto",
) -> Plan:
    """Build the graph that reads the one song of a recipe, under the keys that a run uses too.

    Args:
        recipe: plays one song, whole or in stems; `align` may name a beat tracker.
        inputs: what `inspect_inputs` found.
        choices: the models of the song, if it is separated; then its stems are read.
        registry: of beat trackers.
        device: where the networks compute.
    """
    (source,) = recipe.sources.values()
    graph, ports = songs_alone(recipe, inputs, choices, registry, device)
    music = ports.reading(source.name).node
    level = graph.add(
        f"{source.name}/measure",
        "measure",
        Measure(),
        (ports.mixture(source),),
        config=METERS_VERSION,
        signals=(),
    ).node
    nodes: dict[str, Node] = dict(graph.nodes)
    nodes[music] = replace(nodes[music], is_told=True)  # nobody else reads it
    return Plan(
        recipe=recipe,
        nodes=nodes,
        sample_rate=ports.sample_rate,
        duration_s=graph.seconds,
        separators=separators_of(choices),
        outputs={MUSIC: music, LEVEL: level},
        findings=tuple(ports.findings()),
    )


def songs_alone(
    recipe: Recipe, inputs: Inputs, choices: Choices, registry: Registry, device: str
) -> tuple[Graph, SourcePorts]:
    """Return a graph, and what adds the whole songs of a recipe to it: for plans without tracks."""
    graph = Graph(max(info.duration_s for info in inputs.files.values()))
    ports = SourcePorts(
        graph,
        recipe,
        inputs,
        choices,
        registry,
        sample_rate=max(info.sample_rate for info in inputs.files.values()),
        preview_s=None,
        device=device,
    )
    return graph, ports
