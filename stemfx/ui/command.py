"""The command line that makes the result which the page plays."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping

from stemfx.session import Request


def command_line(recipe: str, request: Request, settings: Mapping[str, str]) -> str:
    """Return what to type for the same result, quoted as the shell of this system wants it.

    Args:
        recipe: as the user named it.
        request: what the user asked for.
        settings: of knobs, on the page.
    """
    words = ["stemfx", "run", recipe, *_options(request, {**request.settings, **settings})]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _options(request: Request, settings: Mapping[str, str]) -> Iterator[str]:
    for name, file in request.sources.items():
        yield from ("--source", f"{name}={file}" if name else str(file))
    if request.preset:
        yield from ("--preset", request.preset)
    for name, value in settings.items():
        yield from ("--set", f"{name}={value}")
    if request.out_folder is not None:
        yield from ("--out", str(request.out_folder))
    if request.preview_s is not None:
        yield from ("--preview", ":".join(f"{value:g}" for value in request.preview_s))
    for model in request.models:
        yield from ("--model", model)
    if request.quality is not None:
        yield from ("--quality", request.quality)
    if request.device != "auto":
        yield from ("--device", request.device)
    switches = {
        "--offline": request.offline,
        "--fold-down": request.fold_down,
        "--accept-noncommercial": request.accept_noncommercial,
        "--commercial": request.commercial,
    }
    yield from (switch for switch, is_on in switches.items() if is_on)
