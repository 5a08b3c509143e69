"""Files of weights for `stemfx rank`: the one that comes along, and what a user changes of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from stemfx.errors import RecipeError, WeightsError
from stemfx.ranking.faults import PARTS, Weights
from stemfx.recipe.problems import Problems, quote, whole_file
from stemfx.recipe.validate import validated
from stemfx.recipe.wording import given, unknown
from stemfx.recipe.yaml_tree import MAX_BYTES, Kind, Node, Table, parse

SHIPPED = Path(__file__).resolve().parent / "ranking" / "weights.yaml"
_KIND = Kind("weights file", "ranking: 1")


def read_weights(path: Path | None = None) -> Weights:
    """Return the weights that come along, with what a file says instead.

    Args:
        path: a file in the format of the shipped one; it needs only what differs.

    Raises:
        WeightsError: the file cannot be used; carries every problem with `file:line:column`.
    """
    return _read(SHIPPED, None) if path is None else _read(SHIPPED, path)


@cache
def _shipped() -> Table:
    return _parsed(SHIPPED, Problems())


def _read(shipped: Path, path: Path | None) -> Weights:
    problems = Problems()
    try:
        tree = _shipped()
        if path is not None:
            own = _parsed(path, problems)
            tree = _laid_over(tree, own, "", problems)
        problems.settle()
        weights = validated(tree, Weights, "", problems)
        if weights is not None:
            _check_names(weights, tree, problems)
        problems.settle()
    except RecipeError as error:
        raise WeightsError(error.message, where=error.where) from None
    assert weights is not None, shipped  # noqa: S101 - else there was a problem
    return weights


def _parsed(path: Path, problems: Problems) -> Table:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        problems.stop(whole_file(str(path)), f"this file cannot be read ({reason})")
    return parse(data, str(path), 0, problems, _KIND)


def _laid_over(below: Table, above: Table, name: str, problems: Problems) -> Table:
    """Return a table with the values of another in it."""
    entries: dict[str, Node] = dict(below.entries)
    keys = below.keys | above.keys
    for key, node in above.entries.items():
        under = below.entries.get(key)
        inside = f"{name}.{key}" if name else key
        if not name and key not in {"ranking", *PARTS}:
            problems.add(above.keys[key], unknown(key, "a weights file", ["ranking", *PARTS]))
        elif isinstance(under, Table) and isinstance(node, Table):
            entries[key] = _laid_over(under, node, inside, problems)
        elif isinstance(under, Table):
            problems.add(node.mark, f"{inside}: expects a mapping, got {given(node)}")
        else:
            entries[key] = node
    if not name and "ranking" not in above.entries:
        problems.add(above.mark, "`ranking: 1` is missing: the version of the format")
    return Table(above.mark, entries, keys)


def _check_names(weights: Weights, tree: Table, problems: Problems) -> None:
    """Refuse faults of what is not measured."""
    for part, table in PARTS.items():
        faults = tree.entries[part]
        for name, fault in getattr(weights, part).items():
            for measure in fault.names:
                if measure not in table and isinstance(faults, Table):
                    words = unknown(measure, f"the measurements of a {part}", table)
                    problems.add(faults.where(name), f"{part}.{quote(name)}: {words}")
