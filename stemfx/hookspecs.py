"""The hooks of stemfx. Each returns a list (or one thing), so it can be tested without a host.

A plugin is a module with some of these functions, marked `@stemfx.hookspecs.hookimpl`, named by an
entry point of the group `stemfx`. Hooks say what exists; the recipe says what runs, and when.
"""

from __future__ import annotations

from pathlib import Path

import pluggy

from stemfx.beat_tracker import BeatTracker
from stemfx.hits import HitClassifier
from stemfx.kit import Kit
from stemfx.separator import Separator
from stemfx.stage import Stage

PROJECT = "stemfx"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def stemfx_stages() -> list[Stage]:
    """Return the stages that this plugin adds."""
    raise NotImplementedError


@hookspec
def stemfx_separators() -> list[Separator]:
    """Return the models that this plugin knows by name, whether their weights are here or not."""
    raise NotImplementedError


@hookspec(firstresult=True)
def stemfx_open_model(path: Path) -> Separator | None:
    """Return a separator for a model file or folder of the user's, or None when it is not yours.

    Never run code from it: no plain pickle, no classes that it names.
    """
    raise NotImplementedError


@hookspec
def stemfx_kits() -> list[Kit]:
    """Return the drum kits that this plugin adds."""
    raise NotImplementedError


@hookspec
def stemfx_hit_classifiers() -> list[HitClassifier]:
    """Return the ways to tell which drum was struck that this plugin adds."""
    raise NotImplementedError


@hookspec
def stemfx_beat_trackers() -> list[BeatTracker]:
    """Return the beat trackers that this plugin adds."""
    raise NotImplementedError
