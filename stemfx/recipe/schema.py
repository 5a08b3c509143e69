"""The JSON Schema of a recipe with every installed stage, for editors.

It takes all that the reader takes, and refuses what can be told from one file alone: the reader
also knows files, the names of tracks and sources, the values of knobs and what goes together.

The dialect is draft-07, because that is what every version of yaml-language-server (the YAML
extension of VS Code, and of most editors) reads; 2019-09 and 2020-12 came to it in 1.20
(https://github.com/redhat-developer/yaml-language-server/blob/main/CHANGELOG.md). Nothing here
means anything else in 2020-12.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field

from stemfx.recipe.align import AUTO, BPM
from stemfx.recipe.document import FORMAT, Document
from stemfx.recipe.output import BIT_DEPTHS, MOST_MASTERS, MOST_SESSIONS, SESSION_FORMATS
from stemfx.recipe.schema_values import WITH_KNOB, Generator, Schema, Values, escaped, or_null
from stemfx.recipe.separate import MOST_MODELS
from stemfx.stage import HitParams, Stage

DRAFT = "http://json-schema.org/draft-07/schema#"
_ROOT = "#/definitions/"

_WITHOUT_KNOBS = ("stemfx", "extends", "params", "presets")
"""What is read before knobs are put in place."""

_NAMED = ("params", "presets", "sources", "sections", "templates", "tracks")
_NAME = r"^(?![. ])[^\x00-\x1f!-,/:-@\[-\^`{-\x7f]{1,64}(?<![. ])$"
"""What `paths.name_fault` takes, but for signs outside ASCII and the devices of Windows."""

_BARS = r"^\s*0*[1-9]\d{0,5}\s*(-\s*(\d{1,6}\s*)?)?$"


@dataclass(frozen=True)
class Known:
    """Names to offer beside the stages, each with a line about it; others stay possible."""

    models: Mapping[str, str] = field(default_factory=dict)
    kits: Mapping[str, str] = field(default_factory=dict)
    hit_classifiers: Mapping[str, str] = field(default_factory=dict)
    beat_trackers: Mapping[str, str] = field(default_factory=dict)
    stems: tuple[str, ...] = ()


def json_schema(stages: Mapping[str, Stage], known: Known | None = None) -> Schema:
    """Return the JSON Schema (draft-07) of a recipe with these stages.

    Args:
        stages: those that a recipe may call.
        known: names to offer.
    """
    known = known or Known()
    told = Document.model_json_schema(by_alias=True, schema_generator=Generator)
    shapes = told["$defs"]
    values = Values(
        shapes, shared={"TrackShape": "track", "TemplateShape": "template"}, empties=True
    )
    literal = Values(shapes, empties=True, knobs=False)
    properties = {
        key: or_null((literal if key in _WITHOUT_KNOBS else values).described(about))
        for key, about in told["properties"].items()
    }
    properties["stemfx"] = {
        "const": FORMAT,
        "description": told["properties"]["stemfx"]["description"],
    }
    alone = Values(shapes, empties=True)
    template = alone.described({"$ref": "TemplateShape"})
    _refine(properties, template, known)
    own = alone.described(shapes["TrackShape"]["properties"]["template"])
    track = template | {"properties": {"template": or_null(own), **template["properties"]}}
    track["description"] = shapes["TrackShape"]["description"]
    stage = _stage_entry(stages, known)
    return {
        "$schema": DRAFT,
        "title": "stemfx recipe",
        "type": "object",
        "required": ["stemfx"],
        "additionalProperties": False,
        "properties": properties,
        "if": {"required": ["extends"]},
        "else": _ALONE,
        "definitions": {"stage": stage, "template": or_null(template), "track": or_null(track)},
    }


def _silent(schema: Schema) -> Schema:
    """Keep an editor from offering or telling of a key for a second time."""
    return schema | {"doNotSuggest": True, "description": ""}


_ALONE: Schema = {
    "anyOf": [{"required": ["sources"]}, {"required": ["tracks"]}],
    "properties": {
        "params": _silent(
            {
                "additionalProperties": {
                    "type": ["object", "number", "boolean", "string"],
                    "properties": {"default": _silent({"type": ["number", "boolean", "string"]})},
                    "required": ["default"],
                }
            }
        ),
        "sections": _silent(
            {
                "additionalProperties": {
                    "type": "object",
                    "properties": {"bars": _silent({"type": ["integer", "string"]})},
                    "required": ["bars"],
                }
            }
        ),
        "separate": _silent({"properties": {"model": _silent({"required": ["model"]})}}),
        "output": _silent({"properties": {"master": _silent({"required": ["file"]})}}),
    },
}
"""What a recipe that extends no other has to say itself."""


def _stage_entry(stages: Mapping[str, Stage], known: Known) -> Schema:
    """Return what an entry of a list of stages may be: one stage with its parameters, or its name.

    One mapping of all stages, not a choice of mappings: so a name completes, and a fault is told
    where it lies.
    """
    calls = {name: _stage(stage, known) for name, stage in sorted(stages.items())}
    bare = [escaped(name) for name, call in calls.items() if "required" not in call]
    return {
        "type": ["object", "string"],
        "title": "stage",
        "properties": calls,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "pattern": f"^({'|'.join(bare)})$|{WITH_KNOB}",
        "patternErrorMessage": "expected: the name of a stage that needs no parameters "
        "(`stemfx stages` lists the stages, `stemfx stages NAME` the parameters of one)",
    }


def _stage(stage: Stage, known: Known) -> Schema:
    told = stage.params.model_json_schema(schema_generator=Generator)
    shape = Values(told.get("$defs", {})).value(told)
    properties = shape.get("properties", {})
    for param in stage.references("kit"):
        properties[param] = _offered(properties[param], known.kits)
    if issubclass(stage.params, HitParams):
        properties["classifier"] = _offered(properties["classifier"], known.hit_classifiers)
    for kind in ("file", "sound"):
        for param in stage.references(kind):
            _limit_text(properties[param], _ASSET, _ASSET_TOLD)
    text = inspect.cleandoc(stage.process.__doc__ or "")
    about = {"title": stage.name, "description": stage.summary, "markdownDescription": text}
    return about | (shape if "required" in shape else or_null(shape))


# --- what pydantic does not tell -----------------------------------------------------------

_ABSOLUTE = "(?!/|~|[A-Za-z]:)"
_PORTABLE = r'[^\\<>:"|?*\x00-\x1f]'
_ASSET = f"^{_ABSOLUTE}{_PORTABLE}+$"
_ASSET_TOLD = "expected: a file in the recipe's folder, relative to it, with `/` between folders"
_RESULT = rf"^{_ABSOLUTE}(?!(.*/)?\.\.(/|$)){_PORTABLE}+"
_RESULT_TOLD = "expected: a name inside the output folder, with `/` between folders"
_REPORTS = ("html", "json")


def _refine(properties: dict[str, Schema], template: Schema, known: Known) -> None:
    """Add what the readers of the sections know beside the shapes."""
    for key in _NAMED:
        properties[key]["propertyNames"] = {"pattern": _NAME}
    stems = properties["sources"]["additionalProperties"]["properties"]["stems"]
    stems |= {"propertyNames": {"pattern": _NAME}, "minProperties": 1}
    properties["tracks"]["properties"] = {stem: {"$ref": f"{_ROOT}track"} for stem in known.stems}

    _limit_text(properties["extends"], _ASSET, _ASSET_TOLD)
    origin = template["properties"]["from"]
    _limit_text(origin, _ASSET, "expected: SOURCE/STEM, SOURCE, or a file in the recipe's folder")
    origin["minItems"] = 1
    bars = origin["items"]["properties"]["bars"]
    origin["items"]["properties"]["bars"] = or_null(_bars(bars["description"]))
    template["properties"]["from"] = _text_first(origin)
    properties["sections"]["additionalProperties"] |= {
        "properties": {"bars": or_null(_bars("of the song: 1-16 or 5"))},
        "additionalProperties": or_null(_bars("where in that source these bars are")),
    }

    align = properties["align"]["properties"]
    low, high = BPM
    align["tempo"] |= {"minimum": low, "maximum": high, "examples": [AUTO], "unit": "BPM"}
    align["key"]["examples"] = [AUTO]
    align["beats"] = _offered(align["beats"], known.beat_trackers)

    separate = properties["separate"]["properties"]
    models = {AUTO: "the best whose weights are here or can be fetched"} | dict(known.models)
    model = separate["model"]
    model |= {"minItems": 1, "maxItems": MOST_MODELS}
    for entry in (model, model["items"]):
        entry["properties"]["model"] = _offered(entry["properties"]["model"], models)
    model["items"] = _offered(model["items"], models)
    del model["required"]  # see `_ALONE`
    separate["model"] = _offered(model, models)

    output = properties["output"]["properties"]
    _limit_text(output["tags"]["properties"]["cover"], _ASSET, _ASSET_TOLD)
    for key, suffixes in (("report", _REPORTS), ("hits", ("json",)), ("stems", ()), ("ab", ())):
        _limit_result(output[key], suffixes)
    session = output["session"]
    session |= {"minItems": 1, "maxItems": MOST_SESSIONS}
    for named in (session, session["items"]):
        _limit_result(named, SESSION_FORMATS)
    output["session"] = _text_first(session)
    master = output["master"]
    master |= {"minItems": 1, "maxItems": MOST_MASTERS}
    items = master["items"]
    for named in (master, items, master["properties"]["file"], items["properties"]["file"]):
        _limit_result(named, tuple(BIT_DEPTHS))
    del master["required"]
    output["master"] = _text_first(master)


def _bars(about: str) -> Schema:
    return {
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 999_999,
        "pattern": f"{_BARS}|{WITH_KNOB}",
        "patternErrorMessage": "expected: bars such as 1-16, 17- (to the end) or 5",
        "description": about,
    }


def _text_first(schema: Schema) -> Schema:
    """Return the same with the text apart: an editor then writes `from: `, not a list."""
    of_text = ("pattern", "patternErrorMessage")
    text = {"type": ["string", "null"]} | {key: schema[key] for key in of_text}
    # Each branch is described otherwise than the next, or VS Code shows both on hover.
    other = {key: value for key, value in schema.items() if key not in of_text}
    other["type"] = [kind for kind in schema["type"] if kind not in text["type"]]
    return {"anyOf": [text, other], "description": schema["description"]}


def _limit_result(schema: Schema, suffixes: tuple[str, ...]) -> None:
    ending = "|".join("".join(f"[{c}{c.upper()}]" for c in suffix) for suffix in suffixes)
    told = f"; it ends in .{', .'.join(suffixes)}" if suffixes else ""
    pattern = _RESULT + (rf"\.({ending})$" if suffixes else "$")
    _limit_text(schema, pattern, _RESULT_TOLD + told)


def _limit_text(schema: Schema, pattern: str, told: str) -> None:
    """Let a text be only of one form, or have a knob in it."""
    schema |= {"pattern": f"{pattern}|{WITH_KNOB}", "patternErrorMessage": told}


def _offered(schema: Schema, names: Mapping[str, str]) -> Schema:
    """Return a schema that takes what it took, and offers names with what they are for."""
    if not names:
        return schema
    about: Schema = {key: schema[key] for key in ("description", "unit") if key in schema}
    listed = list(names)
    offer = {"enum": listed, "enumDescriptions": [names[name] for name in listed]}
    # Never both at once, and described otherwise, or VS Code shows both on hover.
    other = {key: value for key, value in schema.items() if key not in ("unit", "examples")}
    return {"anyOf": [offer, {**other, "not": {"enum": listed}}], **about}
