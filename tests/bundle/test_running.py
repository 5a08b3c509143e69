"""A bundle runs as the recipe does, wherever it lies, or says why not."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
from kit_making import strike

from stemfx.bundle.manifest import Manifest
from stemfx.bundle.opening import manifest_of, opened_bundle
from stemfx.bundle.writing import write_bundle
from stemfx.cli import execute
from stemfx.io import Encoding, write
from stemfx.testing import example_audio

RECIPE = """stemfx: 1
title: Mine
sources: {song: music/song.wav}
params: {loud_db: {default: 1, min: -12, max: 12, unit: dB, help: how loud}}
tracks:
  song: {from: song, gain_db: "${loud_db}", stages: [{duck: {by: pad}}]}
  pad: {from: pad.wav}
output: {master: out.wav}
"""


@pytest.fixture
def author(tmp_path: Path) -> Path:
    made = tmp_path / "author"
    write(made / "music/song.wav", example_audio(1.0), Encoding("wav", 16))
    soundfile.write(made / "pad.wav", strike(200, channels=2, seconds=1).T, 44_100)
    (made / "r.yaml").write_text(RECIPE)
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "another machine"
    folder.mkdir()
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    code = execute([*map(str, arguments), "--json"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ("error" in told) == (code == 2), told
    return told


def packed(capsys, author: Path, elsewhere: Path, *more: str) -> Path:
    call(capsys, "pack", author / "r.yaml", *more)
    return Path(shutil.move(author / "r.stemfx", elsewhere / "theirs.stemfx"))


def repacked(bundle: Path, **changed: object) -> None:
    """Write the bundle again with another manifest."""
    with opened_bundle(bundle) as (folder, manifest):
        other = Manifest.model_validate(manifest.model_dump() | changed)
        write_bundle(bundle, other, {name: folder / name for name in manifest.names})


def codes(told: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in told["findings"]]


def test_it_gives_the_same_bytes_from_another_place_and_says_so(author, elsewhere, capsys):
    call(capsys, "run", author / "r.yaml")
    bundle = packed(capsys, author, elsewhere)
    song = elsewhere / "same song.wav"
    shutil.copy(author / "music/song.wav", song)
    expected = (author / "out.wav").read_bytes()
    shutil.rmtree(author)
    told = call(capsys, "run", bundle, "--source", song, "--no-cache")
    assert Path(told["outputs"]["master"]) == elsewhere / "out.wav"
    assert (elsewhere / "out.wav").read_bytes() == expected
    assert "same_bytes" in codes(told)
    told = call(capsys, "run", bundle, "--source", song, "--set", "loud_db=0")
    assert "same_bytes" not in codes(told)
    assert "other_bytes" not in codes(told)
    assert {path.name for path in elsewhere.iterdir()} == {
        *("theirs.stemfx", "same song.wav", "out.wav", "run.json")
    }


def test_its_music_comes_from_the_user_unless_it_was_packed(author, elsewhere, capsys):
    bundle = packed(capsys, author, elsewhere)
    message = call(capsys, "run", bundle)["error"]["message"]
    assert message == (
        f"{bundle}/r.yaml:3:11: the source 'song' has no file; give one: `--source song=FILE`"
    )
    call(capsys, "pack", author / "r.yaml", "--with-sources", "-o", bundle)
    assert call(capsys, "run", bundle)["master"]["duration_s"] == 1.0
    other = elsewhere / "other.wav"
    write(other, example_audio(2.0), Encoding("wav", 16))
    told = call(capsys, "run", bundle, "--source", f"song={other}")
    assert told["master"]["duration_s"] == 2.0


def test_what_goes_wrong_inside_is_told_as_a_place_in_the_bundle(author, elsewhere, capsys):
    (author / "pad.wav").write_bytes(b"no audio")
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    error = call(capsys, "run", bundle)["error"]
    assert error["where"] == f"{bundle}/pad.wav"
    assert "scratch" not in error["message"]


def test_it_never_writes_over_what_it_holds_nor_beside_the_users_files(author, elsewhere, capsys):
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    before = bundle.read_bytes()
    out = elsewhere / "out"
    call(capsys, "run", bundle, "--out", out)
    assert {path.name for path in out.iterdir()} == {"out.wav", "run.json"}
    assert bundle.read_bytes() == before


PLUGIN = {
    "distribution": "stemfx-wah",
    "version": "1.2",
    "licence": "MIT",
    "licence_class": "open",
    "offers": ["stage wah", "kit tr-1"],
}


def test_missing_plugins_are_named_with_what_installs_them(author, elsewhere, capsys):
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    repacked(bundle, plugins=[PLUGIN])
    message = call(capsys, "run", bundle)["error"]["message"]
    assert "the stage 'wah', the kit 'tr-1' of stemfx-wah 1.2" in message
    assert "`pip install stemfx-wah==1.2`" in message
    for hostile in ("git+https://evil.example/x", "--index-url=http://evil.example", "a; rm -rf ~"):
        repacked(bundle, plugins=[PLUGIN | {"distribution": hostile}])
        assert "pip install" not in call(capsys, "run", bundle)["error"]["message"]


def test_other_versions_are_told(author, elsewhere, capsys):
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    repacked(bundle, made_with="0.0.1")
    told = call(capsys, "run", bundle)
    (finding,) = [f for f in told["findings"] if f["code"] == "other_versions"]
    assert "stemfx-suite 0.0.1 (here: " in finding["message"]


SEPARATED = RECIPE.replace("{from: song,", "{from: song/vocals,")


def test_a_bundle_keeps_the_model_it_was_made_with_to_the_byte(author, elsewhere, capsys):
    (author / "r.yaml").write_text(SEPARATED)
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    models = manifest_of(bundle).model_dump()["models"]
    assert [model["name"] for model in models] == ["htdemucs"]  # what auto would fetch here
    assert models[0]["files"] == {}
    models[0] |= {"name": "embedded", "files": {"testcheckpoint0.ckpt": "0" * 64}}
    repacked(bundle, models=models)
    message = call(capsys, "run", bundle, "--offline")["error"]["message"]
    assert "the weights of 'embedded' here are not those that the bundle was made with" in message
    assert "testcheckpoint0.ckpt: SHA-256 0000000000000000... there" in message
    told = call(capsys, "plan", bundle, "--offline", "--model", "embedded")
    assert told["separators"]["song"]["model"] == "embedded"
    models[0]["files"] = {}
    repacked(bundle, models=models)  # nothing is known to differ
    assert call(capsys, "plan", bundle)["separators"]["song"]["model"] == "embedded"


def test_a_model_that_nobody_here_knows_is_told_with_what_makes_it_known(author, elsewhere, capsys):
    (author / "r.yaml").write_text(SEPARATED)
    bundle = packed(capsys, author, elsewhere, "--with-sources")
    models = manifest_of(bundle).model_dump()["models"]
    repacked(bundle, models=[models[0] | {"name": "choir", "files": {"c.ckpt": "ab" * 32}}])
    message = call(capsys, "run", bundle, "--offline")["error"]["message"]
    assert "the model 'choir' (htdemucs, SHA-256 abababababababab...)" in message
    assert "stemfx models add" in message


def test_show_tells_all_of_it_without_the_music_and_without_the_plugins(author, elsewhere, capsys):
    (author / "r.yaml").write_text(
        RECIPE.replace("{duck: {by: pad}}", "{deess: {max_reduction_db: 2}}")
    )
    bundle = packed(capsys, author, elsewhere)
    told = call(capsys, "show", bundle)
    assert told["title"] == "Mine"
    assert told["params"]["loud_db"]["help"] == "how loud"
    assert told["sources"]["song"]["file"] is None
    assert told["tracks"]["song"]["stages"] == [
        {"stage": "deess", "params": {"max_reduction_db": 2.0}}
    ]
    assert told["missing"] == []
    assert told["bundle"]["files"] == 2
    with opened_bundle(bundle) as (folder, manifest):
        files = {name: folder / name for name in manifest.names}
        text = files["r.yaml"].read_text().replace("deess", "wahhh")  # as long as before
        files["r.yaml"].write_text(text)
        values = manifest.model_dump()
        values["files"]["r.yaml"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        values["plugins"] = [PLUGIN | {"offers": ["stage wahhh"]}]
        write_bundle(bundle, Manifest.model_validate(values), files)
    told = call(capsys, "show", bundle)
    assert told["tracks"]["song"]["stages"] == [
        {"stage": "wahhh", "params": {"max_reduction_db": 2}}
    ]
    assert "pip install stemfx-wah==1.2" in told["missing"][0]
    assert execute(["show", str(bundle)]) == 0
    shown = capsys.readouterr().out
    assert "loud_db = 1 dB in [-12, 12]: how loud" in shown
    assert "--source song=FILE" in shown
