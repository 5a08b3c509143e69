"""A page with the knobs and the state of the work and nothing else: before there is a result."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from stemfx.recipe import Recipe
from stemfx.shown import json_text
from stemfx.ui.guard import audio_folder

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body class="plain">
<header class="top"><h1>{title}</h1></header>
<main id="main"></main>
<script type="application/json" id="stemfx-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class PlainPage:
    """A `Rendering` without sound."""

    data: Mapping[str, Any]
    html: bytes
    policy: str

    def audio(self, point: str, segment: int) -> None:
        """Return nothing: there is no sound yet."""


def plain_page(title: str, params: Sequence[Mapping[str, Any]] = (), version: int = 0) -> PlainPage:
    """Return a page of a recipe.

    Args:
        title: as anybody may have written it.
        params: the recipe's knobs; see `knobs_json`.
        version: of the rendering that it is of; 0 where there is none yet.
    """
    audio = {"where": "served", "folder": audio_folder(version)}
    data = {"format": 1, "title": title, "params": list(params), "points": [], "audio": audio}
    script = _file("live.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _PAGE.format(
        title=html.escape(title),
        style=_file("live.css"),
        data=json_text(data).replace("<", "\\u003c"),
        script=script,
    )
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    return PlainPage(data, page.encode(), policy)


def knobs_json(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the knobs of a recipe as the page reads them: `params` of its data."""
    return [
        {
            "name": name,
            "value": recipe.values[name],
            "default": knob.default,
            "min": knob.min,
            "max": knob.max,
            "unit": knob.unit,
            "help": knob.help,
        }
        for name, knob in recipe.knobs.items()
    ]


def _file(name: str) -> str:
    return (files("stemfx.page") / name).read_text(encoding="utf-8")
