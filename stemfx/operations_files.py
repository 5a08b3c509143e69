"""What a node does that makes files for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stemfx.audio import Signal, peak_of
from stemfx.delivery.ab import matched_pair
from stemfx.delivery.deliver import deliver
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.errors import OutputError
from stemfx.fixes import HIT_STAGE, entries
from stemfx.graph import Deliver, Result, Write, WriteHits, WritePair, WriteSession, WriteStemFile
from stemfx.hit_files import is_edited, json_text, midi_bytes
from stemfx.hits import Hit
from stemfx.io import Encoding, file_sha256, write, write_bytes
from stemfx.operations_session import write_session, write_stem_file
from stemfx.stage import Notes

PAIR_ENCODING = Encoding("wav", 24)


def write_result(
    work: Result, inputs: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> list[dict[str, Any]]:
    """Write the files of a node; return size and hash of each, in the order of its paths.

    Raises:
        OutputError: they cannot be written, or would now lie elsewhere than planned.
    """
    for path in work.paths:
        _check_unmoved(path)
    if isinstance(work, WriteHits):
        _write_hits(work, data, notes)
    elif isinstance(work, Deliver):
        _deliver(work, inputs[0], data[0], notes)
    elif isinstance(work, WritePair):
        _write_pair(work, inputs, notes)
    elif isinstance(work, WriteSession):
        write_session(work, inputs, data, notes)
    elif isinstance(work, WriteStemFile):
        write_stem_file(work, inputs, notes)
    else:
        _write(work, inputs, notes)
    return [{"size_bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in work.paths]


def _check_unmoved(path: Path) -> None:
    """Refuse a result whose folder became a link since the plan found its place."""
    if path.parent.resolve() != path.parent:
        raise OutputError(
            "its folder became a link to another place while stemfx ran, so nothing is written "
            "there; run again",
            where=str(path),
        )


def _deliver(work: Deliver, master: Signal, measured: Mapping[str, Any], notes: Notes) -> None:
    """Encode a file of the master, and hear it as a player does."""
    ceiling_dbtp = work.ceiling_dbtp
    if ceiling_dbtp is not None:
        # A stage behind the limiter may have raised the peaks again, as the producer wants it.
        ceiling_dbtp = max(ceiling_dbtp, measured.get("true_peak_dbtp", ceiling_dbtp))
        ceiling_dbtp = ceiling_dbtp if ceiling_dbtp <= 0 else None
    done = deliver(
        work.path,
        master,
        work.encoding,
        ceiling_dbtp=ceiling_dbtp,
        is_resampled=master.sample_rate != measured["sample_rate"],
        tags=work.tags,
        dither=work.dither,
        notes=notes,
    )
    notes.report(sample_rate=master.sample_rate, **done.measurements())


def _write_pair(work: WritePair, inputs: Sequence[Signal], notes: Notes) -> None:
    """Write the song before and after, equally loud."""
    gains_db = matched_pair(*inputs)
    for path, signal, gain_db in zip(work.paths, inputs, gains_db, strict=True):
        write(path, signal, PAIR_ENCODING, gain=db_to_gain(gain_db))
    notes.report(gain_before_db=gains_db[0], gain_after_db=gains_db[1])


def _write(work: Write, inputs: Sequence[Signal], notes: Notes) -> None:
    """Write stems; where one would clip all are floats: together they must sum to the mix."""
    encoding = work.encoding
    peak = max(map(peak_of, inputs))
    if encoding.is_integer and peak > 1.0:
        notes.find(
            "warn",
            "stems_as_float",
            f"a stem peaks at {gain_to_db(peak):+.1f} dBFS, so the stems were written as 32-bit "
            f"float instead of {encoding.bit_depth} bit",
        )
        encoding = Encoding("wav", 32)
    for i, (path, signal) in enumerate(zip(work.paths, inputs, strict=True)):
        # Each has noise of its own: the same in all would add up to more in their sum.
        write(path, signal, encoding, dither=work.dither, seed=i)


def _write_hits(work: WriteHits, data: Sequence[Mapping[str, Any]], notes: Notes) -> None:
    """Write the hits of each track, but never over what somebody has edited."""
    contents: list[bytes] = []
    for track, found in zip(work.tracks, data, strict=True):
        hits = [Hit(work.start_s + time_s, *values) for time_s, *values in found["hits"]]
        contents += [json_text(hits, track).encode(), midi_bytes(hits, track)]
    for path, content in zip(work.paths, contents, strict=True):
        if path.exists() and is_edited(path):
            notes.find(
                "warn",
                "hits_edited",
                f"{path.name} is not what a run wrote, so it is kept as it is and was not used; "
                f"to use it {_how_to_use(path, work.recipes_folder)} at the stage that plays the "
                "hits, to have it written anew move it away",
                _hits_from(path, work.recipes_folder),
            )
        else:
            write_bytes(path, content)


def _how_to_use(path: Path, recipes_folder: Path) -> str:
    folder = recipes_folder.resolve()
    if path.is_relative_to(folder):
        return f"write `hits: {path.relative_to(folder).as_posix()}`"
    return f"copy it into the recipe's folder {folder} and write `hits: {path.name}`"


def _hits_from(path: Path, recipes_folder: Path) -> str | None:
    """Write the file of the hits as a parameter; None where a recipe does not reach it."""
    folder = recipes_folder.resolve()
    if not path.is_relative_to(folder):
        return None
    return entries(HIT_STAGE, hits=path.relative_to(folder).as_posix())
