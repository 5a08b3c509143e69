from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine import level_db, samples

from stemfx.cache import Cache
from stemfx.cli.demo import write_demo_song
from stemfx.plan import Plan
from stemfx.registry import build_registry
from stemfx.report import master_reading, null_db
from stemfx.run import run
from stemfx.session import Request, load_recipe, prepare
from stemfx.shipped import shipped_recipes

LOUD = ("remix", "starter", "warm-master", "demo", "mashup", "master", "master-to-reference")
"""Those that promise a loudness."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cache]:
    folder = tmp_path_factory.mktemp("demo")
    song = write_demo_song(folder)
    return song, Cache(folder / "cache")


def planned(name: str, song: Path, out: Path, preset: str = "") -> Plan:
    found = build_registry()
    names = ("a", "b", "c") if name == "mashup" else ("song",)
    if name == "master-to-reference":
        names = ("song", "reference")
    sources = dict.fromkeys(names, song)
    request = Request(
        sources=sources, out_folder=out, models=("embedded",), offline=True, preset=preset
    )
    recipe, folder = load_recipe(name, request, found)
    return prepare(recipe, folder, request, found, may_fetch=False)[0]


def test_the_promised_recipes_are_shipped() -> None:
    assert set(shipped_recipes()) == {
        *("remix", "rebalance", "instrumental", "acappella", "warm-master", "demo"),
        *("clean-vocal", "mono-safe", "rescue", "fix-drums", "samples", "mashup", "master"),
        *("master-to-reference", "starter"),
    }


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_plans_and_runs_on_the_demo_song(
    demo: tuple[Path, Cache], tmp_path: Path, name: str
) -> None:
    song, cache = demo
    outcome = run(planned(name, song, tmp_path), cache)
    reading = master_reading(outcome)
    if name == "samples":  # stems are all it makes: the song but for bleed in their pauses
        stems = sorted((tmp_path / "sample-stems").glob("*.wav"))
        assert [path.stem for path in stems] == ["bass", "drums", "other", "vocals"]
        total = np.sum([samples(path) for path in stems], axis=0)
        assert level_db(total - samples(song), samples(song)) < -30
        return
    assert reading is not None
    assert reading["duration_s"] == pytest.approx(samples(song).shape[1] / 44_100)
    assert float(reading["true_peak_dbtp"] or 0) <= 0.0
    assert not [f for _, f in outcome.findings if f.level != "info"], outcome.findings
    if name in LOUD:
        assert reading["lufs"] == pytest.approx(-14, abs=0.1)
        assert float(reading["true_peak_dbtp"] or 0) <= -0.95
    null = null_db(outcome)
    assert null is None or null < -100


GENRES = ("pop", "hip-hop", "techno", "rock", "lofi", "acoustic")


@pytest.mark.parametrize("name", ["master", "remix", "rescue"])
def test_every_genre_is_a_preset_that_plans_and_turns_knobs(
    demo: tuple[Path, Cache], tmp_path: Path, name: str
) -> None:
    plain = planned(name, demo[0], tmp_path)
    assert tuple(plain.recipe.presets) == GENRES
    for genre in GENRES:
        turned = planned(name, demo[0], tmp_path, genre).recipe
        assert turned.values == {**plain.recipe.values, **turned.presets[genre]}
        assert turned.values != plain.recipe.values


def test_rebalance_at_zero_gives_the_song_back(demo: tuple[Path, Cache], tmp_path: Path) -> None:
    song, cache = demo
    run(planned("rebalance", song, tmp_path), cache)
    np.testing.assert_array_equal(samples(tmp_path / "rebalanced.wav"), samples(song))


def test_instrumental_and_vocals_are_the_song(demo: tuple[Path, Cache], tmp_path: Path) -> None:
    song, cache = demo
    run(planned("instrumental", song, tmp_path), cache)
    (tmp_path / "v.yaml").write_text(
        "stemfx: 1\nsources: {song: }\ntracks: {vocals: }\noutput: {master: vocals.wav}\n"
    )
    run(planned(str(tmp_path / "v.yaml"), song, tmp_path), cache)
    total = samples(tmp_path / "instrumental.wav") + samples(tmp_path / "vocals.wav")
    # Two 16-bit files with TPDF dither: at most 1.5 steps of error each.
    assert np.abs(total - samples(song)).max() <= 3 / 32768
