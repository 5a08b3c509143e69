"""What a kit from disk is made of: files, takes, velocity layers, drums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from stemfx.errors import KitError
from stemfx.io import FileInfo, probe

MAX_SAMPLES = 10_000
"""Samples of one kit: the largest that people share have about 7000."""

MAX_SAMPLE_S = 60.0
"""A longer file is no single hit; a large cymbal rings for half as long."""

MAX_TOGETHER = 100
"""Samples of one hit: the microphones of a drum are a dozen."""

MAX_PLAYED = 20_000
"""Samples of one drum, each counted in every layer and take in which it is heard."""


@dataclass(frozen=True)
class Source:
    """One audio file as it is played.

    Args:
        info: its header.
        name: how the kit calls it, for messages and tables.
        gain_db: the kit's own level for it.
        tune_semitones: played faster (up) or slower (down).
        start: first sample that is played, at the file's rate.
        stop: the sample after the last one that is played; None is the end.
    """

    info: FileInfo
    name: str
    gain_db: float = 0.0
    tune_semitones: float = 0.0
    start: int = 0
    stop: int | None = None

    def facts(self) -> list[Any]:
        """Return all that is heard of it beside the bytes of its file."""
        return [self.gain_db, self.tune_semitones, self.start, self.stop]


Take = tuple[Source, ...]
"""One recording of a hit. Several sources sound together, such as the microphones of a drum."""


@dataclass(frozen=True)
class Layer:
    """The takes of one drum, struck about equally hard: for velocities in (low, high]."""

    low: float
    high: float
    takes: tuple[Take, ...]


@dataclass(frozen=True)
class Drum:
    """One drum of a class: what the contract of kits calls a variant. Layers rise in velocity."""

    name: str
    layers: tuple[Layer, ...]
    choke: str | None = None

    def sources(self) -> list[Source]:
        """Return every source, from the softest layer up."""
        return [source for layer in self.layers for take in layer.takes for source in take]

    def layer(self, velocity: float) -> Layer:
        """Return the layer whose range of velocities is nearest; of two equally near the louder."""
        return min(
            reversed(self.layers),
            key=lambda layer: max(layer.low - velocity, velocity - layer.high, 0.0),
        )


@dataclass(frozen=True)
class Ignored:
    """Something in a kit that is not played, and why."""

    name: str
    reason: str


def even_layers(takes: Sequence[Sequence[Take]]) -> tuple[Layer, ...]:
    """Return layers that share (0, 1] equally, the softest first."""
    n = len(takes)
    return tuple(Layer(i / n, (i + 1) / n, tuple(each)) for i, each in enumerate(takes))


def nearest_layers(takes: dict[float, list[Take]]) -> tuple[Layer, ...]:
    """Return layers for takes at known velocities: each reaches halfway to its neighbours."""
    at = sorted(takes)
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(at)), 1.0]
    return tuple(
        Layer(low, high, tuple(takes[v]))
        for v, (low, high) in zip(at, pairwise(edges), strict=True)
    )


@dataclass(frozen=True)
class Piece:
    """One sound of a drum as samplers list them: when it is heard, and what.

    Args:
        low: velocities above this one, in [0, 1].
        high: up to this one.
        turn: its place among the takes that are played in turn; None is heard every time.
        source: what is heard.
    """

    low: float
    high: float
    turn: tuple[float, ...] | None
    source: Source


_SAME_EDGE = 0.004  # half a step of MIDI velocity


def layers_of(pieces: Sequence[Piece]) -> tuple[Layer, ...]:
    """Return the layers that pieces make; those heard at one velocity in one turn sound together.

    Microphones of one drum may have layers of their own: each span between two edges is a layer.

    Raises:
        KitError: more samples would sound together, or in more layers and takes, than a drum has.
    """
    edges: list[float] = []
    for edge in sorted({edge for piece in pieces for edge in (piece.low, piece.high)}):
        if not edges or edge - edges[-1] > _SAME_EDGE:
            edges.append(edge)
    layers: list[Layer] = []
    n_played = 0
    for low, high in pairwise(edges):
        middle = (low + high) / 2
        takes = _takes([piece for piece in pieces if piece.low < middle < piece.high])
        n_played += sum(map(len, takes))
        _check_played(n_played, pieces)
        if layers and takes == layers[-1].takes:
            layers[-1] = replace(layers[-1], high=high)
        elif takes:
            layers.append(Layer(low, high, takes))
    return tuple(layers)


def _takes(pieces: Sequence[Piece]) -> tuple[Take, ...]:
    by_turn: dict[tuple[float, ...] | None, list[tuple[int, Source]]] = {}
    for place, piece in enumerate(pieces):
        by_turn.setdefault(piece.turn, []).append((place, piece.source))
    always = by_turn.pop(None, [])
    n_together = len(always) + max(map(len, by_turn.values()), default=0)
    if n_together > MAX_TOGETHER:
        raise KitError(
            f"{n_together} samples would sound together in one hit; at most {MAX_TOGETHER} do",
            where=pieces[0].source.name,
        )
    if not by_turn:
        return (tuple(source for _, source in always),) if always else ()
    _check_played(len(by_turn) * len(always), pieces)
    turns = sorted(turn for turn in by_turn if turn is not None)
    placed = (sorted(always + by_turn[turn], key=lambda each: each[0]) for turn in turns)
    return tuple(tuple(source for _, source in take) for take in placed)


def _check_played(n_played: int, pieces: Sequence[Piece]) -> None:
    if n_played > MAX_PLAYED:
        raise KitError(
            f"its layers and takes play more than {MAX_PLAYED:,} samples; no drum has so many",
            where=pieces[0].source.name,
        )


class Headers:
    """The headers of the samples of a kit, each read once however often the kit names it."""

    def __init__(self) -> None:
        self._infos: dict[Path, FileInfo] = {}

    def info(self, path: Path, name: str, shown: str) -> FileInfo:
        """Return what `probe_sample` says of a file."""
        if path not in self._infos:
            self._infos[path] = probe_sample(path, name, shown)
        return self._infos[path]


def probe_sample(path: Path, name: str, shown: str) -> FileInfo:
    """Read the header of a sample.

    Args:
        path: the file.
        name: how the kit calls it.
        shown: how messages call it.

    Raises:
        AudioFileError: it is missing, not audio or damaged.
        KitError: it has more than two channels or is no single hit.
    """
    info = probe(path, min_duration_s=0.0)
    if info.channels > 2:
        raise KitError(
            f"{info.channels} channels; a drum sample is mono or stereo: fold it down, or take "
            f"{name!r} out of the kit",
            where=shown,
        )
    if info.duration_s > MAX_SAMPLE_S:
        raise KitError(
            f"{info.duration_s:.0f} s of audio; a drum sample lasts at most {MAX_SAMPLE_S:.0f} s: "
            "cut out the hit",
            where=shown,
        )
    return info
