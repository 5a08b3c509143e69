"""`params`: the knobs of a recipe, what `--set` makes of them, and where `${name}` puts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from stemfx.recipe.document import KnobShape
from stemfx.recipe.model import Knob, KnobValue
from stemfx.recipe.paths import check_names
from stemfx.recipe.problems import Mark, Problems, command_line, did_you_mean, listing, quote
from stemfx.recipe.validate import section
from stemfx.recipe.wording import a_number, given, number_hint, outside
from stemfx.recipe.yaml_tree import (
    MAX_TEXT,
    Items,
    Leaf,
    Node,
    Scalar,
    Table,
    has_control,
    resolve,
)

MAX_KNOB_TEXT = 256
"""Characters of a text knob: it can be inserted thousands of times."""

_INSERT = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")


def read_knobs(table: Table, problems: Problems) -> tuple[dict[str, Knob], dict[str, Leaf]]:
    """Return the knobs and the default of each; a faulty knob's value is broken."""
    knobs: dict[str, Knob] = {}
    values: dict[str, Leaf] = {}
    for name in check_names(table, "knob", problems):
        knob, value = _knob(name, table.entries[name], table.keys[name], problems)
        values[name] = value
        if knob is not None:
            knobs[name] = knob
    return knobs, values


def turned(
    knobs: Mapping[str, Knob],
    values: Mapping[str, Leaf],
    settings: Mapping[str, str],
    problems: Problems,
) -> dict[str, Leaf]:
    """Return the values with some set from text (`--set NAME=VALUE`); a faulty one is broken."""
    set_to = dict(values)
    for name, text in settings.items():
        if name in knobs:
            set_to[name] = _set(knobs[name], text, problems)
        elif name not in values:
            problems.add(command_line("--set"), no_knob(name, values))
    return set_to


def no_knob(name: str, known: Iterable[str]) -> str:
    """Say that the recipe has no such knob, and which one was probably meant."""
    known = list(known)
    hint = did_you_mean(name, known)
    return f"the recipe has no knob {quote(name)}{hint} (known: {listing(known)})"


def _knob(name: str, node: Node, key: Mark, problems: Problems) -> tuple[Knob | None, Leaf]:
    """Return a knob and its default; None and a broken value after noting what is wrong."""
    title = f"params.{name}"
    shape: KnobShape | None = KnobShape()
    default: Node = node
    if isinstance(node, Table):
        shape = section(node, KnobShape, title, problems)
        default = node.get("default") or Leaf(node.mark, "", None)
    elif isinstance(node, Items):
        problems.add(node.mark, f"{title}: expects a value, or a mapping with `default`")
    if isinstance(default, Leaf) and not default.broken and shape is not None:
        fault = None if default.is_null else _range_fault(default, shape)
        knob = Knob(name, _value(default), shape.min, shape.max, shape.unit, shape.help, str(key))
        if default.is_null:
            problems.add(default.mark, f"{title}: a knob needs a `default`")
        elif fault:
            problems.add(node.mark, f"{title}: {fault}")
        elif fault := knob_fault(default, knob):
            problems.add(default.mark, f"{title}.default: {fault}")
        else:
            return knob, default
    return None, Leaf(node.mark, "", None, broken=True)


def _range_fault(default: Leaf, shape: KnobShape) -> str | None:
    if shape.min is not None and shape.max is not None and shape.min > shape.max:
        return "`min` is greater than `max`"
    if _kind(default.value) != "number" and (shape.min, shape.max) != (None, None):
        return f"`min` and `max` are for numbers, not for {given(default)}"
    return None


def _value(leaf: Leaf) -> KnobValue:
    return "" if leaf.value is None else leaf.value


def _set(knob: Knob, text: str, problems: Problems) -> Leaf:
    leaf = _typed(knob, text)
    if fault := knob_fault(leaf, knob):
        problems.add(leaf.mark, fault)
        return replace(leaf, value=None, broken=True)
    return leaf


def _typed(knob: Knob, text: str) -> Leaf:
    mark = command_line(f"--set {knob.name}")
    # The shell has taken the quotes away: for a text knob all is text, whatever it looks like.
    is_text = isinstance(knob.default, str)
    return (
        Leaf(mark, text, text, True) if is_text else Leaf(mark, text.strip(), resolve(text.strip()))
    )


def setting_fault(knobs: Mapping[str, Knob], name: str, text: str) -> str | None:
    """Say why `--set NAME=TEXT` cannot be, or return None."""
    if name not in knobs:
        return no_knob(name, knobs)
    return knob_fault(_typed(knobs[name], text), knobs[name])


def knob_fault(leaf: Leaf, knob: Knob) -> str | None:
    """Say why a knob cannot have a value, or return None."""
    if has_control(leaf.text):
        return f"control characters are not allowed; got {quote(leaf.text)}"
    kind = _kind(knob.default)
    if kind == "text":
        too_long = len(leaf.text) > MAX_KNOB_TEXT
        return f"a knob's text is at most {MAX_KNOB_TEXT} characters" if too_long else None
    if _kind(leaf.value) != kind:
        wanted = "true or false" if kind == "switch" else a_number(knob.min, knob.max, knob.unit)
        hint = number_hint(leaf, knob.unit) if kind == "number" else ""
        return f"expects {wanted}, got {given(leaf)}{hint}"
    if isinstance(leaf.value, float) and not abs(leaf.value) < float("inf"):
        return f"expects {a_number(knob.min, knob.max, knob.unit)}, got {given(leaf)}"
    if isinstance(leaf.value, int | float):
        below = knob.min is not None and leaf.value < knob.min
        above = knob.max is not None and leaf.value > knob.max
        if below or above:
            return outside(leaf, knob.min, knob.max, knob.unit)
    return None


def _kind(value: Scalar) -> Literal["switch", "number", "text", "nothing"]:
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nothing"


def insert(table: Table, values: Mapping[str, Leaf], problems: Problems) -> Table:
    """Return a table whose `${name}` are replaced; keys are left alone.

    A scalar that is nothing but `${name}`, quoted or not (between { } YAML asks for quotes),
    takes the typed value; within a longer text the value's own text is inserted. `$${` stands
    for `${`.
    """
    return _Insertion(values, problems).table(table)


class _Insertion:
    def __init__(self, values: Mapping[str, Leaf], problems: Problems) -> None:
        self._values, self._problems = values, problems
        self._done: dict[int, tuple[Node, Node]] = {}  # aliases share: work and memory, too

    def table(self, table: Table) -> Table:
        return replace(table, entries={key: self._node(n) for key, n in table.entries.items()})

    def _node(self, node: Node) -> Node:
        if id(node) not in self._done:
            self._done[id(node)] = (node, self._fresh(node))
        return self._done[id(node)][1]

    def _fresh(self, node: Node) -> Node:
        if isinstance(node, Table):
            return self.table(node)
        if isinstance(node, Items):
            return replace(node, nodes=tuple(self._node(item) for item in node.nodes))
        return self._leaf(node) if "${" in node.text else node

    def _leaf(self, leaf: Leaf) -> Leaf:
        broken = replace(leaf, value=None, broken=True)
        whole = _INSERT.fullmatch(leaf.text.strip())
        if whole and whole[1] is not None:
            value = self._value(whole[1], leaf)
            return replace(value, mark=leaf.mark, via=whole[0]) if value else broken
        parts, end = [], 0
        for match in _INSERT.finditer(leaf.text):
            parts.append(leaf.text[end : match.start()])
            end = match.end()
            if match[0] == "$${":
                parts.append("${")
            elif match[1] is None:
                self._problems.add(
                    leaf.mark, "`${` has no closing `}`; write `$${` where you mean the text `${`"
                )
                return broken
            elif value := self._value(match[1], leaf):
                parts.append(value.text)
            else:
                return broken
        text = "".join(parts) + leaf.text[end:]
        if len(text) > MAX_TEXT:
            self._problems.add(
                leaf.mark, f"a text is at most {MAX_TEXT} characters; got {len(text)}"
            )
            return broken
        return replace(leaf, text=text, value=text)

    def _value(self, written: str, leaf: Leaf) -> Leaf | None:
        name = written.strip()
        value = self._values.get(name)
        if value is None:
            self._problems.add(leaf.mark, no_knob(name, self._values))
        return value if value and not value.broken else None
