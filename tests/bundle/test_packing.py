"""`stemfx pack` and `stemfx unpack`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
from bundling import FILES, bundle_bytes, write_made
from engine import ShareSeparator, registry
from kit_making import strike

from stemfx.bundle import manifest_of, opened_bundle
from stemfx.bundle.packing import pack
from stemfx.cli import execute
from stemfx.recipe import read_recipe
from stemfx.requirements import requirements
from stemfx.separator import WeightsState

BASE = "stemfx: 1\nmaster: [{high_pass: {cutoff_hz: 20}}]\n"
RECIPE = """stemfx: 1   # the author's words, kept to the letter
title: "Mine"
license: CC0-1.0
extends: base.yaml
sources: {song: music/song.wav}
tracks:
  drums:
    from: song
    stages:
      - replace_drums: {kit: kits/tight}
      - layer: {sound: clap.wav, classes: [snare]}
  pad: {from: pad.wav}
output: {master: out.wav, tags: {cover: art.png}}
"""
PACKED = [
    *("art.png", "base.yaml", "clap.wav", "kits/tight/LICENCE.txt", "kits/tight/kick.wav"),
    *("kits/tight/snare.wav", "pad.wav", "r.yaml"),
]

KIT = ["LICENCE.txt", "kick.wav"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "author"
    (made / "kits/tight").mkdir(parents=True)
    (made / "music").mkdir()
    names = ("kits/tight/kick.wav", "kits/tight/snare.wav", "clap.wav", "pad.wav", "music/song.wav")
    for i, name in enumerate(names):
        soundfile.write(made / name, strike(100 + i).T, 44_100)
    (made / "kits/tight/LICENCE.txt").write_text("CC0")
    (made / "base.yaml").write_text(BASE)
    (made / "art.png").write_bytes(b"a picture")
    (made / "not named.wav").write_bytes(b"a secret")
    (made / "r.yaml").write_text(RECIPE)
    return made


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = execute([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def error(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    code, told = run(capsys, *arguments)
    assert code == 2
    assert "\n" not in told["error"]["message"]
    return f"{told['error']['where']}: {told['error']['message']}"


def content(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


# --- pack ----------------------------------------------------------------------------------


def test_a_bundle_holds_all_that_the_recipe_names_and_nothing_else(folder, capsys):
    code, told = run(capsys, "pack", folder / "r.yaml")
    path = folder / "r.stemfx"
    assert (code, told["schema"], told["bundle"]) == (0, 1, str(path))
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["size_bytes"] == path.stat().st_size
    assert told["sources_to_give"] == ["song"]
    assert [file["path"] for file in told["files"]] == PACKED
    with opened_bundle(path) as (inside, manifest):
        assert content(inside) == {name: (folder / name).read_bytes() for name in PACKED}
        assert (manifest.recipe, manifest.title, manifest.licence) == ("r.yaml", "Mine", "CC0-1.0")
        assert manifest.sources == {}
        assert {p.distribution for p in manifest.plugins} == {"stemfx-suite"}


def test_the_same_recipe_gives_the_same_bytes_from_any_folder(
    folder, tmp_path, capsys, monkeypatch
):
    elsewhere = tmp_path / "somebody's" / "other folder"
    shutil.copytree(folder, elsewhere)
    for name in PACKED:
        os.utime(elsewhere / name, (0, 0))
        (elsewhere / name).chmod(0o600)
    run(capsys, "pack", folder / "r.yaml")
    monkeypatch.chdir(elsewhere)
    run(capsys, "pack", "r.yaml", "-o", "x.stemfx")
    run(capsys, "pack", "r.yaml", "-o", "y.stemfx", "--source", "song=pad.wav")
    one = (folder / "r.stemfx").read_bytes()
    assert one == Path("x.stemfx").read_bytes()
    assert str(tmp_path).encode() not in one


PRESETS = """stemfx: 1
params: {kit: {default: kits/tight}, sound: {default: clap}}
presets: {other: {kit: kits/loose}, another: {sound: pad}, again: {kit: kits/tight}}
sources: {song: music/song.wav}
tracks:
  drums:
    from: song
    stages:
      - replace_drums: {kit: "${kit}"}
      - layer: {sound: "${sound}.wav", classes: [snare]}
output: {master: out.wav}
"""


def test_what_only_a_preset_names_comes_along_and_runs_from_the_bundle(folder, capsys):
    shutil.copytree(folder / "kits/tight", folder / "kits/loose")
    (folder / "r.yaml").write_text(PRESETS)
    code, told = run(capsys, "pack", folder / "r.yaml")
    kits = [f"kits/{kit}/{n}" for kit in ("loose", "tight") for n in (*KIT, "snare.wav")]
    assert (code, [file["path"] for file in told["files"]]) == (
        0,
        ["clap.wav", *kits, "pad.wav", "r.yaml"],
    )
    assert [kit["name"] for kit in told["kits"]] == ["loose", "tight"]
    (plugin,) = told["plugins"]
    assert plugin["offers"] == ["stage layer", "stage replace_drums"]
    bundle = shutil.move(folder / "r.stemfx", folder.parent / "r.stemfx")
    for preset in ("other", "another"):
        assert run(capsys, "show", bundle, "--preset", preset)[0] == 0


def test_a_preset_that_cannot_be_used_is_told_before_anybody_gets_the_bundle(folder, capsys):
    (folder / "r.yaml").write_text(PRESETS)
    told = error(capsys, "pack", folder / "r.yaml")
    assert "with the preset 'other': replace_drums.kit: there is no file" in told
    assert not (folder / "r.stemfx").exists()


def test_music_comes_along_only_when_asked_for(folder, capsys):
    run(capsys, "pack", folder / "r.yaml")
    music = (folder / "music/song.wav").read_bytes()
    assert music not in (folder / "r.stemfx").read_bytes()
    _, told = run(capsys, "pack", folder / "r.yaml", "--with-sources")
    assert told["sources"] == {"song": "sources/song.wav"}
    assert told["sources_to_give"] == []
    with opened_bundle(folder / "r.stemfx") as (inside, _):
        assert (inside / "sources/song.wav").read_bytes() == music
        assert (inside / "r.yaml").read_text() == RECIPE


def test_stems_and_their_mixture_come_along_under_the_names_that_source_takes(folder, capsys):
    (folder / "sources").mkdir()
    shutil.copy(folder / "pad.wav", folder / "sources/pad.wav")
    (folder / "s.yaml").write_text(
        "stemfx: 1\nsources: {song: {stems: {vocals: clap.wav, drums: music/song.wav}, "
        "mixture: music/song.wav}}\n"
        "tracks: {vocals: {}, pad: {from: sources/pad.wav}}\noutput: {master: out.wav}\n"
    )
    _, told = run(capsys, "pack", folder / "s.yaml", "--with-sources")
    assert told["sources"] == {
        "song/vocals": "sources-2/song/vocals.wav",
        "song/drums": "sources-2/song/drums.wav",
        "song/mixture": "sources-2/song/mixture.wav",
    }


@pytest.mark.parametrize("way", ["sound", "kit"])
def test_music_does_not_slip_in_as_another_file(folder, capsys, way):
    song = {"sound": "pad.wav", "kit": "kits/tight/kick.wav"}[way]
    told = error(capsys, "pack", folder / "r.yaml", "--source", f"song={folder / song}")
    assert f"'{song}' is the music of the source 'song'" in told
    assert not (folder / "r.stemfx").exists()


def test_what_a_recipe_names_through_a_link_is_told_before_anybody_gets_the_bundle(folder, capsys):
    (folder / "link.wav").symlink_to("pad.wav")
    (folder / "r.yaml").write_text(RECIPE.replace("pad.wav", "link.wav"))
    told = error(capsys, "pack", folder / "r.yaml")
    assert "link.wav" in told
    assert "does the recipe name it through a link?" in told
    assert {p.name for p in folder.iterdir() if "stemfx" in p.name} == set()


def test_a_recipe_that_is_itself_a_link_is_packed_with_the_files_of_its_folder(
    folder, tmp_path, capsys
):
    here = tmp_path / "here"
    shutil.copytree(folder, here, ignore=lambda *_: ["r.yaml"])
    (here / "r.yaml").symlink_to(folder / "r.yaml")
    run(capsys, "pack", folder / "r.yaml")
    run(capsys, "pack", here / "r.yaml", "-o", here / "r.stemfx")
    assert (here / "r.stemfx").read_bytes() == (folder / "r.stemfx").read_bytes()


def test_a_target_is_a_bundle_and_no_file_of_the_recipe(folder, capsys):
    before = content(folder)
    for target, why in (("pad.wav", "should end in .stemfx"), ("kits", "should end in .stemfx")):
        assert why in error(capsys, "pack", folder / "r.yaml", "-o", folder / target)
    (folder / "dir.stemfx").mkdir()
    assert "is a folder" in error(capsys, "pack", folder / "r.yaml", "-o", folder / "dir.stemfx")
    assert content(folder) == before


def test_a_failed_pack_leaves_the_earlier_bundle(folder, capsys):
    run(capsys, "pack", folder / "r.yaml")
    before = content(folder)
    (folder / "clap.wav").rename(folder / "gone.wav")
    assert "clap.wav" in error(capsys, "pack", folder / "r.yaml")
    (folder / "gone.wav").rename(folder / "clap.wav")
    assert content(folder) == before


def test_a_recipe_that_ships_is_packed_into_the_current_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, told = run(capsys, "pack", "mono-safe")
    assert (code, told["bundle"]) == (0, str(tmp_path / "mono-safe.stemfx"))


class Fetchable(ShareSeparator):
    def weights(self) -> WeightsState:
        return "fetchable"


@pytest.mark.parametrize(
    ("separator", "unlocked"), [(ShareSeparator(), ["shares"]), (Fetchable(), ["shares"])]
)
def test_models_without_a_file_to_hash_are_told_as_not_locked(folder, separator, unlocked):
    known = registry()
    recipe = read_recipe(
        folder / "r.yaml", stages=known.stages, kits=known.kits, needs_sources=False
    )
    needed = requirements(recipe, {"song": [separator]}, known)
    packed = pack(recipe, needed, folder / "m.stemfx", known, with_sources=False)
    assert packed.unlocked == unlocked
    (model,) = manifest_of(packed.path).models
    assert (model.name, model.files, model.sources) == ("shares", {}, ["song"])


def test_what_went_in_and_what_is_needed_is_told(folder, capsys):
    assert execute(["pack", str(folder / "r.yaml")]) == 0
    told = capsys.readouterr().out
    for part in (
        "holds 8 files",
        "kits/tight/kick.wav (kit, ",
        "stage layer",
        "--source song=FILE",
    ):
        assert part in told


# --- unpack --------------------------------------------------------------------------------


def test_what_is_unpacked_is_what_was_packed(folder, tmp_path, capsys):
    run(capsys, "pack", folder / "r.yaml", "--with-sources", "-o", tmp_path / "mine.stemfx")
    code, told = run(capsys, "unpack", tmp_path / "mine.stemfx")
    target = tmp_path / "mine"
    song = target / "sources/song.wav"
    assert (code, told["schema"], told["folder"]) == (0, 1, str(target))
    assert (told["recipe"], told["sources"]) == (str(target / "r.yaml"), {"song": str(song)})
    assert told["run"] == ["stemfx", "run", str(target / "r.yaml"), "--source", f"song={song}"]
    inside = {name: (folder / name).read_bytes() for name in PACKED}
    assert content(target) == {
        **inside,
        "sources/song.wav": (folder / "music/song.wav").read_bytes(),
    }
    assert execute(told["run"][1:2] + ["--help"]) == 0  # noqa: RUF005 - it is a command


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_made(tmp_path / "a.stemfx", bundle_bytes(FILES))


def test_a_second_time_changes_nothing(bundle, tmp_path, capsys):
    assert run(capsys, "unpack", bundle)[1]["was_there"] is False
    (tmp_path / "a" / "out.wav").write_bytes(b"a result")
    before = content(tmp_path)
    assert run(capsys, "unpack", bundle)[1]["was_there"] is True
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["remix.yaml", "other.txt"])
def test_nothing_of_the_users_is_overwritten_or_mixed_with(bundle, tmp_path, capsys, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_text("mine")
    before = content(tmp_path)
    told = error(capsys, "unpack", bundle)
    assert "holds other files" in told
    assert content(tmp_path) == before


def test_an_empty_folder_is_as_good_as_none_but_not_the_one_you_are_in(
    bundle, tmp_path, capsys, monkeypatch
):
    (tmp_path / "x").mkdir()
    assert run(capsys, "unpack", bundle, "-o", tmp_path / "x")[0] == 0
    assert content(tmp_path / "x") == FILES
    (tmp_path / "y").mkdir()
    monkeypatch.chdir(tmp_path / "y")
    assert "the one you are in" in error(capsys, "unpack", bundle, "-o", ".")
    (tmp_path / "link").symlink_to(tmp_path / "y")
    monkeypatch.chdir(tmp_path)
    assert "is a link" in error(capsys, "unpack", bundle, "-o", tmp_path / "link")
    assert "is no folder" in error(capsys, "unpack", bundle, "-o", bundle)


def test_a_damaged_bundle_leaves_no_folder(tmp_path, capsys):
    data = bundle_bytes(FILES).replace(b"kickkick", b"kickKICK", 1)
    path = write_made(tmp_path / "a.stemfx", data)
    told = error(capsys, "unpack", path, "-o", tmp_path / "deep" / "x")
    assert told.startswith(f"{path}: 'kits/tight/kick.wav' in it is not what was packed")
    assert content(tmp_path) == {"a.stemfx": data}


def test_an_interrupted_unpack_leaves_no_folder(bundle, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    assert execute(["unpack", str(bundle)]) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["a.stemfx"]


def test_the_command_that_is_told_can_be_pasted(tmp_path, capsys):
    folder = tmp_path / "it's mine; rm -rf"
    folder.mkdir()
    path = write_made(folder / "a.stemfx", bundle_bytes(FILES))
    execute(["unpack", str(path)])
    import shlex

    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("run it: "))
    assert shlex.split(line.removeprefix("run it: ")) == [
        "stemfx",
        "run",
        str(folder / "a" / "remix.yaml"),
    ]
