"""Where the recipes are that go by a name: those that come with stemfx, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def recipes_folder() -> Path:
    """Return the folder of the shipped recipes: in the wheel, or beside a checkout's package."""
    installed = _PACKAGE / "shipped_recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return the shipped recipes by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.yaml"))}


OWN_SUFFIXES = (".yaml", ".stemfx")
"""Of the user's recipes; where both have one name, the first goes by it."""


def own_recipes_folder() -> Path:
    """Return the folder of the user's own recipes: `$STEMFX_RECIPES`, else the system's place."""
    import platformdirs

    named = os.environ.get("STEMFX_RECIPES")
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))  # noqa: PTH100, PTH111 - never raise
    return platformdirs.user_data_path("stemfx") / "recipes"


def named_recipes() -> dict[str, Path]:
    """Return every recipe that goes by a name; where two do, the user's own."""
    return shipped_recipes() | own_recipes()


def own_recipes() -> dict[str, Path]:
    """Return the user's own recipes and bundles by name; none where their folder cannot be read."""
    try:
        files = sorted(own_recipes_folder().iterdir())
    except OSError:
        return {}
    found = {
        path.stem: path
        for suffix in reversed(OWN_SUFFIXES)
        for path in files
        if path.suffix == suffix and not path.name.startswith(".") and os.path.isfile(path)  # noqa: PTH113
    }
    return dict(sorted(found.items()))
