"""A MIDI file of the grid puts everything at the time at which it sounds."""

from __future__ import annotations

import io
from dataclasses import replace

import mido
import pytest
from made_projects import SONG, STEADY, TEMPO

from stemfx.exports.grid_midi import midi_bytes
from stemfx.exports.tempo_map import NO_TEMPO
from stemfx.midi_notes import read_midi_notes


def read(song) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(midi_bytes(song)), charset="utf-8")


def signs(file: mido.MidiFile) -> list[tuple[float, mido.MetaMessage]]:
    """Return the signs of the first track at their beats."""
    at, found = 0, []
    for message in file.tracks[0]:
        at += message.time
        found.append((at / file.ticks_per_beat, message))
    return found


def test_tempo_and_meter_change_where_they_do_in_the_song():
    found = signs(read(SONG))
    assert [(beat, m.tempo) for beat, m in found if m.type == "set_tempo"] == [
        (0, 500_000),
        (8, 600_000),
    ]
    meters = [(beat, m.numerator) for beat, m in found if m.type == "time_signature"]
    assert meters == [(0, 4), (12, 3), (15, 4)]


def test_markers_are_at_their_beats_and_one_says_where_the_audio_goes():
    markers = [(beat, m.text) for beat, m in signs(read(SONG)) if m.type == "marker"]
    # 8.751 s is 4.751 s after beat 8.
    assert markers == [
        (3.5, "song starts"),
        (4.0, "A"),
        (8.0, 'B "2"'),
        (pytest.approx(8 + 4.751 / 0.6, abs=1e-4), "end"),
    ]


def test_clicks_are_the_beats_and_the_downbeats_are_high():
    strikes = read_midi_notes(midi_bytes(replace(SONG, hits=())), 10_000).strikes
    n_beats = 8 + round((11.75 - 4.0) / 0.6 + 0.5)
    assert [time_s for time_s, _, _ in strikes] == pytest.approx(
        [TEMPO.time_s(beat) for beat in range(n_beats)], abs=1e-6
    )
    assert [i for i, (_, note, _) in enumerate(strikes) if note == 76] == [0, 4, 8, 12, 15, 19]
    assert {note for _, note, _ in strikes} == {76, 77}


def test_hits_sound_when_they_do_in_the_song():
    strikes = read_midi_notes(midi_bytes(SONG), 10_000).strikes
    hits = [(t, note, vel) for t, note, vel in strikes if note not in (76, 77)]
    # Within half a tick of 52 µs.
    assert hits == [
        (pytest.approx(0.25 + 1.75, abs=3.2e-5), 36, 127),
        (pytest.approx(2.85 + 1.75, abs=3.2e-5), 38, 64),
    ]


def test_without_a_beat_nothing_clicks():
    file = read(replace(SONG, tempo=NO_TEMPO, hits=()))
    assert [message.type for track in file.tracks for message in track if not message.is_meta] == []
    assert [m.tempo for _, m in signs(file) if m.type == "set_tempo"] == [500_000]


def test_a_tempo_that_midi_cannot_say_is_off_by_less_than_a_millisecond_after_ten_minutes():
    tempo = replace(STEADY, tempos=(replace(STEADY.tempos[0], bpm=173.123),))
    song = replace(SONG, tempo=tempo, duration_s=600.0, hits=())
    strikes = read_midi_notes(midi_bytes(song), 10_000).strikes
    assert strikes[-1][0] == pytest.approx(tempo.time_s(len(strikes) - 1), abs=1e-3)


def test_the_same_song_is_the_same_file():
    assert midi_bytes(SONG) == midi_bytes(SONG)
