"""Checks a table against a pydantic model and says what is wrong in the house's words.

What is allowed is read from the model's JSON Schema: the same source as the editor's hints,
so the two never disagree, and a plugin's parameters are explained as well as the built-in ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from stemfx.recipe.problems import Problems, did_you_mean, label, listing, quote
from stemfx.recipe.wording import a_number, given, is_number, number_hint, outside, unknown, via
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Scalar, Table, plain, resolve

Model = TypeVar("Model", bound=BaseModel)
Schema: TypeAlias = Mapping[str, Any]
Fault: TypeAlias = Mapping[str, Any]
Path: TypeAlias = tuple[str | int, ...]

_ABOUT_NAMES = ("missing", "extra_forbidden")
_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal", "finite_number")
_OWN_WORDS = ("value_error", "assertion_error")  # raised by a validator, in its own words


def validated(table: Table, model: type[Model], name: str, problems: Problems) -> Model | None:
    """Return the model made from a table, or None after noting every fault.

    The values travel as JSON: strict about types, yet a list may fill a tuple.

    Args:
        table: what the recipe says.
        model: what it may say.
        name: what the table is called in messages, e.g. `high_pass`; empty for the recipe itself.
        problems: takes the faults.
    """
    try:
        return model.model_validate_json(json.dumps(plain(table)))
    except ValidationError as error:
        for path, faults in _by_place(error, table).items():
            _note(path, faults, table, _schema(model), name=name, problems=problems)
        return None


def section(
    table: Table, shape: type[Model], name: str, problems: Problems, *, without: Sequence[str] = ()
) -> Model | None:
    """Return a section of the recipe like `validated`, where an empty value is one not given.

    `without` names the keys that are read elsewhere.
    """
    fields = {info.alias or field for field, info in shape.model_fields.items()}
    empty = {key for key in table.entries if key in fields and table.get(key) is None}
    return validated(table.without(*without, *empty), shape, name, problems)


@cache
def _schema(model: type[BaseModel]) -> Schema:
    try:
        return model.model_json_schema()
    except PydanticInvalidForJsonSchema:  # a plugin's own types
        return {}


def _by_place(error: ValidationError, table: Table) -> dict[Path, list[Fault]]:
    """Return the faults of each place.

    A union complains once a branch. Where one branch looked inside a value, what the others
    said about the value as a whole is noise.
    """
    places: dict[Path, list[Fault]] = {}
    for fault in error.errors(include_url=False, include_input=False):
        loc = fault["loc"][:-1] if fault["type"] in _ABOUT_NAMES else fault["loc"]
        places.setdefault(_path(table, loc), []).append(fault)
    above = {path[:length] for path in places for length in range(len(path))}
    for path, faults in places.items():
        named = any(fault["type"] in _ABOUT_NAMES for fault in faults)
        if named or path in above:
            faults[:] = [f for f in faults if f["type"] in (*_ABOUT_NAMES, *_OWN_WORDS)]
    return places


def _path(table: Table, location: tuple[int | str, ...]) -> Path:
    """Return the keys and indexes of the tree on pydantic's way to a fault.

    Whatever else is on that way labels a branch of a union.
    """
    node: Node = table
    path: list[str | int] = []
    for part in location:
        inner = _child(node, part)
        if inner is not None:
            node = inner
            path.append(part)
    return tuple(path)


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(node, Table) and isinstance(part, str):
        return node.entries.get(part)
    if isinstance(node, Items) and isinstance(part, int) and part < len(node.nodes):
        return node.nodes[part]
    return None


def _note(
    path: Path,
    faults: list[Fault],
    table: Table,
    schema: Schema,
    *,
    name: str,
    problems: Problems,
) -> None:
    """Note the faults of one place, each where it lies and with what to do about it."""
    node: Node = table
    for part in path:
        node = _child(node, part) or node
    if isinstance(node, Leaf) and node.broken:
        return
    # A list's index is left out: the line and column say which entry.
    title = ".".join([name] * bool(name) + [label(part) for part in path if isinstance(part, str)])
    options = list(_schemas(schema, path))
    wrong = []
    for fault in faults:
        key = str(fault["loc"][-1]) if fault["loc"] else ""
        if fault["type"] == "missing":
            about = next(_schemas(schema, (*path, key)), {}).get("description")
            meaning = f" ({about})" if about else ""
            problems.add(node.mark, f"{title or 'the recipe'}: {quote(key)} is missing{meaning}")
        elif fault["type"] == "extra_forbidden" and isinstance(node, Table):
            known = [choice for option in options for choice in option.get("properties", ())]
            problems.add(node.keys[key], unknown(key, title or "a recipe", known))
        else:
            wrong.append(fault)
    if wrong:
        problems.add(node.mark, f"{title or 'the recipe'}: {_wrong(node, wrong, options)}")


def _schemas(root: Schema, path: Path) -> Iterator[Schema]:
    """Yield the schemas, one for each branch of a union, that hold at a path."""
    here = list(_branches(root, root))
    for part in path:
        steps = [_step(schema, part) for schema in here]
        here = [branch for step in steps if step for branch in _branches(root, step)]
    yield from here


def _step(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        prefix = schema.get("prefixItems", ())
        step = prefix[part] if part < len(prefix) else schema.get("items")
    else:
        step = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
    return step if isinstance(step, Mapping) else None


def _branches(root: Schema, schema: Schema) -> Iterator[Schema]:
    """Yield what a schema may stand for: itself, what it refers to, each member of its union."""
    if "$ref" in schema:
        outer = {key: value for key, value in schema.items() if key != "$ref"}
        target = root["$defs"][schema["$ref"].rpartition("/")[2]]
        yield from _branches(root, {**target, **outer})
    elif union := schema.get("anyOf") or schema.get("oneOf"):
        outer = {key: schema[key] for key in ("unit", "description") if key in schema}
        for branch in union:
            yield from _branches(root, {**branch, **outer})
    else:
        yield schema


def _wrong(node: Node, faults: list[Fault], options: list[Schema]) -> str:
    """Say what is wrong with a value: out of range, none of the choices, or of another kind."""
    for fault in faults:
        if fault["type"] in _OWN_WORDS:
            return f"{fault['ctx']['error']}{via(node)}"
    message = str(faults[0]["msg"])
    in_its_words = f"{message[:1].lower()}{message[1:]}, got {given(node)}"
    value = node.value if isinstance(node, Leaf) else None
    unit = next((option["unit"] for option in options if option.get("unit")), "")
    choices = [choice for option in options for choice in _choices(option)]
    free = [option for option in options if not _choices(option)]
    kinds = {option.get("type") for option in free}
    numeric = next((o for o in free if o.get("type") in ("number", "integer")), None)
    if numeric and isinstance(node, Leaf) and any(f["type"] in _OUT_OF_RANGE for f in faults):
        low, high = numeric.get("minimum"), numeric.get("maximum")
        if low is not None or high is not None:
            return outside(node, low, high, unit)
    elif numeric and _fits(value, numeric):
        return in_its_words
    names = [choice for choice in choices if isinstance(choice, str)]
    near = did_you_mean(value, names) if isinstance(value, str) else ""
    if names and not kinds and len(names) == len(choices) and isinstance(value, str):
        return f"{quote(value)}{via(node)} is not one of {', '.join(names)}{near}"
    if not options or (_kind(node) in kinds and not choices):
        return in_its_words
    unquoted = isinstance(value, str) and resolve(value) in choices
    hint = near or (" (remove the quotes)" if unquoted else _hint(node, kinds, unit))
    return f"expects {_allowed(options, unit)}, got {given(node)}{hint}"


def _hint(node: Node, kinds: set[Any], unit: str) -> str:
    """Say how to write what was probably meant."""
    if not isinstance(node, Leaf) or node.via or node.value is None:
        return ""
    if not isinstance(node.value, str):
        return " (put it in quotes)" if "string" in kinds and "number" not in kinds else ""
    if kinds & {"number", "integer"}:
        return number_hint(node, unit)
    if "boolean" in kinds and isinstance(resolve(node.text), bool):
        return " (remove the quotes)"
    if "boolean" in kinds and node.text.casefold() in ("yes", "no", "on", "off"):
        return " (YAML here reads only true and false as switches)"
    return ""


def _allowed(options: list[Schema], unit: str) -> str:
    """Say what a value may be, e.g. `a number in [20, 20000] Hz or auto`."""
    words = []
    for option in options:
        kind = option.get("type")
        if choices := _choices(option):
            words += [c if isinstance(c, str) else json.dumps(c) for c in choices]
        elif kind in ("number", "integer"):
            what = "a number" if kind == "number" else "a whole number"
            words.append(a_number(option.get("minimum"), option.get("maximum"), unit, what))
        elif kind == "object" and "properties" in option:
            words.append(f"a mapping of {listing(option['properties'])}")
        elif kind == "array" and option.get("minItems") == option.get("maxItems") is not None:
            words.append(f"a list of {option['minItems']}")
        elif kind in _WORDS:
            words.append(_WORDS[kind])
    words = list(dict.fromkeys(words)) or ["something else"]
    return ", ".join(words[:-1]) + " or " * (len(words) > 1) + words[-1]


_WORDS = {"boolean": "true or false", "string": "text", "array": "a list", "object": "a mapping"}


def _choices(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _fits(value: Scalar, numeric: Schema) -> bool:
    return is_number(value) and (numeric["type"] == "number" or isinstance(value, int))


def _kind(node: Node) -> str:
    """Return the JSON type of what is no number and no switch."""
    if isinstance(node, Leaf):
        return "string" if isinstance(node.value, str) else ""
    return "array" if isinstance(node, Items) else "object"
