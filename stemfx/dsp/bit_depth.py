"""How many bits the samples use, whatever the file could hold."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Block

_DEPTHS = (8, 10, 12, 14, 16, 20, 24)


class BitDepthMeter:
    """Find the coarsest grid that every sample lies on, block by block."""

    def __init__(self) -> None:
        self._depth = 0  # index of the coarsest depth that is still possible
        self._is_silent = True

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        if self._is_silent:
            self._is_silent = not block.any()
        while self._depth < len(_DEPTHS):
            scaled = block * np.float32(2.0 ** (_DEPTHS[self._depth] - 1))
            if np.array_equal(scaled, np.rint(scaled)):
                break
            self._depth += 1

    @property
    def bits(self) -> int | None:
        """Bits that the samples use; None in silence and for float beyond 24 bit."""
        if self._is_silent or self._depth == len(_DEPTHS):
            return None
        return _DEPTHS[self._depth]
