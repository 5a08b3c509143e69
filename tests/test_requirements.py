"""What a recipe needs, and what of it may be sold."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from engine import PartialSeparator, registry
from kit_making import strike

from stemfx.licences import licence_class
from stemfx.recipe import read_recipe
from stemfx.requirements import requirements, unclear_licences

RECIPE = """stemfx: 1
extends: base.yaml
license: CC0-1.0
sources: {song: nobody.wav}
tracks:
  drums:
    stages:
      - replace_drums: {kit: kits/tight}
      - layer: {sound: clap.wav, classes: [snare]}
  bass: {stages: [{duck: {by: drums}}]}
  pad: {from: pad.wav, mute: true}
output: {master: out.wav, tags: {cover: art.png}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kits/tight").mkdir(parents=True)
    for name in ("kits/tight/kick.wav", "kits/tight/snare.wav", "clap.wav", "pad.wav"):
        soundfile.write(tmp_path / name, strike(100).T, 44_100)
    (tmp_path / "kits/tight/LICENCE.txt").write_text("CC BY-NC 4.0")
    (tmp_path / "kits/tight/.hidden").write_text("of the system")
    (tmp_path / "base.yaml").write_text("stemfx: 1\nmaster: [{high_pass: {cutoff_hz: 20}}]\n")
    (tmp_path / "art.png").write_bytes(b"a picture")
    (tmp_path / "r.yaml").write_text(RECIPE)
    return tmp_path


def needed(folder, text=None, separator=None):
    if text is not None:
        (folder / "r.yaml").write_text(text)
    known = registry()
    recipe = read_recipe(
        folder / "r.yaml", stages=known.stages, kits=known.kits, needs_sources=False
    )
    separators = {"song": [separator or known.separators["partial"]]}
    return recipe, requirements(recipe, separators, known)


def test_assets_are_all_files_that_the_recipe_names_each_with_its_hash(folder):
    _, found = needed(folder)
    assert [(str(asset.path), asset.role) for asset in found.assets] == [
        ("r.yaml", "recipe"),
        ("art.png", "cover"),
        ("base.yaml", "recipe"),
        ("clap.wav", "sound"),
        ("kits/tight/LICENCE.txt", "kit"),  # a kit travels with what is said of it
        ("kits/tight/kick.wav", "kit"),
        ("kits/tight/snare.wav", "kit"),
        ("pad.wav", "sound"),  # of a muted track: whoever gets the recipe may unmute it
    ]
    for asset in found.assets:
        data = (folder / asset.path).read_bytes()
        assert (asset.sha256, asset.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_an_sfz_needs_what_it_includes(folder):
    (folder / "kits/map.sfz").write_text('#include "part.inc"\n')
    (folder / "kits/part.inc").write_text("<region> sample=tight/kick.wav key=36\n")
    _, found = needed(folder, RECIPE.replace("kits/tight", "kits/map.sfz"))
    kit = [str(asset.path) for asset in found.assets if asset.role == "kit"]
    assert kit == ["kits/map.sfz", "kits/part.inc", "kits/tight/kick.wav"]


def test_plugins_say_what_they_are_needed_for(folder):
    _, found = needed(folder, RECIPE.replace("{duck:", "{tilt: {gain_db: 1}}, {duck:"))
    by_name = {plugin.distribution: plugin for plugin in found.plugins}
    assert by_name["stemfx-suite"].offers == (
        *("stage duck", "stage high_pass", "stage layer", "stage replace_drums"),
    )
    assert by_name["stemfx-suite"].licence_class == "open"
    assert by_name["extra"].offers == ("model partial",)  # the plugin of these tests


def test_a_model_is_told_with_the_hashes_of_its_files(folder):
    weights = folder / "w.safetensors"
    weights.write_bytes(b"numbers")

    class Known(PartialSeparator):
        def files(self):
            return (weights,)

    _, found = needed(folder, separator=Known())
    (model,) = found.models
    assert (model.name, model.sources, model.is_inside) == ("partial", ("song",), False)
    assert model.files == {"w.safetensors": hashlib.sha256(b"numbers").hexdigest()}


def test_a_model_that_lies_in_the_folder_of_the_recipe_comes_along(folder):
    class Own(PartialSeparator):
        card = replace(PartialSeparator.card, name="mine")
        path = folder / "mine.ckpt"

        def files(self):
            return (self.path,)

    Own.path.write_bytes(b"numbers")
    _, found = needed(folder, separator=Own())
    assert [str(asset.path) for asset in found.assets if asset.role == "model"] == ["mine.ckpt"]
    assert found.models[0].is_inside
    Own.path = Path(__file__)  # by `--model`: the user's own matter
    _, found = needed(folder, separator=Own())
    assert not found.models[0].is_inside


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", "open"),
        ("MIT (stated at zenodo.org)", "open"),
        ("BSD-3-Clause AND 0BSD AND MIT", "open"),
        ("GPL-3.0-or-later", "open"),
        ("Creative Commons Attribution 4.0", "open"),
        ("CC BY-NC-SA 4.0: non-commercial use only", "non-commercial"),
        ("Creative Commons Attribution-NonCommercial 4.0", "non-commercial"),
        ("free for personal use", "non-commercial"),
        ("(MIT OR Apache-2.0) AND CC-BY-NC-4.0", "non-commercial"),
        ("MIT OR CC-BY-NC-4.0", "open"),
        ("CC BY-ND 4.0", "not stated"),  # a sample in a song is a derivative
        ("submitted by a friend", "not stated"),  # no MIT in it
        ("no stated licence", "not stated"),
        ("", "not stated"),
    ],
)
def test_a_licence_says_whether_the_result_may_be_sold(licence, expected):
    assert licence_class(licence) == expected


def test_a_licence_of_blanks_takes_no_time():
    """One of 10,000 took half a second: each blank was the start of a search of its own."""
    began = time.process_time()
    assert licence_class("MIT" + " " * 200_000 + "OR" + "\t" * 200_000 + "CC-BY-NC-4.0") == "open"
    assert time.process_time() - began < 2


def test_what_sounds_in_the_result_needs_a_licence_that_lets_one_sell_it(folder):
    def told(text):
        recipe, found = needed(folder, text)
        return [
            str(problem).replace(str(folder), "") for problem in unclear_licences(recipe, found)
        ]

    model = "/r.yaml:1:1: the weights of the model 'partial': nobody states what the licence "
    assert told(RECIPE) == [f"{model}allows (CC0)"]  # the card's own class counts, not its words
    without = RECIPE.replace("license: CC0-1.0\n", "")
    assert [line.partition(": ")[2][:32] for line in told(without)][1:] == [
        "the kit 'tight': nobody states w",
        "no licence of the sound 'clap.wa",  # and none of the muted pad
    ]
    (folder / "kits/tight/kit.yaml").write_text("kit: 1\nlicence: CC BY-NC 4.0\n")
    assert "'tight': for non-commercial use only (CC BY-NC 4.0)" in "".join(told(RECIPE))
    assert "the recipe is under 'CC BY-NC 4.0'" in "".join(
        told(RECIPE.replace("CC0-1.0", "CC BY-NC 4.0"))
    )


def test_what_has_no_recipe_file_needs_no_asset(folder):
    recipe, _ = needed(folder, "stemfx: 1\nsources: {song: nobody.wav}\n")
    assert requirements(replace(recipe, files=()), {}, registry()).assets == ()
