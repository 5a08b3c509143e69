"""`templates`: what tracks have in common."""

import time

SONG = "stemfx: 1\nsources: {song: gen.wav}\n"
VOICE = SONG + (
    "templates:\n"
    "  voice:\n"
    "    stages: [{high_pass: {cutoff_hz: 90, order: 4}}, deess]\n"
    "    gain_db: -1\n"
    "    pan: 0.25\n"
)
# Seven lines of head: what a test adds stands on line 8.


def test_a_track_takes_what_it_does_not_say_itself(read):
    recipe = read(
        VOICE + "tracks:\n"
        "  lead: {template: voice, from: song/vocals, gain_db: 2}\n"
        "  double: {template: voice, from: song/other, stages: [], pan: ~}\n"
        "  plain: {from: song/drums}\n"
    )
    lead, double, plain = recipe.tracks.values()
    assert [call.stage.name for call in lead.stages] == ["high_pass", "deess"]
    assert (lead.stages[0].params.cutoff_hz, lead.stages[0].params.order) == (90, 4)
    assert (lead.gain_db, lead.pan, lead.stem) == (2, 0.25, "vocals")
    assert (double.stages, double.gain_db, double.pan) == ((), -1, 0.25)
    assert (plain.stages, plain.gain_db, plain.pan) == ((), 0, 0)


def test_a_template_is_the_same_as_writing_its_lines_into_the_track(read):
    written = read(SONG + "tracks: {vocals: {stages: [deess], gain_db: -3, mute: true}}\n")
    taken = read(
        SONG + "templates: {t: {stages: [deess], gain_db: -3, mute: true}}\n"
        "tracks: {vocals: {template: t}}\n"
    )
    (a,), (b,) = written.tracks.values(), taken.tracks.values()
    assert ([c.stage for c in a.stages], a.gain_db, a.pan, a.mute, a.source, a.stem) == (
        [c.stage for c in b.stages], b.gain_db, b.pan, b.mute, b.source, b.stem
    )  # fmt: skip


def test_knobs_turn_in_templates(read):
    text = SONG + (
        "params: {hz: 90}\ntemplates: {v: {stages: [high_pass: {cutoff_hz: '${hz}'}]}}\n"
        "tracks: {vocals: {template: v}}\n"
    )
    hz = read(text, settings={"hz": "200"}).tracks["vocals"].stages[0].params.cutoff_hz
    assert hz == 200


def test_a_template_of_an_extended_recipe_works_and_can_be_changed(read, folder):
    (folder / "house.yaml").write_text(VOICE + "tracks: {vocals: {template: voice}}\n")
    recipe = read(
        "stemfx: 1\nextends: house.yaml\ntemplates: {voice: {gain_db: -6}}\n"
        "tracks: {drums: {template: voice, pan: -1}}\n"
    )
    assert {t.name: (t.gain_db, t.pan) for t in recipe.tracks.values()} == {
        "vocals": (-6, 0.25),
        "drums": (-6, -1),
    }
    assert recipe.tracks["drums"].stages[0].where == "house.yaml:5:15"


def test_a_fault_lies_where_it_was_written(faults):
    assert faults(
        SONG + "templates:\n  v: {gain_db: 99, stages: [dees]}\n"
        "tracks:\n  a: {template: v, from: song, pan: 3}\n  b: {template: v, from: song}\n"
    ) == [
        "r.yaml:4:16: tracks.a.gain_db: 99 dB is outside [-96, 24] dB",
        "r.yaml:4:16: tracks.b.gain_db: 99 dB is outside [-96, 24] dB",
        "r.yaml:4:29: stage 'dees' is unknown; did you mean 'deess'?",
        "r.yaml:6:37: tracks.a.pan: 3 is outside [-1, 1]",
    ]


def test_an_unknown_template_says_which_was_meant(faults):
    assert faults(VOICE + "tracks: {vocals: {template: voise}}\n") == [
        (
            "r.yaml:8:29: tracks.vocals.template: 'voise' is unknown in `templates`; did you mean "
            "'voice'? (known: voice)"
        )
    ]
    assert faults(SONG + "tracks: {vocals: {template: voice}}\n") == [
        "r.yaml:3:29: tracks.vocals.template: 'voice' is unknown in `templates` (known: none)"
    ]
    assert faults(VOICE + "tracks: {vocals: {template: [voice]}}\n") == [
        "r.yaml:8:29: tracks.vocals.template: expects the name of one of `templates`, got a list"
    ]


def test_templates_do_not_nest(faults):
    nested = "templates:\n  a: {gain_db: 1}\n  b: {template: a}\n"
    said = "templates.b: only a track has a `template`; templates do not build on one another"
    assert faults(SONG + nested) == [f"r.yaml:5:7: {said}"]
    assert faults(SONG + nested + "tracks: {vocals: {template: b}}\n") == [f"r.yaml:5:7: {said}"]


def test_an_unused_template_is_checked_too_but_not_for_what_it_refers_to(faults, read):
    unused = "templates:\n  v: {gain_db: x, stages: [high_pass: {order: 9}, dees], form: song}\n"
    assert faults(SONG + unused) == [
        "r.yaml:4:16: templates.v.gain_db: expects a number in [-96, 24] dB, got the text 'x'",
        "r.yaml:4:47: high_pass.order: 9 is outside [1, 8]",
        "r.yaml:4:51: stage 'dees' is unknown; did you mean 'deess'?",
        (
            "r.yaml:4:58: 'form' is unknown in templates.v; did you mean 'from'? "
            "(known: from, stages, gain_db, pan, mute)"
        ),
    ]
    assert faults(SONG + "templates: {a: [deess], b: }\n") == [
        "r.yaml:3:16: templates.a: expects a mapping, got a list"
    ]
    # The tracks and files may be those of a recipe that builds on this one.
    read(SONG + "templates: {v: {stages: [duck: {by: voice}, match_reference: {file: x.wav}]}}\n")


def test_templates_do_not_multiply_without_end(faults):
    stages = ", ".join(["deess"] * 1000)
    tracks = "".join(f"  t{n}: {{template: big, from: song}}\n" for n in range(250))
    started = time.monotonic()
    assert faults(f"{SONG}templates: {{big: {{stages: [{stages}]}}}}\ntracks:\n{tracks}") == [
        "r.yaml:24:19: a recipe holds at most 20000 values, those of templates included"
    ]
    assert time.monotonic() - started < 2
