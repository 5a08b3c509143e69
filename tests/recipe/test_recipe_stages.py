"""What a recipe may say to a stage, and how it is told that it may not."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field, PlainValidator

from stemfx.errors import KitError, PluginError, RecipeError
from stemfx.recipe import stage_calls
from stemfx.recipe.stage_calls import MAX_STAGES
from stemfx.stage import FileRef, KitRef, Reference, Stage, StageParams, TrackRef, knob

HEAD = "stemfx: 1\nsources: {song: gen.wav}\ntracks:\n  vocals:\n    stages:\n"
SONG = "stemfx: 1\nsources: {song: gen.wav}\n"
# Six lines of head follow in every test below: an entry stands on line 6, column 9.
KNOWN = "(known: cutoff_hz, order, gentle, mode)"


class Drums(StageParams):
    kit: KitRef = knob(help="a kit")


def marked(text):
    """Return a text without its caret, and the `line:column` that the caret stood before."""
    before, _, after = text.partition("^")
    return before + after, f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def entry(text):
    return f"{HEAD}      - {text}\n"


def test_a_stage_is_a_name_or_a_name_with_parameters(read):
    text = HEAD + "".join(
        f"      - {form}\n"
        for form in ("deess", "deess:", "deess: {}", "'deess'", "high_pass: {cutoff_hz: 90}")
    )
    calls = read(text).tracks["vocals"].stages
    assert [call.stage.name for call in calls] == ["deess"] * 4 + ["high_pass"]
    assert calls[-1].params.cutoff_hz == 90
    assert [call.where for call in calls] == [f"r.yaml:{line}:9" for line in range(6, 11)]


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ("sample_replce", "9: stage 'sample_replce' is unknown; did you mean 'sample_replace'?"),
        ("xyzzy: {a: 1}", "9: stage 'xyzzy' is unknown"),
        ("[deess]", "9: tracks.vocals.stages: expects the name of a stage, got a list"),
        ("12", "9: tracks.vocals.stages: expects the name of a stage, got the number 12"),
        ("", "8: tracks.vocals.stages: expects the name of a stage, got nothing"),
        ("{}", "9: tracks.vocals.stages: expects the name of a stage, got a mapping"),
        ("{deess: , duck: {by: x}}", ("19: tracks.vocals.stages: one stage an entry, got 'deess' "
         "and 'duck'; start each with a `-` of its own")),
        ("{high_pass: , order: 2}", ("23: tracks.vocals.stages: one stage an entry, got "
         "'high_pass' "
         "and 'order'; indent the parameters of high_pass further than its name")),
        ("high_pass: 90", ("20: high_pass: expects a mapping of its parameters (cutoff_hz, order, "
         "gentle, mode), got the number 90")),
        ("deess: [1]", "16: deess: expects a mapping of its parameters (none), got a list"),
        ("duck", "9: duck: 'by' is missing (the track that is heard)"),
        ("duck: {depth_db: 2}", "15: duck: 'by' is missing (the track that is heard)"),
        ("deess: {a: 1}", "17: 'a' is unknown in deess (known: none)"),
    ],
)  # fmt: skip
def test_an_entry_that_is_no_stage_call_is_located_and_explained(faults, form, fault):
    assert faults(entry(form)) == [f"r.yaml:6:{fault}"]


def test_who_knows_more_about_an_unknown_stage_may_say_so(faults):
    assert faults(
        entry("deverb"), explain_unknown_stage=lambda name: f"plugin broken.py may have {name}"
    ) == ["r.yaml:6:9: stage 'deverb' is unknown (plugin broken.py may have deverb)"]


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ("cutoff_hz: ^40000", "high_pass.cutoff_hz: 40000 Hz is outside [20, 20000] Hz"),
        ("cutoff_hz: ^4e4", "high_pass.cutoff_hz: 4e4 Hz is outside [20, 20000] Hz"),
        ("cutoff_hz: ^.inf", "high_pass.cutoff_hz: .inf Hz is outside [20, 20000] Hz"),
        ("cutoff_hz: ^.nan", "high_pass.cutoff_hz: .nan Hz is outside [20, 20000] Hz"),
        ("order: ^9", "high_pass.order: 9 is outside [1, 8]"),
        ("order: ^2.5", "high_pass.order: expects a whole number in [1, 8], got the number 2.5"),
        ("order: ^true", "high_pass.order: expects a whole number in [1, 8], got true"),
        ("cutoff_hz: ^'90'", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '90' (remove the quotes)")),
        ("cutoff_hz: ^1:30", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '1:30' (a clock time is text here; write 90)")),
        ("cutoff_hz: ^0100", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '0100' (programs disagree on this spelling; write 100)")),
        ("cutoff_hz: ^0x1F", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '0x1F' (programs disagree on this spelling; write 31)")),
        ("cutoff_hz: ^0o20", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '0o20' (programs disagree on this spelling; write 16)")),
        ("cutoff_hz: ^1_000", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '1_000' (programs disagree on this spelling; write 1000)")),
        ("cutoff_hz: ^90 Hz", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '90 Hz' (the unit is understood; write 90)")),
        ("cutoff_hz: ^'90,5'", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text '90,5' (a decimal point is a point; write 90.5)")),
        ("cutoff_hz: ^low", ("high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got the "
         "text 'low'")),
        ("^cutoff_hz: ", "high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got nothing"),
        ("cutoff_hz: ^[1]", "high_pass.cutoff_hz: expects a number in [20, 20000] Hz, got a list"),
        ("gentle: ^no", ("high_pass.gentle: expects true or false, got the text 'no' (YAML here "
         "reads only true and false as switches)")),
        ("gentle: ^'false'", ("high_pass.gentle: expects true or false, got the text 'false' "
         "(remove the quotes)")),
        ("gentle: ^1", "high_pass.gentle: expects true or false, got the number 1"),
        ("mode: ^sofd", "high_pass.mode: 'sofd' is not one of soft, hard; did you mean 'soft'?"),
        ("mode: ^1", "high_pass.mode: expects soft or hard, got the number 1"),
        ("mode: ^true", "high_pass.mode: expects soft or hard, got true"),
        ("^cutof_hz: 90", "'cutof_hz' is unknown in high_pass; did you mean 'cutoff_hz'? "
         + KNOWN),
        ("^'a\tb': 90", "'a\\tb' is unknown in high_pass " + KNOWN),
    ],
)  # fmt: skip
def test_a_parameter_says_what_was_given_and_what_is_allowed(faults, params, fault):
    text, place = marked(entry(f"high_pass: {{{params}}}"))
    assert faults(text) == [f"r.yaml:{place}: {fault}"]


def test_every_fault_of_a_nested_list_is_found_on_its_own_line(faults):
    assert faults(
        entry("eq:")
        + "          bands:\n"
        + "            - {type: bel, freq_hz: 100}\n"
        + "            - freq_hz: 10\n"
        + "              gain: 3\n"
        + "            - {gain_db: no}\n"
        + "            - 5\n"
    ) == [
        "r.yaml:8:22: eq.bands.type: 'bel' is not one of bell, shelf; did you mean 'bell'?",
        "r.yaml:9:24: eq.bands.freq_hz: 10 Hz is outside [20, 20000] Hz",
        (
            "r.yaml:10:15: 'gain' is unknown in eq.bands; did you mean 'gain_db'? "
            "(known: type, freq_hz, gain_db)"
        ),
        "r.yaml:11:15: eq.bands: 'freq_hz' is missing (centre)",
        "r.yaml:11:25: eq.bands.gain_db: expects a number in [-24, 24] dB, got the text 'no'",
        "r.yaml:12:15: eq.bands: expects a mapping of type, freq_hz, gain_db, got the number 5",
    ]


def test_what_only_the_plugins_own_model_knows_is_told_in_its_words(read):
    class Params(StageParams):
        above: Annotated[float, Field(gt=0)] = 1.0
        note: Annotated[str, Field(pattern="^[A-G]$")] = "A"
        least: Annotated[int, Field(ge=2)] = 2
        most: Annotated[float, Field(le=3)] = 2
        even: Annotated[int, AfterValidator(be_even)] = 2
        odd: Annotated[Any, PlainValidator(be_even)] = 2

    stages = {"own": Stage("own", Params, lambda *_: iter(()))}

    def fault(params):
        with pytest.raises(RecipeError) as caught:
            read(entry(f"own: {{{params}}}"), stages=stages)
        return caught.value.problems[0].message

    assert fault("above: 0") == "own.above: input should be greater than 0, got the number 0"
    assert fault("note: H") == ("own.note: string should match pattern '^[A-G]$', got the text 'H'")
    assert fault("least: 1") == "own.least: 1 is below the least allowed, 2"
    assert fault("least: x") == "own.least: expects a whole number of at least 2, got the text 'x'"
    assert fault("most: 4") == "own.most: 4 is above the most allowed, 3"
    assert fault("most: x") == "own.most: expects a number of at most 3, got the text 'x'"
    assert fault("even: 3") == "own.even: 3 is odd"
    assert fault("odd: 3") == "own.odd: 3 is odd"


def be_even(value):
    if value % 2:
        msg = f"{value} is odd"
        raise ValueError(msg)
    return value


def test_a_list_fills_a_tuple(read):
    (call,) = read(entry("eq: {bands: [{freq_hz: 100, gain_db: 3}]}")).tracks["vocals"].stages
    assert (call.params.bands[0].freq_hz, call.params.bands[0].gain_db) == (100, 3)


def test_a_time_may_be_a_clock_time_where_the_stage_says_seconds(read, faults):
    (call,) = read(entry("trim: {start_s: 1:30}")).tracks["vocals"].stages
    assert call.params.start_s == 90
    assert faults(entry("trim: {start_s: 1:75}")) == [
        "r.yaml:6:25: trim.start_s: '1:75' is no time of day: seconds go up to 59"
    ]
    assert faults(entry("trim: {start_s: 2:00:00}")) == [
        "r.yaml:6:25: trim.start_s: 2:00:00 s is outside [0, 3600] s"
    ]


def test_a_union_complains_once_and_names_every_way_out(read, faults):
    for text in ("song", "120", "~"):
        read(entry(f"fit: {{to: {text}}}"))
    assert faults(entry("fit: {to: sogn}")) == [
        (
            "r.yaml:6:19: fit.to: expects song, grid or a number, got the text 'sogn'"
            "; did you mean 'song'?"
        )
    ]


def test_stages_must_be_a_list(faults):
    for where, text in [
        ("tracks.vocals.stages", "tracks: {vocals: {stages: {deess: }}}"),
        ("mix.stages", "mix: {stages: {deess: }}"),
        ("master", "master: {deess: }"),
    ]:
        (fault,) = faults(f"stemfx: 1\nsources: {{song: gen.wav}}\n{text}\n")
        assert fault.partition(": ")[2] == (
            f"{where}: expects a list of stages, each after a `-`, got a mapping"
        )


def test_the_mix_and_the_master_have_stages_too(read):
    recipe = read(
        "stemfx: 1\nsources: {song: gen.wav}\nmix: {stages: [deess]}\nmaster: [{duck: "
        "{by: song}}]\n"
    )
    assert [call.stage.name for call in (*recipe.mix, *recipe.master)] == ["deess", "duck"]
    assert recipe.master[0].sidechains == {"by": ("song",)}


def tracks(**by):
    lines = [
        f"  {name}: {{stages: [{{duck: {{by: {heard}}}}}]}}\n" if heard else f"  {name}:\n"
        for name, heard in by.items()
    ]
    return "stemfx: 1\nsources: {song: gen.wav}\ntracks:\n" + "".join(lines)


def test_a_side_chain_names_another_track_of_the_recipe(read, faults):
    recipe = read(tracks(vocals=None, pad="vocals"))
    assert recipe.tracks["pad"].stages[0].sidechains == {"by": ("vocals",)}
    assert faults(tracks(vocals=None, pad="vocal")) == [
        (
            "r.yaml:5:30: duck.by: there is no track 'vocal'; did you mean 'vocals'? "
            "(known: vocals, pad)"
        )
    ]
    assert faults(tracks(pad="pad")) == [
        "r.yaml:4:30: duck.by: 'pad' is this very track; name another one"
    ]


def test_a_loop_of_side_chains_is_named(faults):
    assert faults(tracks(c=None, a="b", b="a")) == [
        "r.yaml:5:28: side-chains go in a circle: a -> b -> a"
    ]
    assert faults(tracks(c="a", a="b", b="c", x="y", y="x")) == [
        "r.yaml:4:28: side-chains go in a circle: c -> a -> b -> c",
        "r.yaml:7:28: side-chains go in a circle: x -> y -> x",
    ]


def test_two_that_listen_to_the_same_one_are_no_loop(read):
    read(tracks(a=None, b="a", c="a", d="b"))


def test_there_are_not_more_stages_than_a_run_can_hold(read, faults):
    """All together, those of templates too: what is counted is what runs."""
    head = SONG + "templates: {t: {from: song, stages: [deess, deess]}}\n"
    many = ", ".join(f"t{i}: {{template: t}}" for i in range(200))
    rest = ", ".join(["deess"] * 600)
    read(head + f"tracks: {{{many}}}\nmaster: [{rest}]\n")
    assert faults(head + f"tracks: {{{many}}}\nmaster: [{rest}, deess]\n") == [
        f"r.yaml:5:10: master: a recipe has at most {MAX_STAGES:,} stages"
    ]


def test_a_kit_is_read_once_however_many_stages_play_it(folder, faults, monkeypatch):
    (folder / "kit").mkdir()
    asked = []

    def refuse(path, root):
        asked.append(path)
        raise KitError("no kit", where=str(path))

    monkeypatch.setattr(stage_calls, "read_kit", refuse)
    names = ["kit", "kit", "./kit", "assets/../kit"]
    calls = ", ".join(f"{{drums: {{kit: {name}}}}}" for name in names)
    stage = Stage("drums", Drums, lambda *_: iter(()))
    found = faults(SONG + f"master: [{calls}]\n", stages={"drums": stage})
    assert len(asked) == 1
    assert len(found) == len(names)


def test_there_are_not_more_kits_than_fit_on_a_disk(folder, faults, monkeypatch):
    monkeypatch.setattr(stage_calls, "MAX_KITS", 2)
    monkeypatch.setattr(stage_calls, "read_kit", lambda *_, **__: object())
    for i in range(3):
        (folder / f"kit{i}").mkdir()
    calls = ", ".join(f"{{drums: {{kit: kit{i}}}}}" for i in (0, 1, 0, 2))
    stage = Stage("drums", Drums, lambda *_: iter(()))
    assert faults(SONG + f"master: [{calls}]\n", stages={"drums": stage}) == [
        "r.yaml:3:90: drums.kit: a recipe plays at most 2 kits from files"
    ]


def test_a_file_parameter_is_resolved_inside_the_recipes_folder(read, folder):
    (call,) = read(entry("match_reference: {file: assets/pad.wav}")).tracks["vocals"].stages
    assert call.files == {"file": folder / "assets/pad.wav"}


def test_a_faulty_parameter_does_not_hide_the_reference_beside_it(faults):
    assert faults(entry("duck: {by: nobody, depth_db: 99}")) == [
        "r.yaml:6:20: duck.by: there is no track 'nobody' (known: vocals)",
        "r.yaml:6:38: duck.depth_db: 99 dB is outside [0, 24] dB",
    ]


class Listeners(StageParams):
    many: list[TrackRef] = knob([], help="tracks")
    fixed: tuple[TrackRef, ...] = knob((), help="tracks")
    maybe: TrackRef | None = knob(None, help="a track")
    either: tuple[TrackRef, ...] | TrackRef | float = knob(0.0, help="tracks, one or a number")
    whole: Annotated[list[str] | None, Reference("track")] = knob(None, help="tracks")
    file: FileRef | None = knob(None, help="a file")


def listening(read, params, **more):
    stage = Stage("listen", Listeners, read)
    text = f"{HEAD}      - listen: {params}\n  drums:\n  bass:\n"
    return read(text, stages={"listen": stage}, **more).tracks["vocals"].stages[0]


@pytest.mark.parametrize(
    "param", ["many: [drums, bass]", "fixed: [drums, bass]", "either: [drums, bass]",
              "whole: [drums, bass]", "maybe: drums", "either: drums"],
)  # fmt: skip
def test_a_reference_is_found_in_a_list_an_option_or_a_union(read, param):
    name, _, tracks = param.partition(": ")
    heard = ("drums", "bass") if "bass" in tracks else ("drums",)
    assert listening(read, f"{{{param}}}").sidechains == {name: heard}


def test_a_reference_that_is_left_out_is_none(read):
    call = listening(read, "{maybe: null, file: null, either: 2.0}")
    assert (call.sidechains, call.files) == ({}, {})


def test_a_file_that_may_be_left_out_is_resolved_when_it_is_given(read, folder):
    call = listening(read, "{file: assets/pad.wav}")
    assert call.files == {"file": folder / "assets" / "pad.wav"}


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ("{many: [drums, ^drms]}", "many: there is no track 'drms'; did you mean 'drums'?"),
        ("{maybe: ^vocals}", "maybe: 'vocals' is this very track"),
        ("{file: ^../outside.wav}", "file: '../outside.wav' leads out of the recipe's folder"),
    ],
)
def test_a_reference_inside_a_list_or_an_option_is_checked_where_it_lies(read, params, fault):
    column = 17 + params.index("^")
    with pytest.raises(RecipeError) as caught:
        listening(read, params.replace("^", ""))
    assert str(caught.value).startswith(f"r.yaml:6:{column}: listen.{fault}")


def test_a_stage_that_may_not_be_called_says_why_instead_of_being_unknown(faults):
    def refuse(name):
        raise PluginError(f"two plugins offer {name}")

    assert faults(entry("high_pas: {cutoff_hz: 90}"), explain_unknown_stage=refuse) == [
        "r.yaml:6:9: stage 'high_pas' cannot be called: two plugins offer high_pas"
    ]
