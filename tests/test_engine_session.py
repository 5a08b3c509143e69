"""Projects for DAWs: what a producer opens is the mix that stemfx made, taken apart."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import mido
import numpy as np
import pytest
import rpp
import soundfile
from engine import level_db, run_text, samples
from made_readings import made_reading, with_sections
from made_songs import made_song

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.errors import OutputError, RecipeError
from stemfx.io import Encoding, write
from stemfx.midi_notes import read_midi_notes
from stemfx.music_reading import Section
from stemfx.operations_session import markers_of
from stemfx.report import outcome_json
from stemfx.run import Outcome

RATE = 44_100
SOURCES = (
    "sources:\n  song: {stems: {vocals: v.wav, drums: d.wav, bass: b.wav, other: o.wav},"
    " bpm: 120, downbeat_s: 0.37}\n"
)
# Away from the centre, beyond a fader's end, mono, and one that only steers another.
TRACKS = (
    "tracks:\n  vocals: {gain_db: 1.5, pan: -0.3, stages: [duck: {by: other, depth_db: 6}]}\n"
    "  drums: {gain_db: 9, pan: 1, stages: [tells_hits: {classifier: every_second}]}\n"
    "  bass: {gain_db: -2}\n  other: {mute: true}\n"
)
MIX = "output: {master: mix.wav, bit_depth: 32, session: [song.rpp, p/song.dawproject, song.mid]}\n"


def make_stems(folder: Path) -> Path:
    """Write four seconds of stems: drums struck on every beat, drones, the bass mono."""
    rng = np.random.default_rng(3)
    time_s = np.arange(4 * RATE) / RATE
    since_beat_s = (time_s - 0.37) % 0.5
    for name, channels, hz in (("v", 2, 440.0), ("d", 2, 0.0), ("b", 1, 110.0), ("o", 2, 330.0)):
        sound = 0.05 * np.sin(2 * np.pi * hz * time_s + np.arange(channels)[:, None])
        if not hz:
            noise = rng.standard_normal((channels, time_s.size))
            sound = 0.1 * noise * np.exp(-since_beat_s / 0.03)
        write(folder / f"{name}.wav", Audio(sound.astype(np.float32), RATE), Encoding("wav", 32))
    return folder


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stems(tmp_path_factory.mktemp("stems"))


@pytest.fixture
def folder(stems: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stems, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def mixed(stems: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Return a folder in which a recipe with every kind of project was run."""
    folder = shutil.copytree(stems, tmp_path_factory.mktemp("mixed"), dirs_exist_ok=True)
    return folder, run_text(folder, SOURCES + TRACKS + MIX)


def panned(sound: np.ndarray, gain: float, pan: float) -> np.ndarray:
    """Return a track as both programs are told to play it: constant power, 0 dB in the centre."""
    angle = (pan + 1) * np.pi / 4
    sides = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
    return gain * sides * np.broadcast_to(sound.astype(np.float64), (2, sound.shape[1]))


def remixed_rpp(path: Path) -> np.ndarray:
    """Return what a REAPER project plays, from the start of its song on."""
    mix: np.ndarray | float = 0.0
    for track in rpp.loads(path.read_text(encoding="utf-8")).findall("TRACK"):
        source = track.find("ITEM").find("SOURCE")
        if source.attrib != ["WAVE"] or track.find("MUTESOLO")[1] == "1":
            continue
        assert [track.find("PANMODE")[1], track.find("PANLAWFLAGS")[1]] == ["3", "0"]
        volume, pan, law = map(float, track.find("VOLPAN")[1:4])
        assert law == pytest.approx(2**0.5)
        mix = mix + panned(samples(path.parent / source.find("FILE")[1]), volume, pan)
    return np.asarray(mix)


def remixed_dawproject(path: Path) -> np.ndarray:
    """Return what a DAWproject plays in a program that pans as stemfx does."""
    mix: np.ndarray | float = 0.0
    with zipfile.ZipFile(path) as archive:
        root = ET.fromstring(archive.read("project.xml"))  # noqa: S314 - our own
        for track in root.iter("Track"):
            lanes = root.find(f".//Lanes[@track='{track.attrib['id']}']")
            if lanes is None or lanes.find(".//Audio") is None:
                continue
            file = lanes.find(".//File").attrib["path"]
            values = {e.tag: e.attrib["value"] for e in track.find("Channel")}
            if values["Mute"] == "true":
                continue
            sound = soundfile.read(io.BytesIO(archive.read(file)))[0].T
            pan = 2 * float(values["Pan"]) - 1
            mix = mix + panned(sound, float(values["Volume"]), pan)
    return np.asarray(mix)


def names_of(path: Path) -> dict[str, bool]:
    """Return the tracks of a REAPER project, and whether each is muted."""
    tracks = rpp.loads(path.read_text(encoding="utf-8")).findall("TRACK")
    return {t.find("NAME")[1]: t.find("MUTESOLO")[1] == "1" for t in tracks}


def start_s_of(path: Path) -> float:
    """Return where in a REAPER project the song begins."""
    track = rpp.loads(path.read_text(encoding="utf-8")).find("TRACK")
    return float(track.find("ITEM").find("POSITION")[1])


def test_a_project_mixes_down_to_the_mix_of_the_recipe(mixed: tuple[Path, Outcome]) -> None:
    folder, outcome = mixed
    mix = samples(folder / "mix.wav")
    assert level_db(remixed_rpp(folder / "song.rpp") - mix, mix) < -130
    assert level_db(remixed_dawproject(folder / "p/song.dawproject") - mix, mix) < -130
    files = [str(folder / name) for name in ("song.rpp", "p/song.dawproject", "song.mid")]
    outputs = outcome_json(outcome)["outputs"]
    assert (outputs["sessions"], outputs["session"]) == (files, files[0])


def test_the_tracks_are_the_recipes_and_muted_beside_them_song_and_master(
    mixed: tuple[Path, Outcome],
) -> None:
    folder, _ = mixed
    assert list(names_of(folder / "song.rpp").items()) == [
        ("vocals", False),
        ("drums", False),
        ("bass", False),
        ("other", True),
        ("song (as it came)", True),
        ("master (finished)", True),
        ("drums hits", False),
    ]
    beside = folder / "song-media/reference"
    np.testing.assert_array_equal(samples(beside / "master.wav"), samples(folder / "mix.wav"))
    song = sum(np.broadcast_to(samples(folder / f"{n}.wav"), (2, 4 * RATE)) for n in "vdbo")
    assert level_db(samples(beside / "source-song.wav") - song, song) < -130


def test_the_songs_bars_are_the_projects_bars(mixed: tuple[Path, Outcome]) -> None:
    folder, _ = mixed
    project = rpp.loads((folder / "song.rpp").read_text(encoding="utf-8"))
    assert project.find("TEMPO")[1:] == ["120", "4", "4"]
    starts = {float(t.find("ITEM").find("POSITION")[1]) for t in project.findall("TRACK")[:-1]}
    assert len(starts) == 1
    # Its first downbeat, 0.37 s into it, is that of the second bar at 2 s.
    assert starts.pop() == pytest.approx(2.0 - 0.37, abs=0.005)
    signs = mido.MidiFile(folder / "song.mid").tracks[0]
    assert [m.tempo for m in signs if m.type == "set_tempo"] == [500_000]


def test_drum_hits_come_along_as_notes_at_their_places(mixed: tuple[Path, Outcome]) -> None:
    folder, _ = mixed
    file = mido.MidiFile(folder / "song.mid")
    assert file.tracks[-1].name == "drums hits"
    strikes = read_midi_notes((folder / "song.mid").read_bytes(), 1000).strikes
    struck = [time_s for time_s, note, _ in strikes if note == 36]
    found = json.loads((folder / "hits.json").read_text(encoding="utf-8"))["hits"]
    start_s = start_s_of(folder / "song.rpp")
    assert len(struck) >= 3
    assert struck == pytest.approx([start_s + hit["time_s"] for hit in found], abs=1e-4)


def test_hits_that_a_file_gives_come_along_too(folder: Path) -> None:
    given = [(0.37, "kick", 1.0), (2.5, "snare", 0.5), (4.5, "kick", 1.0)]  # the last: after it
    hits = [dict(zip(("time_s", "class", "velocity"), hit, strict=True)) for hit in given]
    text = f"{SOURCES}tracks: {{drums: {{stages: [tells_hits: {{hits: mine.json}}]}}}}\n"
    text += "output: {session: song.mid}\n"
    for moved_s in (0.0, 0.25):  # a second run sees that the file is another one
        hits[1]["time_s"] = 2.5 + moved_s
        (folder / "mine.json").write_text(json.dumps({"hits": hits}), encoding="utf-8")
        run_text(folder, text)
        strikes = read_midi_notes((folder / "song.mid").read_bytes(), 1000).strikes
        struck = [(time_s, note) for time_s, note, _ in strikes if note in (36, 38)]
        # The downbeat at 0.37 s is the second bar of a project at 120 BPM.
        assert [note for _, note in struck] == [36, 38]
        assert struck[0][0] == pytest.approx(2.0, abs=0.005)
        assert struck[1][0] - struck[0][0] == pytest.approx(2.13 + moved_s, abs=1e-4)


def test_what_a_dawproject_cannot_say_is_said(mixed: tuple[Path, Outcome]) -> None:
    said = {f.code: f.message for _, f in mixed[1].findings}
    assert said["session_pan_law"].startswith("vocals, drums: ")
    assert said["session_fader"].startswith("drums: ")


def test_a_second_run_and_another_folder_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    def written() -> dict[str, bytes]:
        out = [*tmp_path.rglob("song*"), *tmp_path.rglob("song-media/**/*")]
        return {str(p.relative_to(tmp_path)): p.read_bytes() for p in out if p.is_file()}

    run_text(folder, SOURCES + TRACKS + MIX)
    first = written()
    outcome = run_text(folder, SOURCES + TRACKS + MIX)
    assert {n.status for n in outcome.nodes if n.id.startswith("write/")} == {"cached"}
    assert len(first) == 3 + 4 + 2
    (folder / "song.mid").write_text("edited", encoding="utf-8")
    run_text(folder, SOURCES + TRACKS + MIX, cache=Cache(folder / "other"))
    assert written() == first


def test_a_project_that_was_saved_in_reaper_is_kept_with_new_audio_in_it(folder: Path) -> None:
    path = folder / "song.rpp"
    run_text(folder, SOURCES + "output: {session: song.rpp}\n")
    saved = path.read_text(encoding="utf-8").replace('"7.0/stemfx" 0', '"7.22/linux" 1732600000')
    path.write_text(saved, encoding="utf-8")
    tracks = "tracks: {vocals: {gain_db: 3, stages: [gain: {gain_db: -6}]}}\n"
    for _ in range(2):
        outcome = run_text(folder, f"{SOURCES}{tracks}output: {{session: song.rpp}}\n")
        assert "session_edited" in {f.code for _, f in outcome.findings}
        assert path.read_text(encoding="utf-8") == saved
    quiet = samples(folder / "song-media/vocals.wav")
    assert level_db(quiet, samples(folder / "v.wav")) == pytest.approx(-6, abs=0.01)
    path.unlink()
    run_text(folder, f"{SOURCES}{tracks}output: {{session: song.rpp}}\n")
    assert next(iter(names_of(path))) == "vocals"


def test_a_stem_file_plays_the_master_and_its_four_parts_are_the_tracks_at_their_faders(
    folder: Path,
) -> None:
    tracks = TRACKS.replace("other: {mute: true}", "other: {gain_db: -6}")
    text = SOURCES + tracks + "output: {stems: out, session: dj/song.stem.mp4}\n"
    outcome = run_text(folder, text)
    assert outcome_json(outcome)["outputs"]["session"] == str(folder / "dj/song.stem.mp4")
    parts = []
    with av.open(str(folder / "dj/song.stem.mp4")) as file:
        assert len(file.streams.audio) == 5
        for stream in file.streams.audio[1:]:
            file.seek(0)
            frames = np.concatenate([f.to_ndarray() for f in file.decode(stream)], axis=1)
            parts.append(frames[:, -stream.duration :] if frames.shape[1] > 4 * RATE else frames)
    for part, name in zip(parts, ("drums", "bass", "other", "vocals"), strict=True):
        track = samples(folder / f"out/{name}.wav")
        track = np.broadcast_to(track, (2, track.shape[1]))
        level = np.sqrt(np.mean(np.square(part), axis=1) / np.mean(np.square(track), axis=1))
        heard = np.mean(np.square(track), axis=1) > 1e-9  # the drums are at the right alone
        # A codec keeps levels within half a dB or so; a wrong part or fader is 2 dB off or more.
        assert 20 * np.log10(level[heard]) == pytest.approx(0, abs=1.0)


def test_a_stem_file_of_a_preview_keeps_the_name_that_programs_know_it_by(folder: Path) -> None:
    text = SOURCES + "output: {session: song.stem.mp4}\n"
    run_text(folder, text, preview_s=(1.0, 1.0))
    assert (folder / "song-preview.stem.mp4").exists()


def test_a_project_alone_makes_no_file_of_the_master_but_has_it(folder: Path) -> None:
    run_text(folder, SOURCES + "output: {session: song.rpp}\n")
    assert {p.name for p in folder.iterdir()} >= {"song.rpp", "song-media"}
    assert not list(folder.glob("*master*"))
    assert names_of(folder / "song.rpp")["master (finished)"]


def test_a_muted_track_that_nothing_needs_is_left_out_and_that_is_said(folder: Path) -> None:
    tracks = "tracks: {vocals: , drums: {mute: true}}\n"
    outcome = run_text(folder, SOURCES + tracks + "output: {session: song.rpp}\n")
    assert list(names_of(folder / "song.rpp")) == [
        *("vocals", "song (as it came)", "master (finished)")
    ]
    said = {f.code: f.message for _, f in outcome.findings}
    assert said["session_tracks_left_out"].startswith("drums: muted and needed by nothing")


def test_of_a_reaper_project_nothing_needs_to_be_said(folder: Path) -> None:
    outcome = run_text(folder, SOURCES + TRACKS + "output: {session: song.rpp}\n")
    assert not [f.code for _, f in outcome.findings if f.code.startswith("session")]


def test_without_a_beat_a_project_is_at_120_and_says_so(folder: Path) -> None:
    outcome = run_text(folder, "sources: {song: o.wav}\noutput: {session: song.rpp}\n")
    assert "session_no_tempo" in {f.code for _, f in outcome.findings}
    project = rpp.loads((folder / "song.rpp").read_text(encoding="utf-8"))
    assert project.find("TEMPO")[1:] == ["120", "4", "4"]
    assert start_s_of(folder / "song.rpp") == 0


def test_layers_without_a_song_make_a_project_too(folder: Path) -> None:
    run_text(folder, "tracks: {pad: {from: o.wav}}\noutput: {session: [a.rpp, b.mid]}\n")
    assert list(names_of(folder / "a.rpp")) == ["pad", "master (finished)"]


def test_a_project_of_a_preview_has_its_own_name_and_only_the_window(folder: Path) -> None:
    run_text(folder, SOURCES + TRACKS + MIX, preview_s=(1.0, 2.0))
    assert not (folder / "song.rpp").exists()
    assert (folder / "p/song-preview.dawproject").exists()
    project = rpp.loads((folder / "song-preview.rpp").read_text(encoding="utf-8"))
    for track in project.findall("TRACK")[:-1]:
        assert float(track.find("ITEM").find("LENGTH")[1]) == 2.0
        file = track.find("ITEM").find("SOURCE").find("FILE")[1]
        assert samples(folder / file).shape[1] == 2 * RATE
    mix = samples(folder / "mix-preview.wav")
    assert level_db(remixed_rpp(folder / "song-preview.rpp") - mix, mix) < -130


def test_a_mashup_has_the_grid_of_all_its_songs(tmp_path: Path) -> None:
    made = {
        "a": made_song("rock", 112.0, tonic=9, bars=3, start_s=0.4),
        "b": made_song("rock", 120.0, tonic=9, bars=3, start_s=0.9),
    }
    for name, song in made.items():
        for stem in ("drums", "bass"):
            write(tmp_path / f"{name}_{stem}.wav", song.stems[stem], Encoding("wav", 32))
    text = (
        "sources:\n"
        "  a: {stems: {drums: a_drums.wav, bass: a_bass.wav}, bpm: 112, downbeat_s: 0.4}\n"
        "  b: {stems: {drums: b_drums.wav, bass: b_bass.wav}, bpm: 120, downbeat_s: 0.9}\n"
        "align: {tempo: b, bleed: ignore}\n"
        "tracks: {drums: {from: b/drums}, bass: {from: a/bass, gain_db: -3, pan: 0.2}}\n"
        "output: {master: mix.wav, bit_depth: 32, session: song.rpp}\n"
    )
    run_text(tmp_path, text)
    mix = samples(tmp_path / "mix.wav")
    assert level_db(remixed_rpp(tmp_path / "song.rpp") - mix, mix) < -130
    project = rpp.loads((tmp_path / "song.rpp").read_text(encoding="utf-8"))
    assert float(project.find("TEMPO")[1]) == pytest.approx(120.0, abs=0.01)
    start_s = start_s_of(tmp_path / "song.rpp")
    # Bars last two seconds; that of song b at 0.9 s is where it was.
    assert (start_s + 0.9) % 2.0 == pytest.approx(0.0, abs=0.005)
    assert {"a (as it came)", "b (as it came)"} < set(names_of(tmp_path / "song.rpp"))


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ("song.als", "the format 'als' is unknown (known: rpp, dawproject, mid, stem.mp4)"),
        ("song.mp4", "the format 'mp4' is unknown"),
        (".stem.mp4", "the format 'mp4' is unknown"),
        ("song", "'song' has no suffix (known: rpp, dawproject, mid"),
        ("../song.rpp", "leads out of the output folder"),
        ("/song.rpp", "is an absolute path"),
        ("[]", "expects 1 to 8 files, got 0"),
        ("[song.rpp, 7]", "output.session"),
        ("{file: song.rpp}", "output.session"),
    ],
)
def test_a_project_that_cannot_be_is_refused_before_any_work(
    folder: Path, session: str, why: str
) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(RecipeError, match=r"output\.session") as caught:
        run_text(folder, f"{SOURCES}output: {{session: {session}}}\n")
    assert why in str(caught.value)
    assert sorted(folder.iterdir()) == sorted([*before, folder / "recipe.yaml"])


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ("[song.rpp, song.rpp]", "two results are named"),
        ("[song.rpp, SONG.rpp]", "two results are named"),
        ("song.rpp", "would overwrite an input"),
    ],
)
def test_no_project_overwrites_an_input_or_another_result(
    folder: Path, session: str, why: str
) -> None:
    (folder / "song-media").mkdir()
    (folder / "v.wav").rename(folder / "song-media/vocals.wav")
    sources = SOURCES.replace("v.wav", "song-media/vocals.wav")
    if "two" in why:
        session = session.replace("song", "other").replace("SONG", "OTHER")
    with pytest.raises(OutputError, match=why):
        run_text(folder, f"{sources}{TRACKS}output: {{session: {session}}}\n")


def test_no_link_leads_media_out_of_the_output_folder(folder: Path, tmp_path_factory) -> None:
    (folder / "song-media").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(OutputError, match="outside the output folder"):
        run_text(folder, f"{SOURCES}output: {{session: song.rpp}}\n")


def test_sections_are_markers_and_what_is_left_over_at_the_end_is_none() -> None:
    reading = with_sections(made_reading(120), ("", 1, 1), ("A", 2, 3), ("", 5, 2), ("B", 7, 1))
    reading = replace(reading, sections=(*reading.sections, Section("", 14.5, 18.0, 8, 1)))
    found = markers_of(reading)
    assert [(m.name, m.time_s) for m in found] == [
        ("unnamed", 0.5),
        ("A", 2.5),
        ("unnamed", 8.5),
        ("B", 12.5),
    ]
