"""From several channels to two, and from one to two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, read_only

_HALF = 0.5**0.5  # -3 dB, ITU-R BS.775-4 annex 4

# Rows: left, right. Columns in the order of WAVE_FORMAT_EXTENSIBLE and FLAC. The LFE channel
# is left out, as BS.775 does.
_FOLD_DOWN: dict[int, list[list[float]]] = {
    3: [[1, 0, _HALF], [0, 1, _HALF]],  # L R C
    4: [[1, 0, _HALF, 0], [0, 1, 0, _HALF]],  # L R Ls Rs
    5: [[1, 0, _HALF, _HALF, 0], [0, 1, _HALF, 0, _HALF]],  # L R C Ls Rs
    6: [[1, 0, _HALF, 0, _HALF, 0], [0, 1, _HALF, 0, 0, _HALF]],  # L R C LFE Ls Rs
    8: [  # L R C LFE Lb Rb Ls Rs
        [1, 0, _HALF, 0, _HALF, 0, _HALF, 0],
        [0, 1, _HALF, 0, 0, _HALF, 0, _HALF],
    ],
}

FOLDABLE = tuple(_FOLD_DOWN)
"""Channel counts that `fold_down` knows a layout for."""


def fold_down(block: Block) -> Block:
    """Fold 3, 4, 5, 6 or 8 channels to stereo by ITU-R BS.775-4; 1 and 2 pass.

    Args:
        block: `(channels, n_samples)`.

    Raises:
        KeyError: no standard layout has so many channels.
    """
    if block.shape[0] <= 2:
        return block
    return read_only(np.asarray(_FOLD_DOWN[block.shape[0]], np.float32) @ block)


def widen(block: Block) -> Block:
    """Return mono as stereo with both sides equal; stereo passes."""
    return block if block.shape[0] == 2 else read_only(np.repeat(block, 2, axis=0))


def pan_gains(pan: float) -> NDArray[np.float32]:
    """Return the gains `(2, 1)` of left and right for a stereo balance.

    Constant power, unity in the centre: gL = sqrt(2) cos, gR = sqrt(2) sin of (pan + 1) pi / 4,
    so gL^2 + gR^2 = 2 everywhere and `pan = 0` changes no bit.

    Args:
        pan: -1 (left) to 1 (right).
    """
    if pan == 0:
        return np.ones((2, 1), np.float32)
    angle = (pan + 1) * np.pi / 4
    gains = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
    safe: NDArray[np.float32] = np.maximum(gains, 0).astype(np.float32)
    return safe
