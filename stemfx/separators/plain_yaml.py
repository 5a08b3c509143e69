"""Read settings that come with a model: data, whatever is in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemfx.errors import ModelError

LARGEST_BYTES = 256 << 10  # published settings have 1 to 8 kB


def read_plain(path: Path) -> dict[str, Any]:
    """Read the YAML of a model as numbers, texts, lists and mappings.

    Raises:
        ModelError: it is none, too large, or has tags or nested aliases.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            is_alias = self.check_event(yaml.AliasEvent)
            node = super().compose_node(parent, index)
            # Lists that are written once and meant twice are published; nested or merged they
            # would let a few lines stand for millions.
            items = node.value if isinstance(node, yaml.SequenceNode) else [node]
            if is_alias and not all(isinstance(item, yaml.ScalarNode) for item in items):
                raise yaml.YAMLError("an alias of more than a plain list")
            return node

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple",
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),  # type: ignore[arg-type]
    )
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelError("too large for the settings of a model", where=str(path))
        # Loader is a SafeLoader with one more tag, which makes a tuple.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = str(getattr(error, "problem", None) or error).partition("\n")[0]
        raise ModelError(f"not plain YAML ({reason[:120]})", where=str(path)) from error
    if not isinstance(content, dict):
        raise ModelError("not the settings of a model", where=str(path))
    return {str(key): value for key, value in content.items()}


def section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a mapping inside another one; empty where there is none."""
    inner = content.get(name) or {}
    return {str(k): v for k, v in inner.items()} if isinstance(inner, dict) else {}
