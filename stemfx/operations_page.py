"""What the nodes do that make pictures and listening copies of signals, for the report page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stemfx.audio import Signal
from stemfx.cache import EntryWriter
from stemfx.dsp.pictures import PictureGrid, picture_of
from stemfx.dsp.receipt import null_receipt
from stemfx.graph import ForPage, ListeningCopy, Picture
from stemfx.io.opus import copy_gain_db, listening_copy, n_copied

COPY = "copy"
"""The name of the file in which the pieces of a listening copy lie, one after the other."""


def find(work: ForPage, inputs: Sequence[Signal]) -> Mapping[str, Any]:
    """Return what the page shows of a signal, or of a song and its stems."""
    if isinstance(work, Picture):
        return picture_of(inputs[0], PictureGrid(work.frames_per_column))
    mixture, *stems = inputs
    return null_receipt(mixture, stems)


def write_copy(
    work: ListeningCopy, signal: Signal, picture: Mapping[str, Any], writer: EntryWriter
) -> Mapping[str, Any]:
    """Encode a signal for the page; return where each piece of it ends in the file.

    Args:
        work: at which rate.
        signal: what to encode.
        picture: of that signal.
        writer: takes the file.
    """
    gain_db = copy_gain_db(picture["true_peak_dbtp"])
    ends: list[int] = []

    def counted() -> Iterator[bytes]:
        for piece in listening_copy(signal, work.kbps, gain_db=gain_db):
            ends.append(len(piece) + (ends[-1] if ends else 0))
            yield piece

    writer.keep(COPY, counted())
    return {
        "ends": ends,
        "n_segments": len(ends),
        "n_samples": n_copied(signal.n_samples, signal.sample_rate),
        "gain_db": gain_db,
    }
