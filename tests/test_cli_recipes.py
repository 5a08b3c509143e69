"""`stemfx recipes`: what goes by a name, and what it says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stemfx.cli import execute
from stemfx.errors import UsageError
from stemfx.recipe_book import recipe_book, search
from stemfx.session import find_recipe
from stemfx.shipped import own_recipes, shipped_recipes

OWN = (
    "stemfx: 1\ntitle: Night ${what}\ndescription: For late hours\nauthor: Ada\nlicence: CC0-1.0\n"
    "params: {db: {default: 1, min: 0, max: 3, unit: dB, help: level}, what: drive}\n"
    "presets: {dub-techno: {db: 2}}\n"
    "sources: {song: {generated: true}, other: , pad: pad.wav}\n"
    "templates: {t: {stages: [high_pass, {deess: {}}]}}\n"
    "tracks: {vocals: {template: t, from: song/vocals}}\n"
    "master: [{loudness: {target_lufs: -14}}]\n"
)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the user's own recipes."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    monkeypatch.setenv("STEMFX_RECIPES", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert execute(["recipes", *words, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    return answer


def test_an_own_recipe_tells_all_it_says_of_itself(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "night.yaml").write_text(OWN)
    answer = listed(capsys)
    assert answer["recipes"][0] == {
        "name": "night",
        "title": "Night drive",
        "description": "For late hours",
        "author": "Ada",
        "licence": "CC0-1.0",
        "path": str(own / "night.yaml"),
        "origin": "own",
        "hidden": False,
        "sources": ["song", "other"],
        "params": [
            {"name": "db", "default": 1, "min": 0, "max": 3, "unit": "dB", "help": "level"},
            {"name": "what", "default": "drive", "min": None, "max": None, "unit": "", "help": ""},
        ],
        "presets": {"dub-techno": {"db": 2}},
        "stages": ["high_pass", "deess", "loudness"],
        "problem": None,
    }
    assert answer["folders"]["own"] == str(own)
    assert {r["name"] for r in answer["recipes"]} == {"night", *shipped_recipes()}
    assert all((r["problem"] is None and r["sources"] != []) or r["name"] == "demo"
               for r in answer["recipes"])  # fmt: skip


def test_all_words_have_to_be_found_in_any_case_and_a_name_goes_first(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "night.yaml").write_text(OWN)
    names = [r["name"] for r in listed(capsys, "MASTER")["recipes"]]
    assert names[0] == "master"
    assert set(names[1:3]) == {"master-to-reference", "warm-master"}
    assert [r["name"] for r in listed(capsys, "techno", "DEESS", "late")["recipes"]] == ["night"]
    assert listed(capsys, "late", "tape")["recipes"] == []
    assert execute(["recipes", "late", "tape"]) == 0
    assert "no recipe has 'late' and 'tape'" in capsys.readouterr().out


def test_a_match_in_the_name_goes_before_one_in_the_description(own: Path) -> None:
    head = "stemfx: 1\nsources: {song: }\n"
    (own / "a.yaml").write_text(head + "description: zebra\n")
    (own / "b.yaml").write_text(head + "master: [zebra]\n")
    (own / "c.yaml").write_text(head + "title: Zebra\n")
    (own / "zebra2.yaml").write_text(head)
    (own / "zebra.yaml").write_text(head)
    found = search(recipe_book(), ["zebra"])
    assert [recipe.name for recipe in found] == ["zebra", "zebra2", "c", "b", "a"]


def test_a_broken_recipe_is_listed_with_its_first_problem_and_breaks_nothing(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "odd.yaml").write_text("stemfx: 1\ntracks: [\n")
    (own / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (own / "empty.yaml").touch()
    (own / "bundle.stemfx").write_bytes(b"no zip")
    (own / "night.yaml").write_text(OWN.replace("max: 3", "max: 1"))
    problems = {r["name"]: r["problem"] for r in listed(capsys)["recipes"] if r["problem"]}
    assert set(problems) == {"odd", "binary", "empty", "bundle", "night"}
    for name, problem in problems.items():
        assert str(own / name) in problem
        assert "\n" not in problem
    assert problems["night"].endswith("presets.dub-techno.db: 2 dB is outside [0, 1] dB")
    assert execute(["recipes"]) == 0
    assert "broken: " in capsys.readouterr().out


def test_nothing_of_a_recipe_steers_the_terminal(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "red.yaml").write_text('stemfx: 1\nsources: {song: }\ntitle: "a\\u202Eb [red]c"\n')
    (own / "esc\x1b[31m.yaml").write_text("stemfx: 1\nsources: {song: }\ntitle: x\n")
    (own / "bad.yaml").write_text('stemfx: 1\n"a\\u202E\\tb": 1\n')
    assert execute(["recipes"]) == 0
    assert execute(["recipes", "\x1b[31mnothing"]) == 0
    shown = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\t"} & set(shown)
    assert "[red]c" in shown


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX")
def test_what_is_no_recipe_file_is_passed_over(own: Path, tmp_path: Path) -> None:
    (own / "folder.yaml").mkdir()
    (own / ".hidden.yaml").touch()
    (own / "note.txt").touch()
    (own / "gone.yaml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(own / "pipe.yaml")
    (own / "x.yaml").write_text(OWN)
    (own / "x.stemfx").touch()
    assert own_recipes() == {"x": own / "x.yaml"}


def test_no_folder_of_own_recipes_is_no_fault(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEMFX_RECIPES", str(own / "nowhere"))
    assert {r["origin"] for r in listed(capsys)["recipes"]} == {"shipped"}


def test_an_own_recipe_goes_by_its_name_and_writes_into_the_current_folder(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "night.yaml").write_text(OWN)
    assert find_recipe("night") == (own / "night.yaml", tmp_path)
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="did you mean 'night'"):
        find_recipe("nihgt")


def test_an_own_recipe_hides_a_shipped_one_only_visibly(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "remix.yaml").write_text(OWN)
    assert find_recipe("remix") == (own / "remix.yaml", tmp_path)
    said = capsys.readouterr().err
    assert f"'remix' is your own recipe {own / 'remix.yaml'}" in said
    assert str(shipped_recipes()["remix"]) in said
    both = {r["origin"]: r["hidden"] for r in listed(capsys)["recipes"] if r["name"] == "remix"}
    assert both == {"own": False, "shipped": True}
    assert execute(["recipes", "remix"]) == 0
    assert "remix (yours)" in capsys.readouterr().out


def test_the_list_loads_neither_networks_nor_filters() -> None:
    code = (
        "import sys; from stemfx.cli import execute\n"
        "code = execute(['recipes', 'master'])\n"
        "print('LOADED', *sorted(sys.modules))\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    heavy = {"torch", "scipy", "soundfile", "stemfx.run", "stemfx.plan", "stemfx.registry"}
    assert loaded & heavy == set()
