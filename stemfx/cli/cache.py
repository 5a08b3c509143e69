"""`stemfx cache`: shows, limits and clears the store of finished work."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from stemfx.cli import arguments as a
from stemfx.errors import UsageError
from stemfx.shown import size_text

_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def cache(
    limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep it below SIZE, e.g. 10GB.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything in it.")] = False,
    json: a.Json = False,
) -> None:
    """Show the cache, limit its size, or clear it."""
    from stemfx.cli.screen import print_json, print_line
    from stemfx.session import open_cache

    limit_bytes = None if limit is None else parse_size(limit)
    with open_cache() as store:
        freed = store.clear() if clear else 0
        if limit_bytes is not None:
            freed += store.set_limit(limit_bytes)
        entries = store.entries()
        unfinished = store.unfinished_bytes
        used = sum(size for _, size, _ in entries) + unfinished
        facts = {
            "folder": str(store.root.resolve()),
            "entries": len(entries),
            "size_bytes": used,
            "unfinished_bytes": unfinished,
            "limit_bytes": store.limit_bytes,
            "freed_bytes": freed,
        }
    if json:
        print_json({"schema": 1, **facts})
        return
    print_line(
        f"{facts['folder']}: {len(entries)} results, {size_text(used)} of "
        f"{size_text(store.limit_bytes)}"
    )
    if unfinished:
        print_line(f"{size_text(unfinished)} of it are separations that an interrupted run left")
    if freed:
        print_line(f"freed {size_text(freed)}")


def parse_size(text: str) -> int:
    """Read `500MB` or `10 GB`; a bare number is refused, since bytes are hardly ever meant.

    Raises:
        UsageError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])i?b?\s*", text.lower())
    if match is None:
        raise UsageError(f"{text!r} is no size; write e.g. 500MB or 10GB", where="--limit")
    return int(float(match[1]) * _UNITS[match[2]])
