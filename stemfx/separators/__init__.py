"""The built-in separators, found through the same hooks as everyone else's."""

from __future__ import annotations

from pathlib import Path

from stemfx.hookspecs import hookimpl
from stemfx.separator import Separator
from stemfx.separators import demucs, openunmix
from stemfx.separators.embedded import Embedded
from stemfx.separators.weights import models_folder

__all__ = ["models_folder", "stemfx_open_model", "stemfx_separators"]


@hookimpl
def stemfx_separators() -> list[Separator]:
    """Return the embedded model and the published models of Demucs and Open-Unmix."""
    return [Embedded(), *demucs.published(), *openunmix.published()]


@hookimpl
def stemfx_open_model(path: Path) -> Separator | None:
    """Open a file or a folder of weights of any family that is built in."""
    return demucs.open_model(path) or openunmix.open_model(path)
