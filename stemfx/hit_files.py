"""Drum hits as files: JSON for people and programs, MIDI for every DAW; and back again.

Both carry a digest of the hits as they were found. So a later run can tell a file that somebody
has edited from one that nobody has, and never writes over the first.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stemfx.errors import HitsError
from stemfx.hits import CLASS_OF_NOTE, GM_NOTES, Hit
from stemfx.midi_notes import DRUM_CHANNEL, MidiError, MidiNotes, read_midi_notes

MAX_HITS = 200_000
"""More than anybody plays in the six hours that a file may last."""

_MAX_BYTES = {".json": 16 * 2**20, ".mid": 4 * 2**20}
"""So many hits fit, and what a reader makes of them fits into memory."""

_MOST_SIGNS = {b"{": MAX_HITS + 100, b"[": MAX_HITS, b",": 5 * MAX_HITS}
"""Of a JSON file: a hit is one object of three values. Python makes 70 bytes of each `[]`."""

_TICKS_PER_BEAT = 9_600  # 52 µs at 120 bpm: two samples, where 480 ticks would be a millisecond
_MICROSECONDS_PER_BEAT = 500_000
_NOTE_S = 0.05  # drums have no length; some programs hide notes that are shorter
_MARK = "stemfx hits "


def to_json(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return hits as plain values, the same as `stemfx hits --json` prints."""
    return [
        {
            "time_s": round(hit.time_s, 6),  # a microsecond: 1/23 of a sample
            "class": hit.drum_class,
            "velocity": max(1e-4, round(hit.velocity, 4)),
        }
        for hit in hits
    ]


def from_json(values: Any, where: str) -> tuple[Hit, ...]:
    """Return the hits of plain values, in order of time.

    Raises:
        HitsError: a value is missing, unknown or out of range; it says which.
    """
    if not isinstance(values, list):
        raise HitsError(f"`hits` must be a list, got {type(values).__name__}", where=where)
    if len(values) > MAX_HITS:
        raise HitsError(f"{len(values)} hits; at most {MAX_HITS} are read", where=where)
    return tuple(sorted(_hit(value, i, where) for i, value in enumerate(values)))


def _hit(value: Any, i: int, where: str) -> Hit:
    """Return one hit; `i` is its place in the list."""
    if not isinstance(value, Mapping):
        raise HitsError(f"hits[{i}] must be an object, got {value!r:.60}", where=where)
    if missing := [name for name in ("time_s", "class", "velocity") if name not in value]:
        raise HitsError(f"hits[{i}] has no {' and no '.join(map(repr, missing))}", where=where)
    numbers = [value["time_s"], value["velocity"]]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise HitsError(f"hits[{i}]: time_s and velocity must be numbers", where=where)
    try:
        return Hit(float(value["time_s"]), value["class"], float(value["velocity"]))
    except (ValueError, OverflowError) as error:
        raise HitsError(f"hits[{i}]: {error}", where=where) from None


def digest(hits: Sequence[Hit]) -> str:
    """Return what changes with any hit."""
    lines = sorted(map(json.dumps, to_json(hits)))  # rounding may swap hits of one moment
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def json_text(hits: Sequence[Hit], track: str) -> str:
    """Return the text of a `hits.json`: one hit a line, easy to edit."""
    lines = ",\n".join(f"    {json.dumps(value)}" for value in to_json(hits))
    head = f'  "schema": 1,\n  "track": {json.dumps(track)},\n  "found": "{digest(hits)}",\n'
    return "{\n" + head + '  "hits": [' + (f"\n{lines}\n  " if lines else "") + "]\n}\n"


def midi_bytes(hits: Sequence[Hit], track: str) -> bytes:
    """Return a Standard MIDI File of hits: format 0, General MIDI drums on channel 10."""
    import mido

    ticks_per_s = _TICKS_PER_BEAT * 1_000_000 / _MICROSECONDS_PER_BEAT
    events: list[tuple[int, int, Any]] = []
    for hit in hits:
        note, at = GM_NOTES[hit.drum_class][0], round(hit.time_s * ticks_per_s)
        velocity = max(1, min(127, round(127 * hit.velocity)))
        common = {"channel": DRUM_CHANNEL, "note": note}
        events.append((at, 1, mido.Message("note_on", velocity=velocity, **common)))
        end = at + round(_NOTE_S * ticks_per_s)
        events.append((end, 0, mido.Message("note_off", velocity=0, **common)))
    events.sort(key=lambda event: event[:2])
    sheet = mido.MidiTrack()
    sheet.append(mido.MetaMessage("track_name", name=track.encode("ascii", "replace").decode()))
    sheet.append(mido.MetaMessage("set_tempo", tempo=_MICROSECONDS_PER_BEAT))
    now = 0
    for at, _, message in events:
        sheet.append(message.copy(time=at - now))
        now = at
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS_PER_BEAT)
    file.tracks.append(sheet)
    found, _ = _drums(_midi(_saved(file), track))
    sheet.insert(2, mido.MetaMessage("text", text=_MARK + digest(found)))
    return _saved(file)


def _saved(file: Any) -> bytes:
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def read_hits(path: Path) -> tuple[tuple[Hit, ...], str]:
    """Return the hits of a file, in order of time, and what was left out, in words, else nothing.

    JSON is what a run, or `stemfx hits --json` of one file, wrote. MIDI may be of any format and
    tempo map; notes that are no drum of General MIDI are left out.

    Raises:
        HitsError: it is neither, or damaged, or a value is out of range.
    """
    where = str(path)
    suffix = path.suffix.lower()
    if suffix in (".mid", ".midi"):
        hits, foreign = _drums(_midi(_read(path, ".mid"), where))
        if not foreign:
            return hits, ""
        noun = "note is no drum" if foreign == 1 else "notes are no drums"
        return hits, f"{path.name}: {foreign} {noun} of General MIDI and not played"
    if suffix == ".json":
        return _json_hits(_loaded(path), where), ""
    raise HitsError("hits are read from .json and .mid files", where=where)


def is_edited(path: Path) -> bool:
    """Tell whether a file in the way of new hits holds anything but what a run found."""
    try:
        if path.suffix.lower() == ".json":
            content = _loaded(path)
            found = content.get("found") if isinstance(content, dict) else None
            return found != digest(_json_hits(content, str(path)))
        notes = _midi(_read(path, ".mid"), str(path))
        return _MARK + digest(_drums(notes)[0]) not in notes.texts
    except HitsError:
        return True


def _read(path: Path, suffix: str) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without an end
            raise HitsError("is no file", where=str(path))
        if path.stat().st_size > (most := _MAX_BYTES[suffix]):
            raise HitsError(f"is larger than {most // 2**20} MB; no hits are", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise HitsError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _loaded(path: Path) -> Any:
    data = _read(path, ".json")
    if any(data.count(sign) > most for sign, most in _MOST_SIGNS.items()):
        raise HitsError(f"more than {MAX_HITS:,} hits, or other things than hits", where=str(path))
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise HitsError(f"is no JSON: {error}", where=str(path)) from None
    except UnicodeDecodeError:
        raise HitsError(
            "is no JSON: its text is not UTF-8; save it as UTF-8", where=str(path)
        ) from None
    except RecursionError:
        raise HitsError("is no JSON of hits: it nests too deep", where=str(path)) from None
    except ValueError:  # Python reads no numbers of more than 4300 digits
        raise HitsError("is no JSON of hits: a number is too long", where=str(path)) from None


def _json_hits(content: Any, where: str) -> tuple[Hit, ...]:
    """Return the hits of a `hits.json`, or of what `stemfx hits --json` printed of one file."""
    if isinstance(content, dict) and isinstance(content.get("files"), list):
        if len(content["files"]) != 1:
            n_files = len(content["files"])
            raise HitsError(f"holds the hits of {n_files} files; give those of one", where=where)
        content = content["files"][0]
    if not isinstance(content, dict) or "hits" not in content:
        raise HitsError("has no `hits`; it should look like the hits.json of a run", where=where)
    return from_json(content["hits"], where)


def _midi(data: bytes, where: str) -> MidiNotes:
    try:
        return read_midi_notes(data, 4 * MAX_HITS)
    except MidiError as error:
        raise HitsError(str(error), where=where) from None


def _drums(notes: MidiNotes) -> tuple[tuple[Hit, ...], int]:
    """Return the drum hits among notes, and how many notes are no drums.

    Any channel counts: many programs write drums to the first one.
    """
    hits = [
        Hit(time_s, CLASS_OF_NOTE[note], velocity / 127)
        for time_s, note, velocity in notes.strikes
        if note in CLASS_OF_NOTE
    ]
    return tuple(sorted(hits)), len(notes.strikes) - len(hits)


def file_names(path: Path, tracks: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """Return the JSON and the MIDI file of each track: `path` itself when there is but one."""
    stems = {t: path.stem if len(tracks) == 1 else f"{path.stem}-{t}" for t in tracks}
    return {
        track: (path.with_name(f"{stem}.json"), path.with_name(f"{stem}.mid"))
        for track, stem in stems.items()
    }
