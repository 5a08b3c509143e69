"""`run.json`: where results come from; and `--commercial`: what of it may be sold."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import soundfile
from kit_making import strike

from stemfx.cli import execute
from stemfx.io import Encoding, write
from stemfx.provenance import compared
from stemfx.testing import example_audio

RECIPE = """stemfx: 1
license: CC0-1.0
params: {vocal_db: {default: 1, min: -12, max: 12}}
sources: {song: song.wav}
separate: {model: embedded}
tracks:
  vocals: {gain_db: "${vocal_db}", stages: [deess]}
  other:
  clap: {from: clap.wav}
output: {master: out/master.wav, report: r.html}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    write(folder / "song.wav", example_audio(1.0), Encoding("wav", 16))
    soundfile.write(folder / "clap.wav", strike(300, channels=2, seconds=1).T, 44_100)
    (folder / "r.yaml").write_text(RECIPE)
    return folder


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(folder: Path, *more: str) -> dict:
    assert execute(["run", str(folder / "r.yaml"), "--offline", *more]) == 0
    return json.loads((folder / "run.json").read_text())


def test_a_run_says_where_its_results_come_from(folder, capsys):
    told = run(folder, "--set", "vocal_db=3")
    assert told["recipe"]["params"] == {"vocal_db": 3}
    assert told["sources"] == {"song": {"file": "song.wav", "sha256": sha256(folder / "song.wav")}}
    assert {name: file["sha256"] for name, file in told["assets"].items()} == {
        name: sha256(folder / name) for name in ("clap.wav", "r.yaml")
    }
    master = folder / "out/master.wav"
    assert told["outputs"] == {
        "out/master.wav": {"sha256": sha256(master), "size_bytes": master.stat().st_size}
    }
    (model,) = told["models"]
    assert (model["name"], model["licence_class"], len(model["files"])) == ("embedded", "open", 2)
    assert told["made_with"]["packages"]["numpy"]
    (deess,) = (step for step in told["steps"] if step["op"] == "deess")
    assert deess["seed"] == int(deess["key"][:8], 16)
    assert told["licences"] == {
        "recipe": "open",
        "together": "open",
        "may_be_sold": True,
        "unclear": [],
    }
    assert f"record: {folder / 'run.json'}" in capsys.readouterr().out.replace("\n", "")


def test_equal_runs_leave_equal_records_also_in_another_folder(folder, tmp_path):
    first = run(folder)
    elsewhere = tmp_path / "another place"
    shutil.copytree(folder, elsewhere)
    shutil.rmtree(elsewhere / "out")
    assert run(elsewhere, "--no-cache") == first
    assert (elsewhere / "run.json").read_bytes() == (folder / "run.json").read_bytes()


def test_somebodys_own_file_of_that_name_is_not_written_over(folder, capsys):
    (folder / "run.json").write_text('{"mine": true}')
    assert execute(["run", str(folder / "r.yaml"), "--offline", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (folder / "run.json").read_text() == '{"mine": true}'
    assert "record_in_the_way" in [finding["code"] for finding in told["findings"]]
    assert "record" not in told["outputs"]


def test_no_result_may_be_called_as_the_record_is(folder, capsys):
    (folder / "r.yaml").write_text(RECIPE.replace("r.html", "Run.JSON"))
    assert execute(["run", str(folder / "r.yaml"), "--offline"]) == 2
    assert "two results are named" in capsys.readouterr().err


def test_separated_stems_have_a_record_too(folder, tmp_path):
    out = tmp_path / "stems"
    command = ["separate", str(folder / "song.wav"), "-o", str(out), "--model", "embedded"]
    assert execute(command) == 0
    told = json.loads((out / "run.json").read_text())
    assert set(told["outputs"]) == {path.name for path in out.glob("*.wav")}


def test_commercial_refuses_what_may_not_be_sold_and_says_all_of_it(folder, capsys):
    assert execute(["run", str(folder / "r.yaml"), "--offline", "--commercial"]) == 0
    capsys.readouterr()
    text = RECIPE.replace("license: CC0-1.0\n", "").replace("embedded", "htdemucs")
    (folder / "r.yaml").write_text(text)
    for command in ("run", "plan"):
        assert execute([command, str(folder / "r.yaml"), "--commercial", "--json"]) == 2
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["code"] == "model"
        assert (
            "--commercial refuses the weights of 'htdemucs' (no stated licence)" in error["message"]
        )
    (folder / "r.yaml").write_text(text.replace("htdemucs", "auto"))
    assert execute(["run", str(folder / "r.yaml"), "--commercial", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("licence", f"{folder / 'r.yaml'}:8:16")
    assert "no licence of the sound 'clap.wav' is stated" in error["message"]


def test_of_several_models_auto_takes_one_whose_result_may_be_sold(folder, capsys):
    (folder / "r.yaml").write_text(RECIPE.replace("embedded", "auto"))
    arguments = ["plan", str(folder / "r.yaml"), "--json", "--set", "vocal_db=0"]
    assert execute(arguments) == 0
    assert json.loads(capsys.readouterr().out)["separators"]["song"]["model"] == "htdemucs"
    assert execute([*arguments, "--commercial"]) == 0
    chosen = json.loads(capsys.readouterr().out)["separators"]["song"]
    assert chosen["licence_class"] == "open"


OWN = {
    "made_with": {"stemfx": "1", "packages": {"numpy": "2.1"}},
    "recipe": {"params": {"gain": 1}},
    "preview_s": (0.0, 5.0),
    "sources": {"song": {"file": "a.wav", "sha256": "aa"}},
    "outputs": {"a.wav": {"sha256": "11", "size_bytes": 4}},
}


def theirs(**changed: object) -> dict:
    return json.loads(json.dumps(OWN | changed))


def codes(record: dict) -> list[str]:
    return [finding.code for finding in compared(record, OWN)]


def test_the_same_songs_and_settings_give_the_same_bytes_or_what_differs_is_told():
    assert codes(theirs()) == ["same_bytes"]
    assert codes(theirs(sources={"song": {"file": "my.wav", "sha256": "aa"}})) == ["same_bytes"]
    other = theirs(
        outputs={"a.wav": {"sha256": "22"}},
        made_with={"stemfx": "1", "packages": {"numpy": "2.0"}},
    )
    (finding,) = compared(other, OWN)
    assert finding.code == "other_bytes"
    assert "a.wav: not the same bytes" in finding.message
    assert "numpy 2.0 (here: 2.1)" in finding.message
    assert "stemfx" not in finding.message  # it is the same


@pytest.mark.parametrize(
    "record",
    [
        theirs(sources={"song": {"file": "b.wav", "sha256": "bb"}}),
        theirs(recipe={"params": {"gain": 2}}),
        theirs(preview_s=None),
        {},
        theirs(recipe="hostile", outputs=[1]),
        theirs(recipe={"params": None}),
    ],
)
def test_of_other_songs_or_settings_there_is_nothing_to_tell(record):
    assert codes(record) == []


def test_a_strangers_record_may_hold_anything():
    assert codes(theirs(outputs=7, made_with=[1])) == ["other_bytes"]
