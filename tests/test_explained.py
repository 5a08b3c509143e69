from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_songs import made_song
from test_cli_mashup import save

from stemfx.cli import execute

RECIPE = """
stemfx: 1
sources: {a: a.wav, b: b.wav}
align: {tempo: b, key: b}
tracks:
  one: {from: a}
  two: {from: b}
output: {master: m.wav}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    save(tmp_path / "a.wav", made_song("rock", 104, tonic=9, bars=8).mixture)
    save(tmp_path / "b.wav", made_song("four on the floor", 114, tonic=0, bars=8).mixture)
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE)
    return str(path)


def test_a_plan_explains_the_alignment_once_the_songs_are_read(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plan", recipe]) == 0
    told = capsys.readouterr().out
    assert "align: tempo of b, key of b; how far" in told
    assert execute(["plan", recipe, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["align"] == {
        "follows": "tempo of b, key of b",
        "known": False,
    }
    assert execute(["run", recipe, "--json"]) == 0
    capsys.readouterr()
    assert execute(["plan", recipe]) == 0
    # 104 / 114 = 0.9123; A minor is 8A, C minor 5A, three semitones up
    told = capsys.readouterr().out
    assert "align: 114 BPM (of b), C minor 5A (of b)" in told
    assert "a: 104 BPM -> 114 (8.8 % shorter), A minor 8A -> C minor 5A: +3 semitones" in told
    Path(recipe).write_text(RECIPE.replace("key: b", "key: a"))  # not run, but read
    assert execute(["plan", recipe, "--json"]) == 0
    align = json.loads(capsys.readouterr().out)["align"]
    assert (align["known"], align["key"], align["camelot"]) == (True, "A minor", "8A")
    assert align["sources"]["b"]["semitones"] == pytest.approx(-3, abs=0.1)
    assert align["sources"]["a"]["stretch_percent"] == pytest.approx(-8.77, abs=0.1)


def test_a_recipe_that_aligns_nothing_has_nothing_to_explain(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(recipe).write_text(RECIPE.replace("align: {tempo: b, key: b}\n", ""))
    assert execute(["plan", recipe, "--json"]) == 0
    assert "align" not in json.loads(capsys.readouterr().out)
