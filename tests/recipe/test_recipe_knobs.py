"""`params`, `--set` and `${name}`."""

import pytest

from stemfx.recipe.knobs import MAX_KNOB_TEXT
from stemfx.recipe.yaml_tree import MAX_TEXT

SONG = "stemfx: 1\nsources: {song: gen.wav}\n"
KNOBS = SONG + (
    "params:\n"
    "  vocal_db: {default: 1.5, min: -12, max: 12, unit: dB, help: vocal level}\n"
    "  quiet: false\n"
    "  order: 2\n"
    "  what: Mix\n"
)
# Seven lines of head: what a test adds stands on line 8.


def test_a_knob_is_a_value_or_a_mapping_with_a_default(read):
    knobs = read(KNOBS).knobs
    vocal = knobs["vocal_db"]
    assert (vocal.default, vocal.min, vocal.max, vocal.unit) == (1.5, -12, 12, "dB")
    assert (vocal.help, vocal.where) == ("vocal level", "r.yaml:4:3")
    assert [knobs[name].default for name in ("quiet", "order", "what")] == [False, 2, "Mix"]


def test_a_scalar_that_is_a_knob_takes_the_typed_value_quoted_or_not(read):
    recipe = read(
        KNOBS + "tracks:\n  a:\n    gain_db: ${vocal_db}\n    mute: ${quiet}\n"
        '    stages: [high_pass: {order: "${ order }"}]\ntitle: ${what}\n'
    )
    track = recipe.tracks["a"]
    assert (track.gain_db, track.mute, track.stages[0].params.order) == (1.5, False, 2)
    assert recipe.title == "Mix"


def test_within_a_text_a_knob_is_inserted_as_it_was_written(read):
    title = "title: ${what} at ${vocal_db} dB, ${quiet}, $${vocal_db}, $5\n"
    recipe = read(KNOBS + title)
    assert recipe.title == "Mix at 1.5 dB, false, ${vocal_db}, $5"
    assert read(KNOBS + title, settings={"vocal_db": "1e1"}).title.startswith("Mix at 1e1 dB")


def test_what_a_knob_inserts_is_not_read_again(read):
    assert read(KNOBS + "title: ${what}", settings={"what": "${order}"}).title == "${order}"


def test_keys_and_knobs_are_not_inserted_into(faults, read):
    assert read(SONG + "params: {a: '${b}'}\ntitle: ${a}\n").title == "${b}"
    assert faults(KNOBS + "tracks:\n  ${what}: {from: song}\n")[0].startswith("r.yaml:9:3: '$' can")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("title: ${vocal}", ("8: the recipe has no knob 'vocal'; did you mean 'vocal_db'? "
         "(known: vocal_db, quiet, order, what)")),
        ("title: a ${xyz} b", ("8: the recipe has no knob 'xyz' (known: vocal_db, quiet, order, "
         "what)")),
        ("title: ${vocal", "8: `${` has no closing `}`; write `$${` where you mean the text `${`"),
        ("title: ${vocal_db}", "8: title: expects text, got the number 1.5 (from ${vocal_db})"),
        ("author: ${quiet}", "9: author: expects text, got false (from ${quiet})"),
    ],
)  # fmt: skip
def test_a_knob_that_does_not_fit_is_explained_where_it_is_used(faults, text, fault):
    assert faults(KNOBS + text) == [f"r.yaml:8:{fault}"]


def test_a_value_out_of_the_stages_range_names_the_knob_it_came_from(faults):
    text = SONG + "params: {cut: 10}\ntracks:\n  a:\n    stages:\n"
    text += "      - high_pass:\n          cutoff_hz: ${cut}\n"
    assert faults(text) == [
        "r.yaml:8:22: high_pass.cutoff_hz: 10 Hz (from ${cut}) is outside [20, 20000] Hz"
    ]
    assert faults(text, settings={"cut": "30e3"}) == [
        "r.yaml:8:22: high_pass.cutoff_hz: 30e3 Hz (from ${cut}) is outside [20, 20000] Hz"
    ]
    assert faults(text.replace("10", "low")) == [
        (
            "r.yaml:8:22: high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got "
            "the text 'low' "
            "(from ${cut})"
        )
    ]


def test_set_follows_the_rules_of_yaml_and_the_type_of_the_default(read):
    def values(**settings):
        return read(KNOBS, settings=settings).values

    assert values()["vocal_db"] == 1.5
    assert values(vocal_db="3", quiet="TRUE") == {
        "vocal_db": 3, "quiet": True, "order": 2, "what": "Mix",
    }  # fmt: skip
    assert values(vocal_db=" -1e1 ")["vocal_db"] == -10
    # A default of 2 does not say that 2.5 is wrong; the place of use does, where it is.
    assert values(order="2.5")["order"] == 2.5
    # The shell took the quotes away: a text is a text.
    assert [values(what=text)["what"] for text in ("12", "true", "", "1:30")] == [
        "12", "true", "", "1:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        (("vocal_db", "30"), "--set vocal_db: 30 dB is outside [-12, 12] dB"),
        (("vocal_db", ".nan"), ("--set vocal_db: expects a number in [-12, 12] dB, got .nan, which "
         "is not a finite number")),
        (("vocal_db", "loud"), ("--set vocal_db: expects a number in [-12, 12] dB, got the text "
         "'loud'")),
        (("vocal_db", "3dB"), ("--set vocal_db: expects a number in [-12, 12] dB, got the text "
         "'3dB' (the unit is understood; write 3)")),
        (("vocal_db", ""), "--set vocal_db: expects a number in [-12, 12] dB, got nothing"),
        (("vocal_db", "true"), "--set vocal_db: expects a number in [-12, 12] dB, got true"),
        (("quiet", "no"), "--set quiet: expects true or false, got the text 'no'"),
        (("what", "a\x1bb"), "--set what: control characters are not allowed; got 'a\\x1bb'"),
        (("what", "x" * 300), f"--set what: a knob's text is at most {MAX_KNOB_TEXT} characters"),
        (("vocal", "3"), ("--set: the recipe has no knob 'vocal'; did you mean 'vocal_db'? (known: "
         "vocal_db, quiet, order, what)")),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_explained(faults, setting, fault):
    name, text = setting
    assert faults(KNOBS + "title: ${what}\n", settings={name: text}) == [fault]


@pytest.mark.parametrize(
    ("knob", "fault"),
    [
        ("{min: 1}", "13: params.k: a knob needs a `default`"),
        ("", "10: params.k: a knob needs a `default`"),
        ("[1]", "13: params.k: expects a value, or a mapping with `default`"),
        ("{default: [1]}", ("23: params.k.default: expects true or false, a number "
         "or text, got a list")),
        ("{default: 9, max: 5}", "23: params.k.default: 9 is above the most allowed, 5"),
        ("{default: 1, min: 5, unit: s}", ("23: params.k.default: 1 s is below the least "
         "allowed, 5 s")),
        ("{default: 1, min: 5, max: 2}", "13: params.k: `min` is greater than `max`"),
        ("{default: a, min: 5}", ("13: params.k: `min` and `max` are for numbers, not for the text "
         "'a'")),
        ("{default: 1, maximum: 5}", ("26: 'maximum' is unknown in params.k; did you mean 'max'? "
         "(known: default, min, max, unit, help)")),
        ("{default: .inf}", ("23: params.k.default: expects true or false, a number or "
         "text, got .inf, which is not a "
         "finite number")),
    ],
)  # fmt: skip
def test_a_faulty_knob_is_one_problem_however_often_it_is_used(faults, knob, fault):
    text = SONG + f"params: {{k: {knob}}}\ntitle: a ${{k}}\ntracks:\n  a:\n    gain_db: ${{k}}\n"
    assert faults(text) == [f"r.yaml:3:{fault}"]


def test_inserted_text_stays_within_bounds(faults):
    many = "${what}" * (MAX_TEXT // MAX_KNOB_TEXT + 1)
    length = len("x" * MAX_KNOB_TEXT) * (MAX_TEXT // MAX_KNOB_TEXT + 1)
    assert faults(KNOBS + f"title: {many}\n", settings={"what": "x" * MAX_KNOB_TEXT}) == [
        f"r.yaml:8:8: a text is at most {MAX_TEXT} characters; got {length}"
    ]


def test_a_knob_cannot_lead_out_of_the_folder(faults, folder):
    text = KNOBS + "tracks: {x: {from: '${what}/outside.wav'}}\n"
    assert faults(text, settings={"what": ".."})[0].startswith(
        f"r.yaml:8:20: tracks.x.from: '../outside.wav' leads out of the recipe's folder {folder}"
    )
