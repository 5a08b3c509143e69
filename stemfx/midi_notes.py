"""The notes of a Standard MIDI File (RP-001), read in bounded time and memory.

A file may come from anybody. So no length is believed before its bytes are there, and a time has at
most four bytes, as the standard says; what plays no note is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

DRUM_CHANNEL = 9
"""Of General MIDI: the tenth, counted from 1."""

_NOTE_ON, _SYSEX, _META = 0x90, (0xF0, 0xF7), 0xFF
_TEXT, _END_OF_TRACK, _SET_TEMPO = 0x01, 0x2F, 0x51
_ONE_DATA_BYTE = (0xC0, 0xD0)  # program change, channel pressure; the other messages have two
_MICROSECONDS_PER_BEAT = 500_000  # until a file says otherwise it plays at 120 bpm
_MICROSECONDS_PER_S = 1_000_000


class MidiError(ValueError):
    """What is wrong with a file, as the end of a sentence."""


@dataclass
class MidiNotes:
    """What a file plays, and its texts.

    `strikes` are (time in seconds, note, velocity in [1, 127]) of every channel, in order of time.
    """

    strikes: list[tuple[float, int, int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_midi_notes(data: bytes, most_events: int) -> MidiNotes:
    """Read every note of a file of format 0 or 1 in beats, with its tempo map.

    Raises:
        MidiError: it is none, damaged, of another format, or has more events.
    """
    ticks_per_beat = _ticks_per_beat(data)
    notes = MidiNotes()
    found: list[tuple[int, int, int]] = []  # tick, note, velocity; of a tempo: tick, -1, length
    for start, end in _tracks(data):
        most_events = _read_track(data[start:end], most_events, found, notes.texts)
    found.sort(key=lambda event: event[0])  # stable: at one tick the tracks keep their order
    now_s, at, tempo = 0.0, 0, _MICROSECONDS_PER_BEAT
    for tick, note, value in found:
        now_s += (tick - at) * tempo / ticks_per_beat / _MICROSECONDS_PER_S
        at = tick
        if note < 0:
            tempo = value
        else:
            notes.strikes.append((now_s, note, value))
    return notes


def _ticks_per_beat(data: bytes) -> int:
    _check(data.startswith(b"MThd") and len(data) >= 14, "it has no header")
    form, division = struct.unpack_from(">H2xh", data, 8)
    if form == 2 or division <= 0:  # bit 15 set: SMPTE frames, read as negative
        msg = "is a MIDI file of format 2 or in SMPTE time; export it as format 0 or 1 in beats"
        raise MidiError(msg)
    return int(division)


def _tracks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each track begins and ends; chunks of other kinds are passed over."""
    at = 8 + int(struct.unpack_from(">I", data, 4)[0])
    left = int(struct.unpack_from(">H", data, 10)[0])
    while left:
        _check(at + 8 <= len(data), f"{left} of its tracks are not there")
        name, size = struct.unpack_from(">4sI", data, at)
        at += 8
        _check(size <= len(data) - at, "it ends within a track")
        if name == b"MTrk":
            left -= 1
            yield at, at + size
        at += size


def _read_track(
    data: bytes, most_events: int, found: list[tuple[int, int, int]], texts: list[str]
) -> int:
    """Add the notes, tempos and texts of a track; return how many events are left."""
    at = tick = status = 0
    try:
        while at < len(data) and most_events >= 0:
            most_events -= 1
            delta, at = _number(data, at)
            tick += delta
            if data[at] >= 0xF0:
                kind, payload, at = _unplayed(data, at)
                if kind == _END_OF_TRACK:
                    break
                if kind == _TEXT:
                    texts.append(payload.decode("latin-1"))
                elif kind == _SET_TEMPO and len(payload) == 3:
                    found.append((tick, -1, int.from_bytes(payload)))
                continue
            if data[at] >= 0x80:
                status = data[at]
                at += 1
            if status & 0xF0 == _NOTE_ON and data[at + 1]:
                found.append((tick, data[at] & 0x7F, min(data[at + 1], 0x7F)))
            _check(bool(status), "data without a message")
            at += 1 if status & 0xF0 in _ONE_DATA_BYTE else 2
    except IndexError:
        at = len(data) + 1
    _check(at <= len(data), "a track ends within a message")
    if most_events < 0:
        msg = "has more notes than anybody plays; give those of one song"
        raise MidiError(msg)
    return most_events


def _unplayed(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return the kind (-1 if it has none) and content of a message, and where it ends."""
    first, kind = data[at], -1
    _check(first == _META or first in _SYSEX, "a message that no file holds")
    if first == _META:
        kind = data[at + 1]
        at += 1
    size, start = _number(data, at + 1)
    return kind, data[start : start + size], start + size


def _check(holds: bool, fault: str) -> None:  # noqa: FBT001
    if not holds:
        msg = f"is no MIDI file, or damaged: {fault}"
        raise MidiError(msg)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = 0
    for _ in range(4):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    msg = "is no MIDI file, or damaged: a time or length of more than four bytes"
    raise MidiError(msg)
