"""Drum stems: which drums are struck when, and how hard."""

from __future__ import annotations

from stemfx.drums.spectral import SpectralClassifier
from stemfx.hits import HitClassifier
from stemfx.hookspecs import hookimpl

DEFAULT_CLASSIFIER = SpectralClassifier.name
"""What tells drums apart unless somebody asks for another."""


@hookimpl
def stemfx_hit_classifiers() -> list[HitClassifier]:
    """Return the ways to tell drums apart that come with stemfx."""
    return [SpectralClassifier()]
