"""Rendering again when a file of a recipe was saved.

`changes` looks at files and tells when they changed, `files` says which files those are, `words`
what changed in the results.
"""

from stemfx.watching.changes import Watch, look
from stemfx.watching.files import mentioned_files, named_files
from stemfx.watching.words import changes_told

__all__ = ["Watch", "changes_told", "look", "mentioned_files", "named_files"]
