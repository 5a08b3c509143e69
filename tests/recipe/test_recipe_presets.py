"""`presets`: named settings of a recipe's knobs."""

import pytest

KNOBS = (
    "stemfx: 1\nsources: {song: gen.wav}\n"
    "params:\n"
    "  lufs: {default: -14, min: -24, max: -8, unit: LUFS}\n"
    "  dry: false\n"
    "  what: Mix\n"
)
PRESETS = KNOBS + "presets:\n  techno: {lufs: -9, what: Club}\n  quiet: {lufs: -18, dry: true}\n"


def test_default_then_preset_then_set(read):
    assert read(PRESETS).values == {"lufs": -14, "dry": False, "what": "Mix"}
    assert read(PRESETS, preset="techno").values == {"lufs": -9, "dry": False, "what": "Club"}
    assert read(PRESETS, preset="techno", settings={"lufs": "-10"}).values == {
        "lufs": -10,
        "dry": False,
        "what": "Club",
    }


def test_a_preset_turns_what_the_knob_turns(read):
    recipe = read(PRESETS + "title: ${what} at ${lufs} LUFS\n", preset="techno")
    assert recipe.title == "Club at -9 LUFS"


def test_a_recipe_tells_its_presets_and_the_one_in_use(read):
    recipe = read(PRESETS, preset="quiet")
    assert recipe.presets == {
        "techno": {"lufs": -9, "what": "Club"},
        "quiet": {"lufs": -18, "dry": True},
    }
    assert (recipe.preset, read(PRESETS).preset) == ("quiet", "")
    assert recipe.knobs["lufs"].default == -14


def test_an_unknown_preset_says_which_was_meant_and_which_there_are(faults):
    assert faults(PRESETS, preset="Tekno") == [
        "--preset: the recipe has no preset 'Tekno'; did you mean 'techno'? (known: techno, quiet)"
    ]
    assert faults(KNOBS, preset="x") == ["--preset: the recipe has no preset 'x' (known: none)"]


@pytest.mark.parametrize(
    ("preset", "fault"),
    [
        ("lfus: -9", ("8:7: presets.a: the recipe has no knob 'lfus'; did you mean 'lufs'? "
         "(known: lufs, dry, what)")),
        ("lufs: -3", "8:13: presets.a.lufs: -3 LUFS is outside [-24, -8] LUFS"),
        ("lufs: '-9'", ("8:13: presets.a.lufs: expects a number in [-24, -8] LUFS, got the text "
         "'-9' (remove the quotes)")),
        ("dry: 1", "8:12: presets.a.dry: expects true or false, got the number 1"),
        ("what: 808", "8:13: presets.a.what: expects text, got the number 808 (put it in quotes)"),
        ("what: [a]", "8:13: presets.a.what: expects a value, got a list"),
    ],
)  # fmt: skip
def test_a_preset_is_held_against_the_knobs_whether_it_is_used_or_not(faults, preset, fault):
    text = KNOBS + f"presets:\n  a: {{{preset}}}\n"
    assert faults(text) == faults(text, preset="a") == [f"r.yaml:{fault}"]


def test_presets_are_mappings_of_mappings(faults):
    assert faults(KNOBS + "presets: [a]\n") == [
        "r.yaml:7:10: presets: expects a mapping, got a list"
    ]
    assert faults(KNOBS + "presets: {a: -9}\n") == [
        "r.yaml:7:14: presets.a: expects a mapping of knobs, got the number -9"
    ]


def test_a_faulty_knob_is_reported_once(faults):
    text = (
        "stemfx: 1\nsources: {song: gen.wav}\nparams: {lufs: {min: 1}}\npresets: {a: {lufs: 9}}\n"
    )
    assert faults(text, preset="a") == ["r.yaml:3:16: params.lufs: a knob needs a `default`"]


def test_presets_of_a_base_are_merged_like_all_mappings(read, folder):
    (folder / "base.yaml").write_text(PRESETS)
    child = "stemfx: 1\nextends: base.yaml\npresets: {techno: {lufs: -10}, soft: {lufs: -20}}\n"
    assert read(child, preset="techno").values == {"lufs": -10, "dry": False, "what": "Club"}
    assert list(read(child).presets) == ["techno", "quiet", "soft"]
