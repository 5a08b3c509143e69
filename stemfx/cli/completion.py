"""What the shell offers at the Tab key: recipes, stages, models, knobs, presets, songs.

A completion answers in a blink, so a recipe is only glanced at, without the libraries that read it.
It never fails and never prints. What it offers goes to a shell, and zsh evaluates even the
explanations; recipes and file names may come from anybody. So both are made of harmless letters
only, and what has others is not offered.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import typer

Offers: TypeAlias = list[tuple[str, str]]
"""Each word with its explanation, which zsh, fish and PowerShell show."""

Completer: TypeAlias = Callable[[typer.Context, str], Offers]

RECIPE_SUFFIXES = (".yaml", ".yml", ".stemfx")
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff"})
"""The usual ones of `stemfx.io.AUDIO_SUFFIXES`, which takes too long to import."""

_MOST_FILES = 2000
_HARMLESS = re.compile(r"[\w.,/+@%=-]+", re.ASCII)
_HARMFUL = re.compile(r"[^\w.,/+%=-]+", re.ASCII)


def _quiet(find: Callable[[typer.Context, str], Iterator[tuple[str, str]]]) -> Completer:
    """Return a completer that offers what fits, and nothing where anything goes wrong."""

    @wraps(find)
    def complete(ctx: typer.Context, incomplete: str) -> Offers:
        nowhere = io.StringIO()
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                found = list(find(ctx, incomplete))
        except Exception:  # noqa: BLE001 - there is nobody to tell
            return []
        return [
            (word, _HARMFUL.sub(" ", about)[:120].strip())
            for word, about in found
            if word.startswith(incomplete) and _HARMLESS.fullmatch(word)
        ]

    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str, "return": Offers}
    return complete


@_quiet
def recipes(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer the recipes that have names and those here; elsewhere the shell knows its way."""
    if "/" in incomplete:
        return
    from stemfx.cli.glance import title_of
    from stemfx.shipped import named_recipes

    yield from ((name, title_of(path)) for name, path in named_recipes().items())
    for name in _files(Path()):
        if name.lower().endswith(RECIPE_SUFFIXES):
            yield name, ""


@_quiet
def settings(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer every knob of the recipe that was typed, at its default, ready to be edited."""
    for name, knob in _glanced(ctx)["params"].items():
        told = knob if isinstance(knob, Mapping) else {"default": knob}
        span = " to ".join(str(told[end]) for end in ("min", "max") if told.get(end))
        about = (str(told.get("help") or ""), span, str(told.get("unit") or ""))
        yield f"{name}={told.get('default', '')}", " ".join(filter(None, about))


@_quiet
def presets(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer every preset of the recipe that was typed."""
    for name, values in _glanced(ctx)["presets"].items():
        told = values if isinstance(values, Mapping) else {}
        yield name, ", ".join(f"{knob}={value}" for knob, value in told.items())


@_quiet
def sources(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer every source of the recipe that was typed, with the audio files here or where typed."""
    folder, _, _ = incomplete.partition("=")[2].rpartition("/")
    start = f"{folder}/" if folder else ""
    audio = [f for f in _files(Path(folder)) if os.path.splitext(f)[1].lower() in AUDIO_SUFFIXES]  # noqa: PTH122
    for name in _glanced(ctx)["sources"]:
        yield from ((f"{name}={start}{file}", "") for file in audio)
        if not audio:
            yield f"{name}=", "a song"


@_quiet
def stages(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer every installed stage."""
    yield from _installed("stages")


@_quiet
def models(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer every known separation model."""
    yield "auto", "the best whose weights are here or can be fetched"
    yield from _installed("models")


@_quiet
def known_models(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """Offer every known separation model, where `auto` is none."""
    yield from _installed("models")


def _installed(kind: str) -> Iterator[tuple[str, str]]:
    from stemfx.cli.installed_names import installed_names

    yield from installed_names()[kind].items()


def _files(folder: Path) -> Iterator[str]:
    """Yield the names of the files in a folder, in order, but for hidden ones."""
    with os.scandir(folder.expanduser()) as entries:
        names = [entry.name for entry, _ in zip(entries, range(_MOST_FILES), strict=False)]
    yield from sorted(name for name in names if not name.startswith("."))


def _glanced(ctx: typer.Context) -> Mapping[str, Mapping[str, Any]]:
    from stemfx.cli.glance import glance
    from stemfx.shipped import named_recipes

    # An option that still waits for its value leaves the arguments unread.
    named = str(ctx.params.get("recipe") or ctx.args[0])
    path = Path(named).expanduser()
    return glance(path if path.is_file() else named_recipes()[named])
