"""Changes single values in a recipe's text and leaves every other character as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import yaml

from stemfx.errors import RecipeError
from stemfx.recipe.model import KnobValue
from stemfx.recipe.problems import Problems
from stemfx.recipe.yaml_tree import Table, parse, plain, resolve

Path: TypeAlias = tuple[str, ...]
"""The keys on the way to a value, the outermost first."""

_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_SWITCHES_ELSEWHERE = {"y", "n", "yes", "no", "on", "off"}
"""What other programs that read YAML may take for true or false."""

_COLON = re.compile(r"[ \t]*:")


class EditError(ValueError):
    """A text in which a value cannot be changed by itself."""


def edited(data: bytes, changes: Mapping[Path, KnobValue]) -> bytes:
    """Return a recipe with some values changed or added, read back to make sure.

    Args:
        data: the recipe as a sound file holds it.
        changes: the new value by its path, e.g. `("sources", "song", "file")`. What is missing on
            the way is added; a value that is in the way, unless it is empty, is replaced.

    Raises:
        EditError: the text is written so that a change would reach something else.
    """
    text = data.decode("utf-8-sig")
    wanted = cast("dict[str, Any]", plain(tree_of(data)))
    for path, value in changes.items():
        text = _changed(text, path, value)
        _put(wanted, path, value)
    after = text.encode()
    try:
        is_right = plain(tree_of(after)) == wanted
    except RecipeError:
        is_right = False
    if not is_right:
        raise EditError
    return after


def tree_of(data: bytes) -> Table:
    """Return the tree of one recipe by itself, without what it extends.

    Raises:
        RecipeError: it cannot be read.
    """
    problems = Problems()
    tree = parse(data, "recipe", 0, problems)
    problems.settle()
    return tree


def _put(tree: dict[str, Any], path: Path, value: KnobValue) -> None:
    name, *rest = path
    if not rest:
        tree[name] = value
        return
    if not isinstance(tree.get(name), dict):
        tree[name] = {}
    _put(tree[name], tuple(rest), value)


def _changed(text: str, path: Path, value: KnobValue) -> str:
    # The strict reader has held it to its bounds; this one tells where a value ends.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    node: Any = yaml.compose(text, Loader=loader)
    for depth, name in enumerate(path):
        found = next((pair for pair in node.value if pair[0].value == name), None)
        rest = path[depth + 1 :]
        if found is None:
            return _with_entry(text, node, name, _flow(rest, value), is_root=depth == 0)
        key, node = found
        if rest and isinstance(node, yaml.MappingNode):
            continue
        start, end = node.start_mark.index, node.end_mark.index
        if start == end:  # nothing is written there
            colon = _COLON.match(text, key.end_mark.index)
            start = end = colon.end() if colon else key.end_mark.index
            written = (" " if colon else ": ") + _flow(rest, value)
            return text[:start] + written + _moved_up(text[end:], len(written))
        return text[:start] + _flow(rest, value) + text[end:]
    raise EditError


def _with_entry(text: str, node: Any, name: str, written: str, *, is_root: bool) -> str:
    """Return the text with one more entry at the top of a mapping; a section goes to the end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    entry = f"{scalar(name)}: {written}"
    if is_root and not node.flow_style:
        return f"{text.rstrip()}{newline}{newline}{entry}{newline}"
    if not node.value:
        start = node.start_mark.index + 1
        return f"{text[:start]}{entry}{text[start:]}"
    first = node.value[0][0].start_mark
    separator = ", " if node.flow_style else newline + " " * first.column
    return f"{text[: first.index]}{entry}{separator}{text[first.index :]}"


def _moved_up(rest: str, n_columns: int) -> str:
    """Let a comment at the end of a line keep its column where there is room for that."""
    room = len(rest) - len(rest.lstrip(" ")) - 1
    is_comment = rest.lstrip(" ").startswith("#")
    return rest[min(n_columns, max(room, 0)) :] if is_comment else rest


def _flow(path: Path, value: KnobValue) -> str:
    """Write a value within mappings, all on one line.

    >>> _flow(("stems", "drums"), "a b.wav")
    "{stems: {drums: 'a b.wav'}}"
    """
    if not path:
        return scalar(value)
    return f"{{{scalar(path[0])}: {_flow(path[1:], value)}}}"


def scalar(value: KnobValue) -> str:
    """Write a value so that it reads the same wherever it stands.

    >>> [scalar(value) for value in (True, -9, 0.5, "song.wav", "it's", "no")]
    ['true', '-9', '0.5', 'song.wav', "'it''s'", "'no'"]
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    is_clear = value.casefold() not in _SWITCHES_ELSEWHERE and resolve(value) == value
    if is_clear and _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    return "'" + value.replace("'", "''") + "'"
