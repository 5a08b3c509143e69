"""The built-in separators, found through the same hooks as everyone else's."""

from __future__ import annotations

from pathlib import Path

from stemfx.hookspecs import hookimpl
from stemfx.separator import Separator
from stemfx.separators import (
    bsrnn,
    bsrnn_published,
    demucs,
    openunmix,
    pymss,
    pymss_published,
)
from stemfx.separators.embedded import Embedded
from stemfx.separators.weights import models_folder

__all__ = ["models_folder", "stemfx_open_model", "stemfx_separators"]


@hookimpl
def stemfx_separators() -> list[Separator]:
    """Return the embedded model and the published ones of each family."""
    return [
        Embedded(),
        *demucs.published(),
        *openunmix.published(),
        *pymss_published.published(),
        bsrnn_published.PublishedBsrnn(),
    ]


@hookimpl
def stemfx_open_model(path: Path) -> Separator | None:
    """Open a model of the first family that knows it by what is in it or beside it.

    Demucs comes last: it takes any `.th`, and a folder with one YAML for a bag.
    """
    return (
        bsrnn.open_model(path)
        or openunmix.open_model(path)
        or pymss.open_model(path)
        or demucs.open_model(path)
    )
