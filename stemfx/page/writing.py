"""A page as one file: style, scripts, data and sound in it; or, of much sound, beside it.

The page runs only the scripts that are named by their hash in its own policy, and asks no host for
anything: what a stranger wrote into a recipe is text in it and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from stemfx.io import write_chunks
from stemfx.page.making import Copy, Rendering
from stemfx.shown import json_text

SCRIPTS = (
    *("vendor/wavesurfer.min.js", "vendor/wavesurfer-regions.min.js", "vendor/uplot.min.js"),
    *("decode.js", "loudness.js", "blind.js"),
    *("segments.js", "graph.js", "passes.js", "engine.js"),
    *("dom.js", "sound.js", "heard.js", "control.js", "ruler.js", "lane.js", "lanes.js"),
    *("transport.js", "listen_bar.js", "ab.js", "panels.js", "record.js"),
    *(f"pictures/{name}.js" for name in ("colours", "maths", "said", "parts", "sheet")),
    *(f"pictures/{name}.js" for name in ("chart", "heat", "timeline")),
    "pictures/picture_1_spectrograms.js",
    "pictures/picture_2_loudness.js",
    "pictures/picture_3_stereo.js",
    "pictures/picture_4_reduction.js",
    "pictures/picture_5_masks.js",
    "pictures/picture_6_hits.js",
    "pictures/picture_7_grids.js",
    "pictures/picture_8_receipt.js",
    "keys.js",
)
START = "page.js"
"""Runs last, and starts it all."""

STYLES = ("vendor/uplot.min.css", "page.css", "pictures/pictures.css")


@dataclass(frozen=True)
class Page:
    """A page that was written, and how much sound it has."""

    path: Path
    size_bytes: int
    kbps: int
    n_points: int
    n_heard: int
    sound_folder: Path | None = None


def write_page(path: Path, rendering: Rendering, run_folder: Path | None = None) -> Page:
    """Write a page, and the folder of its sound where that does not fit into it.

    Args:
        path: of the page.
        rendering: what it shows and plays.
        run_folder: where the results lie, if not beside it.

    Raises:
        OutputError: it cannot be written.
    """
    data, copies, folder = dict(rendering.data), rendering.copies, None
    if run_folder is not None:
        data["outputs"] = {
            name: _from(path.parent, run_folder / file) for name, file in data["outputs"].items()
        }
    if data["audio"]["where"] == "beside":
        folder = path.with_name(f"{path.stem}-audio")
        data["audio"] = data["audio"] | {"folder": folder.name}
        _write_beside(folder, copies)
    write_chunks(path, page_chunks(data, {} if folder else copies))
    size = path.stat().st_size
    if folder is not None:
        size += sum(file.stat().st_size for file in folder.iterdir())
    return Page(path, size, data["audio"]["kbps"], len(data["points"]), len(copies), folder)


def page_chunks(
    data: Mapping[str, Any], copies: Mapping[str, Copy], more: Sequence[str] = ()
) -> Iterator[bytes]:
    """Yield a page.

    Args:
        data: what it shows.
        copies: the sound that it carries, by point.
        more: scripts and styles on top of the usual ones.
    """
    styles = [*STYLES, *(name for name in more if name.endswith(".css"))]
    own = [name for name in more if name not in styles]
    scripts = [_read(name) for name in (*SCRIPTS, *own, START)]
    slots = {
        "title": escape(str(data["title"])),
        "policy": escape(page_policy(data["audio"]["where"], scripts)),
        "style": "\n".join(map(_read, styles)),
        "data": json_in_html(data),
        "libraries": json_in_html(libraries()),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    before, _, after = _read("page.html").partition("{{audio}}")
    yield _filled(before, slots)
    for point, copy in copies.items():
        yield f'<script type="text/plain" id="audio-{point}">'.encode()
        yield from _lines(copy)
        yield b"</script>\n"
    yield _filled(after, slots)


def libraries() -> list[dict[str, str]]:
    """Return what the page is made with: package, version, licence (its text, too) and home."""
    return [
        {
            **{name: library[name] for name in ("package", "version", "licence", "home")},
            "text": _read(
                next(
                    f"vendor/{one['file']}" for one in library["files"] if "LICENSE" in one["file"]
                )
            ),
        }
        for library in json.loads(_read("vendor/vendored.json"))
    ]


def _lines(copy: Copy) -> Iterator[bytes]:
    """Yield the pieces of a copy as text, one a line."""
    for number, piece in enumerate(copy.pieces()):
        yield (b"\n" if number else b"") + base64.b64encode(piece)


def _filled(template: str, slots: Mapping[str, str]) -> bytes:
    """Return a template with its slots filled; what is in a slot is not looked at again."""
    parts = re.split(r"\{\{(\w+)\}\}", template)
    return "".join(slots[part] if i % 2 else part for i, part in enumerate(parts)).encode(
        errors="replace"
    )


def page_policy(where: str, scripts: Sequence[str]) -> str:
    """Return what the page may do: run these scripts, and fetch nothing from anywhere else."""
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = [f"'sha256-{digest}'" for digest in hashes]
    allowed += {"beside": ["'self'", "file:"]}.get(where, [])
    connect = "'self'" if where == "served" else "'none'"
    return (
        f"default-src 'none'; script-src {' '.join(allowed)}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def json_in_html(data: Any) -> str:
    """Return data as JSON that cannot end the element that it stands in."""
    return json_text(data).replace("<", "\\u003c")


def _write_beside(folder: Path, copies: Mapping[str, Copy]) -> None:
    """Write the sound as scripts into a folder; those of an earlier page there go.

    Raises:
        OutputError: it cannot be written.
    """
    written = set()
    for point, copy in copies.items():
        path = folder / f"{point}.js"
        lines = (line.replace(b"\n", b"\\n") for line in _lines(copy))
        head = f'stemfx.sound.put("{point}","'.encode()
        write_chunks(path, chain([head], lines, [b'");\n']))
        written.add(path)
    for path in folder.glob("p*.js"):
        if path not in written and re.fullmatch(r"p\d+", path.stem):
            path.unlink(missing_ok=True)


def _from(folder: Path, file: Path) -> str:
    """Return the way from a folder to a file; where there is none, all of its path."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # on another drive
        return file.absolute().as_posix()


def _read(name: str) -> str:
    return files("stemfx.page").joinpath(name).read_text(encoding="utf-8")
