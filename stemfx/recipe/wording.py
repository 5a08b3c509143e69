"""Sentences about values: what was given, what is allowed, what was probably meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from stemfx.clock import parse_time
from stemfx.recipe.problems import did_you_mean, listing, quote
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Scalar, resolve


def unknown(name: str, owner: str, choices: Iterable[str]) -> str:
    """Say that a name is not among the choices, and which one was probably meant.

    >>> unknown("cutof_hz", "high_pass", ["cutoff_hz"])
    "'cutof_hz' is unknown in high_pass; did you mean 'cutoff_hz'? (known: cutoff_hz)"
    """
    known = list(choices)
    hint = did_you_mean(name, known)
    return f"{quote(name)} is unknown in {owner}{hint} (known: {listing(known)})"


def given(node: Node) -> str:
    """Say what stands in the recipe, e.g. `the text 'no'`."""
    if isinstance(node, Leaf):
        return _scalar(node) + via(node)
    return "a list" if isinstance(node, Items) else "a mapping"


def _scalar(leaf: Leaf) -> str:
    if isinstance(leaf.value, str):
        return f"the text {quote(leaf.value)}"
    if leaf.value is None or isinstance(leaf.value, bool):
        return leaf.text or "nothing"
    finite = math.isfinite(leaf.value)
    return f"the number {leaf.text}" if finite else f"{leaf.text}, which is not a finite number"


def via(node: Node) -> str:
    """Say which knob a value came from, if any."""
    return f" (from {node.via})" if isinstance(node, Leaf) and node.via else ""


def outside(leaf: Leaf, low: float | None, high: float | None, unit: str) -> str:
    """Say that a number is out of range, e.g. `40000 Hz is outside [20, 20000] Hz`."""
    what = f"{leaf.text}{_unit(unit)}{via(leaf)}"
    if high is None:
        return f"{what} is below the least allowed, {number(low)}{_unit(unit)}"
    if low is None:
        return f"{what} is above the most allowed, {number(high)}{_unit(unit)}"
    return f"{what} is outside [{number(low)}, {number(high)}]{_unit(unit)}"


def a_number(low: float | None, high: float | None, unit: str, kind: str = "a number") -> str:
    """Say which numbers are allowed, e.g. `a number in [20, 20000] Hz`."""
    if low is not None and high is not None:
        return f"{kind} in [{number(low)}, {number(high)}]{_unit(unit)}"
    if low is not None:
        return f"{kind} of at least {number(low)}{_unit(unit)}"
    if high is not None:
        return f"{kind} of at most {number(high)}{_unit(unit)}"
    return f"{kind} in {unit}" if unit else kind


def number_hint(leaf: Leaf, unit: str) -> str:
    """Say how to write the number that a text probably means, else return nothing.

    >>> from stemfx.recipe.problems import command_line
    >>> number_hint(Leaf(command_line("--set t"), "1:30", "1:30"), "s")
    ' (a clock time is text here; write 90)'
    """
    if not isinstance(leaf.value, str):
        return ""
    text = leaf.text.strip()
    if is_number(resolve(text)):
        return " (remove the quotes)"
    meanings = (
        ("a clock time is text here", _read(text, _clock)),
        ("programs disagree on this spelling", _read(text, lambda t: int(t, 0), int, float)),
        ("a decimal point is a point", text.replace(",", ".")),
        ("the unit is understood", text.removesuffix(unit).strip()),
    )
    for why, meant in meanings:
        if meant != text and is_number(resolve(meant)):
            return f" ({why}; write {meant})"
    return ""


def _clock(text: str) -> float:
    if ":" not in text:
        raise ValueError
    return float(parse_time(text))


def _read(text: str, *readers: Callable[[str], float]) -> str:
    """Return the number that the first able reader makes of a text, else the text."""
    for reader in readers:
        try:
            return number(reader(text))
        except (TypeError, ValueError):
            continue
    return text


def is_number(value: Scalar) -> bool:
    """Tell whether a scalar is a number; a switch is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float | None) -> str:
    """Write a number the short way: `20`, not `20.0`."""
    if value is None or not math.isfinite(value):
        return str(value)
    return str(int(value)) if value == int(value) else str(value)


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
