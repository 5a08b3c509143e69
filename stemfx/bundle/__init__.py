"""A recipe with all that it names in one file, `NAME.stemfx`, to send to somebody.

`manifest` says what is in it, `names` and `limits` what may be, `archive` how its bytes lie,
`writing` and `opening` are the two ways through it.
"""

from stemfx.bundle.manifest import Manifest
from stemfx.bundle.opening import SUFFIX, is_bundle, manifest_of, opened_bundle
from stemfx.bundle.writing import write_bundle

__all__ = ["SUFFIX", "Manifest", "is_bundle", "manifest_of", "opened_bundle", "write_bundle"]
