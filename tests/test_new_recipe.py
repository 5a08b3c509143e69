"""`stemfx new`: a recipe of one's own gives what the other one gives."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import OutputError, RecipeError, StemfxError, UsageError
from stemfx.io import Encoding, write
from stemfx.new_recipe import NewRecipe, write_new_recipe
from stemfx.recipe import Recipe
from stemfx.registry import build_registry
from stemfx.session import Request, load_recipe, prepare
from stemfx.shipped import shipped_recipes

REGISTRY = build_registry()

OWN = (
    "# mine\nstemfx: 1\nparams: {db: 1, what: Mix}\npresets: {loud: {db: 2}}\n"
    "sources:\n  song: music/gen.wav   # the song\n"
    "  stems: {stems: {vocals: music/v.wav, drums: music/d.wav}, mixture: music/gen.wav}\n"
    "title: ${what} ${db}\ntracks: {a: {from: song, gain_db: '${db}'}, b: {from: stems/vocals}}\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a recipe `own/own.yaml` with its music, a song, a folder."""
    monkeypatch.setenv("STEMFX_RECIPES", str(tmp_path / "none"))
    (tmp_path / "own" / "music").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, (2, 44_100)).astype(np.float32)
    for name in ("own/music/gen.wav", "own/music/v.wav", "own/music/d.wav", "it's ${a} mix.wav"):
        write(tmp_path / name, Audio(noise, 44_100), Encoding("wav", 16))
    (tmp_path / "own" / "own.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(name: str, target: str | None = None, **asked: object) -> NewRecipe:
    request = Request(**asked)  # type: ignore[arg-type]
    return write_new_recipe(name, None if target is None else Path(target), request, REGISTRY)


def read(path: Path | str, **asked: object) -> Recipe:
    return load_recipe(str(path), Request(needs_sources=False, **asked), REGISTRY)[0]  # type: ignore[arg-type]


def keys(name: str, request: Request) -> Mapping[str, str]:
    recipe, folder = load_recipe(name, request, REGISTRY)
    plan, _ = prepare(recipe, folder, request, REGISTRY, may_fetch=False)
    return {node.id: node.key for node in plan.nodes.values()}


@pytest.mark.parametrize("name", ["remix", "rescue", "mashup", "master-to-reference"])
def test_the_new_recipe_plans_the_same_steps_with_the_same_keys(folder: Path, name: str) -> None:
    sources = dict.fromkeys(read(name).sources, folder / "it's ${a} mix.wav")
    settings = {"target_lufs": "-16"}
    out = Request(out_folder=folder / "out", models=("embedded",), offline=True)
    asked = Request(
        sources=sources,
        settings=settings,
        out_folder=out.out_folder,
        models=out.models,
        offline=True,
    )
    new = made(name, "there/x.yaml", sources=sources, settings=settings)
    assert new.missing_sources == ()
    assert keys(str(new.path), out) == keys(name, asked)


@pytest.mark.parametrize("name", shipped_recipes())
def test_nothing_asked_for_changes_nothing_but_the_line_that_says_how_to_run_it(
    folder: Path, name: str
) -> None:
    old = shipped_recipes()[name].read_text(encoding="utf-8").splitlines()
    new = made(name).path.read_text(encoding="utf-8").splitlines()
    assert new[0].startswith(f"# Made from the recipe {name} of stemfx ")
    assert f"Run it: stemfx run my-{name}.yaml" in new[0]
    assert new[1:] == old[old[0].startswith("# stemfx run ") :]


def test_songs_are_named_from_the_new_place_and_comments_stay(folder: Path) -> None:
    new = made("own/own.yaml", "there/deep/x.yaml")
    text = new.path.read_text()
    assert "  song: ../../own/music/gen.wav   # the song\n" in text
    assert text.splitlines()[1] == "# mine"
    assert read(new.path).sources["stems"].stems == read("own/own.yaml").sources["stems"].stems
    assert read(new.path).sources["stems"].mixture == folder / "own/music/gen.wav"


def test_beside_the_old_recipe_songs_keep_their_names(folder: Path) -> None:
    new = made("own/own.yaml", "own/x.yaml", sources={"stems/drums": Path("it's ${a} mix.wav")})
    text = new.path.read_text()
    assert "song: music/gen.wav   # the song" in text
    assert "vocals: music/v.wav, drums: '../it''s $${a} mix.wav'}, mixture: music/gen.wav}" in text
    assert read(new.path).sources["stems"].stems == {
        "vocals": folder / "own/music/v.wav",
        "drums": folder / "it's ${a} mix.wav",
    }


def test_set_and_preset_become_the_defaults(folder: Path) -> None:
    new = read(made("own/own.yaml", "there/x.yaml", preset="loud", settings={"what": "808"}).path)
    assert {name: knob.default for name, knob in new.knobs.items()} == {"db": 2, "what": "808"}
    assert new.title == "808 2"
    assert new.presets == {"loud": {"db": 2}}


def test_a_knob_of_an_extended_recipe_can_be_set(folder: Path) -> None:
    (folder / "own/child.yaml").write_text("stemfx: 1\nextends: own.yaml\n")
    new = made("own/child.yaml", "own/x.yaml", settings={"db": "3"})
    assert read(new.path).values["db"] == 3
    assert read(new.path).knobs["db"].default == 3


def test_a_recipe_is_not_taken_away_from_files_that_it_names(folder: Path) -> None:
    (folder / "own/child.yaml").write_text("stemfx: 1\nextends: own.yaml\n")
    (folder / "own/pad.yaml").write_text("stemfx: 1\ntracks: {p: {from: music/gen.wav}}\n")
    for name, file in {"child": "own.yaml", "pad": "music/gen.wav"}.items():
        with pytest.raises(UsageError, match=f"{file}.*write the new recipe there: -o {folder}"):
            made(f"own/{name}.yaml", "there/x.yaml")
        assert made(f"own/{name}.yaml", f"own/my-{name}.yaml").path.is_file()
    assert list((folder / "there").iterdir()) == []


def test_what_is_there_is_never_overwritten(folder: Path) -> None:
    (folder / "there/x.yaml").write_text("precious")
    (folder / "there/y.yaml").symlink_to("nowhere")
    for target in ("there/x.yaml", "there/y.yaml"):
        with pytest.raises(OutputError, match="is there already"):
            made("remix", target)
    assert (folder / "there/x.yaml").read_text() == "precious"
    assert os.readlink(folder / "there/y.yaml") == "nowhere"  # noqa: PTH115
    assert len(list((folder / "there").iterdir())) == 2


REFUSED: dict[str, tuple[str, str | None, dict[str, object], str]] = {
    "no_recipe": ("remx", None, {}, "did you mean 'remix'"),
    "suffix": ("remix", "x.txt", {}, r"write x.txt.yaml"),
    "knob": ("remix", None, {"settings": {"vocal_db": "99"}}, r"99 dB is outside \[-12, 12\] dB"),
    "preset": ("own/own.yaml", None, {"preset": "lout"}, "did you mean 'loud'"),
    "source": ("remix", None, {"sources": {"sogn": Path("x.wav")}}, "did you mean 'song'"),
    "file": ("remix", None, {"sources": {"song": Path("x.wav")}}, "there is no file"),
    "stems": ("own/own.yaml", None, {"sources": {"stems": Path("own/music/v.wav")}}, "one file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_made_is_said_and_leaves_nothing(folder: Path, case: str) -> None:
    name, target, asked, said = REFUSED[case]
    before = sorted(folder.rglob("*"))
    with pytest.raises(StemfxError, match=said):
        made(name, target, **asked)
    assert sorted(folder.rglob("*")) == before


def test_a_bundle_and_a_text_with_aliases_are_refused(folder: Path) -> None:
    (folder / "own/alias.yaml").write_text(
        OWN.replace("{db: 1,", "{db: &d 1,").replace("{db: 2}", "{db: *d}")
    )
    with pytest.raises(UsageError, match="copy it and change the copy by hand"):
        made("own/alias.yaml", "own/x.yaml", settings={"db": "3"})
    (folder / "b.stemfx").write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="stemfx unpack"):
        made("b.stemfx")


def test_a_recipe_that_would_not_read_in_its_new_place_is_not_left_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemfx.new_recipe.edited", lambda *_: b"stemfx: 1\ntracks: [\n")
    with pytest.raises(RecipeError):
        made("remix", "there/x.yaml")
    assert list((folder / "there").iterdir()) == []


def test_the_command_tells_where_it_is_and_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "recipe": str(folder / "my-starter.yaml"),
        "made_from": str(shipped_recipes()["starter"]),
        "missing_sources": ["song"],
    }
    assert execute(["new", "remix", "--source", "own/music/gen.wav", "-o", "there/r.yaml"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == f"run it: stemfx run {folder / 'there/r.yaml'}"
    assert execute(["new"]) == 2
