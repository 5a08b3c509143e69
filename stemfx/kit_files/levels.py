"""Velocity layers by measured level, where names are only numbered."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stemfx.kit_files.decode import decode_take, power
from stemfx.kit_files.parts import Drum, Source, Take, even_layers

STEP_DB = 3.0
"""Takes at one velocity differ by less; a step between layers is larger."""


def sort_by_sound(sources: Sequence[Source]) -> list[Drum]:
    """Return the drum that numbered samples make: equally loud ones are takes of one layer."""
    levels = [(_level_db(source), i) for i, source in enumerate(sources)]
    layers: list[list[int]] = []
    loudest_db = -math.inf
    for level_db, i in sorted(levels):
        if not layers or level_db - loudest_db > STEP_DB:
            layers.append([])
        layers[-1].append(i)
        loudest_db = level_db
    takes: list[list[Take]] = [[(sources[i],) for i in sorted(layer)] for layer in layers]
    return [Drum("", even_layers(takes))]


def _level_db(source: Source) -> float:
    return 10 * math.log10(power(decode_take((source,), source.info.sample_rate)) + 1e-30)
