"""The grid on which pictures of one song lie: columns of time, bands of frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.frame_spectra import FRAMES_PER_S

PEAKS_PER_S = 50
BLOCKS_PER_S = 10
FLOOR_DB = -127.0
STEP_DB = 0.5

N_BANDS = 96
_LOW_HZ, _HIGH_HZ = 30.0, 20_000.0
_MOST_COLUMNS = 800
_FEWEST_FRAMES = 2  # 0.1 s


@dataclass(frozen=True)
class PictureGrid:
    """How time and frequency are divided.

    Args:
        frames_per_column: a column is so many twentieths of a second.
    """

    frames_per_column: int

    @classmethod
    def of(cls, duration_s: float) -> PictureGrid:
        """Choose columns for a song: about 800 of them, of at least 0.1 s."""
        frames = round(duration_s * FRAMES_PER_S / _MOST_COLUMNS)
        return cls(max(_FEWEST_FRAMES, frames))

    @property
    def column_s(self) -> float:
        """Length of a column, a multiple of 0.05 s."""
        return self.frames_per_column / FRAMES_PER_S

    @property
    def edges_hz(self) -> NDArray[np.float64]:
        """Edges of the bands, `(97,)`, in equal ratios from 30 Hz to 20 kHz."""
        edges: NDArray[np.float64] = np.geomspace(_LOW_HZ, _HIGH_HZ, N_BANDS + 1)
        return edges

    @property
    def picture(self) -> dict[str, Any]:
        """What a page must know to draw; `bands_hz` are the middles of the bands."""
        middles_hz = np.sqrt(self.edges_hz[:-1] * self.edges_hz[1:])
        return {
            "column_s": self.column_s,
            "bands_hz": [round(float(middle), 2) for middle in middles_hz],
            "floor_db": FLOOR_DB,
            "step_db": STEP_DB,
            "peaks_per_s": PEAKS_PER_S,
            "block_s": 1 / BLOCKS_PER_S,
        }
