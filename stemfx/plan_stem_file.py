"""The stem file for DJ software that a run writes, as nodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stemfx.exports.stem_mp4 import stem_rate
from stemfx.graph import Graph, Port, Resample, WriteStemFile
from stemfx.io import file_sha256
from stemfx.recipe import Recipe, SessionFile

STEM_FILE_VERSION = 1
"""Raise it when a stem file becomes another."""


def add_stem_file(
    graph: Graph,
    recipe: Recipe,
    file: SessionFile,
    path: Path,
    *,
    master: Port,
    faders: Mapping[str, Port],
    sample_rate: int,
) -> None:
    """Add what writes a stem file, at a sample rate that the format has.

    Args:
        graph: takes the nodes.
        recipe: that asks for it.
        file: as it asks.
        path: where it will lie.
        master: the finished one.
        faders: the tracks that are heard, at their faders, by name.
        sample_rate: of all these, in Hz.
    """
    rate = stem_rate(sample_rate)

    def at_rate(name: str, port: Port) -> Port:
        if rate == sample_rate:
            return port
        return graph.add(f"{name}/{rate}", "resample", Resample(rate), (port,), config=[rate])

    stems = {name: recipe.tracks[name].stem for name in faders}
    played = {name: stem for name, stem in stems.items() if stem is not None}
    tags = recipe.output.tags
    graph.add(
        f"write/{file.path.as_posix()}",
        "write",
        WriteStemFile(path, tuple(faders), played, tags),
        [at_rate("master", master), *(at_rate(name, port) for name, port in faders.items())],
        config=[
            *("stem file", STEM_FILE_VERSION, path.name, list(faders), played),
            None if tags is None else tags.texts(),
            None if tags is None or tags.cover is None else file_sha256(tags.cover),
        ],
        signals=(),
        where=file.where,
    )
