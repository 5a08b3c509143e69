"""MIDI from anybody: what another reader finds in it, or one sentence in bounded time."""

import io
import struct
import time

import mido
import pytest

from stemfx.midi_notes import MidiError, read_midi_notes


def midi(*tracks, form=1, division=480, count=None):
    n = len(tracks) if count is None else count
    head = b"MThd" + struct.pack(">IHHh", 6, form, n, division)
    return head + b"".join(b"MTrk" + struct.pack(">I", len(t)) + t for t in tracks)


def test_notes_tempos_and_texts_are_those_that_mido_finds():
    file = mido.MidiFile(type=1, ticks_per_beat=96)
    tempos, notes = file.add_track(), file.add_track()
    tempos += [
        mido.MetaMessage("text", text="hällo"),
        mido.MetaMessage("set_tempo", tempo=300_000),
        mido.MetaMessage("set_tempo", tempo=700_000, time=100),
        mido.MetaMessage("time_signature", numerator=3, time=20),
    ]
    for i in range(200):
        notes += [
            mido.Message("note_on", note=i % 128, velocity=i % 128, channel=i % 16, time=i % 300),
            mido.Message("program_change", program=3, time=1),
            mido.Message("sysex", data=[1, 2, 3], time=2),
            mido.Message("pitchwheel", pitch=100),
            mido.Message("note_off", note=i % 128, velocity=64, time=20_000 if i == 7 else 5),
        ]
    buffer = io.BytesIO()
    file.save(file=buffer)
    found = read_midi_notes(buffer.getvalue(), 10_000)
    now_s, wanted = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(buffer.getvalue())):  # times in seconds
        now_s += message.time
        if message.type == "note_on" and message.velocity:
            wanted.append((pytest.approx(now_s, abs=1e-9), message.note, message.velocity))
    assert len(wanted) == 198
    assert found.strikes == wanted
    assert found.texts == ["hällo"]


def test_a_running_status_holds_until_the_next_and_over_what_plays_nothing():
    track = b"\x00\x90\x24\x40\x0a\x26\x41\x00\xff\x01\x00\x05\x24\x00\x00\x2a\x42\x00\xff\x2f\x00"
    found = read_midi_notes(midi(track + b"after the end"), 100)
    assert [(note, velocity) for _, note, velocity in found.strikes] == [
        (36, 64),
        (38, 65),
        (42, 66),
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no header"),
        (b"MThd", "no header"),
        (midi(b"", division=0), "SMPTE"),
        (midi(b"", division=-6136), "SMPTE"),
        (midi(b"", form=2), "format 2"),
        (midi(b"", count=65_535), "65534 of its tracks are not there"),
        (midi(b"\x00\x90\x24\x40")[:-1], "ends within a track"),
        (midi(b"\x00\x90\x24"), "a track ends within a message"),
        (midi(b"\x00"), "a track ends within a message"),
        (midi(b"\x00\xff"), "a track ends within a message"),
        (midi(b"\x00\xff\x01\x05abc"), "a track ends within a message"),
        (midi(b"\x00\xf0\xff\xff\xff\x7f"), "a track ends within a message"),
        (midi(b"\x00\x24\x40"), "data without a message"),
        (midi(b"\x00\xf1\x40"), "a message that no file holds"),
        (midi(b"\xff" * 4_000_000 + b"\x7f\x90\x24\x40"), "more than four bytes"),
        (midi(b"\x00\xf0" + b"\xff" * 4_000_000), "more than four bytes"),
        (midi(b"\x00\x90" + b"\x24\x40\x00" * 1_000_000), "more notes than anybody plays"),
    ],
    ids=range(17),
)
def test_a_hostile_file_is_one_sentence_in_bounded_time(data, told):
    start = time.process_time()
    with pytest.raises(MidiError, match=told):
        read_midi_notes(data, 200_000)
    assert time.process_time() - start < 2.0


def test_the_longest_times_and_tempos_are_still_numbers():
    slow = b"\x00\xff\x51\x03\xff\xff\xff" + b"\xff\xff\xff\x7f\x90\x24\x40" * 1_000
    times = [time_s for time_s, *_ in read_midi_notes(midi(slow, division=1), 10_000).strikes]
    assert times[-1] == pytest.approx(1_000 * (2**28 - 1) * (2**24 - 1) / 1e6)
