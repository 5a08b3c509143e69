"""`stemfx rank`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_songs import made_song

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.io import Encoding, write
from stemfx.ranking.measurements import STEM, TAKE

RATE = 44_100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("takes")
    song = made_song("rock", 120, bars=4)
    drums, bass, other = (stem.samples[0] for stem in song.stems.values())
    wide = np.stack([drums + bass + other, drums + bass + 0.3 * np.roll(other, 400)])
    wide[:, -RATE:] *= np.linspace(1, 0, RATE) ** 2
    wide *= 0.7 / np.abs(wide).max()
    takes = {
        "b clipped": 0.5 * np.clip(4 * wide, -1, 1),
        "c clean": wide,
        "d clean again": wide,
        "e mono": wide.mean(axis=0)[None],
        "f silent": 0 * wide,
        "g short": wide[:, RATE : RATE + 4410],
    }
    for name, samples in takes.items():
        write(folder / f"{name}.wav", Audio(samples, RATE), Encoding("wav", 24))
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = execute(["rank", "--json", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def names(files: list[dict[str, Any]]) -> str:
    return " ".join(Path(one["file"]).name[0] for one in files)


def test_the_json_fills_the_contract(folder, capsys):
    code, told = run(capsys, folder / "b clipped.wav", folder / "c clean.wav")
    assert (code, told["schema"]) == (0, 1)
    assert told.keys() == {"schema", "files", "weights"}
    assert Path(told["weights"]).name == "weights.yaml"
    first, last = told["files"]
    assert (first["file"], first["rank"]) == (str(folder / "c clean.wav"), 1)
    assert (last["file"], last["rank"]) == (str(folder / "b clipped.wav"), 2)
    assert first["score"] > last["score"]
    assert first["reasons"] == []
    assert "clipped by about" in last["reasons"][0]
    assert "clipped by about" in first["ahead"]
    for one in told["files"]:
        assert one["measurements"].keys() == TAKE.keys()
        points = sum(fault["points"] for fault in one["faults"])
        # Each is rounded to a hundredth.
        assert one["score"] == pytest.approx(100 - points, abs=0.2)


def test_a_folder_is_all_its_takes_and_equal_ones_keep_their_order(folder, capsys):
    code, told = run(capsys, folder)
    assert code == 0
    assert names(told["files"]).startswith("c d e")
    assert names(told["files"])[-1] == "f"
    assert [one["rank"] for one in told["files"]] == list(range(1, 7))


def test_the_order_of_the_files_does_not_matter(folder, capsys):
    files = sorted(folder.iterdir())
    forward, backward = (run(capsys, *order)[1]["files"] for order in (files, files[::-1]))
    assert names(forward).replace("c d", "d c") == names(backward)


def test_one_file_and_the_same_file_twice(folder, capsys):
    file = folder / "c clean.wav"
    for given in ([file], [file, file]):
        code, told = run(capsys, *given)
        assert (code, len(told["files"]), told["files"][0]["ahead"]) == (0, 1, "")


def test_an_unreadable_file_comes_last_and_stops_no_other(folder, capsys, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio")
    code, told = run(capsys, broken, tmp_path / "none.wav", folder / "c clean.wav")
    assert code == 2
    assert [one["rank"] for one in told["files"]] == [1, None, None]
    assert "cannot be read" in told["files"][1]["reasons"][0]
    assert told["files"][1]["measurements"] is None


def test_own_weights_change_the_order_and_are_named(folder, capsys, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("ranking: 1\ntake:\n  clipping: {weight: 0}\n  crushed: {weight: 0}\n")
    files = folder / "b clipped.wav", folder / "e mono.wav"
    assert names(run(capsys, *files)[1]["files"]) == "e b"
    _, told = run(capsys, *files, "--weights", own)
    assert names(told["files"]) == "b e"
    assert told["weights"] == str(own)


def test_weights_that_cannot_be_used_are_told_before_anything_is_measured(folder, capsys, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("ranking: 1\ntake: {cliping: {weight: 0}}\n")
    assert execute(["rank", str(folder), "--weights", str(own)]) == 2
    error = capsys.readouterr().err
    assert f"{own}:2:" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "options",
    [["--model", "embedded"], ["--quality", "best"], ["--stems", "--model", "no-model"]],
)
def test_a_model_that_cannot_be_used_is_told_in_one_sentence(folder, capsys, options):
    assert execute(["rank", str(folder / "c clean.wav"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("stemfx: ")
    assert len(error.splitlines()) == 1


def test_the_table_says_who_is_first_and_why(folder, capsys):
    assert execute(["rank", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "1. c clean.wav: no fault found" in told
    assert "as good as d clean again.wav; given first" in told
    assert "nothing sounds for 100 % of the time" in told
    assert "quality" not in told.casefold()


def test_stems_are_ranked_each_by_itself(folder, capsys):
    files = [folder / f"{name}.wav" for name in ("b clipped", "c clean", "g short")]
    code, told = run(capsys, "--stems", "--offline", *files)
    assert code == 0
    assert {"vocals", "drums", "bass", "other"} <= told["stems"].keys()
    for of in told["stems"].values():
        assert {Path(one["file"]).name[0] for one in of} == {"b", "c"}
        assert all(one["measurements"].keys() == STEM.keys() for one in of)
    assert names(told["stems"]["drums"]) == "c b"
    assert [Path(one["file"]).name for one in told["not_separated"]] == ["g short.wav"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in folder.glob("*.wav"))
