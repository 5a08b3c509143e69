"""`output`: what is written. Every path stays inside the output folder."""

from __future__ import annotations

from pathlib import Path

from stemfx.recipe.document import OutputShape
from stemfx.recipe.model import Output
from stemfx.recipe.paths import PathError, check_suffix, output_path
from stemfx.recipe.problems import Problems, listing
from stemfx.recipe.validate import section
from stemfx.recipe.yaml_tree import Leaf, Table

BIT_DEPTHS = {"wav": (16, 24, 32), "flac": (16, 24), "mp3": (), "ogg": ()}
"""The formats of a master, and the bit depths that each can have (32 is float)."""

MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates in Hz that MPEG audio layer III has (ISO/IEC 11172-3, 13818-3, MPEG-2.5)."""


def read_output(table: Table, recipe: Path, problems: Problems) -> Output:
    """Return what is written; when that would be no sound, a master named after the recipe."""
    shape = section(table, OutputShape, "output", problems) or OutputShape()
    master = _path(table, "master", tuple(BIT_DEPTHS), problems)
    report = _path(table, "report", ("html", "json"), problems)
    hits = _path(table, "hits", ("json",), problems)
    stems = _path(table, "stems", (), problems)
    if not table.get("master") and not table.get("stems"):
        master = Path(f"{recipe.stem}-master.wav")
    if master is not None:
        _check_format(master, shape, table, problems)
    return Output(
        master=master,
        stems=stems,
        report=report,
        bit_depth=shape.bit_depth,
        sample_rate=shape.sample_rate,
        where=str(table.mark),
        master_where=str(table.where("master")),
        stems_where=str(table.where("stems")),
        report_where=str(table.where("report")),
        hits=hits or Output.hits,
        hits_where=str(table.where("hits")),
    )


def _path(table: Table, key: str, suffixes: tuple[str, ...], problems: Problems) -> Path | None:
    """Return one path, read from the tree: a fault beside it must not hide its own."""
    node = table.get(key)
    if not isinstance(node, Leaf) or not isinstance(node.value, str):
        return None
    try:
        path = output_path(node.value)
        if suffixes:
            check_suffix(path, suffixes)
    except PathError as error:
        problems.add(node.mark, f"output.{key}: {error}")
        return None
    return path


def _check_format(master: Path, shape: OutputShape, table: Table, problems: Problems) -> None:
    suffix = master.suffix[1:].lower()
    depths = BIT_DEPTHS[suffix]
    if shape.bit_depth is not None and shape.bit_depth not in depths:
        has = f"has {' or '.join(map(str, depths))} bits" if depths else "has no bit depth"
        problems.add(
            table.where("bit_depth"),
            f"output.bit_depth: {suffix} {has}, got {shape.bit_depth}; "
            + ("choose one of these" if depths else "leave it out, or write wav or flac"),
        )
    if suffix == "mp3" and shape.sample_rate is not None and shape.sample_rate not in MP3_RATES:
        problems.add(
            table.where("sample_rate"),
            f"output.sample_rate: mp3 has no {shape.sample_rate} Hz (it has "
            f"{listing(map(str, MP3_RATES))})",
        )
