"""Write a kit as SFZ: a text beside its samples, for samplers such as sfizz, LinuxSampler, ARIA."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from stemfx.io import write_text
from stemfx.kit_files.kit_sample import KitSample, WrittenDrum, choke_numbers, drums_to_write

MIDI_MAX = 127


def write_sfz(
    path: Path, samples: Sequence[KitSample], *, name: str = "", licence: str = "", author: str = ""
) -> None:
    """Write an SFZ file that plays samples by the General MIDI drum map.

    Args:
        path: the file; samples are named relative to its folder, in which they have to lie.
        samples: at least one.
        name: of the kit, for a comment, as the next two.
        licence: of the samples.
        author: of the samples.

    Raises:
        ValueError: there is no sample, or one lies outside the folder.
        OutputError: it cannot be written.
    """
    drums = drums_to_write(samples)
    facts = {"name": name, "author": author, "licence": licence}
    comments = [f"// {what}: {_one_line(text)}" for what, text in facts.items() if text]
    groups = choke_numbers(drums, first=1)
    lines = [*comments, "<control>", "<global>", "loop_mode=one_shot", "ampeg_release=0.01"]
    for drum in drums:
        lines += ["", *_drum(drum, groups, path.parent)]
    write_text(path, "\n".join(lines) + "\n")


def _drum(drum: WrittenDrum, groups: dict[str, int], folder: Path) -> Iterator[str]:
    choke = ""
    if drum.choke:
        number = groups[drum.choke]
        choke = f" group={number} off_by={number} off_mode=fast"
    yield f"<group> key={drum.note}{choke} group_label={_one_line(drum.label)}"
    for layer in drum.layers():
        lowest = round(layer[0].low * MIDI_MAX) + 1
        highest = max(round(layer[0].high * MIDI_MAX), lowest)
        velocities = f" lovel={lowest}" if lowest > 1 else ""
        velocities += f" hivel={highest}" if highest < MIDI_MAX else ""
        for position, sample in enumerate(layer, start=1):
            turn = f" seq_length={len(layer)} seq_position={position}" if len(layer) > 1 else ""
            yield f"<region>{velocities}{turn} sample={_relative(sample.file, folder)}"


def _relative(file: Path, folder: Path) -> str:
    text = os.path.relpath(file, folder).replace(os.sep, "/")
    # SFZ has no escapes: these would end the name, or begin a macro or a comment.
    if text.startswith("..") or any(odd in text for odd in ("<", "$", "//", "/*", "=", "\n")):
        msg = f"{text!r} cannot be named in an SFZ file"
        raise ValueError(msg)
    return text


def _one_line(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable() and letter not in "<=$")[:200]
