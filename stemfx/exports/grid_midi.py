"""The beats of a song as a Standard MIDI File: tempo map, meters, markers, clicks and drum hits.

Any DAW that imports it has the song's bars; the audio then goes where the marker `SONG_STARTS` is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from stemfx.exports.song import HitTrack, Song, one_line
from stemfx.exports.tempo_map import NO_TEMPO
from stemfx.hits import GM_NOTES
from stemfx.midi_notes import DRUM_CHANNEL

SONG_STARTS = "song starts"

_TICKS_PER_BEAT = 9_600  # 52 µs at 120 BPM
_NOTE_TICKS = _TICKS_PER_BEAT // 8
_DOWNBEAT, _BEAT = (76, 120), (77, 80)  # high and low wood block, with their velocities

Event = tuple[int, int, Any]
"""(tick, order among those of one tick, message)."""


def midi_bytes(song: Song) -> bytes:
    """Return a MIDI file of format 1, the same for the same song.

    Its first track has the tempo map and the markers, the second the clicks of beats and
    downbeats, if there are any; then follow the drum hits of each track.
    """
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS_PER_BEAT, charset="utf-8")
    file.tracks.append(_sheet(song.title, _signs(song)))
    if song.tempo != NO_TEMPO:
        file.tracks.append(_sheet("click", _clicks(song)))
    for track in song.hits:
        file.tracks.append(_sheet(f"{track.name} hits", _strokes(song, track)))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _sheet(name: str, events: Iterable[Event]) -> Any:
    import mido

    sheet = mido.MidiTrack([mido.MetaMessage("track_name", name=one_line(name))])
    now = 0
    for at, _, message in sorted(events, key=lambda event: event[:2]):
        sheet.append(message.copy(time=at - now))
        now = at
    return sheet


def _tick(beat: float) -> int:
    return round(beat * _TICKS_PER_BEAT)


def _signs(song: Song) -> Iterable[Event]:
    import mido

    tempo = song.tempo
    for meter in tempo.meters:
        sign = mido.MetaMessage("time_signature", numerator=meter.beats_per_bar, denominator=4)
        yield _tick(meter.beat), 0, sign
    for change in tempo.tempos:
        sign = mido.MetaMessage("set_tempo", tempo=round(60e6 / change.bpm))
        yield _tick(change.beat), 1, sign
    start = _tick(tempo.beat(tempo.song_start_s))
    yield start, 2, mido.MetaMessage("marker", text=SONG_STARTS)
    for marker in song.places:
        at = _tick(tempo.beat(marker.time_s))
        yield at, 3, mido.MetaMessage("marker", text=one_line(marker.name))


def _clicks(song: Song) -> Iterable[Event]:
    for beat, inside in song.tempo.beats_in_bars(song.end_s):
        yield from _note(_tick(beat), *(_BEAT if inside else _DOWNBEAT))


def _strokes(song: Song, track: HitTrack) -> Iterable[Event]:
    for hit in track.hits:
        at = _tick(song.tempo.beat(song.tempo.song_start_s + hit.time_s))
        velocity = max(1, min(127, round(127 * hit.velocity)))
        yield from _note(at, GM_NOTES[hit.drum_class][0], velocity)


def _note(tick: int, note: int, velocity: int) -> Iterable[Event]:
    import mido

    common = {"channel": DRUM_CHANNEL, "note": note}
    yield tick, 1, mido.Message("note_on", velocity=velocity, **common)
    yield tick + _NOTE_TICKS, 0, mido.Message("note_off", velocity=0, **common)
