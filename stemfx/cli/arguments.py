"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfx.cli import completion
from stemfx.clock import parse_time
from stemfx.errors import UsageError

if TYPE_CHECKING:
    from stemfx.session import Request

Recipe = Annotated[
    str,
    typer.Argument(
        help="A recipe file, or the name of a recipe.", autocompletion=completion.recipes
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME=FILE",
        help="Use FILE for a source of the recipe; FILE alone if it has only one.",
        autocompletion=completion.sources,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Turn a knob of the recipe.",
        autocompletion=completion.settings,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Turn the knobs as a preset of the recipe says.",
        autocompletion=completion.presets,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the results; default: the recipe's folder."),
]
Preview = Annotated[
    str | None,
    typer.Option(metavar="[START:]SECONDS", help="Render only a part, e.g. 20 or 1:30:20."),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        help="Separation model: a name, a path, or auto. Give it more than once to combine "
        "several.",
        autocompletion=completion.models,
    ),
]
Device = Annotated[
    str,
    typer.Option(help="Where networks compute: auto (a CUDA card or the CPU), cpu, cuda:N, mps."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never open a connection.")]
AcceptNoncommercial = Annotated[
    bool,
    typer.Option(
        "--accept-noncommercial",
        envvar="STEMFX_ACCEPT_NONCOMMERCIAL",
        help="Use weights that are licensed for non-commercial use only.",
    ),
]
Commercial = Annotated[
    bool,
    typer.Option(
        "--commercial",
        help="Refuse what you may not sell: models, kits, plugins and sounds whose licence is "
        "non-commercial or not stated.",
    ),
]


class QualityName(StrEnum):
    """How much time a separation may take."""

    DRAFT = "draft"
    NORMAL = "normal"
    BEST = "best"


Quality = Annotated[QualityName | None, typer.Option(help="How much time a separation may take.")]
Jobs = Annotated[int | None, typer.Option(min=1, max=64, help="Steps at a time.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep earlier work.")]
FoldDown = Annotated[
    bool, typer.Option("--fold-down", help="Fold surround sources to stereo (ITU-R BS.775).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def request_from(
    *,
    source: list[str] | None = None,
    preset: str | None = None,
    set_: list[str] | None = None,
    out: Path | None = None,
    preview: str | None = None,
    model: list[str] | None,
    quality: QualityName | None,
    device: str,
    offline: bool,
    fold_down: bool = False,
    accept_noncommercial: bool,
    commercial: bool = False,
) -> Request:
    """Read the options that commands share which separate songs or run recipes.

    Raises:
        UsageError: one of them cannot be used.
    """
    from stemfx.cli.screen import fetch_bar
    from stemfx.session import Request

    return Request(
        settings=parse_pairs(set_, "--set"),
        preset=preset_name(preset),
        sources=parse_sources(source),
        out_folder=None if out is None else user_path(out, "--out"),
        preview_s=parse_preview(preview),
        models=tuple(name_or_path(name, "--model") for name in model or ()),
        quality=quality and quality.value,
        device=device_name(device),
        offline=offline,
        fold_down=fold_down,
        accept_noncommercial=accept_noncommercial,
        commercial=commercial,
        on_fetch=fetch_bar,
    )


def preset_name(text: str | None) -> str:
    """Return the name of a preset, or nothing where none is asked for.

    Raises:
        UsageError: an empty name, as `--preset "$EMPTY"` gives it.
    """
    if text == "":
        raise UsageError("a name is needed here; `stemfx recipes` lists presets", where="--preset")
    return text or ""


def device_name(text: str) -> str:
    """Return the name of a device of torch, or `auto`.

    Raises:
        UsageError: it is none; whether this machine has it is for torch to say.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,2})?", text):
        raise UsageError(
            f"{text!r} is no device; auto, cpu, cuda, cuda:N and mps are", where="--device"
        )
    return text


def user_path(text: str | Path, where: str) -> Path:
    """Return the path that the user typed, with `~` and `~name` of a known user expanded.

    A file may well be named `~x`: where there is no such user the path is made absolute, so that
    nobody takes its `~` for a home again. Whether it exists is for others to say.

    Raises:
        UsageError: the system takes no such path (too long, a loop of links, no access).
    """
    named = os.path.expanduser(text)  # noqa: PTH111 - unlike Path.expanduser it never raises
    path = Path.cwd() / named if named.startswith("~") else Path(named)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        shown = named if len(named) <= 100 else f"{named[:60]}... ({len(named)} characters)"
        raise UsageError(f"{shown!r} cannot be used: {reason}", where=where) from None
    return path


def audio_paths(named: Iterable[Path]) -> Iterator[Path]:
    """Yield the files, and those in the folders, in the order of their names.

    A folder without audio comes as it is: it is for others to say what is wrong with it.
    """
    from stemfx.io import AUDIO_SUFFIXES

    for name in named:
        path = user_path(name, "FILE")
        inside = sorted(path.iterdir()) if path.is_dir() else []
        audio = [
            one
            for one in inside
            if one.suffix.lower() in AUDIO_SUFFIXES
            and one.is_file()
            and not one.name.startswith(".")
        ]
        yield from audio or [path]


def name_or_path(text: str, where: str) -> str:
    """Return a text that is a known name or a path, as it is or with its `~` expanded.

    Raises:
        UsageError: as for `user_path`.
    """
    path = user_path(text, where)
    return str(path) if text.startswith("~") else text


def parse_pairs(pairs: list[str] | None, option: str) -> dict[str, str]:
    """Split `NAME=VALUE` texts.

    Raises:
        UsageError: one has no `=`, or a name comes twice.
    """
    parsed: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{pair!r} is not NAME=VALUE", where=option)
        if name in parsed:
            raise UsageError(f"{name!r} is given twice", where=option)
        parsed[name] = value
    return parsed


def parse_sources(pairs: list[str] | None) -> dict[str, Path]:
    """Split `NAME=FILE` texts; a bare FILE gets the name "", the recipe's only source.

    Raises:
        UsageError: two come without a name, a name comes twice, or a path cannot be used.
    """
    bare = [pair for pair in pairs or () if "=" not in pair or _is_file(pair)]
    if len(bare) > 1:
        raise UsageError("only one FILE may come without its NAME=", where="--source")
    named = parse_pairs([pair for pair in pairs or () if pair not in bare], "--source")
    files = named | ({"": bare[0]} if bare else {})
    return {name: user_path(file, "--source") for name, file in files.items()}


def _is_file(text: str) -> bool:
    named = os.path.expanduser(text)  # noqa: PTH111 - never raises
    return os.path.isfile(named)  # noqa: PTH113 - nor does this, however long the name


def parse_preview(text: str | None) -> tuple[float, float] | None:
    """Read `20`, `90:20` or `1:30:20` as (start, length) in seconds.

    Raises:
        UsageError: it is none of these, or the length is not above zero.
    """
    if text is None:
        return None
    start, _, length = text.rpartition(":")
    try:
        window = float(parse_time(start) if start else 0.0), float(length)
    except (ValueError, TypeError):
        window = (-1.0, -1.0)
    if window[0] < 0 or not 0 < window[1] < 1e6:
        raise UsageError(
            f"{text!r} is no length in seconds, nor START:SECONDS; e.g. 20, or 1:30:20 for 20 s "
            "from 1:30",
            where="--preview",
        )
    return window
