"""DC offset: the mean of a channel, where it is a steady shift and not the shape of the music.

A kick drum or a bass note has a mean of its own over any stretch. An offset is there in every
stretch, so its means lie around one value; the standard error of those tells the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer

_WINDOW_S = 0.4
_MIN_WINDOWS = 4
_SURE = 5.0  # standard errors
_KNOWN = 0.25  # of the value itself


@dataclass(frozen=True)
class DcReading:
    """The mean of each channel, and what of it is a steady offset.

    Args:
        mean: mean of each channel, in full scale.
        offset: the same where it is steady, 0 where it is not.
    """

    mean: tuple[float, ...]
    offset: tuple[float, ...]

    @property
    def largest(self) -> float:
        """The steady offset of the channel that has most, signed."""
        return max(self.offset, key=abs, default=0.0)


class DcMeter:
    """Measure `DcReading` block by block, over Hann windows of 400 ms: bass leaks little.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        length = round(_WINDOW_S * sample_rate)
        self._framer = Framer(channels, length)
        self._window = (np.hanning(length + 1)[:-1] / (length / 2)).astype(np.float32)
        self._means: list[NDArray[np.float64]] = []
        self._sum = np.zeros(channels)
        self._n_samples = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        self._sum += block.sum(axis=1, dtype=np.float64)
        self._n_samples += block.shape[1]
        frames = self._framer(block)
        if frames.shape[1]:
            self._means.append((frames @ self._window).astype(np.float64))

    def reading(self) -> DcReading:
        """Return what was measured so far."""
        mean = tuple(float(v) for v in self._sum / max(1, self._n_samples))
        windows = np.concatenate(self._means, axis=1) if self._means else np.zeros((len(mean), 0))
        return DcReading(mean, tuple(_steady(row) for row in windows))


def _steady(means: NDArray[np.float64]) -> float:
    """Return the median of the windows' means if they agree on it, else 0."""
    if len(means) < _MIN_WINDOWS:
        return 0.0
    middle = float(np.median(means))
    spread = 1.4826 * float(np.median(np.abs(means - middle)))
    error = spread / np.sqrt(len(means))
    agrees = np.mean(np.abs(means - middle) < 0.5 * abs(middle)) if middle else 0.0
    return middle if abs(middle) > _SURE * error and agrees > _KNOWN else 0.0
