"""Rendering again when a file of a recipe was saved.

`changes` looks at files and tells when they changed, `files` says which files those are,
`renderer` renders what they say, `words` tells what changed in the results.
"""

from stemfx.watching.changes import Watch, look
from stemfx.watching.files import mentioned_files, named_files
from stemfx.watching.renderer import OutdatedError, Renderer, recipe_to_edit
from stemfx.watching.words import changes_told

__all__ = [
    "OutdatedError",
    "Renderer",
    "Watch",
    "changes_told",
    "look",
    "mentioned_files",
    "named_files",
    "recipe_to_edit",
]
