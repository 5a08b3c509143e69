"""Write a kit as an `.h2drumkit`: a tar.gz of a folder with a `drumkit.xml` and its samples.

The XML is that of Hydrogen's format version 2 (its `data/xsd/drumkit.xsd`). The same samples give
the same bytes: the archive holds no date, user or host.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from stemfx.io import writing_to
from stemfx.kit_files.kit_sample import KitSample, WrittenDrum, choke_numbers, drums_to_write

NAMESPACE = "http://www.hydrogen-music.org/drumkit"
TYPES = {
    "kick": "Kick",
    "snare": "Snare",
    "hat_closed": "Hi-hat Closed",
    "hat_open": "Hi-hat Open",
    "tom": "Tom Mid",
    "crash": "Crash",
    "clap": "Hand Clap",
}
"""Instrument types of Hydrogen's own kits, by which patterns find their instrument."""


def write_h2drumkit(
    path: Path, samples: Sequence[KitSample], *, name: str, licence: str = "", author: str = ""
) -> None:
    """Write a kit that Hydrogen imports.

    Args:
        path: the archive.
        samples: at least one; WAV or FLAC.
        name: of the kit, and of the folder that it becomes.
        licence: of the samples, as Hydrogen shows it.
        author: likewise.

    Raises:
        ValueError: there is no sample.
        OutputError: it cannot be written.
    """
    drums = drums_to_write(samples)
    names = _file_names([sample.file for sample in samples])
    xml = drumkit_xml(drums, names, name=name, licence=licence, author=author)
    folder = "".join(c if c.isalnum() or c in " ._-" else "_" for c in name).strip(" .") or "kit"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # mtime and no file name: gzip would note both in its header.
            with (
                part.open("wb") as out,
                gzip.GzipFile("", "wb", 6, out, mtime=0) as zipped,
                tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                _add(tar, f"{folder}/drumkit.xml", io.BytesIO(xml), len(xml))
                for file, stored in sorted(names.items(), key=lambda pair: pair[1]):
                    with file.open("rb") as source:
                        _add(tar, f"{folder}/{stored}", source, file.stat().st_size)
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def _add(tar: tarfile.TarFile, name: str, source: io.BufferedIOBase, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, source)


def _file_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name of its own for every file: an archive is one flat folder."""
    names: dict[Path, str] = {}
    taken = {"drumkit.xml"}
    for file in files:
        if file in names:
            continue
        name, n = file.name, 1
        while name.casefold() in taken:
            n += 1
            name = f"{file.stem}_{n}{file.suffix}"
        taken.add(name.casefold())
        names[file] = name
    return names


def drumkit_xml(
    drums: Sequence[WrittenDrum],
    names: Mapping[Path, str],
    *,
    name: str,
    licence: str = "",
    author: str = "",
) -> bytes:
    """Return a `drumkit.xml` of format version 2."""
    root = Element("drumkit_info", {"xmlns": NAMESPACE})
    facts = {
        "formatVersion": "2",
        "name": name,
        "userVersion": "0",
        "author": author,
        "info": "",
        "license": licence or "undefined license",
        "image": "",
        "imageLicense": "undefined license",
    }
    _fill(root, facts)
    instruments = SubElement(root, "instrumentList")
    groups = choke_numbers(drums, first=0)
    types: set[str] = set()
    for number, drum in enumerate(drums):
        kind, n = TYPES[drum.drum_class], 1
        while kind in types:
            n += 1
            kind = f"{TYPES[drum.drum_class]} {n}"
        types.add(kind)
        group = groups[drum.choke] if drum.choke else -1
        element = SubElement(instruments, "instrument")
        _instrument(element, number, drum, kind=kind, group=group, names=names)
    indent(root, " ")
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _instrument(
    element: Element,
    number: int,
    drum: WrittenDrum,
    *,
    kind: str,
    group: int,
    names: Mapping[Path, str],
) -> None:
    _fill(
        element,
        {
            "id": str(number),
            "name": drum.label,
            "type": kind,
            "volume": "1",
            "isMuted": "false",
            "isSoloed": "false",
            "pan": "0",
            "pitchOffset": "0",
            "randomPitchFactor": "0",
            "gain": "1",
            "applyVelocity": "true",
            "filterActive": "false",
            "filterCutoff": "1",
            "filterResonance": "0",
            "Attack": "0",
            "Decay": "0",
            "Sustain": "1",
            "Release": "1000",
            "muteGroup": str(group),
            "midiOutChannel": "-1",
            "midiOutNote": str(drum.note),
            "isStopNote": "false",
            "isHihat": "-1",
            "lower_cc": "0",
            "higher_cc": "127",
            **{f"FX{i}Level": "0" for i in range(1, 5)},
        },
    )
    component = SubElement(element, "instrumentComponent")
    takes = max(len(layer) for layer in drum.layers())
    _fill(
        component,
        {
            "name": "Main",
            "gain": "1",
            "isMuted": "false",
            "isSoloed": "false",
            "sampleSelectionAlgo": "ROUND_ROBIN" if takes > 1 else "VELOCITY",
        },
    )
    for sample in drum.samples:
        _fill(
            SubElement(component, "layer"),
            {
                "filename": names[sample.file],
                "min": f"{sample.low:.6g}",
                "max": f"{sample.high:.6g}",
                "gain": "1",
                "pitch": "0",
                "isMuted": "false",
                "isSoloed": "false",
            },
        )


def _fill(element: Element, facts: Mapping[str, str]) -> None:
    for name, text in facts.items():
        # XML 1.0 has no control characters, escaped or not.
        SubElement(element, name).text = "".join(c for c in text if c.isprintable() or c == "\n")
