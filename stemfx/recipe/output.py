"""`output`: what is written. Every path stays inside the output folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from stemfx.recipe.document import MasterFileShape, OutputShape, TagsShape
from stemfx.recipe.model import MasterFile, Output, SessionFile, SessionFormat
from stemfx.recipe.paths import PathError, asset, check_suffix, output_path
from stemfx.recipe.problems import Mark, Problems, listing
from stemfx.recipe.validate import section
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Table
from stemfx.tags import Tags, tag_text

BIT_DEPTHS = {"wav": (16, 24, 32), "flac": (16, 24), "mp3": (), "ogg": ()}
"""The formats of a master, and the bit depths that each can have (32 is float)."""

MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates in Hz that MPEG audio layer III has (ISO/IEC 11172-3, 13818-3, MPEG-2.5)."""

MOST_MASTERS = 16

SESSION_FORMATS: tuple[SessionFormat, ...] = get_args(SessionFormat)
MOST_SESSIONS = 8


def mp3_rate(sample_rate: int) -> int:
    """Return the rate at which MP3 keeps most of a sound: its own, the next above, else a fraction.

    >>> [mp3_rate(rate) for rate in (44_100, 88_200, 96_000, 10_000)]
    [44100, 44100, 48000, 11025]
    """
    if sample_rate <= MP3_RATES[-1]:
        return next(rate for rate in MP3_RATES if rate >= sample_rate)
    return 44_100 if sample_rate % 44_100 == 0 else 48_000


def read_output(table: Table, recipe: Path, folder: Path, problems: Problems) -> Output:
    """Return what is written; when that would be no sound, a master named after the recipe.

    Args:
        table: as written.
        recipe: the recipe's file.
        folder: where its files lie.
        problems: takes the faults.
    """
    shape = section(table, OutputShape, "output", problems) or OutputShape()
    masters = _masters(table, shape, problems)
    report = _path(table, "report", ("html", "json"), problems)
    hits = _path(table, "hits", ("json",), problems)
    stems = _path(table, "stems", (), problems)
    if not any(table.get(key) for key in ("master", "stems", "session")):
        masters = (MasterFile(Path(f"{recipe.stem}-master.wav"), str(table.mark)),)
    _check_depth(masters, shape, table, problems)
    for key in ("ab", "tags"):
        if table.get(key) and not table.get("master") and not masters:
            problems.add(
                table.where(key),
                f"output.{key}: is for a master; add `master`",
            )
    return Output(
        where=str(table.mark),
        masters=masters,
        stems=stems,
        report=report,
        ab=_path(table, "ab", (), problems),
        bit_depth=shape.bit_depth,
        sample_rate=shape.sample_rate,
        dither=shape.dither,
        tags=_tags(table, shape.tags, folder, problems),
        stems_where=str(table.where("stems")),
        report_where=str(table.where("report")),
        ab_where=str(table.where("ab")),
        hits=hits or Output.hits,
        hits_where=str(table.where("hits")),
        sessions=_sessions(table, problems),
    )


def _path(table: Table, key: str, suffixes: tuple[str, ...], problems: Problems) -> Path | None:
    return _path_of(table.get(key), f"output.{key}", suffixes, problems)


def _path_of(
    node: Node | None, title: str, suffixes: tuple[str, ...], problems: Problems
) -> Path | None:
    """Return one path, read from the tree: a fault beside it must not hide its own."""
    if not isinstance(node, Leaf) or not isinstance(node.value, str):
        return None
    try:
        path = output_path(node.value)
        if suffixes:
            check_suffix(path, suffixes)
    except PathError as error:
        problems.add(node.mark, f"{title}: {error}")
        return None
    return path


# --- projects for DAWs -------------------------------------------------------------------


def _sessions(table: Table, problems: Problems) -> tuple[SessionFile, ...]:
    """Return the projects that are named well."""
    node = table.get("session")
    if node is None:
        return ()
    nodes: Sequence[Node] = node.nodes if isinstance(node, Items) else (node,)
    if not 1 <= len(nodes) <= MOST_SESSIONS:
        told = f"expects 1 to {MOST_SESSIONS} files, got {len(nodes)}"
        problems.add(node.mark, f"output.session: {told}")
        return ()
    found = []
    for entry in nodes:
        path = _path_of(entry, "output.session", SESSION_FORMATS, problems)
        if path is not None:
            format_ = next(f for f in SESSION_FORMATS if path.name.lower().endswith(f".{f}"))
            found.append(SessionFile(path, str(entry.mark), format_))
    return tuple(found)


# --- the files of the master -------------------------------------------------------------


def _masters(table: Table, shape: OutputShape, problems: Problems) -> tuple[MasterFile, ...]:
    """Return the files of the master that are named well."""
    node = table.get("master")
    if node is None:
        return ()
    nodes: Sequence[Node] = node.nodes if isinstance(node, Items) else (node,)
    if not 1 <= len(nodes) <= MOST_MASTERS:
        problems.add(
            node.mark, f"output.master: expects 1 to {MOST_MASTERS} files, got {len(nodes)}"
        )
        return ()
    told: Sequence[str | MasterFileShape | None]
    told = shape.master if isinstance(shape.master, list) else [shape.master]
    if len(told) != len(nodes):  # the section is faulty: only the names can be told
        told = [None] * len(nodes)
    read = [_master(*both, problems) for both in zip(nodes, told, strict=True)]
    for file, entry in zip(read, nodes, strict=True):
        if file is not None and file.format == "mp3":
            _check_mp3_rate(file, entry, shape.sample_rate, table, problems)
    return tuple(file for file in read if file is not None)


def _master(
    node: Node, told: str | MasterFileShape | None, problems: Problems
) -> MasterFile | None:
    name = node.get("file") if isinstance(node, Table) else node
    path = _path_of(name, "output.master", tuple(BIT_DEPTHS), problems)
    if path is None or name is None:
        return None
    if not isinstance(told, MasterFileShape) or not isinstance(node, Table):
        return MasterFile(path, str(name.mark))
    asked = told.model_dump(exclude={"file"})
    file = MasterFile(path, str(name.mark), **asked)
    if told.bit_depth is not None:
        _check_has_depth(file, told.bit_depth, node.where("bit_depth"), problems)
    for key, format_ in (("bitrate_kbps", "mp3"), ("quality", "ogg")):
        if asked[key] is not None and file.format != format_:
            problems.add(
                node.where(key),
                f"output.master.{key}: {file.format} has none; leave it out, or write {format_}",
            )
    return file


def _check_mp3_rate(
    file: MasterFile, entry: Node, rate_of_all: int | None, table: Table, problems: Problems
) -> None:
    rate = file.sample_rate or rate_of_all
    if rate is None or rate in MP3_RATES:
        return
    asking = entry if isinstance(entry, Table) and file.sample_rate is not None else table
    problems.add(
        asking.where("sample_rate"),
        f"output.sample_rate: mp3 has no {rate} Hz (it has {listing(map(str, MP3_RATES))}); "
        f"for this file alone: {{file: {file.path}, sample_rate: {mp3_rate(rate)}}}",
    )


def _check_depth(
    masters: Sequence[MasterFile], shape: OutputShape, table: Table, problems: Problems
) -> None:
    """Note a bit depth that no file can have; of several files the others do without."""
    depth = shape.bit_depth
    if depth is not None and masters and all(depth not in BIT_DEPTHS[m.format] for m in masters):
        _check_has_depth(masters[0], depth, table.where("bit_depth"), problems)


def _check_has_depth(file: MasterFile, depth: int, mark: Mark, problems: Problems) -> None:
    depths = BIT_DEPTHS[file.format]
    if depth in depths:
        return
    has = f"has {' or '.join(map(str, depths))} bits" if depths else "has no bit depth"
    problems.add(
        mark,
        f"output.bit_depth: {file.format} {has}, got {depth}; "
        + ("choose one of these" if depths else "leave it out, or write wav or flac"),
    )


# --- tags --------------------------------------------------------------------------------


def _tags(table: Table, shape: TagsShape | None, folder: Path, problems: Problems) -> Tags | None:
    """Return the tags; those that players could not show are noted, each where it lies."""
    node = table.get("tags")
    if shape is None or not isinstance(node, Table):
        return None
    texts: dict[str, str] = {}
    cover = None
    for name, value in shape:
        try:
            if value is not None and name == "cover":
                cover = asset(value, folder)
            elif value is not None:
                texts[name] = tag_text(name, str(value))
        except (PathError, ValueError) as error:
            problems.add(node.where(name), f"output.tags.{name}: {error}")
    return Tags(**texts, cover=cover)
