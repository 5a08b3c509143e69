"""`checks`: limits that the result has to keep, or the run fails or warns."""

from __future__ import annotations

from typing import Any

from stemfx.dsp.targets import TARGETS, TargetName
from stemfx.health.check_kinds import KINDS, OF_STEMS, OTHER_WORDS
from stemfx.health.checks import Check
from stemfx.recipe.check_shapes import ChecksShape, LimitShape
from stemfx.recipe.problems import Problems, quote
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Leaf, Node, Table

TARGET = "target"


def read_checks(node: Node | None, problems: Problems, *, has_master: bool) -> tuple[Check, ...]:
    """Return the checks, in the recipe's order; none where nothing asks for any.

    Args:
        node: what the recipe says.
        problems: takes the faults.
        has_master: the recipe writes a master, or means to.
    """
    if node is None or (isinstance(node, Leaf) and (node.is_null or node.broken)):
        return ()
    if not isinstance(node, Table):
        message = f"expects a mapping such as {{lufs: [-14.5, -13.5]}}, got {given(node)}"
        problems.add(node.mark, f"checks: {message}")
        return ()
    known = _with_known_words(node, problems)
    shape = section(known, ChecksShape, "checks", problems)
    if shape is None:
        return ()
    found = _found(shape, known)
    if all(node.get(name) is None for name in node.entries):
        problems.add(node.mark, "checks: none is named, such as lufs: [-14.5, -13.5]")
    if not has_master:
        _refuse_those_of_master(found, node, problems)
    return tuple(found.values())


def _found(shape: ChecksShape, table: Table) -> dict[str, Check]:
    """Return the checks by name: those of the target, unless named beside it, then the others."""
    target = shape.target
    found = {} if target is None else _of_target(target, str(table.where(TARGET)))
    for name in table.entries:
        value = getattr(shape, name) if name in KINDS else None
        if value is False:
            found.pop(name, None)
        elif value is not None:
            found[name] = _check(name, value, str(table.where(name)))
    return found


def _with_known_words(table: Table, problems: Problems) -> Table:
    """Return the table without other programs' words for a check, having told ours."""
    for word in table.entries:
        if word in OTHER_WORDS:
            told = f"{quote(word)} is called {quote(OTHER_WORDS[word])} here"
            problems.add(table.keys[word], f"checks: {told}")
    return table.without(*OTHER_WORDS)


def _of_target(name: TargetName, where: str) -> dict[str, Check]:
    target = TARGETS[name]
    return {
        "lufs": _check("lufs", target.lufs, where),
        "true_peak_dbtp": _check("true_peak_dbtp", target.ceiling_dbtp, where),
    }


def _check(name: str, value: Any, where: str) -> Check:
    if isinstance(value, LimitShape):
        low, high = getattr(value, "min", None), getattr(value, "max", None)
        return Check(name, low, high, value.level, where)
    if isinstance(value, list):
        return Check(name, value[0], value[1], where=where)
    kind = KINDS[name]
    if kind.direction == "about":
        return Check(name, value - kind.about, value + kind.about, where=where)
    is_most = kind.direction == "at most"
    return Check(name, None if is_most else value, value if is_most else None, where=where)


def _refuse_those_of_master(found: dict[str, Check], table: Table, problems: Problems) -> None:
    for name in found:
        if name not in OF_STEMS:
            told = "is about the master, and `output` writes none; add `master: song.wav` to it"
            where = table.where(name) if name in table.entries else table.where(TARGET)
            problems.add(where, f"checks.{name} {told}, or take the check out")
