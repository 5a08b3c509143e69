"""SFZ kits: which regions are which drum.

What is heard: samples by key and velocity, round robins (seq_* and lorand/hirand), volume, tune
and transpose, offset and end, group and off_by. Regions that a player would start together sound
together. What is not: envelopes, filters, effects, loops, and regions for other controllers.
"""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath

from stemfx.errors import KitError
from stemfx.hits import CLASS_OF_NOTE
from stemfx.io import FileInfo
from stemfx.kit_files.file_kit import FileKit
from stemfx.kit_files.grouping import sorted_drums
from stemfx.kit_files.inside import Folder
from stemfx.kit_files.names import GM_NAMES, NameReading, read_name
from stemfx.kit_files.parts import (
    MAX_SAMPLES,
    Drum,
    Headers,
    Ignored,
    Piece,
    Source,
    layers_of,
)
from stemfx.kit_files.sfz_text import Section, read_sections
from stemfx.recipe.problems import label, quote

MIDI_MAX = 127
MAX_TUNE = 48.0  # semitones
MAX_VOLUME_DB = 144.0
MAX_CONDITIONS = 200_000
"""Of all regions together: a few controllers and keys each decide whether it is heard."""

_CONTROLLER = re.compile(r"(lo|hi)cc(\d+)")
_OTHER_START = re.compile(r"(on_|start_)(lo|hi)cc\d+|sw_(last|down|previous)")
_LEVELS = ("global", "master", "group", "region")
_NOTE = re.compile(r"([a-g])([#b]?)(-?\d)", re.IGNORECASE)
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_WIDE_KEYS = 6  # a region on more keys than this is an instrument that is played in pitch


def read_sfz(path: Path, root: Path) -> FileKit:
    """Return the kit that an SFZ file describes.

    Args:
        path: the file.
        root: the folder that its samples must not leave.

    Raises:
        KitError: it is no SFZ, has no drum that stemfx knows, or names what is not there.
        AudioFileError: a sample is damaged.
    """
    folder = Folder(root, path.parent)
    regions = _Regions(folder)
    for section in read_sections(path, folder):
        regions.take(section)
    if not regions.count:
        raise KitError("no <region> with a sample in it, so this is no SFZ kit", where=str(path))
    drums = regions.drums()
    if not drums:
        first = regions.ignored[0]
        raise KitError(
            f"none of its {regions.count} regions is a drum that stemfx knows "
            f"({label(first.name)}: "
            f"{first.reason}); stemfx goes by the name of a sample, then by its General MIDI key",
            where=str(path),
        )
    return FileKit(
        path.stem, drums, format="SFZ", ignored=regions.ignored, named=(path, *folder.found)
    )


class _Regions:
    """Collects regions, and sorts them into drums."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._inherited: dict[str, dict[str, str]] = {level: {} for level in _LEVELS}
        self._conditions: dict[str, list[str]] = {}
        self._left_conditions = MAX_CONDITIONS
        self._control: dict[str, str] = {}
        self._headers = Headers()
        self._pieces: dict[tuple[str, str], list[Piece]] = {}
        self._readings: dict[tuple[str, str], tuple[NameReading, str]] = {}
        self._groups: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._ignored: dict[Ignored, None] = {}
        self.count = 0

    @property
    def ignored(self) -> list[Ignored]:
        """What is not played, each once."""
        return list(self._ignored)

    def take(self, section: Section) -> None:
        """Take the next section of the file."""
        if section.name == "control":
            self._control |= section.opcodes
        elif section.name in _LEVELS:
            level = _LEVELS.index(section.name)
            for inner in _LEVELS[level:]:  # a new <group> ends what the last one said
                self._inherited[inner] = {}
                self._conditions[inner] = []
            self._inherited[section.name] = section.opcodes
            self._conditions[section.name] = [
                opcode
                for opcode in section.opcodes
                if _CONTROLLER.fullmatch(opcode) or _OTHER_START.fullmatch(opcode)
            ]
            if section.name == "region":
                # Not merged: ten thousand regions would each copy all that they inherit.
                levels = (self._inherited[level] for level in reversed(_LEVELS))
                self._region(ChainMap(*levels), section.where)

    def _region(self, opcodes: Mapping[str, str], where: str) -> None:
        name = opcodes.get("sample", "")
        if not name:
            return
        self.count += 1
        if self.count > MAX_SAMPLES:
            raise KitError(f"more than {MAX_SAMPLES:,} samples; split the kit", where=where)
        if why_not := self._why_not(name, opcodes, where):
            self._ignored[Ignored(name, why_not)] = None
            return
        key = self._key(opcodes, where)
        reading, label = _reading(name, key, opcodes)
        if reading.drum_class is None:
            self._ignored[Ignored(name, reading.why_not)] = None
            return
        full = self._control.get("default_path", "") + name
        info = self._headers.info(self._folder.find(full, where), name, f"{where}: {name}")
        drum = reading.drum_class, str(key) if key is not None else label
        low, high = (_number(opcodes, *each, where) for each in (("lovel", 0), ("hivel", MIDI_MAX)))
        piece = Piece(
            min(1.0, max(0.0, (low - 0.5) / MIDI_MAX)),
            min(1.0, max(0.0, (high + 0.5) / MIDI_MAX)),
            _turn(opcodes, where),
            _source(info, name, opcodes, where),
        )
        self._pieces.setdefault(drum, []).append(piece)
        self._readings.setdefault(drum, (reading, label))
        group = opcodes.get("group", "0")
        self._groups.setdefault(drum, set()).add((group, opcodes.get("off_by", "")))

    def _why_not(self, name: str, opcodes: Mapping[str, str], where: str) -> str:
        """Say why a region is not played, or return nothing."""
        if name.startswith("*"):
            return "it is made by the player, not a sample"
        if opcodes.get("trigger", "attack") != "attack":
            return f"it is for trigger={opcodes['trigger']}, not for a hit"
        if opcodes.get("end") == "-1" or _number(opcodes, "hivel", MIDI_MAX, where) < 1:
            return "it is never heard"
        conditions = dict.fromkeys(chain.from_iterable(self._conditions.values()))
        self._left_conditions -= len(conditions)
        if self._left_conditions < 0:
            raise KitError(
                f"more than {MAX_CONDITIONS:,} conditions under which regions are heard",
                where=where,
            )
        for opcode in conditions:
            if found := _CONTROLLER.fullmatch(opcode):
                value = float(_number(self._control, f"set_cc{found[2]}", 0, where))
                limit = _number(opcodes, opcode, 0, where)
                if value < limit if found[1] == "lo" else value > limit:
                    return f"it is for another position of controller {found[2]}"
            else:
                return f"it is started by {opcode}, not by a hit"
        return ""

    def _key(self, opcodes: Mapping[str, str], where: str) -> int | None:
        """Return the MIDI note of a region, or None for one on a whole range of keys."""
        low, high = (
            _note(opcodes.get(name, opcodes.get("key", default)), name, where)
            for name, default in (("lokey", "0"), ("hikey", "127"))
        )
        if low is None or high is None:
            return None
        offset = int(_number(self._control, "note_offset", 0, where))
        offset += 12 * int(_number(self._control, "octave_offset", 0, where))
        if high - low >= _WIDE_KEYS:
            return None
        centre = _note(opcodes.get("pitch_keycenter", ""), "pitch_keycenter", where)
        key = centre if centre is not None and low <= centre <= high else low
        return key + offset

    def drums(self) -> dict[str, list[Drum]]:
        """Return the drums by class, in the order of their keys in the file."""
        chokes = self._chokes()
        found: dict[str, list[tuple[NameReading, Drum]]] = {}
        for (drum_class, key), pieces in self._pieces.items():
            reading, name = self._readings[drum_class, key]
            layers = layers_of(pieces)
            if layers:
                drum = Drum(name, layers, chokes.get((drum_class, key)))
                found.setdefault(drum_class, []).append((reading, drum))
        return {name: sorted_drums(drums, keep_order=True) for name, drums in found.items()}

    def _chokes(self) -> dict[tuple[str, str], str]:
        """Return the choke group of every drum that silences one of another class, or itself.

        `off_by` names a group; drums whose groups are so connected silence each other. A sample
        of a hand on the crash is connected to the crash only; that is no group of the kit.
        """
        first: dict[str, str] = {}  # towards the least of the groups that are connected

        def first_of(group: str) -> str:
            while first.setdefault(group, group) != group:
                first[group] = group = first[first[group]]
            return group

        for group, off_by in (pair for pairs in self._groups.values() for pair in pairs):
            if off_by:
                least, other = sorted((first_of(group), first_of(off_by)))
                first[other] = least
        members: dict[str, set[tuple[str, str]]] = {}
        for drum, pairs in self._groups.items():
            for group, _ in pairs:
                if group in first:
                    members.setdefault(first_of(group), set()).add(drum)
        chokes: dict[tuple[str, str], str] = {}
        for least, drums in sorted(members.items()):
            itself = any(group == off_by for drum in drums for group, off_by in self._groups[drum])
            if itself or len({drum_class for drum_class, _ in drums}) > 1:
                chokes |= dict.fromkeys(drums, f"group {least}")
        return chokes


def _reading(sample: str, key: int | None, opcodes: Mapping[str, str]) -> tuple[NameReading, str]:
    """Say which drum a region is, and what it is called.

    By its label or its sample's name where a whole word says it, else by its key. A hat whose name
    does not say whether it is open goes by its key.
    """
    path = PurePosixPath(sample.replace("\\", "/"))
    labels = [opcodes.get(label, "") for label in ("region_label", "group_label", "master_label")]
    texts = [*filter(None, labels), path.stem, str(path.parent / path.stem)]
    readings = [(read_name(text), text) for text in texts]
    strong = next(((r, text) for r, text in readings if r.is_strong or r.is_other), None)
    weak = next(((r, text) for r, text in readings if r.drum_class), readings[0])
    reading, text = strong or weak
    by_key = CLASS_OF_NOTE.get(key) if key is not None else None
    if by_key and not reading.is_other:
        is_vague = reading.drum_class == "hat_closed" and not reading.says_how
        if (is_vague and by_key.startswith("hat")) or not strong:
            reading = replace(reading, drum_class=by_key)
    name = " ".join(reading.variant) or reading.plain
    if text in labels:
        name = text
    elif key in GM_NAMES and (not strong or not reading.variant):
        name = GM_NAMES[key]
    return reading, name


def _source(info: FileInfo, name: str, opcodes: Mapping[str, str], where: str) -> Source:
    cents = _number(opcodes, "tune", _number(opcodes, "pitch", 0, where), where)
    tune = _number(opcodes, "transpose", 0, where) + cents / 100
    volume_db = _number(opcodes, "volume", 0, where)
    amplitude = _number(opcodes, "amplitude", 100, where)
    if abs(tune) > MAX_TUNE or abs(volume_db) > MAX_VOLUME_DB or not 0 < amplitude <= 1000:
        raise KitError(
            f"a tuning of {tune:g} semitones, a volume of {volume_db:g} dB and an amplitude of "
            f"{amplitude:g} % are more than a kit needs",
            where=where,
        )
    start = min(max(0, int(_number(opcodes, "offset", 0, where))), info.n_samples - 1)
    last = int(_number(opcodes, "end", info.n_samples - 1, where))  # that is heard
    return Source(
        info,
        PurePosixPath(name.replace("\\", "/")).as_posix(),
        gain_db=round(volume_db + 20 * math.log10(amplitude / 100), 6),
        tune_semitones=tune,
        start=start,
        stop=last + 1 if start <= last < info.n_samples - 1 else None,
    )


def _turn(opcodes: Mapping[str, str], where: str) -> tuple[float, ...] | None:
    length = _number(opcodes, "seq_length", 1, where)
    low, high = _number(opcodes, "lorand", 0, where), _number(opcodes, "hirand", 1, where)
    if length <= 1 and (low, high) == (0, 1):
        return None
    return _number(opcodes, "seq_position", 1, where), low


def _number(opcodes: Mapping[str, str], name: str, default: float, where: str) -> float:
    text = opcodes.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KitError(f"{name}={quote(text)}: this is no number", where=where)
    return value


def _note(text: str, name: str, where: str) -> int | None:
    """Read a key as SFZ has it: a number, or a name of which c4 is 60; -1 and empty are none."""
    if not text or text == "-1":
        return None
    if text.isdecimal() and len(text) <= 3:
        return int(text)
    if found := _NOTE.fullmatch(text):
        sharp = {"#": 1, "b": -1, "": 0}[found[2]]
        return 12 * (int(found[3]) + 1) + _STEPS[found[1].lower()] + sharp
    raise KitError(f"{name}={quote(text)}: this is no key", where=where)
