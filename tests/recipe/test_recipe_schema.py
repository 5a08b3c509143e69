"""The schema for editors takes what the reader takes, and refuses what one file alone can tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stemfx.cli.schema import schema_of
from stemfx.errors import RecipeError
from stemfx.health.check_kinds import KINDS
from stemfx.recipe import read_recipe
from stemfx.recipe.schema import json_schema
from stemfx.registry import build_registry
from stemfx.shipped import shipped_recipes

REGISTRY = build_registry()
SCHEMA = schema_of(REGISTRY)
EDITOR = jsonschema.Draft7Validator(SCHEMA)
HEAD = "stemfx: 1\nsources: {song: gen.wav}\n"

# YAML 1.2.2, section 10.3.2: the core schema, which editors read by.
CORE = {
    "~|null|Null|NULL|": lambda _: None,
    "true|True|TRUE": lambda _: True,
    "false|False|FALSE": lambda _: False,
    "[-+]?[0-9]+": int,
    "0o[0-7]+|0x[0-9a-fA-F]+": lambda text: int(text, 0),
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?": float,
    r"[-+]?\.(inf|Inf|INF)": lambda text: float(text.replace(".", "")),
    r"\.(nan|NaN|NAN)": lambda _: float("nan"),
}


def as_edited(text: str) -> Any:
    """Return a recipe's values as an editor reads them."""

    def value(node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {key.value: value(item) for key, item in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [value(item) for item in node.value]
        if node.style is None:
            for pattern, read in CORE.items():
                if re.fullmatch(pattern, node.value):
                    return read(node.value)
        return node.value

    return value(yaml.compose(text, Loader=yaml.BaseLoader))


def is_taken_by_editor(text: str) -> bool:
    return EDITOR.is_valid(as_edited(text))


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "r.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        read_recipe(path, stages=REGISTRY.stages, kits=REGISTRY.kits, needs_sources=False)
    except RecipeError as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("gen.wav", "pad.wav"):
        (tmp_path / name).touch()
    (tmp_path / "base.yaml").write_text(
        HEAD + "params: {a: {default: 3, min: 0}}\nalign: {tempo: song}\n"
        "sections: {intro: {bars: 1-8}}\ntracks: {vocals: {gain_db: 1}}\n"
        "output: {master: {file: x.mp3}}\nchecks: {lufs: {max: -9, level: warn}}\n"
    )
    return tmp_path


# --- the schema itself -----------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [jsonschema.Draft7Validator, jsonschema.Draft202012Validator])
def test_the_schema_is_one_in_the_dialect_of_editors_and_in_the_newest(dialect) -> None:
    dialect.check_schema(SCHEMA)
    for path in shipped_recipes().values():
        dialect(SCHEMA).validate(as_edited(path.read_text(encoding="utf-8")))


def test_the_schema_depends_on_nothing_but_what_is_installed() -> None:
    backwards = dict(reversed(list(REGISTRY.stages.items())))
    told = [json.dumps(json_schema(stages)) for stages in (REGISTRY.stages, backwards)]
    assert told[0] == told[1]


def test_no_reference_leads_nowhere_or_has_neighbours_that_draft_07_ignores() -> None:
    found = [node for node in _nodes(SCHEMA) if isinstance(node.get("$ref"), str)]
    assert found
    for node in found:
        assert set(node) == {"$ref"}
        assert node["$ref"].removeprefix("#/definitions/") in SCHEMA["definitions"]


def _nodes(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from _nodes(inner)


def test_every_pattern_means_the_same_to_javascript() -> None:
    """With its flag u JavaScript escapes nothing but what has a meaning, and knows no \\Z."""
    patterns = [node["pattern"] for node in _nodes(SCHEMA) if isinstance(node.get("pattern"), str)]
    assert patterns
    for pattern in patterns:
        escapes = set(re.findall(r"\\(.)", pattern))
        assert escapes <= set("^$\\.*+?()[]{}|/dsx"), pattern


def test_hover_tells_help_unit_range_and_default_of_every_parameter_of_every_stage() -> None:
    told = SCHEMA["definitions"]["stage"]["properties"]
    assert list(told) == sorted(REGISTRY.stages)
    for name, stage in REGISTRY.stages.items():
        assert told[name]["description"] == stage.summary
        properties = told[name].get("properties", {})
        assert list(properties) == list(stage.params.model_fields)
        for param, info in stage.params.model_fields.items():
            extra = info.json_schema_extra
            unit = extra.get("unit", "") if isinstance(extra, dict) else ""
            text = properties[param]["description"]
            assert text.startswith(info.description or "?")
            assert unit in text.removeprefix(info.description or "")
            if isinstance(info.default, float) and not isinstance(info.default, bool):
                assert f"default {info.default:g}" in text
    assert told["high_pass"]["properties"]["cutoff_hz"]["description"].endswith(
        "\n10 to 20000 Hz; default 80"
    )


def test_hover_tells_unit_range_and_meaning_of_every_check() -> None:
    fields = SCHEMA["properties"]["checks"]["properties"]
    assert set(fields) == {*KINDS, "target"}
    for name, kind in KINDS.items():
        assert fields[name]["description"].startswith(kind.help)
        limit = fields[name]["properties"]["max"]
        assert (limit["minimum"], limit["maximum"]) == kind.range
        assert limit.get("unit", "") == kind.unit


def test_what_is_installed_is_offered_by_name_and_other_names_are_taken() -> None:
    model = SCHEMA["properties"]["separate"]["properties"]["model"]["anyOf"][0]
    assert set(model["enum"]) == {"auto", *REGISTRY.separators}
    assert len(model["enum"]) == len(model["enumDescriptions"])
    replace = SCHEMA["definitions"]["stage"]["properties"]["replace_drums"]["properties"]
    assert set(replace["kit"]["anyOf"][0]["enum"]) == set(REGISTRY.kits)
    for name in ("auto", "my-own", "models/mine.ckpt"):
        assert is_taken_by_editor(HEAD + f"separate: {{model: {name}}}\n")


# --- what the reader takes -------------------------------------------------------------------

TAKEN = [
    # What YAML 1.1 would read otherwise.
    "master: [{fade: {in_s: 1:30, out_s: 1e1}}]",
    "master: [{trim: {start_s: '1:02:03.5', end_s: }}]",
    "title: no\nauthor: 1:30\ndescription: 2026-01-01",
    "output: {master: a.wav, tags: {date: 2026, track: 3}}",
    "output: {master: a.wav, tags: {date: 2026-11-26, track: 3/12, isrc: }}",
    "output: {master: a.wav, sample_rate: 44100, bit_depth: 24}",
    "master: [{high_pass: {cutoff_hz: 1e2}}]",
    "master: [{gain: {gain_db: -.5}}, {gain: {gain_db: +3.}}]",
    # Nothing after a key is a key not given.
    "title:\nparams:\nextends:\nseparate:\nalign:\nmix:\nmaster:\nchecks:\noutput:",
    "tracks: {vocals: , drums: {stages: , gain_db: , pan: , mute: , from: }}",
    "separate: {model: , residual: , overlap: }",
    "sources: {song: {stems: {vocals: , drums: d.wav}, fold_down: , bpm: ~}}",
    "params: {a: {default: 1, min: , unit: , help: null}}",
    "master: [multiband, {multiband: }, {multiband: {}}]",
    # A knob, wherever a value is.
    "params: {a: 3, b: true, c: synth}\nmaster: [{gain: {gain_db: '${a}'}}]",
    "params: {a: 3}\nmaster: [{gain: {gain_db: ' ${ a } '}}]",
    "params: {c: 24}\noutput: {master: 'x.wav', bit_depth: '${c}'}",
    "params: {c: soft}\noutput: {master: '${c}.wav', dither: tpdf}",
    "params: {c: tpdf}\noutput: {master: x.wav, dither: '${c}'}",
    "params: {c: pd}\noutput: {master: x.wav, dither: 't${c}f'}",
    "params: {c: multiband}\nmaster: ['${c}']",
    "params: {c: embedded}\nseparate: {model: '${c}'}",
    "params: {a: 30}\nmaster: [{fade: {in_s: '1:${a}'}}]",
    "params: {a: true}\ntracks: {vocals: {mute: '${a}', stages: [{fit: {to: song, key: '${a}'}}]}}",
    "params: {a: 4}\nalign: {tempo: song}\nsections: {x: {bars: '1-${a}'}}",
    "params: {a: -9}\nchecks: {lufs: '${a}', lra_lu: [1, '${a}1']}".replace(
        "[1, '${a}1']", "[1, 9]"
    ),
    "params: {a: '$${x'}\ntitle: costs $${5}",
    # Several forms of one thing.
    "params: {a: 1, b: text, c: false, d: {default: x}}",
    "separate: {model: [embedded, {model: mdx, weight: {vocals: 0.5}}, {model: umx, weight: 2}]}",
    "separate: {model: {model: embedded, weight: 1}}",
    "output: {master: {file: x.OGG, quality: 9.5}, stems: ./stems/, report: a/b.json}",
    "output: {master: [x.wav, {file: x.mp3, bitrate_kbps: 128}]}",
    "output: {session: a/b.RPP}",
    "output: {session: [x.rpp, x.dawproject, x.mid]}",
    "checks: {lufs: false, true_peak_dbtp: -1, lra_lu: {max: 5, level: warn}, target: ebu}",
    "align: {tempo: 128, key: A minor, beats: stemfx}",
    "align: {tempo: auto, key: auto}\nsections: {intro: {bars: 5, song: 17-}}",
    "align: {tempo: song}\ntracks: {v: {from: [{source: song/vocals, bars: 1-}]}}",
    "align: {tempo: song}\ntracks: {v: {from: [{source: song, bars: 5, gain_db: -1}]}}",
    "tracks: {pad: {from: pad.wav}, all: {from: song}, 'Ä ö-1.2': {from: song/guitar}}",
    "tracks: {drums: {stages: [{replace_drums: {kit: synth, classes: [kick, snare]}}]}}",
    "master: [{compress: {makeup_db: auto, release_ms: 100}}, {compress: {makeup_db: 3}}]",
    # Templates and presets.
    "templates: {v: {stages: [deess], gain_db: }, w: }\ntracks: {a: {from: song, template: v}}",
    "params: {a: 3, b: x}\npresets: {loud: {a: 4}, none: , 'two words': {a: , b: y}}",
    # With `extends` what is missing comes from below.
    "extends: base.yaml\nparams: {a: {max: 9}}",
    "extends: base.yaml\nparams: {a: {default: , min: 1}}",
    "extends: base.yaml\nparams: {a: }\ntracks: {vocals: {gain_db: }}",
    "extends: base.yaml\nsections: {intro: {song: 3-}}",
    "extends: base.yaml\nsections: {intro: }",
    "extends: base.yaml\noutput: {master: {bitrate_kbps: 128}}",
    "extends: base.yaml\noutput: {master: {file: , bitrate_kbps: 128}}",
    "extends: base.yaml\nchecks: {lufs: {level: , min: -30}}",
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_the_reader_takes_the_editor_takes(folder: Path, text: str) -> None:
    recipe = HEAD.replace("sources: {song: gen.wav}\n", "") if "sources:" in text else HEAD
    assert problems(folder, recipe + text) == []
    EDITOR.validate(as_edited(recipe + text))


def test_a_recipe_that_extends_another_need_not_play_anything_itself(folder: Path) -> None:
    text = "stemfx: 1\nextends: base.yaml\n"
    assert problems(folder, text) == []
    EDITOR.validate(as_edited(text))


# --- what the reader refuses -----------------------------------------------------------------

FAULTS = [
    # (shipped recipe, what stands there, what shall stand there)
    ("remix", "stemfx: 1", ""),
    ("remix", "stemfx: 1", "stemfx: 2"),
    ("remix", "stemfx: 1", "stemfx: '1'"),
    ("remix", "title: Punchier", "titel: Punchier"),
    ("remix", "author: stemfx", "author: 5"),
    ("remix", "license: CC0-1.0", "license: [CC0-1.0]"),
    ("remix", "params:", "param:"),
    ("remix", "vocal_db: {default: 1.5", "vocal_db: {defalt: 1.5"),
    ("remix", "vocal_db: {default: 1.5, min: -12", "vocal_db: {min: -12"),
    ("remix", "max: 12, unit: dB, help: vocal", "max: high, unit: dB, help: vocal"),
    ("remix", "help: vocal level}", "help: vocal level, helf: x}"),
    ("remix", "vocal_db: {default: 1.5", "vocal/db: {default: 1.5"),
    ("remix", "target_lufs: {", "nothing:\n  target_lufs: {"),
    ("remix", "sources:", "source:"),
    ("remix", "  song:  ", "  song: 5 "),
    ("remix", "  song:  ", "  song: {fil: x.wav} "),
    ("remix", "  song:  ", "  song: {bpm: 5} "),
    ("remix", "  song:  ", "  song: {stems: {}} "),
    ("remix", "  song:  ", "  'so:ng':  "),
    ("remix", "model: auto", "modle: auto"),
    ("remix", "model: auto", "model: []"),
    ("remix", "model: auto", "model: [auto, {weight: 1}]"),
    ("remix", "model: auto", "model: 5"),
    ("remix", "residual: other", "residual: others"),
    ("remix", "residual: other", "overlap: 0.95"),
    ("remix", "tracks:", "trakcs:"),
    ("remix", "  vocals:", "  .vocals:"),
    ("remix", "    stages:", "    stagse:"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- hgih_pass: {cutoff_hz: 90}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutof_hz: 90}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: 90000}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: '90'}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: 90 Hz}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: true}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: }"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {cutoff_hz: 'a ${vocal_db}'}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: {slope_db_per_octave: 7}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: 90"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- high_pass: [90]"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- hgih_pass"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- {high_pass: {}, deess: {}}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- {}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- ''"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- '': {}"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- 5"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "-"),
    ("remix", "- high_pass: {cutoff_hz: 90}", "- [high_pass]"),
    ("remix", "gain_db: ${vocal_db}", "gain_db: 25"),
    ("remix", "gain_db: ${vocal_db}", "pan: 2"),
    ("remix", "gain_db: ${vocal_db}", "mute: yes"),
    ("remix", "gain_db: ${vocal_db}", "from: /music/x.wav"),
    ("remix", "gain_db: ${vocal_db}", "from: []"),
    ("remix", "gain_db: ${vocal_db}", "from: [{bars: 1-8}]"),
    ("remix", "master: remix.wav", "master: remix.waw"),
    ("remix", "master: remix.wav", "master: /remix.wav"),
    ("remix", "master: remix.wav", "master: ../remix.wav"),
    ("remix", "master: remix.wav", "master: {bit_depth: 16}"),
    ("remix", "master: remix.wav", "master: [remix.wav, {file: x.mp3, bitrate_kbps: 100}]"),
    ("remix", "master: remix.wav", "master: []"),
    ("remix", "stems: remix-stems/", "stems: a/../../b"),
    ("remix", "report: remix.html", "report: remix.pdf"),
    ("remix", "report: remix.html", "session: remix.als"),
    ("remix", "report: remix.html", "session: [a.rpp, ../b.rpp]"),
    ("remix", "report: remix.html", "session: []"),
    ("remix", "report: remix.html", "bit_depth: 20"),
    ("remix", "report: remix.html", "tags: {date: true}"),
    ("remix", "report: remix.html", "tags: {titel: x}"),
    (
        "remix",
        "- loudness:\n      target_lufs: ${target_lufs}\n      ceil",
        "- loudness:\n    target_lufs: ${target_lufs}\n    ceil",
    ),
    ("remix", "tracks:", "templates: {v: {template: w}}\ntracks:"),
    ("remix", "tracks:", "templates: {v: {stagse: []}}\ntracks:"),
    ("remix", "tracks:", "presets: {loud: {vocal_db: [3]}}\ntracks:"),
    ("remix", "tracks:", "presets: {loud: 3}\ntracks:"),
    ("mashup", "tempo: b ", "tempo: 500 "),
    ("mashup", "tempo: b ", "temp: b "),
    ("mashup", "key: c ", "max_semitones: 7 "),
    ("mashup", "mix:\n", "mix:\n  stage: []\n"),
    ("mashup", "against: [drums]", "against: drums"),
    ("master", "true_peak_dbtp: ${ceiling_dbtp}", "true_peak_dbtp: true"),
    ("master", "true_peak_dbtp: ${ceiling_dbtp}", "true_peak: -1"),
    ("master", "{max: 6, level: warn}", "{max: 6, level: bad}"),
    ("master", "{max: 6, level: warn}", "[6]"),
    ("demo", "type: bell", "type: bel"),
    ("demo", "freq_hz: 2500, ", ""),
    ("demo", "freq_hz: 2500", "freq: 2500"),
    ("demo", "- {type: bell", "- {typ: bell"),
    ("demo", "by: drums, ", "by: 3, "),
    ("fix-drums", "kit: synth", "kit: 8"),
    ("fix-drums", "[kick, snare]", "[kik, snare]"),
    ("fix-drums", "[kick, snare]", "kick"),
    ("fix-drums", "hits: fixed-drums-hits.json", "hits: fixed-drums-hits.mid"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), FAULTS)
def test_a_planted_fault_is_refused_by_reader_and_editor(
    folder: Path, name: str, old: str, new: str
) -> None:
    text = shipped_recipes()[name].read_text(encoding="utf-8")
    assert old in text
    assert is_taken_by_editor(text)
    bad = text.replace(old, new, 1)
    assert problems(folder, bad)
    assert not is_taken_by_editor(bad)


# --- both, on what nobody thought of ---------------------------------------------------------

ONLY_THE_READER_KNOWS = [
    # files and folders
    *(
        "there is no file",
        "leads out of",
        "is a folder",
        "no kit is called",
        "cannot be a file name",
    ),
    # names within the recipe, and what comes from where
    *("there is no source", "there is no track", "is this very track", "go in a circle"),
    *("no source is called", "has no stem", "neither a source", "differ only in case"),
    *(
        "`from` is needed",
        "is unknown in `sections`",
        "is unknown in `templates`",
        "is unknown in sections.",
        "extends: expects",
    ),
    # knobs
    *("has no knob", "(from ${", "has no suffix", "the format ", "'2x'"),
    *("stage 'auto' is unknown", "'auto' is no range"),
    # what an extended recipe may have
    *(".level: expects error or warn, got null", "master.file: expects text, got null"),
    "is no track number",
    # what goes together
    *("give either", "neither tempo nor key", "counted on a common grid", "is played twice"),
    *("needs two sources", "every weight is 0", "takes weights of 0 or 1 only", "is listed twice"),
    *("`license` and `licence`", "is for a master", "is for given `stems`", "nothing is above"),
    *("has neither `min` nor `max`", "none is named", "is about the master", "begins in bar"),
    *("mp3 has no", "bits, got", "has no bit depth", "has none; leave it out", "nothing to align"),
    *("ends before it begins", "with a last one", "nothing to play", "stem is needed"),
    *("no key", "is no key", "control characters", "a text is at most"),
]
"""Words in the faults that the schema cannot tell."""

ODD = [
    *(None, True, False, 0, 1, -1, 0.5, 7, 99.5, -300, 1e6, "", "auto", "x", "1:30", "5", "no"),
    *("${a}", "${n}", "${n}x", "song", "pad.wav", "/a.wav", "multiband", "A minor", "1-8", [], {}),
    *(["drums"], [0.25, 0.5], [None], ["${a}"], {"x": 1}, {"file": "x.wav"}, [{}], {"bars": 3}),
]


def documents(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values that a schema mostly takes, with odd ones strewn in."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return st.deferred(lambda: documents(SCHEMA["definitions"][name], depth))
    if "anyOf" in schema:
        return st.one_of(*(documents(option, depth) for option in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema.get("type", [])
    kinds = {types} if isinstance(types, str) else set(types)
    options: list[st.SearchStrategy[Any]] = [st.sampled_from(ODD)] if depth > 1 else []
    if "object" in kinds:
        options += [_mappings(schema, depth)] * 4
    if "array" in kinds:
        options += [st.lists(documents(schema.get("items", {}), depth + 1), max_size=2)] * 4
    if kinds & {"number", "integer"}:
        low, high = schema.get("minimum", -100), schema.get("maximum", 100)
        step = st.sampled_from([low, high, low - 1, high + 1, (low + high) // 2])
        options += [step.map(lambda x: int(x) if x == int(x) else x)] * 3
    if "string" in kinds:
        options += [
            st.sampled_from([*map(str, schema.get("examples", [])), "x", "${n}", "x.wav"])
        ] * 2
    return st.one_of(*options) if options else st.sampled_from(ODD)


def _mappings(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    # What a track replaces of its template is never looked at.
    known = {key: told for key, told in schema.get("properties", {}).items() if key != "template"}
    names = st.lists(st.sampled_from([*known, "x"]), max_size=3, unique=True)

    @st.composite
    def made(draw: st.DrawFn) -> dict[str, Any]:
        keys = draw(st.just(draw(names)[:1])) if schema.get("maxProperties") == 1 else draw(names)
        keys += [
            key for key in schema.get("required", ()) if key not in keys and draw(st.booleans())
        ]
        more = schema.get("additionalProperties")
        inner = {key: known.get(key, more if isinstance(more, dict) else {}) for key in keys}
        return {key: draw(documents(told, depth + 1)) for key, told in inner.items()}

    return made()


RECIPES = st.fixed_dictionaries(
    {},
    optional={
        key: documents(told, 1)
        for key, told in SCHEMA["properties"].items()
        if key not in ("stemfx", "extends", "params", "title", "author", "sources")
    },
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(RECIPES)
def test_reader_and_editor_agree_but_for_what_only_the_reader_knows(
    tmp_path_factory: pytest.TempPathFactory, recipe: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "agree"
    folder.mkdir(exist_ok=True)
    for name in ("gen.wav", "pad.wav"):
        (folder / name).touch()
    whole = {"stemfx": 1, "params": {"a": "auto", "n": 2}, "sources": {"song": "gen.wav"}, **recipe}
    found = problems(folder, json.dumps(whole))
    if EDITOR.is_valid(whole):
        known = [p for p in found if any(words in p for words in ONLY_THE_READER_KNOWS)]
        assert found == known
    else:
        assert found, next(EDITOR.iter_errors(whole)).message
