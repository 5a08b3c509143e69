"""A DAWproject is as its schema says, and says what the song is.

The schema is Bitwig's `Project.xsd`; no package carries it, so what of it is used is written here.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile
from made_projects import DRUMS, KEY, RATE, SONG, STEADY, TEMPO, VOCALS

from stemfx.audio import Audio
from stemfx.dsp.units import db_to_gain
from stemfx.errors import OutputError
from stemfx.exports.dawproject import fader_and_rest_db, metadata_xml, project_xml
from stemfx.exports.dawproject_file import write_dawproject

# The children that an element may have, in their order; those that must be there end in `!`.
ORDER = {
    "Project": "Application! Transport Structure Arrangement Scenes",
    "Transport": "Tempo TimeSignature",
    "Structure": "Track",
    "Track": "Channel Track",
    "Channel": "Devices Mute Pan Sends Volume",
    "Arrangement": "Lanes Markers TempoAutomation TimeSignatureAutomation",
    "Lanes": "Lanes|Clips|Notes|Markers",
    "Clips": "Clip",
    "Clip": "Clips|Notes|Audio",
    "Notes": "Note",
    "Audio": "File!",
    "Markers": "Marker!",
    "TempoAutomation": "Target! RealPoint",
    "TimeSignatureAutomation": "Target! TimeSignaturePoint",
}
REQUIRED = {
    "Project": "version",
    "Application": "name version",
    "Tempo": "unit",
    "Pan": "unit",
    "Volume": "unit",
    "TimeSignature": "numerator denominator",
    "Clip": "time",
    "Note": "time duration channel key",
    "Audio": "channels sampleRate duration",
    "File": "path",
    "Marker": "time",
    "RealPoint": "time value",
    "TimeSignaturePoint": "time numerator denominator",
}
REFERENCES = {"Lanes": "track", "Channel": "destination", "Target": "parameter"}


def assert_valid(root: ET.Element) -> None:
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        children = [child.tag for child in element]
        if "|" in (order := ORDER.get(element.tag, "")):
            assert set(children) <= set(order.split("|"))
        else:
            names = [name.removesuffix("!") for name in order.split()]
            assert [names.index(child) for child in children] == sorted(map(names.index, children))
            assert {n[:-1] for n in order.split() if n.endswith("!")} <= set(children)
        assert set(REQUIRED.get(element.tag, "").split()) <= set(element.attrib)
        if (name := REFERENCES.get(element.tag, "")) in element.attrib:
            assert element.attrib[name] in ids


@pytest.fixture(scope="module")
def root() -> ET.Element:
    return ET.fromstring(project_xml(SONG))  # noqa: S314 - our own


def tracks_of(root: ET.Element) -> dict[str, ET.Element]:
    return {track.attrib["name"]: track for track in root.iter("Track")}


@pytest.mark.parametrize(
    "song",
    [SONG, replace(SONG, tempo=STEADY), replace(SONG, markers=(), hits=()), replace(SONG, hits=())],
)
def test_a_project_is_as_its_schema_says(song):
    assert_valid(ET.fromstring(project_xml(song)))  # noqa: S314 - our own


def test_every_track_has_its_name_colour_fader_and_the_one_master(root):
    tracks = tracks_of(root)
    assert list(tracks) == [VOCALS.name, "drums", KEY.name, "drums hits", "Master"]
    master = tracks["Master"].find("Channel")
    assert master.attrib["role"] == "master"
    for track in (VOCALS, DRUMS, KEY):
        found = tracks[track.name]
        assert found.attrib["color"] == track.color.lower()
        channel = found.find("Channel")
        assert channel.attrib["destination"] == master.attrib["id"]
        volume, pan = channel.find("Volume").attrib, channel.find("Pan").attrib
        assert (volume["unit"], float(volume["value"])) == (
            "linear",
            pytest.approx(db_to_gain(track.gain_db)),
        )
        # Normalised: 0 is left, 0.5 the centre, 1 right.
        assert (pan["unit"], float(pan["value"])) == ("normalized", (track.pan + 1) / 2)
        assert channel.find("Mute").attrib["value"] == str(track.is_muted).lower()


def test_audio_starts_where_the_song_does_and_is_not_stretched(root):
    tracks = tracks_of(root)
    for track in (VOCALS, DRUMS, KEY):
        lanes = root.find(f".//Lanes[@track='{tracks[track.name].attrib['id']}']")
        outer = lanes.find("Clips/Clip")
        inner = outer.find("Clips/Clip")
        length_s = track.n_samples / RATE
        start = float(outer.attrib["time"])
        end = start + float(outer.attrib["duration"])
        assert TEMPO.time_s(start) == pytest.approx(TEMPO.song_start_s, abs=1e-9)
        assert TEMPO.time_s(end) == pytest.approx(TEMPO.song_start_s + length_s, abs=1e-9)
        assert inner.attrib["contentTimeUnit"] == "seconds"
        assert float(inner.attrib["playStop"]) == length_s
        audio = inner.find("Audio")
        assert (audio.attrib["algorithm"], audio.attrib["timeUnit"]) == ("raw", "seconds")
        assert (float(audio.attrib["duration"]), audio.find("File").attrib["path"]) == (
            length_s,
            track.file,
        )


def test_tempo_meter_markers_and_notes_are_in_beats(root):
    assert root.find("Arrangement/Lanes").attrib["timeUnit"] == "beats"
    tempo = root.find("Arrangement/TempoAutomation")
    points = [(float(p.attrib["time"]), float(p.attrib["value"])) for p in tempo.iter("RealPoint")]
    assert points == [(0, 120), (8, 100)]
    assert {p.attrib["interpolation"] for p in tempo.iter("RealPoint")} == {"hold"}
    meters = root.find("Arrangement/TimeSignatureAutomation").iter("TimeSignaturePoint")
    assert [(int(p.attrib["time"]), p.attrib["numerator"]) for p in meters] == [
        (0, "4"),
        (12, "3"),
        (15, "4"),
    ]
    markers = [(m.attrib["name"], float(m.attrib["time"])) for m in root.iter("Marker")]
    assert markers == [
        ("A", 4.0),
        ('B "2"', 8.0),
        ("end", pytest.approx(8 + 4.751 / 0.6)),
    ]
    notes = [(float(n.attrib["time"]), n.attrib["key"]) for n in root.iter("Note")]
    assert notes == [(pytest.approx(4.0), "36"), (pytest.approx(9.0), "38")]


def test_metadata_has_title_artist_and_what_the_project_is():
    root = ET.fromstring(metadata_xml(SONG))  # noqa: S314 - our own
    assert [(child.tag, child.text) for child in root] == [
        ("Title", 'Say "it", don\'t'),
        ("Artist", "Ada"),
        ("Comment", "First line.\nSecond `line`."),
    ]


def test_a_text_that_xml_cannot_hold_still_gives_xml():
    song = replace(SONG, title="a\x00b\x1b\ufffe\ud800c", tracks=(replace(VOCALS, name="a\x07b"),))
    root = ET.fromstring(project_xml(song))  # noqa: S314 - our own
    assert next(iter(tracks_of(root))) == "a b"
    assert ET.fromstring(metadata_xml(song)).find("Title").text == "a b c"  # noqa: S314 - our own


@pytest.mark.parametrize(("gain_db", "fader_db"), [(-60, -60), (0, 0), (6, 6), (6.5, 6.0206)])
def test_a_fader_goes_up_to_6_db_and_the_rest_is_left(gain_db, fader_db):
    fader, rest = fader_and_rest_db(gain_db)
    assert fader == pytest.approx(fader_db, abs=1e-4)
    assert fader + rest == pytest.approx(gain_db)


def noise(channels: int, n_samples: int, seed: int) -> Audio:
    rng = np.random.default_rng(seed)
    return Audio(rng.uniform(-0.5, 0.5, (channels, n_samples)).astype(np.float32), RATE)


LOUD = replace(DRUMS, gain_db=12.0, n_samples=1000)
SIGNALS = [noise(2, 3000, 1), noise(1, 1000, 2)]
SHORT = replace(SONG, tracks=(replace(VOCALS, n_samples=3000), LOUD), hits=())


def test_the_file_holds_its_audio_and_faders_give_the_gain_that_was_asked(tmp_path):
    path = tmp_path / "song.dawproject"
    write_dawproject(path, SHORT, SIGNALS)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        root = ET.fromstring(archive.read("project.xml"))  # noqa: S314 - our own
        assert_valid(root)
        assert archive.namelist() == [
            *("project.xml", "metadata.xml"),
            *("song-media/vocals.wav", "song-media/drums.wav"),
        ]
        volumes = [float(v.attrib["value"]) for v in root.iter("Volume")]
        assert volumes == [pytest.approx(db_to_gain(1.5)), 2.0, 1.0]
        for name, volume, signal, gain_db in zip(
            archive.namelist()[2:], volumes, SIGNALS, (1.5, 12.0), strict=False
        ):
            sound, rate = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
            assert (rate, sound.shape) == (RATE, (signal.n_samples, 2))  # mono is on both sides
            asked = signal.samples.T * db_to_gain(gain_db)
            np.testing.assert_allclose(
                sound * volume, np.broadcast_to(asked, sound.shape), rtol=1e-5
            )


def test_the_same_song_is_the_same_file_and_nothing_else_is_left(tmp_path):
    for name in ("a", "b"):
        write_dawproject(tmp_path / name / "song.dawproject", SHORT, SIGNALS)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path.name for path in files] == ["song.dawproject"] * 2
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_project_that_fails_leaves_the_old_one_and_no_pieces(tmp_path):
    path = tmp_path / "song.dawproject"
    path.write_bytes(b"old")

    class Breaks(Audio):
        def blocks(self, n_samples: int = 0):
            raise OutputError("stopped")
            yield

    with pytest.raises(OutputError, match="stopped"):
        write_dawproject(path, SHORT, [SIGNALS[0], Breaks(SIGNALS[1].samples, RATE)])
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("song.dawproject", b"old")]
