"""Built-in drum kits, offered through the same hook as everybody's."""

from __future__ import annotations

from stemfx.hookspecs import hookimpl
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit


@hookimpl
def stemfx_kits() -> list[Kit]:
    """Return the kits that come with stemfx."""
    return [SynthKit()]
