from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_songs import RATE, made_song

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.io import encoding_for, write


def save(path: Path, song: Audio) -> Path:
    write(path, song, encoding_for(path, 16, None))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs without vocals, 9.6 % and three semitones apart, and the cache of all tests."""
    folder = tmp_path_factory.mktemp("mashup")
    save(folder / "slow: #1.wav", made_song("rock", 104, tonic=9, bars=8).mixture)
    save(folder / "fast.wav", made_song("four on the floor", 114, tonic=0, bars=8).mixture)
    return folder


@pytest.fixture
def songs(made: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("STEMFX_CACHE", str(made / "cache"))
    return made / "slow: #1.wav", made / "fast.wav"


def proposed(capsys: pytest.CaptureFixture[str], *call: object) -> dict[str, Any]:
    code = execute(["mashup", *map(str, call), "--offline", "--model", "embedded", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told
    return told  # type: ignore[no-any-return]


def refused(capsys: pytest.CaptureFixture[str], *call: object) -> str:
    assert execute(["mashup", *map(str, call), "--offline", "--model", "embedded"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("stemfx: ")
    assert error.count("\n") == 1
    return error


def test_a_recipe_is_written_with_tempo_key_and_who_gives_what(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "best.yaml"
    told = proposed(capsys, *songs, "-o", target, "--drums", "b", "--harmony", songs[0])
    assert told["recipe"] == str(target)
    # As rendered; tempo is read to 0.1 %.
    assert told["sources"]["a"]["bpm"] == pytest.approx(104, rel=1e-3)
    assert told["sources"]["b"]["bpm"] == pytest.approx(114, rel=1e-3)
    assert (told["sources"]["a"]["key"], told["sources"]["b"]["key"]) == ("A minor", "C minor")
    assert told["tracks"]["drums"]["from"] == "b/drums"
    assert told["tracks"]["harmony"]["from"] == "a/other"
    assert all(track["reasons"] for track in told["tracks"].values())
    document = yaml.safe_load(target.read_text(encoding="utf-8"))
    assert document["sources"] == {"a": str(songs[0]), "b": str(songs[1])}
    assert document["separate"] == {"model": "embedded"}
    assert document["align"] == {"tempo": told["tempo"], "key": told["key_of"]}
    assert {n: t["from"] for n, t in document["tracks"].items()} == {
        n: t["from"] for n, t in told["tracks"].items()
    }


def test_nobody_sings_so_no_vocals_are_promised(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = proposed(capsys, *songs, "-o", tmp_path / "m.yaml")
    assert "vocals" not in told["tracks"]
    assert "missing_part" in [finding["code"] for finding in told["findings"]]
    assert "no vocals" in refused(capsys, *songs, "-o", tmp_path / "n.yaml", "--vocals", "a")


def test_the_same_songs_in_another_order_give_the_same_mashup(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = proposed(capsys, *songs, "-o", tmp_path / "1.yaml")
    again = proposed(capsys, *reversed(songs), "-o", tmp_path / "2.yaml")

    def files(told: dict[str, Any]) -> dict[str, str]:
        tracks = told["tracks"].items()
        return {n: told["sources"][t["from"][0]]["file"] for n, t in tracks}

    assert files(first) == files(again)
    assert (first["bpm"], first["key"]) == (again["bpm"], again["key"])


def test_a_recipe_is_written_over_only_when_asked(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "m.yaml"
    target.write_text("mine")
    assert "--force" in refused(capsys, *songs, "-o", target)
    assert target.read_text() == "mine"
    proposed(capsys, *songs, "-o", target, "--force")
    assert target.read_text().startswith("# Proposed by")


def test_one_file_given_twice_is_said(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.wav"
    shutil.copy(songs[1], copy)
    told = proposed(capsys, songs[1], copy, "-o", tmp_path / "m.yaml")
    assert "same_file" in [finding["code"] for finding in told["findings"]]


def test_what_cannot_be_mashed_up_gets_one_sentence(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("-o", tmp_path / "m.yaml")
    slow = songs[0]
    drone = np.sin(2 * np.pi * 110 * np.arange(12 * RATE) / RATE)[np.newaxis].astype(np.float32)
    hum = save(tmp_path / "drone.wav", Audio(0.3 * drone, RATE))
    text = tmp_path / "notes.wav"
    text.write_text("not audio")
    assert "at least two" in refused(capsys, slow, *target)
    assert "at most 26" in refused(capsys, *[slow] * 27, *target)
    assert "notes.wav" in refused(capsys, slow, text, *target)
    assert "no beat was found in 'drone.wav'" in refused(capsys, slow, hum, *target)
    assert "should end in .yaml" in refused(capsys, *songs, "-o", tmp_path / "m.txt")
    assert "from a to b" in refused(capsys, *songs, *target, "--drums", "c")
    assert "outside [20, 400] BPM" in refused(capsys, *songs, *target, "--tempo", "7")
    assert "a tempo in BPM" in refused(capsys, *songs, *target, "--tempo", "fast-ish")
    assert "'A minor'" in refused(capsys, *songs, *target, "--key", "H minor")
    assert "too far apart" in refused(capsys, *songs, *target, "--tempo", "150")
    assert not (tmp_path / "m.yaml").exists()


def test_the_run_that_follows_neither_separates_nor_reads_again(
    songs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "m.yaml"
    proposal = proposed(capsys, *songs, "-o", target, "--drums", "b", "--harmony", "a")
    assert execute(["run", str(target), "--offline", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = {n["id"] for n in told["nodes"] if n["status"] == "cached"}
    assert {f"{song}/{what}" for song in "ab" for what in ("separate", "music")} <= kept
    aligned = next(n["measurements"] for n in told["nodes"] if n["id"] == "align")
    assert aligned["bpm"] == pytest.approx(proposal["bpm"], abs=0.01)
    assert told["master"]["lufs"] == pytest.approx(-14, abs=0.1)


def test_a_place_that_cannot_be_written_to_is_told_before_any_work(
    songs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STEMFX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").touch()
    error = refused(capsys, *songs, "-o", tmp_path / "file" / "best.yaml")
    assert error.endswith("choose another place with -o\n")
    assert not (tmp_path / "cache").exists()
