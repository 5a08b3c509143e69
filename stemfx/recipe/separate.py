"""`separate`: which models split the sources, with how much work, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stemfx.recipe.document import Combine, MemberShape, SeparateShape
from stemfx.recipe.model import Member, Separate
from stemfx.recipe.problems import Problems, quote
from stemfx.recipe.validate import section
from stemfx.recipe.yaml_tree import Items, Table
from stemfx.separator import EFFORTS, Effort

MOST_MODELS = 8  # each costs its time and its stems' space


def read_separate(table: Table, problems: Problems) -> Separate:
    """Return the section; its defaults where it is missing or faulty."""
    shape = section(table, SeparateShape, "separate", problems) or SeparateShape()
    listed = shape.model if isinstance(shape.model, list) else [shape.model]
    node = table.get("model")
    marks = [entry.mark for entry in node.nodes] if isinstance(node, Items) else []
    places = [str(mark) for mark in marks] or [str(table.where("model"))]
    members = tuple(
        _member(entry, where) for entry, where in zip(listed, places, strict=False)
    ) or (Member("auto", str(table.mark)),)
    _check(members, len(listed), shape.combine, table, problems)
    numbers = {"overlap": shape.overlap, "shifts": shape.shifts, "segment_s": shape.segment_s}
    effort, asked = effort_of(shape.quality, numbers)
    return Separate(
        members, str(table.mark), shape.residual, shape.combine, shape.mask, effort, asked
    )


def effort_of(quality: str, numbers: Mapping[str, Any]) -> tuple[Effort, frozenset[str]]:
    """Return the effort of a quality with the numbers that are given, and the names of those."""
    given = {name: value for name, value in numbers.items() if value is not None}
    return replace(EFFORTS[quality], **given), frozenset(given)


def _member(entry: str | MemberShape, where: str) -> Member:
    if isinstance(entry, str):
        return Member(entry, where)
    if isinstance(entry.weight, float):
        return Member(entry.model, where, entry.weight)
    return Member(entry.model, where, weights=entry.weight)


def _check(
    members: tuple[Member, ...], n_listed: int, combine: Combine, table: Table, problems: Problems
) -> None:
    mark = table.where("model")
    if not 1 <= n_listed <= MOST_MODELS:
        problems.add(mark, f"separate.model: expects 1 to {MOST_MODELS} models, got {n_listed}")
    names = [member.model for member in members]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(mark, f"separate.model: {quote(name)} is listed twice; give it a `weight`")
    if not any(member.weight or any(member.weights.values()) for member in members):
        problems.add(mark, "separate.model: every weight is 0; one model at least has to count")
    weights = {w for m in members for w in (m.weight, *m.weights.values())}
    if combine != "average" and weights - {0.0, 1.0}:
        problems.add(
            table.where("combine"),
            f"separate.combine: {combine} takes weights of 0 or 1 only; weigh with `average`",
        )
