"""`stemfx validate` and `stemfx schema -o`: what editors, scripts and hooks call."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from bundling import bundle_bytes

from stemfx.cli import execute

GOOD = "stemfx: 1\nsources: {song: not-here.wav}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_recipe_needs_no_song_to_be_valid(folder: Path, capsys) -> None:
    (folder / "a.yaml").write_text(GOOD)
    assert execute(["validate", "a.yaml"]) == 0
    assert lines(capsys) == ["1 recipe is valid"]
    assert execute(["validate", "a.yaml", "remix", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["valid"] for file in files] == [True, True]
    assert files[0]["file"] == str(folder / "a.yaml")
    assert Path(files[1]["file"]).is_file()


def test_every_fault_of_every_file_is_told_in_order(folder: Path, capsys) -> None:
    (folder / "b.yaml").write_text(GOOD + "master: [{gain: {gain_db: 99}}]\ntitel: x\n")
    (folder / "a.yaml").write_text("- nothing\n")
    (folder / "c.yml").write_text(GOOD)
    (folder / "notes.txt").write_text("no recipe")
    (folder / ".hidden.yaml").write_text("no recipe")
    assert execute(["validate", "."]) == 2
    found = lines(capsys)
    assert [line.partition(": ")[0] for line in found] == [
        "a.yaml:1:1",
        "b.yaml:3:27",
        "b.yaml:4:1",
    ]
    assert execute(["validate", ".", "gone.yaml", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert [(Path(f["file"]).name, f["valid"]) for f in told["files"]] == [
        *(("a.yaml", False), ("b.yaml", False), ("c.yml", True), ("gone.yaml", False)),
    ]
    assert told["files"][1]["problems"][0] == {
        "line": 3,
        "column": 27,
        "message": "gain.gain_db: 99 dB is outside [-96, 24] dB",
        "where": f"{folder / 'b.yaml'}:3:27",
    }
    assert told["files"][3]["problems"][0]["line"] is None


def test_a_fault_of_a_recipe_that_two_extend_is_told_once(folder: Path, capsys) -> None:
    (folder / "base.yaml").write_text(GOOD + "titel: x\n")
    for name in ("one.yaml", "two.yaml"):
        (folder / name).write_text("stemfx: 1\nextends: base.yaml\n")
    assert execute(["validate", "one.yaml", "two.yaml"]) == 2
    (line,) = lines(capsys)
    assert line.startswith("base.yaml:3:1: 'titel' is unknown")


def test_names_of_models_trackers_and_classifiers_have_to_mean_something(
    folder: Path, capsys
) -> None:
    stage = "{replace_drums: {classifier: nobody}}"
    (folder / "a.yaml").write_text(
        GOOD + "separate: {model: [htdemux, umx]}\nalign: {tempo: song, beats: nobody}\n"
        f"tracks: {{drums: {{stages: [{stage}]}}}}\n"
    )
    assert execute(["validate", "a.yaml"]) == 2
    found = lines(capsys)
    assert [line.partition(": ")[0] for line in found] == [
        *("a.yaml:3:20", "a.yaml:4:8", "a.yaml:5:28"),
    ]
    # The weights of umx are none of the recipe's business.
    assert "did you mean 'htdemucs'?" in found[0]


def test_standard_input_is_a_recipe_of_the_folder_that_is_said(
    folder: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD + "tracks: {pad: {from: pad.wav}}\n"
    (folder / "inside").mkdir()
    (folder / "inside" / "pad.wav").touch()

    def typed() -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    typed()
    assert execute(["validate", "-"]) == 2
    (line,) = lines(capsys)
    assert line.startswith("-:3:22: tracks.pad.from: there is no file")
    typed()
    assert execute(["validate", "-", "--stdin-name", "inside/new.yaml"]) == 0
    assert not (folder / "inside" / "new.yaml").exists()


def test_what_a_terminal_would_obey_is_shown_and_not_sent(folder: Path, capsys) -> None:
    (folder / "a.yaml").write_text(GOOD + '"\\e[2J": x\n')
    assert execute(["validate", "a.yaml"]) == 2
    assert "\x1b" not in capsys.readouterr().out


def test_a_bundle_is_checked_with_what_is_in_it(folder: Path, capsys) -> None:
    good, faulty = ({"remix.yaml": text.encode()} for text in (GOOD, GOOD + "titel: x\n"))
    for name, files in (("a", good), ("b", faulty)):
        (folder / f"{name}.stemfx").write_bytes(bundle_bytes(files))
    (folder / "c.stemfx").write_bytes(bundle_bytes(good)[:-1])
    assert execute(["validate", ".", "--json"]) == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["valid"] for file in files] == [True, False, False]
    assert files[1]["problems"][0]["where"] == f"{folder / 'b.stemfx' / 'remix.yaml'}:3:1"
    assert files[2]["problems"][0]["where"] == str(folder / "c.stemfx")


# --- the schema as a file -------------------------------------------------------------------


def test_the_schema_is_written_anew_but_over_nothing_else(folder: Path, capsys) -> None:
    for _ in range(2):
        assert execute(["schema", "-o", "s.json"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "# yaml-language-server: $schema=./s.json\n" in told.err
    assert json.loads((folder / "s.json").read_text())["title"] == "stemfx recipe"
    (folder / "mine.json").write_text("{}")
    for name in ("mine.json", "."):
        assert execute(["schema", "-o", name]) == 2
        assert "no schema of stemfx" in capsys.readouterr().err
    assert (folder / "mine.json").read_text() == "{}"
    assert execute(["schema", "-o", "s.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "file": str(folder / "s.json")}
