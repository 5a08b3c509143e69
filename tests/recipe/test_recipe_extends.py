"""`extends`: a recipe built on another one."""

from pathlib import Path

import pytest

from stemfx.errors import RecipeError
from stemfx.recipe import read_recipe
from stemfx.recipe.inherit import MAX_EXTENDS

BASE = (
    "stemfx: 1\ntitle: Base\nauthor: Ada\nparams: {db: 1, cut: 90}\nsources: {song: gen.wav}\n"
    "tracks:\n  vocals:\n    gain_db: ${db}\n    stages:\n      - high_pass: {cutoff_hz: 90}\n"
    "  drums: {pan: 0.5}\nmaster: [deess]\n"
)


def test_mappings_are_merged_and_everything_else_is_replaced(read, folder):
    (folder / "base.yaml").write_text(BASE)
    recipe = read(
        "stemfx: 1\nextends: base.yaml\ntitle: Child\nparams: {db: 2}\n"
        "tracks:\n  vocals: {pan: -1, stages: [deess]}\n  bass: {}\nmaster: []\n"
    )
    assert (recipe.title, recipe.author) == ("Child", "Ada")
    assert recipe.values == {"db": 2, "cut": 90}
    assert list(recipe.tracks) == ["vocals", "drums", "bass"]
    vocals = recipe.tracks["vocals"]
    assert (vocals.gain_db, vocals.pan) == (2, -1)
    assert [call.stage.name for call in vocals.stages] == ["deess"]
    assert recipe.tracks["drums"].pan == 0.5
    assert recipe.master == ()


def test_a_key_with_nothing_after_it_takes_what_the_base_says(read, folder):
    (folder / "base.yaml").write_text(BASE)
    recipe = read(
        "stemfx: 1\nextends: base.yaml\ntitle:\nmaster:\ntracks:\n  vocals:\n  drums: ~\n"
    )
    assert recipe.title == "Base"
    assert [call.stage.name for call in recipe.master] == ["deess"]
    assert recipe.tracks["drums"].pan == 0.5


def test_places_keep_pointing_at_the_file_they_came_from(read, faults, folder):
    (folder / "base.yaml").write_text(BASE)
    child = "stemfx: 1\nextends: base.yaml\ntracks: {drums: {gain_db: 0}}\n"
    recipe = read(child)
    assert recipe.tracks["vocals"].where == "base.yaml:7:3"
    assert recipe.tracks["vocals"].stages[0].where == "base.yaml:10:9"
    assert recipe.tracks["drums"].where == "r.yaml:3:10"
    (folder / "base.yaml").write_text(BASE.replace("pan: 0.5", "pan: 5").replace("deess", "dees"))
    assert faults(child.replace("gain_db: 0", "gain_db: 99")) == [
        "r.yaml:3:27: tracks.drums.gain_db: 99 dB is outside [-96, 24] dB",
        "base.yaml:11:16: tracks.drums.pan: 5 is outside [-1, 1]",
        "base.yaml:12:10: stage 'dees' is unknown; did you mean 'deess'?",
    ]


def test_paths_of_a_base_are_relative_to_the_recipe_that_is_run(read, folder):
    (folder / "assets/base.yaml").write_text(
        "stemfx: 1\nextends: assets/root.yaml\ntracks: {pad: {from: assets/pad.wav}}\n"
    )
    (folder / "assets/root.yaml").write_text("stemfx: 1\nsources: {song: gen.wav}\n")
    recipe = read("stemfx: 1\nextends: assets/base.yaml\n")
    assert recipe.tracks["pad"].asset == folder / "assets/pad.wav"
    assert recipe.sources["song"].file == folder / "gen.wav"
    assert recipe.tracks["pad"].where == str(Path("assets/base.yaml")) + ":3:10"


@pytest.mark.parametrize("name", ["r.yaml", "./r.yaml", "assets/../r.yaml"])
def test_a_recipe_cannot_extend_itself(faults, name):
    assert faults(f"stemfx: 1\nextends: {name}\n") == [
        "r.yaml:2:10: extends goes in a circle: r.yaml -> r.yaml"
    ]


def test_a_circle_is_named(faults, folder):
    (folder / "a.yaml").write_text("stemfx: 1\nextends: b.yaml\n")
    (folder / "b.yaml").write_text("stemfx: 1\nextends: a.yaml\n")
    assert faults("stemfx: 1\nextends: a.yaml\n") == [
        "b.yaml:2:10: extends goes in a circle: a.yaml -> b.yaml -> a.yaml"
    ]


def test_a_chain_has_an_end(read, faults, folder):
    for i in range(1, MAX_EXTENDS + 1):
        (folder / f"{i}.yaml").write_text(f"stemfx: 1\nextends: {i + 1}.yaml\n")
    last = folder / f"{MAX_EXTENDS}.yaml"
    last.write_text("stemfx: 1\nsources: {song: gen.wav}\n")
    assert list(read("stemfx: 1\nextends: 1.yaml\n").sources) == ["song"]
    last.write_text(f"stemfx: 1\nextends: {MAX_EXTENDS + 1}.yaml\n")
    (folder / f"{MAX_EXTENDS + 1}.yaml").write_text("stemfx: 1\n")
    assert faults("stemfx: 1\nextends: 1.yaml\n") == [
        f"{MAX_EXTENDS}.yaml:2:10: at most {MAX_EXTENDS} recipes may extend one another"
    ]


def test_a_base_is_a_recipe_too(faults, folder):
    (folder / "base.yaml").write_text("title: x\n")
    assert faults("stemfx: 1\nextends: base.yaml\nsources: {song: gen.wav}\n") == [
        "base.yaml:1:1: `stemfx: 1` is missing; a recipe starts with it"
    ]
    (folder / "base.yaml").write_text("a: [}")
    assert faults("stemfx: 1\nextends: base.yaml\n") == [
        "base.yaml:1:5: a value is missing, or a bracket does not match the `[` before it"
    ]
    assert faults("stemfx: 1\nextends: [base.yaml]\n") == [
        "r.yaml:2:10: extends: expects the file of a recipe, got a list"
    ]


def test_a_recipe_that_is_not_there_says_where_it_was_looked_for(folder):
    def fault(name):
        with pytest.raises(RecipeError) as caught:
            read_recipe(Path(name), stages={})
        return str(caught.value)

    assert fault("nix.yaml") == f"nix.yaml: there is no file {folder / 'nix.yaml'}"
    assert fault("assets") == "assets: assets is a folder, not a recipe"


def test_places_show_the_path_as_the_user_gave_it(folder):
    (folder / "assets/r.yaml").write_text("stemfx: 1\nextends: base.yaml\ntitle: 1\n")
    (folder / "assets/base.yaml").write_text("stemfx: 1\nsources: {song: ../gen.wav}\nauthor: 1\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(Path("assets/r.yaml"), stages={})
    assert [problem.where for problem in caught.value.problems] == [
        str(Path("assets/r.yaml")) + ":3:8",
        str(Path("assets/base.yaml")) + ":3:9",
    ]
