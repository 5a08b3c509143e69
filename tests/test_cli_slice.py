"""`stemfx slice`: a library from stems, read back by other code than that which wrote it."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile
from slicing import riff
from slicing.drumming import tenth_s

from stemfx.audio import Signal
from stemfx.cli import execute
from stemfx.demo_song import BPM, demo_song
from stemfx.hits import DRUM_CLASSES
from stemfx.io import file_sha256
from stemfx.kit_files import read_kit
from stemfx.recipe.paths import name_fault

RATE = 44_100
KEYS = {
    *("file", "kind", "class", "song", "stem", "source", "bpm", "key", "velocity", "is_clean"),
    *("cleanliness_db", "decay_db", "low_cut_hz", "start_s", "attack", "bars", "beats", "loop"),
    *("root_note", "length", "length_s", "sample_rate", "channels", "peak_dbfs", "level_dbfs"),
    *("gain_db", "sha256"),
}

Told = dict[str, Any]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Told]:
    code = execute(["slice", "--json", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs") / "Night Drive"
    folder.mkdir()
    for name, stem in demo_song(RATE).items():
        soundfile.write(folder / f"{name}.wav", stem.samples.T, RATE, "PCM_16")
    return folder


@pytest.fixture(scope="module")
def library(stems: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    assert execute(["slice", str(stems), "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def index(library: Path) -> Told:
    told: Told = json.loads((library / "library.json").read_text("utf-8"))
    return told


def of_kind(index: Told, kind: str) -> list[Told]:
    return [sample for sample in index["samples"] if sample["kind"] == kind]


# --- the library -------------------------------------------------------------------------


def test_the_index_tells_every_file_and_no_other(library, index):
    there = tree(library)
    listed = {one["file"]: one["sha256"] for one in [*index["samples"], *index["kits"]]}
    assert listed == {name: sha for name, sha in there.items() if name != "library.json"}
    assert index["schema"] == 1
    assert all(sample.keys() == KEYS for sample in index["samples"])


def test_names_tell_song_stem_class_key_tempo_and_velocity(index):
    one_shot = re.compile(r"one-shots/Night-Drive_drums_([a-z-]+)_Amin_104bpm_v(\d{3})_\d\d\.wav")
    loop = re.compile(r"loops/Night-Drive_(drums|bass|other|vocals)_(\d)bar_Amin_104bpm_\d\d\.wav")
    for sample in index["samples"]:
        assert name_fault(Path(sample["file"]).name) is None
        if sample["kind"] == "one-shot":
            match = one_shot.fullmatch(sample["file"])
            assert match is not None, sample["file"]
            assert match[1].replace("-", "_") == sample["class"] in DRUM_CLASSES
            assert int(match[2]) == sample["velocity"]
        else:
            match = loop.fullmatch(sample["file"])
            assert match is not None, sample["file"]
            assert (match[1], int(match[2])) == (sample["stem"], sample["bars"])
    assert {sample["key"] for sample in index["samples"]} == {"A minor"}


def test_the_demo_song_gives_its_kick_and_snare_and_loops_of_every_stem(index):
    assert {"kick", "snare"} <= {sample["class"] for sample in of_kind(index, "one-shot")}
    loops = {(sample["stem"], sample["bars"]) for sample in of_kind(index, "loop")}
    assert {(stem, 1) for stem in ("drums", "bass", "other", "vocals")} <= loops
    assert {("drums", 4), ("bass", 4)} & loops


def test_loops_are_exact_to_the_sample(library, index):
    for sample in of_kind(index, "loop"):
        exact = round(sample["bars"] * 4 * 60 / BPM * RATE)
        info = soundfile.info(library / sample["file"])
        assert info.frames == sample["length"] == exact
        assert sample["loop"] == {"start": 0, "end": exact - 1}


def test_loops_repeat_without_a_click(library, index):
    """The step from the last sample to the first is not larger than those of the stem."""
    for sample in of_kind(index, "loop"):
        sound, _ = soundfile.read(library / sample["file"], always_2d=True)
        inside = np.abs(np.diff(sound, axis=0)).max()
        assert np.abs(sound[0] - sound[-1]).max() <= inside


def test_one_shots_are_found_again_at_their_start(library, index):
    pre_roll = index["pre_roll_s"]
    for sample in of_kind(index, "one-shot"):
        sound, rate = soundfile.read(library / sample["file"], always_2d=True)
        assert tenth_s(sound.T, rate) == pytest.approx(pre_roll, abs=0.001)
        assert sample["attack"] == round(pre_roll * rate)
        assert not sound[0].any()
        assert not sound[-1].any()


def test_samples_are_the_stems_where_they_say_they_are(library, stems, index):
    """Behind the fade and before the crossfade, sample for sample, where no filter was used."""
    for sample in index["samples"]:
        sound, rate = soundfile.read(library / sample["file"], dtype="float32", always_2d=True)
        stem, _ = soundfile.read(stems / sample["source"], dtype="float32", always_2d=True)
        start = round(sample["start_s"] * rate)
        first = sample["attack"] or 0
        last = min(len(sound) // 2, len(sound) - round(0.03 * rate))
        if sample["low_cut_hz"] is None:
            assert (sound[first:last] == stem[start + first : start + last]).all(), sample["file"]


def test_files_are_24_bit_and_hold_what_samplers_read(library, index):
    for sample in index["samples"]:
        path = library / sample["file"]
        info = soundfile.info(path)
        assert (info.subtype, info.samplerate, info.channels) == ("PCM_24", RATE, 2)
        chunks = riff.chunks(path)
        sampler = riff.sampler(chunks["smpl"])
        acid = riff.acid(chunks["acid"])
        cues = riff.cues(chunks["cue "])
        assert sampler["note"] == sample["root_note"]
        if sample["kind"] == "loop":
            (loop,) = sampler["loops"]
            assert {"start": loop["start"], "end": loop["end"]} == sample["loop"]
            assert (acid["beats"], acid["bpm"]) == (sample["beats"], BPM)
            assert len(cues) == sample["beats"]
            assert np.diff(cues) == pytest.approx(60 / BPM * RATE, abs=1)
        else:
            assert sampler["loops"] == []
            assert acid["is_one_shot"]
            assert cues == [sample["attack"]]


# --- as a kit ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "drums.sfz", "drums.h2drumkit"])
def test_the_library_is_a_kit(library, index, name, capsys):
    path = library / name if name else library
    assert execute(["kit", "--json", str(path)]) == 0
    capsys.readouterr()
    kit = read_kit(path)
    shots = of_kind(index, "one-shot")
    assert set(kit.classes) == {sample["class"] for sample in shots}
    kick = kit.sample("kick", 1.0, RATE).samples[0]
    files = [sample for sample in shots if sample["class"] == "kick"]
    sounds = [soundfile.read(library / one["file"], dtype="float32")[0][:, 0] for one in files]
    assert max(likeness(kick, sound) for sound in sounds) > 0.999


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest correlation of two sounds: a kit may shift and scale its samples."""
    a, b = (x[:4000] / np.linalg.norm(x[:4000]) for x in (a, b))
    return float(np.correlate(a, b, "full").max())


def test_the_hydrogen_kit_holds_every_one_shot(library, index, tmp_path):
    namespace = "{http://www.hydrogen-music.org/drumkit}"
    with tarfile.open(library / "drums.h2drumkit") as archive:
        archive.extractall(tmp_path)  # noqa: S202 - written by ourselves
    (xml,) = tmp_path.rglob("drumkit.xml")
    root = ET.parse(xml).getroot()  # noqa: S314 - written by ourselves
    assert root.tag == f"{namespace}drumkit_info"
    layers = [element.text for element in root.iter(f"{namespace}filename")]
    shots = {Path(sample["file"]).name: sample["sha256"] for sample in of_kind(index, "one-shot")}
    assert sorted(map(str, layers)) == sorted(shots)
    assert {name: file_sha256(xml.parent / name) for name in shots} == shots


# --- the command -------------------------------------------------------------------------


def test_json_is_the_index_and_where_it_is(stems, library, index, tmp_path, capsys):
    code, told = run(capsys, stems, "--out", tmp_path / "again")
    assert code == 0
    assert told.pop("folder") == str((tmp_path / "again").resolve())
    assert told.pop("seconds") > 0
    assert told == index
    # and the same stems give the same bytes
    assert tree(tmp_path / "again") == tree(library)


def test_every_hit_is_counted(index):
    counts = [row for row in index["counts"] if row["class"] in DRUM_CLASSES]
    assert sum(row["kept"] for row in counts) == len(of_kind(index, "one-shot"))
    assert all(n > 0 for row in counts for n in row["dropped"].values())
    heard = sum(row["kept"] + sum(row["dropped"].values()) for row in counts)
    assert heard > 100  # eight bars of kick, snare and hats


def test_a_library_is_replaced_only_when_asked(stems, tmp_path, capsys):
    arguments = stems / "bass.wav", "--out", tmp_path, "--bars", "1"
    assert run(capsys, *arguments)[0] == 0
    before = tree(tmp_path)
    code, told = run(capsys, *arguments)
    assert code == 2
    assert "--overwrite" in told["error"]["message"]
    assert tree(tmp_path) == before
    assert run(capsys, *arguments, "--overwrite", "--title", "Other")[0] == 0
    assert all("Other" in name for name in tree(tmp_path) if name.startswith("loops"))


def test_the_song_tells_tempo_and_key_of_a_single_stem(stems, tmp_path, capsys):
    drums, rate = soundfile.read(stems / "drums.wav")
    rest = sum(soundfile.read(stems / f"{name}.wav")[0] for name in ("bass", "other", "vocals"))
    soundfile.write(tmp_path / "Night Drive.wav", drums + rest, rate, "FLOAT")
    arguments = stems / "drums.wav", "--only", "loops", "--bars", "2"
    code, alone = run(capsys, *arguments, "-o", tmp_path / "alone")
    assert code == 0
    assert alone["songs"][0]["key"] is None
    assert all("_nokey_104bpm" in sample["file"] for sample in alone["samples"])
    song = "--song", tmp_path / "Night Drive.wav"
    code, told = run(capsys, *arguments, *song, "-o", tmp_path / "with")
    assert code == 0
    assert told["songs"][0]["key"] == "A minor"
    assert {sample["class"] for sample in told["samples"]} == {"2bar"}
    assert told["kits"] == []


def test_mono_and_other_rates_are_kept(stems, tmp_path, capsys):
    drums, _ = soundfile.read(stems / "drums.wav", always_2d=True)
    soundfile.write(tmp_path / "drums.wav", drums[:, :1], 48_000)
    code, told = run(capsys, tmp_path / "drums.wav", "--only", "one-shots", "-o", tmp_path / "x")
    assert code == 0
    assert {(one["channels"], one["sample_rate"]) for one in told["samples"]} == {(1, 48_000)}
    info = soundfile.info(tmp_path / "x" / told["samples"][0]["file"])
    assert (info.channels, info.samplerate) == (1, 48_000)


def test_a_float_stem_beyond_full_scale_is_turned_down_and_told(stems, tmp_path, capsys):
    drums, _ = soundfile.read(stems / "drums.wav", always_2d=True)
    loud = 4 * drums / np.abs(drums).max()
    soundfile.write(tmp_path / "drums.wav", loud, RATE, "FLOAT")
    code, told = run(capsys, tmp_path / "drums.wav", "--only", "one-shots", "-o", tmp_path / "x")
    assert code == 0
    assert all(sample["peak_dbfs"] <= 0 for sample in told["samples"])
    assert min(sample["gain_db"] for sample in told["samples"]) < -6


# --- what cannot be ----------------------------------------------------------------------

Make = Callable[[Path], list[object]]


def written(path: Path, samples: np.ndarray) -> list[object]:
    soundfile.write(path, samples, RATE, "FLOAT")
    return [path]


def noise(seconds: float, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.1 * rng.standard_normal((round(seconds * RATE), channels))


def broken(n: int) -> np.ndarray:
    samples = noise(2)
    samples[n] = np.nan
    return samples


BAD: dict[str, tuple[Make, str]] = {
    "silence": (lambda f: written(f / "drums.wav", np.zeros((RATE, 2))), "silent"),
    "a second of noise": (lambda f: written(f / "bass.wav", noise(1)), "no steady beat"),
    "5.1": (lambda f: written(f / "drums.wav", noise(1, 6)), "6 channels"),
    "no numbers": (lambda f: written(f / "drums.wav", broken(RATE)), "not numbers"),
    "too short": (lambda f: written(f / "drums.wav", noise(0.1)), "100 ms"),
    "no stem by its name": (lambda f: written(f / "take.wav", noise(1)), "--as drums"),
    "a whole song": (lambda f: written(f / "mix.wav", noise(1)), "stemfx separate"),
    "not there": (lambda f: [f / "drums.wav"], "no such file"),
    "three bars": (lambda f: [*written(f / "bass.wav", noise(1)), "--bars", "3"], "3 bars"),
    "unknown kind": (lambda f: [*written(f / "x.wav", noise(1)), "--as", "tuba"], "tuba"),
    "song is not there": (lambda f: [*written(f / "bass.wav", noise(1)), "--song", f / "n"], "n"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_sliced_gets_one_sentence_and_no_folder(case, tmp_path, capsys):
    make, words = BAD[case]
    arguments = make(tmp_path)
    before = tree(tmp_path)
    code, told = run(capsys, *arguments, "-o", tmp_path / "library")
    assert code == 2
    assert words in f"{told['error']['message']} {told['error']['where']}"
    assert "\n" not in told["error"]["message"]
    assert not (tmp_path / "library").exists()
    assert tree(tmp_path) == before


def test_a_stem_without_a_hit_does_not_stop_the_others(stems, tmp_path, capsys):
    """Three silent drums beside a bass: loops of the bass, and a word on the drums."""
    bass, _ = soundfile.read(stems / "bass.wav", always_2d=True)
    written(tmp_path / "drums.wav", np.zeros_like(bass))
    shutil.copy(stems / "bass.wav", tmp_path / "bass.wav")
    code, told = run(capsys, tmp_path, "-o", tmp_path / "x")
    assert code == 0
    assert [(f["stem"], f["code"]) for f in told["findings"]] == [("drums", "silent")]
    assert {sample["stem"] for sample in told["samples"]} == {"bass"}


def test_a_folder_that_cannot_be_written_is_told_before_any_work(stems, tmp_path, capsys):
    (tmp_path / "file").touch()
    code, told = run(capsys, stems / "bass.wav", "-o", tmp_path / "file" / "library")
    assert code == 2
    assert str(tmp_path / "file") in told["error"]["where"]


def test_an_interruption_leaves_nothing(stems, tmp_path, capsys, monkeypatch):
    from stemfx.slicing import library as module

    def interrupted(*_: Signal) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_write", interrupted)
    code, told = run(capsys, stems / "bass.wav", "-o", tmp_path / "library")
    assert (code, told["error"]["code"]) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_the_table_says_what_was_kept_and_why_the_rest_was_not(stems, tmp_path, capsys):
    assert execute(["slice", str(stems / "drums.wav"), "-o", str(tmp_path / "x")]) == 0
    told = capsys.readouterr()
    assert "104 bpm" in told.out
    assert re.search(r"kick\s+│\s+\d+ │ .*alike", told.out)
    assert re.search(r"\d+ samples in", told.out)
    assert told.err == ""


@pytest.mark.parametrize("song", ["iron_tide", "harbour_lights", "neon_parade"])
def test_songs_of_the_corpus_give_libraries(corpus: Path, tmp_path: Path, song: str) -> None:
    truth = json.loads((corpus / "songs" / song / "song.json").read_text("utf-8"))
    assert execute(["slice", str(corpus / "songs" / song), "-o", str(tmp_path / "x")]) == 0
    index = json.loads((tmp_path / "x" / "library.json").read_text("utf-8"))
    loops = of_kind(index, "loop")
    assert {sample["bars"] for sample in loops} == {1, 2, 4}
    for sample in loops:
        assert sample["length"] == round(sample["bars"] * 4 * 60 / truth["bpm"] * 44_100)
    shots = of_kind(index, "one-shot")
    assert len(shots) >= 4
    for sample in shots:
        sound, rate = soundfile.read(tmp_path / "x" / sample["file"], always_2d=True)
        assert tenth_s(sound.T, rate) == pytest.approx(index["pre_roll_s"], abs=0.001)
        attack_s = sample["start_s"] + sample["attack"] / rate
        assert min(abs(attack_s - hit["t"]) for hit in truth["drums"]) < 0.012
