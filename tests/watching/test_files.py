from __future__ import annotations

from pathlib import Path

import pytest
from engine import registry

from stemfx.audio import Audio
from stemfx.errors import RecipeError
from stemfx.io import Encoding, write
from stemfx.recipe import Recipe
from stemfx.session import Request, load_recipe
from stemfx.watching import mentioned_files, named_files


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    for name in ("song.wav", "voice.wav", "riser.wav", "kit/kick.wav", "kit/snare.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, song, Encoding("wav", 16))
    (tmp_path / "base.yaml").write_text("stemfx: 1\nextends: deep.yaml\n")
    (tmp_path / "deep.yaml").write_text("stemfx: 1\noutput: {master: out.wav}\n")
    return tmp_path.resolve()


def recipe_of(folder: Path, text: str) -> Recipe:
    path = folder / "r.yaml"
    path.write_text("stemfx: 1\nextends: base.yaml\n" + text)
    return load_recipe(str(path), Request(), registry())[0]


SOUND = """
sources: {song: {stems: {drums: song.wav, vocals: voice.wav}}}
tracks:
  beat: {from: song/drums, stages: [{replace_drums: {kit: kit}}]}
  fx: {from: riser.wav}
  vocals: {}
"""


def test_all_that_a_recipe_is_read_from_is_watched(folder: Path) -> None:
    names = {"r.yaml", "base.yaml", "deep.yaml", "song.wav", "voice.wav", "riser.wav", "kit"}
    found = named_files(recipe_of(folder, SOUND))
    assert {folder / name for name in names} <= found
    assert found - {folder / name for name in names} == {
        folder / "kit/kick.wav",
        folder / "kit/snare.wav",
    }


def test_of_an_installed_kit_nothing_is_watched(folder: Path) -> None:
    recipe = recipe_of(folder, SOUND.replace("kit: kit", "kit: synth"))
    assert all(file.parent == folder for file in named_files(recipe))


def test_a_recipe_with_faults_waits_for_all_that_it_may_mean(folder: Path) -> None:
    faulty = SOUND.replace("kit: kit", "kit: kit, nonsense: 1") + "output: {stems: results}\n"
    (folder / "results").mkdir()
    with pytest.raises(RecipeError, match="nonsense"):
        recipe_of(folder, faulty)
    found = mentioned_files(folder / "r.yaml")
    names = {"r.yaml", "base.yaml", "deep.yaml", "song.wav", "voice.wav", "riser.wav", "kit"}
    assert {folder / name for name in names} <= found
    assert not {folder / "results", folder / "out.wav"} & found


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"stemfx: [",
        b"extends: r.yaml\n",  # itself
        b"a: /\nb: ..\nc: .\nd: ~\n",  # folders that hold the recipe
        b"a: " + b"x" * 100_000,
        b'a: "\\0"\n',
    ],
)
def test_whatever_a_recipe_says_only_its_own_place_is_watched_for_certain(
    tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(text)
    found = mentioned_files(path)
    assert path in found
    assert all(not file.is_dir() for file in found)


def test_a_recipe_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    assert mentioned_files(tmp_path / "r.yaml") == {tmp_path / "r.yaml"}
