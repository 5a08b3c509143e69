"""The recipe language: `read_recipe` turns a file into a `Recipe`, or into every problem at once.

`yaml_tree` reads located values, `inherit` follows `extends`, `knobs` puts `${name}` in place,
`validate` holds each section against its shape in `document`, and the readers of `sources`,
`tracks`, `stage_calls` and `output` make the value types of `model`.
"""

from stemfx.recipe.model import (
    Knob,
    MasterFile,
    Member,
    Output,
    Recipe,
    Separate,
    SessionFile,
    Source,
    StageCall,
    Track,
)
from stemfx.recipe.reader import read_recipe

__all__ = [
    "Knob",
    "MasterFile",
    "Member",
    "Output",
    "Recipe",
    "Separate",
    "SessionFile",
    "Source",
    "StageCall",
    "Track",
    "read_recipe",
]
