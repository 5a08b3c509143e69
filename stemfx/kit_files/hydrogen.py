"""Hydrogen's drum kits: a folder with a `drumkit.xml`, as versions 0.9 to 2 write it.

What is heard: instruments and their layers with velocity ranges, gains and pitches, mute groups,
several components as microphones of one drum. What is not: filters, envelopes, loops, effects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from stemfx.dsp.units import gain_to_db
from stemfx.errors import KitError
from stemfx.hits import CLASS_OF_NOTE
from stemfx.kit_files.file_kit import FileKit
from stemfx.kit_files.grouping import sorted_drums
from stemfx.kit_files.inside import Folder, read_bytes
from stemfx.kit_files.names import NameReading, read_name
from stemfx.kit_files.parts import (
    MAX_SAMPLES,
    Drum,
    Headers,
    Ignored,
    Piece,
    Source,
    layers_of,
)
from stemfx.kit_files.xml_tree import MAX_BYTES, parse_xml
from stemfx.recipe.problems import label

MAX_INSTRUMENTS = 10_000
MAX_GAIN = 100.0
MAX_PITCH = 48.0  # semitones


def read_hydrogen(xml: Path, root: Path, *, shown: str) -> FileKit:
    """Return the kit that a `drumkit.xml` describes.

    Args:
        xml: the file.
        root: the folder that its samples must not leave.
        shown: what messages call the file.

    Raises:
        KitError: it is no kit, has no drum that stemfx knows, or names what is not there.
        AudioFileError: a sample is damaged.
    """
    tree = parse_xml(read_bytes(xml, MAX_BYTES, "XML", shown), shown)
    instruments = tree.find("instrumentList")
    if tree.tag != "drumkit_info" or instruments is None:
        raise KitError(
            "this is no Hydrogen drum kit (<drumkit_info> with an <instrumentList>)", where=shown
        )
    folder = Folder(root, xml.parent)
    reader = _Reader(folder, shown)
    found = instruments.findall("instrument")
    if len(found) > MAX_INSTRUMENTS:
        raise KitError(f"more than {MAX_INSTRUMENTS:,} instruments; this is no kit", where=shown)
    for instrument in found:
        reader.take(instrument)
    if not reader.drums:
        first = next(iter(reader.ignored), None)
        why = f" ({label(first.name)}: {first.reason})" if first else ""
        raise KitError(f"the kit has no drum that stemfx knows{why}", where=shown)
    licence = _text(tree, "license")
    return FileKit(
        _text(tree, "name") or xml.parent.name,
        {name: sorted_drums(drums, keep_order=True) for name, drums in reader.drums.items()},
        format="Hydrogen",
        licence="" if licence == "undefined license" else licence,
        author=_text(tree, "author"),
        ignored=reader.ignored,
        named=(xml, *folder.found),
    )


class _Reader:
    def __init__(self, folder: Folder, shown: str) -> None:
        self._folder, self._shown = folder, shown
        self.drums: dict[str, list[tuple[NameReading, Drum]]] = {}
        self.ignored: list[Ignored] = []
        self._n_samples = 0
        self._headers = Headers()

    def take(self, instrument: Element) -> None:
        """Add one instrument, or note why it is not played."""
        name = _text(instrument, "name") or f"instrument {_text(instrument, 'id')}"
        reading = _reading(instrument)
        if reading.drum_class is None:
            self.ignored.append(Ignored(name, reading.why_not))
            return
        where = f"{self._shown}: instrument {name!r}"
        gain = _number(instrument, "volume", 1.0, where) * _number(instrument, "gain", 1.0, where)
        pitch = _number(instrument, "pitchOffset", 0.0, where)
        if _is_set(instrument, "isMuted"):
            self.ignored.append(Ignored(name, "it is muted"))
            return
        pieces = [
            piece
            for component in _components(instrument)
            for piece in _in_turn(list(self._layers(component, gain, pitch, where)))
        ]
        layers = layers_of(pieces)
        if not layers:
            self.ignored.append(Ignored(name, "it has no sample"))
            return
        group = int(_number(instrument, "muteGroup", -1, where))
        choke = f"mute group {group}" if group >= 0 else None
        self.drums.setdefault(reading.drum_class, []).append((reading, Drum(name, layers, choke)))

    def _layers(self, component: Element, gain: float, pitch: float, where: str) -> Iterator[Piece]:
        gain *= _number(component, "gain", 1.0, where) if component.tag != "instrument" else 1.0
        for layer in component.findall("layer"):
            name = _text(layer, "filename")
            if not name or _is_set(layer, "isMuted"):
                continue
            self._n_samples += 1
            if self._n_samples > MAX_SAMPLES:
                raise KitError(f"more than {MAX_SAMPLES:,} samples; split the kit", where=where)
            amount = gain * _number(layer, "gain", 1.0, where)
            if not 0.0 < amount <= MAX_GAIN:
                self.ignored.append(Ignored(name, f"its gain is {amount:g}"))
                continue
            info = self._headers.info(self._folder.find(name, where), name, f"{where}: {name}")
            source = Source(
                info,
                name,
                gain_db=round(gain_to_db(amount), 6),
                tune_semitones=_within(pitch + _number(layer, "pitch", 0.0, where), where),
            )
            low, high = (
                min(max(_number(layer, *each, where), 0.0), 1.0)
                for each in (("min", 0.0), ("max", 1.0))
            )
            yield Piece(
                low,
                high,
                None,
                _edited(layer, source, where),
            )


def _reading(instrument: Element) -> NameReading:
    """Say which drum it is: by its name, else its type, else the MIDI note that it sends.

    The note comes last: until version 1.3 Hydrogen gave the notes out by position.
    """
    name, kind = _text(instrument, "name"), _text(instrument, "type")
    by_name, by_type = read_name(name), read_name(kind)
    if by_name.drum_class == "hat_closed" and not by_name.says_how and by_type.says_how:
        return replace(by_name, drum_class=by_type.drum_class)
    if by_name.drum_class or by_name.is_other:
        return by_name
    if by_type.drum_class:
        return by_type
    note = _text(instrument, "midiOutNote")
    if (
        re.fullmatch(r"\d{1,3}", note)
        and int(note) in CLASS_OF_NOTE
        and not re.search(r"[a-z]{3}", name)
    ):
        return replace(by_name, drum_class=CLASS_OF_NOTE[int(note)], variant=(name.lower(),))
    return by_name


def _components(instrument: Element) -> list[Element]:
    """Return what holds the layers: since version 0.9.7 components, before it the instrument."""
    found = instrument.findall("instrumentComponent")
    heard = [part for part in found if not _is_set(part, "isMuted")]
    return heard if found else [instrument]


_SAME_RANGE = 0.02


def _in_turn(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the layers of one component, of which Hydrogen plays one at a time.

    Those with about the same range take turns; else a range ends where the next one starts, for
    the ranges of older kits overlap a little.
    """
    if not pieces:
        return []
    groups: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: (p.low, p.high)):
        if groups and _is_same_range(groups[-1][0], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    ends: list[float] = [*(group[0].low for group in groups[1:]), math.inf]
    return [
        Piece(
            group[0].low,
            min(group[0].high, end) if end > group[0].low else group[0].high,
            (float(i),) if len(group) > 1 else None,
            piece.source,
        )
        for group, end in zip(groups, ends, strict=True)
        for i, piece in enumerate(group)
    ]


def _is_same_range(one: Piece, other: Piece) -> bool:
    return max(abs(one.low - other.low), abs(one.high - other.high)) < _SAME_RANGE


def _edited(layer: Element, source: Source, where: str) -> Source:
    """Apply the start and end that Hydrogen's sample editor set."""
    if not _is_set(layer, "ismodified"):
        return source
    start, end = (int(_number(layer, name, 0, where)) for name in ("startframe", "endframe"))
    n_samples = source.info.n_samples
    start = min(max(0, start), n_samples - 1)
    return replace(source, start=start, stop=end if start < end < n_samples else None)


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()[:200]


def _is_set(element: Element, name: str) -> bool:
    return _text(element, name).casefold() in ("true", "1")


def _number(element: Element, name: str, default: float, where: str) -> float:
    text = _text(element, name)
    try:
        value = float(text.replace(",", ".")) if text else default
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KitError(f"<{name}> is {text!r}, which is no number", where=where)
    return value


def _within(pitch: float, where: str) -> float:
    if abs(pitch) > MAX_PITCH:
        raise KitError(f"a pitch of {pitch:g} semitones is outside [-48, 48]", where=where)
    return pitch
