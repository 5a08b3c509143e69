"""A REAPER project says what the song is; an independent reader tells what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rpp
from made_projects import DRUMS, KEY, RATE, SONG, STEADY, TEMPO, VOCALS

from stemfx.dsp.units import db_to_gain
from stemfx.exports.reaper import rpp_text


@pytest.fixture(scope="module")
def project():
    return rpp.loads(rpp_text(SONG))


def tracks_of(project) -> dict:
    return {track.find("NAME")[1]: track for track in project.findall("TRACK")}


def test_every_track_has_its_name_audio_fader_and_place(project):
    tracks = tracks_of(project)
    assert list(tracks) == ['vocals "A" <&>', "drums", "it's a `key`", "drums hits"]
    for track in (VOCALS, DRUMS, KEY):
        found = tracks[track.name]
        volume, pan = map(float, found.find("VOLPAN")[1:3])
        assert (volume, pan) == (pytest.approx(db_to_gain(track.gain_db)), track.pan)
        assert found.find("MUTESOLO")[1] == str(int(track.is_muted))
        item = found.find("ITEM")
        assert float(item.find("POSITION")[1]) == TEMPO.song_start_s
        assert float(item.find("LENGTH")[1]) == track.n_samples / RATE
        assert item.find("SOURCE").attrib == ["WAVE"]
        assert item.find("SOURCE").find("FILE")[1] == track.file


def test_colours_have_red_in_the_lowest_byte(project):
    assert tracks_of(project)[KEY.name].find("PEAKCOL")[1] == str(0x1_03_02_01)


def test_pans_are_a_balance_of_constant_power_with_the_centre_at_0_db(project):
    for where in (project, *project.findall("TRACK")):
        assert where.find("PANMODE") == ["PANMODE", "3"]
        assert where.find("PANLAWFLAGS") == ["PANLAWFLAGS", "0"]
    assert float(project.find("PANLAW")[1]) == pytest.approx(2**0.5)
    laws = [float(track.find("VOLPAN")[3]) for track in project.findall("TRACK")]
    assert laws == pytest.approx([2**0.5] * 4)


def test_tempo_and_meter_change_where_they_do_in_the_song(project):
    assert project.find("TEMPO")[1:] == ["120", "4", "4"]
    points = [[float(x) for x in p[1:]] for p in project.find("TEMPOENVEX").findall("PT")]
    quarters = 4 * 65_536
    assert points == [
        [0.0, 120.0, 1, quarters + 4, 0, 1],
        [4.0, 100.0, 1],
        [pytest.approx(4.0 + 4 * 0.6), 100.0, 1, quarters + 3, 0, 1],
        [pytest.approx(4.0 + 7 * 0.6), 100.0, 1, quarters + 4, 0, 1],
    ]


def test_one_tempo_needs_no_envelope():
    project = rpp.loads(rpp_text(replace(SONG, tempo=STEADY)))
    assert project.find("TEMPOENVEX") is None
    assert project.find("TEMPO")[1:] == ["92", "4", "4"]


def test_markers_lie_on_the_bar_lines_that_they_mean(project):
    markers = [(float(m[2]), m[3]) for m in project.findall("MARKER")]
    # 0.3 ms beside a beat is on it; 1 ms beside none is left alone.
    assert markers == [(2.0, "A"), (4.0, 'B "2"'), (8.751, "end")]


def test_hits_are_notes_of_general_midi_at_their_beats(project):
    source = tracks_of(project)["drums hits"].find("ITEM").find("SOURCE")
    assert source.find("HASDATA") == ["HASDATA", "1", "960", "QN"]
    at, struck = 0, []
    for event in source.findall("E"):
        at += int(event[1])
        if event[2] == "99":
            struck.append((at / 960, int(event[3], 16), int(event[4], 16)))
    # 0.25 s is 2.0 s of the project, beat 4; 2.85 s is 4.6 s, one slow beat after beat 8.
    assert struck == [(4.0, 36, 127), (9.0, 38, 64)]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("plain", "plain"),
        ("two words", "two words"),
        ("", ""),
        ("it's", "it's"),
        ('"quoted"', '"quoted"'),
        ("'both' \"kinds\"", "'both' \"kinds\""),
        ("`all` 'three' \"kinds\"", "'all' 'three' \"kinds\""),  # the format cannot say it
        ("> NAME\n<TRACK", "> NAME <TRACK"),
        ("|pipe", "|pipe"),
        ("日本 é", "日本 é"),
    ],
)
def test_no_name_breaks_out_of_its_quotes(name, read):
    song = replace(SONG, title=name, tracks=(replace(VOCALS, name=name),), hits=())
    project = rpp.loads(rpp_text(song))
    assert [track.find("NAME")[1] for track in project.findall("TRACK")] == [read]
    assert project.find("TITLE")[1] == read


@pytest.mark.parametrize("file", ["my  song-media/lead  vox.wav", "it's `b` 🎸-media/日本.wav"])
def test_a_file_is_named_to_the_letter(file):
    project = rpp.loads(rpp_text(replace(SONG, tracks=(replace(VOCALS, file=file),), hits=())))
    assert project.find("TRACK").find("ITEM").find("SOURCE").find("FILE")[1] == file


def test_the_same_song_is_the_same_text_and_no_two_things_share_an_identity():
    assert rpp_text(SONG) == rpp_text(SONG)
    lines = rpp_text(SONG).splitlines()
    tracks = [line for line in lines if "<TRACK {" in line]
    takes = [line for line in lines if line.strip().startswith(("GUID {", "IGUID {"))]
    assert len(set(tracks)) == 4
    assert len(set(takes)) == len(takes)
