"""The pages that are served: of a result, and what stands there before there is one."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from stemfx.page.making import Copy, LiveCopy, Rendering
from stemfx.page.writing import json_in_html, page_chunks, page_policy

LIVE = ("live.css", "live.js")
"""What a page has on top while it is served."""

_EMPTY = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body class="plain">
<header><h1>{title}</h1></header>
<main id="main"></main>
<div id="said" role="status"></div>
<script type="application/json" id="stemfx-data">{data}</script>
<script>{elements}</script>
<script>{live}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class ServedPage:
    """A page as a browser gets it: `data` is what its scripts read, `html` all of it."""

    data: Mapping[str, Any]
    html: bytes
    copies: Mapping[str, Copy | LiveCopy] = field(default_factory=dict)

    def audio(self, point: str, segment: int) -> bytes | None:
        """Return a segment of a point's listening copy, if it is there; from any thread."""
        copy = self.copies.get(point)
        try:
            return None if copy is None else copy.piece(segment)
        except OSError:  # the cache was cleared meanwhile
            return None


def audio_folder(version: int) -> str:
    """Return where the sound of a rendering is served, from the page's address on."""
    return f"audio/{version}"


def empty_page(title: str) -> ServedPage:
    """Return the page of a recipe before there is a result: version 0.

    Args:
        title: as anybody may have written it.
    """
    audio = {"where": "served", "folder": audio_folder(0)}
    data: dict[str, Any] = {"title": title, "params": [], "points": [], "audio": audio}
    style, live, elements = (
        files("stemfx.page").joinpath(name).read_text(encoding="utf-8")
        for name in (*LIVE, "dom.js")
    )
    page = _EMPTY.format(
        policy=html.escape(page_policy("served", [elements, live])),
        title=html.escape(title),
        style=style,
        data=json_in_html(data),
        elements=elements,
        live=live,
    )
    return ServedPage(data, page.encode(errors="replace"))


def page_of(rendering: Rendering, version: int) -> ServedPage:
    """Return the page of a result; it links to no file, as no file is served."""
    audio = {**rendering.data["audio"], "folder": audio_folder(version)}
    data = {**rendering.data, "audio": audio, "outputs": {}}
    copies: dict[str, Copy | LiveCopy] = {**rendering.copies, **rendering.live}
    return ServedPage(data, b"".join(page_chunks(data, {}, LIVE)), copies)
