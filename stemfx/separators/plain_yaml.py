"""Read settings that come with a model: data, whatever is in the file."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from stemfx.errors import ModelError

LARGEST_BYTES = 64 << 10  # published settings have 1 to 8 kB; this much takes a second to read
_DEEPEST = 32  # lists and mappings in each other; published ones have four
_LONGEST_NUMBER = 100  # characters; 1:10:10... and 0xffff... would take long to count, or overflow
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_plain(path: Path) -> dict[str, Any]:
    """Read the YAML of a model as numbers, texts, lists and mappings.

    Lists that are written once and meant twice are published, so there may be aliases of a text
    or of a list of texts and numbers, as long as they stand for no more than a file may have.

    Raises:
        ModelError: it is none, too large, or has tags, nested aliases, or too many.
    """
    import yaml

    Loader = _loader()
    try:
        is_small = path.stat().st_size <= LARGEST_BYTES
        # Loader is a SafeLoader with one more tag, which makes a tuple.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader) if is_small else None  # noqa: S506
    except Exception as error:  # a tag on what it is not for raises KeyError, IndexError, ...
        reason = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise ModelError(f"not plain YAML ({reason[:120]})", where=str(path)) from error
    if not is_small:
        raise ModelError("too large for the settings of a model", where=str(path))
    if not isinstance(content, dict):
        raise ModelError("not the settings of a model", where=str(path))
    return {str(key): value for key, value in content.items()}


@cache
def _loader() -> Any:
    """Return yaml's loader of plain values, within bounds."""
    import yaml

    class Loader(yaml.SafeLoader):
        n_meant = 0  # characters that aliases stand for
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            is_alias = self.check_event(yaml.AliasEvent)
            self.depth += 1
            if self.depth > _DEEPEST:
                raise yaml.YAMLError("nested too deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            if is_alias:
                self.count(node)
            elif (
                isinstance(node, yaml.ScalarNode)
                and node.tag in _NUMBERS
                and len(node.value) > _LONGEST_NUMBER
            ):
                raise yaml.YAMLError("a number that is too long")
            return node

        def count(self, node: Any) -> None:
            # Nested or merged, aliases would let a few lines stand for millions. A list that is
            # still being read has no end: it would contain itself.
            items = node.value if isinstance(node, yaml.SequenceNode) else [node]
            is_flat = all(isinstance(item, yaml.ScalarNode) for item in items)
            if not is_flat or node.end_mark is None:
                raise yaml.YAMLError("an alias of more than a plain list")
            self.n_meant += sum(len(item.value) + 1 for item in items)
            if self.n_meant > LARGEST_BYTES:
                raise yaml.YAMLError("aliases of too much")

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple",
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),  # type: ignore[arg-type]
    )
    return Loader


def section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a mapping inside another one; empty where there is none."""
    inner = content.get(name) or {}
    return {str(k): v for k, v in inner.items()} if isinstance(inner, dict) else {}


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxlong = 60

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write an int of more than 4300 digits.
        return super().repr_int(x, level) if x.bit_length() < 1000 else "a very large number"

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - overrides
        # What is a dict or list of another class would be written in full.
        is_short = x is None or isinstance(x, bool | float | Fraction)
        return repr(x) if is_short else f"a {type(x).__name__}"


def shown(value: Any) -> str:
    """Return the start of a value's `repr`, up to 80 characters, for a message.

    The time does not depend on the value: a list that holds another one twice, and that one a
    third one twice, has a `repr` that doubles with each level.
    """
    text = _Short().repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
