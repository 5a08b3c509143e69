"""The built-in separators, found through the same hooks as everyone else's."""

from __future__ import annotations

from pathlib import Path

from stemfx.hookspecs import hookimpl
from stemfx.separator import Separator
from stemfx.separators import demucs
from stemfx.separators.embedded import Embedded
from stemfx.separators.weights import models_folder

__all__ = ["models_folder", "stemfx_open_model", "stemfx_separators"]


@hookimpl
def stemfx_separators() -> list[Separator]:
    """Return the embedded model and the published Demucs models."""
    return [Embedded(), *demucs.published()]


@hookimpl
def stemfx_open_model(path: Path) -> Separator | None:
    """Open a Demucs model: a `.safetensors`, a `.th`, or a folder with one of them or a bag."""
    return demucs.open_model(path)
