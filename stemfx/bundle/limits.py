"""How large a bundle may be. What `stemfx pack` writes is held to the same as what is read."""

from __future__ import annotations

MAX_MANIFEST_BYTES = 4 << 20
"""Of `stemfx.json`: what `MAX_FILES` files with long names take."""

MAX_KEYS = 60_000
"""Of all objects in the manifest: four of each file, and those of what is needed."""

MAX_FILES = 12_000
"""The largest kits have about 7000 samples, and `stemfx.kit_files` reads up to 10,000."""

MAX_FILE_BYTES = 2 << 30
"""Of one file: a model of the largest kind has about 1 GiB, an hour of 24-bit stereo as well."""

MAX_BUNDLE_BYTES = 4_000_000_000
"""Of all: what the plain zip format holds, without its 64-bit extension."""

MAX_PATH_BYTES = 200
"""Of a name with its folders, in UTF-8: Windows takes 260 characters, the place included."""

MAX_DEPTH = 8
"""Folders and name."""

MAX_NEEDS = 1_000
"""Plugins, models, kits or sources that a manifest lists."""

MAX_TEXT = 10_000
"""Characters of one text: those of a recipe."""
