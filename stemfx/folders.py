"""Where stemfx keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of the cache: `$STEMFX_CACHE`, else the system's place for caches."""
    import platformdirs

    named = os.environ.get("STEMFX_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("stemfx")
