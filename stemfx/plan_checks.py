"""What the recipe's `checks` need: the nulls of its songs, and the node that judges the result."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict

from stemfx.errors import Problem, RecipeError
from stemfx.graph import NOTES, Deliver, Graph, Judge, Null, Port
from stemfx.health.check_kinds import OF_STEMS
from stemfx.health.check_readings import HEARD
from stemfx.plan_inputs import played_sources
from stemfx.plan_sources import SourcePorts
from stemfx.recipe import Recipe, Source

CHECKS_VERSION = 1


def add_checks(
    graph: Graph,
    recipe: Recipe,
    sources: SourcePorts,
    separated: Collection[str],
    measured: str | None,
    *,
    is_preview: bool,
) -> None:
    """Add the node that holds the result against the checks.

    Args:
        graph: takes the nodes; what is written of the master is there.
        recipe: has the checks.
        sources: its songs.
        separated: the names of those that models take apart.
        measured: the node that measures the master, if there is one.
        is_preview: only a part of it is made.

    Raises:
        RecipeError: there is nothing that could be nulled.
    """
    checks = recipe.checks
    if not checks:
        return
    nulls = dict(_nulls(graph, recipe, sources, separated))
    heard = tuple(c.name for c in checks if c.name in HEARD)
    # By their paths: in two folders two files may have one name.
    files = {
        node.id: node.id.removeprefix("write/")
        for node in graph.nodes.values()
        if isinstance(node.work, Deliver)
    }
    ports = []
    if measured is not None:
        ports = [*graph.nodes[measured].inputs] if heard else []
        ports += [Port(node, NOTES) for node in (measured, *files)]
    work = Judge(
        checks,
        heard,
        files=tuple(files.values()),
        nulls=tuple((source, name) for source, (_, name) in nulls.items()),
        of="preview" if is_preview else "master",
    )
    graph.add(
        "checks",
        "checks",
        work,
        [*ports, *(port for port, _ in nulls.values())],
        config=[
            CHECKS_VERSION,
            [asdict(check) | {"where": ""} for check in checks],
            work.files,
            work.nulls,
            work.of,
        ],
        signals=(),
        where=checks[0].where,
    )


def _nulls(
    graph: Graph, recipe: Recipe, sources: SourcePorts, separated: Collection[str]
) -> Iterator[tuple[str, tuple[Port, str]]]:
    """Yield each song that can null, with the notes that tell how it does and their name there."""
    where = next((check.where for check in recipe.checks if check.name in OF_STEMS), None)
    if where is None:
        return
    n_found = 0
    for source in played_sources(recipe):
        if source.name in separated:
            split = sources.split(source)
            if not split.is_complete:
                told = f"only some stems of {source.name!r} are computed; play all, or take it out"
                raise RecipeError([Problem(where, f"checks.null_db: {told}")])
            is_dropped = recipe.separate.residual == "drop"
            name = "model_null_db" if is_dropped else "null_db"
            yield source.name, (Port(split.residual().node, NOTES), name)
        elif source.stems is not None and source.mixture is not None:
            yield source.name, (_null(graph, sources, source), "null_db")
        else:
            continue
        n_found += 1
    if n_found == 0:
        told = "no song is separated, or given as stems with their `mixture`: nothing can null"
        raise RecipeError([Problem(where, f"checks.null_db: {told}")])


def _null(graph: Graph, sources: SourcePorts, source: Source) -> Port:
    stems = [sources.stem(source, stem, source.where) for stem in source.stems or {}]
    node = graph.add(
        f"{source.name}/null",
        "null",
        Null(),
        [sources.mixture(source), *stems],
        signals=(),
        where=source.where,
    ).node
    return Port(node, NOTES)
