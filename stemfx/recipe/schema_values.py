"""What a value may be, told so that an editor completes it well and says clearly what is wrong.

pydantic writes a union as `anyOf`; editors complain once a branch of one and complete it badly.
Here a value is one flat schema wherever its branches are of different JSON types: `minimum` speaks
of numbers only, `pattern` of texts only, `properties` of mappings only. (Tried with
yaml-language-server 1.25, which is VS Code's YAML extension: an `anyOf` of a mapping and null
completes `compress: compress`, a flat one `compress:` and then its parameters.)

All keywords mean the same in draft-07, which each version of that server knows, and in 2020-12.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stemfx.clock import parse_time
from stemfx.recipe.wording import a_number, number

Schema: TypeAlias = dict[str, Any]

KNOB = r"^\s*\$\{[^{}]+\}\s*$"
"""A value that is nothing but a knob takes the knob's own kind."""

WITH_KNOB = r"\$\{"
"""A text with a knob in it may become any text."""

_CLOCK = r"^(\d+:)?\d{1,3}:[0-5]?\d(\.\d+)?$"
_TYPES = ("object", "array", "number", "integer", "boolean", "string", "null")
_SCALARS = {"number", "integer", "boolean"}
_LIMITS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_OF_NUMBERS = (*_LIMITS.values(), "multipleOf")
_KEPT = {
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("required", "additionalProperties", "propertyNames", "minProperties"),
    "number": _OF_NUMBERS,
    "integer": _OF_NUMBERS,
    "string": ("pattern",),
}


class Generator(GenerateJsonSchema):
    """Tells of clock times, and leaves open what pydantic cannot tell instead of giving up."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as the base has it

    def handle_invalid_for_json_schema(
        self,
        schema: core_schema.CoreSchema,  # noqa: ARG002 - the base's
        error_info: str,  # noqa: ARG002
    ) -> JsonSchemaValue:
        """Take any value for a plugin's own type: the reader knows it."""
        return {}

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Take any value where a function makes something else of it first."""
        told = super().function_before_schema(schema)
        if schema["function"]["function"] is parse_time:
            return told | {"clock": True}
        is_open = "json_schema_input_schema" not in schema and told.get("type") != "object"
        return {} if is_open and "$ref" not in told else told


class Values:
    """Rewrites what pydantic tells of values.

    Args:
        shapes: pydantic's `$defs`.
        shared: of these, those that have a definition of their own, by what it is called there;
            each of these takes null too.
        empties: whether a key of a mapping may have nothing after it. In a list never: what
            a recipe extends is merged into its mappings only.
        knobs: whether `${name}` may stand for a value.
    """

    def __init__(
        self,
        shapes: Mapping[str, Schema],
        *,
        shared: Mapping[str, str] | None = None,
        empties: bool = False,
        knobs: bool = True,
    ) -> None:
        self._shapes, self._shared, self._knobs = shapes, shared or {}, knobs
        self._empties = empties

    def value(self, told: Schema, inside: tuple[str, ...] = ()) -> Schema:
        """Return what a value may be; `inside` are the shapes that it is part of."""
        kinds: dict[str, Schema] = {}
        choices: list[Any] = []
        for branch in self._branches(told, inside):
            if "$ref" in branch:
                return branch
            if "const" in branch or "enum" in branch:
                choices += branch.get("enum", [branch.get("const")])
            elif branch.get("type") not in _TYPES:
                return {}
            elif branch["type"] in kinds:  # two kinds of list, or of mapping
                return {"anyOf": [self.value(one, inside) for one in self._branches(told, inside)]}
            else:
                kinds[branch["type"]] = branch
        if "number" in kinds:
            kinds.pop("integer", None)
        texts = [choice for choice in choices if isinstance(choice, str)]
        if choices and (len(texts) == len(choices) or not texts) and not set(kinds) - {"null"}:
            return self._choice(choices, is_nullable="null" in kinds)
        if choices == [False] and "boolean" not in kinds:
            kinds["boolean"] = {"not": {"const": True}}
        elif len(texts) < len(choices):
            return {"anyOf": [{"enum": choices}, self._flat(kinds, (), told, inside)]}
        return self._flat(kinds, texts, told, inside)

    def _choice(self, choices: list[Any], *, is_nullable: bool) -> Schema:
        knob = {"type": "string", "pattern": WITH_KNOB, "description": "a knob, ${name}"}
        if not self._knobs and not is_nullable:
            return {"enum": choices}
        null = [{"type": "null"}] if is_nullable else []
        return {"anyOf": [{"enum": choices}, *([knob] if self._knobs else []), *null]}

    def _flat(
        self, kinds: dict[str, Schema], texts: Sequence[str], told: Schema, inside: tuple[str, ...]
    ) -> Schema:
        """Return one schema for values of different JSON types."""
        flat: Schema = {}
        for kind, branch in kinds.items():
            keywords = {_LIMITS.get(key, key): value for key, value in branch.items()}
            flat |= {key: keywords[key] for key in _KEPT.get(kind, ()) if key in keywords}
            if "not" in branch:
                flat["not"] = branch["not"]
            if kind == "object":
                flat |= self._mapping(branch, inside)
            elif kind == "array":
                flat |= self._list(branch, inside)
        patterns = self._patterns(kinds, texts)
        if patterns:
            kinds = {**kinds, "string": {}}
            flat["pattern"] = "|".join(patterns)
            flat["patternErrorMessage"] = self._allowed(kinds, texts, told)
        if texts:
            flat["examples"] = list(texts)
        types = [kind for kind in _TYPES if kind in kinds]
        return {"type": types if len(types) > 1 else types[0], **flat} if types else {}

    def _patterns(self, kinds: Mapping[str, Schema], texts: Sequence[str]) -> list[str]:
        """Return what a text has to match one of; nothing where any text will do."""
        text = kinds.get("string")
        own = text.get("pattern") if text else None
        if text is not None and (own is None or not _is_pattern(own)):
            return []
        patterns = [own] if own else []
        if texts:
            patterns.append(f"^({'|'.join(map(escaped, texts))})$")
        is_clock = any(branch.get("clock") for branch in kinds.values())
        if is_clock:
            patterns.append(_CLOCK)
        if self._knobs and (patterns or _SCALARS & set(kinds)):
            patterns.append(WITH_KNOB if patterns else KNOB)
        return patterns

    def _allowed(self, kinds: Mapping[str, Schema], texts: Iterable[str], told: Schema) -> str:
        """Say which values there are, for a text that is none of them."""
        words: list[str] = []
        for kind, what in (("number", "a number"), ("integer", "a whole number")):
            if (branch := kinds.get(kind)) is not None:
                low, high = branch.get("minimum"), branch.get("maximum")
                unit = told.get("unit") or branch.get("unit", "")
                words.append(a_number(low, high, unit, what))
                words += ["a time such as 1:30"] * bool(branch.get("clock"))
        if "boolean" in kinds:
            words.append("false" if "not" in kinds["boolean"] else "true or false")
        words += texts
        words += ["a text of another form"] * (not words)
        words += ["a knob, ${name}"] * self._knobs
        return f"expected: {', or '.join(words)}"

    def _mapping(self, branch: Schema, inside: tuple[str, ...]) -> Schema:
        """Return the properties of a mapping, each with its text."""
        name = branch.get("shape", "")
        within = (*inside, name) if name else inside
        flat: Schema = {}
        if "properties" in branch:
            flat["properties"] = {
                key: self._entry(value, within) for key, value in branch["properties"].items()
            }
        if isinstance(more := branch.get("additionalProperties"), dict):
            flat["additionalProperties"] = self._entry(more, within)
        return flat

    def _entry(self, told: Schema, inside: tuple[str, ...]) -> Schema:
        described = self.described(told, inside)
        return or_null(described) if self._empties else described

    def _list(self, branch: Schema, inside: tuple[str, ...]) -> Schema:
        full = Values(self._shapes, shared=self._shared, knobs=self._knobs)
        firsts = branch.get("prefixItems")
        if firsts:  # draft-07 and 2020-12 write this differently: leave the order to the reader
            return {"items": {"anyOf": [full.value(item, inside) for item in firsts]}}
        items = branch.get("items", {})
        return {"items": full.described(items, inside)} if items else {}

    def described(self, told: Schema, inside: tuple[str, ...] = ()) -> Schema:
        """Return what a value may be, and the text that editors show beside it."""
        schema = self.value(told, inside)
        options = list(self._branches(told, inside))
        of_shape = next((o.get("description", "") for o in options if "shape" in o), "")
        words = (told.get("description") or of_shape, _facts(told, options))
        text = "\n".join(filter(None, words))
        if "$ref" in schema or not text:
            return schema
        schema["description"] = text
        unit = told.get("unit") or next((o["unit"] for o in options if o.get("unit")), "")
        if unit:
            schema["unit"] = unit
        default = told.get("default")
        if isinstance(default, int | float) and not isinstance(default, bool) and "type" in schema:
            schema["examples"] = [default, *schema.get("examples", [])]
        return schema

    def _branches(self, told: Schema, inside: tuple[str, ...]) -> Iterator[Schema]:
        """Yield each kind of value that is meant, references followed."""
        if "$ref" in told:
            name = told["$ref"].rpartition("/")[2]
            if name in self._shared:
                yield {"$ref": f"#/definitions/{self._shared[name]}"}
            elif name in inside:  # a shape within itself: left to the reader
                yield {}
            else:
                yield from self._branches(self._shapes[name] | {"shape": name}, inside)
        elif told.get("title") == "stage" and len(told) == 1:  # document.StageEntry
            yield {"$ref": "#/definitions/stage"}
        elif union := told.get("anyOf") or told.get("oneOf"):
            branches = [one for option in union for one in self._branches(option, inside)]
            shared = [branch for branch in branches if "$ref" in branch]
            yield from shared or branches
        else:
            yield told


def or_null(schema: Schema) -> Schema:
    """Let nothing be given, too."""
    if "anyOf" in schema:
        null = {"type": "null"}
        return schema if null in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], null]}
    if "enum" in schema or "const" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" not in schema:
        return schema
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return schema if "null" in types else {**schema, "type": [*types, "null"]}


def _facts(told: Schema, options: list[Schema]) -> str:
    """Say unit, range and default, e.g. `20 to 20000 Hz; default 120`."""
    unit = told.get("unit") or next((o["unit"] for o in options if o.get("unit")), "")
    numeric = next((o for o in options if o.get("type") in ("number", "integer")), {})
    limits = {_LIMITS.get(key, key): value for key, value in numeric.items()}
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None and high is not None:
        span = f"{number(low)} to {number(high)} {unit}"
    elif low is not None:
        span = f"at least {number(low)} {unit}"
    elif high is not None:
        span = f"at most {number(high)} {unit}"
    else:
        span = f"in {unit}" if unit else ""
    default = told.get("default")
    known = "" if default in (None, "", [], {}) else f"default {_written(default)}"
    return "; ".join(filter(None, (span.strip(), known)))


def _written(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def escaped(text: str) -> str:
    """Return the pattern of a text, for Python and JavaScript alike."""
    return re.sub(r"([\\^$.|?*+()\[\]{}/])", r"\\\1", text)


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
