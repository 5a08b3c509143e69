"""The level of a signal in cells of 10 ms, and how it begins and ends."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import Float64s, power_to_db

CELL_S = 0.01
SILENT_DB = -60.0
"""Beside the loud moments: what is softer is not heard in a song."""

_LOUD_PERCENTILE = 95
_QUIETEST = 1e-9  # -90 dBFS: a file below it is silent
_FIRST_S = (0.0003, 0.05)  # the very first samples, and what they lead to
_END_S = 0.030
_FINE_S = 0.001


class LevelCells:
    """Take the mean power of every 10 ms, of all channels together; 8 bytes a cell.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._framer = Framer(channels, max(1, round(CELL_S * sample_rate)))
        self._powers: list[Float64s] = []
        self._first = _First(sample_rate, channels)
        self._end = _End(channels, max(1, round(_FINE_S * sample_rate)))
        self._sums = np.zeros(channels)
        self._n_seen = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        self._n_seen += block.shape[1]
        self._sums += block.sum(axis=1, dtype=np.float64)
        self._first.add(block)
        frames = self._framer(block)
        if frames.shape[1]:
            powers = np.einsum("cnk,cnk->n", frames, frames, dtype=np.float64)
            self._powers.append(powers / (frames.shape[0] * frames.shape[2]))
        self._end.add(block)

    def powers(self) -> Float64s:
        """Return the mean power of every whole cell."""
        if not self._powers:
            rest = self._framer.rest
            power = float(np.square(rest, dtype=np.float64).mean()) if rest.size else 0.0
            return np.array([power])
        return np.concatenate(self._powers)

    def loud(self) -> float:
        """Return the power of the loud moments; 0 in silence."""
        loud = float(np.percentile(self.powers(), _LOUD_PERCENTILE))
        loud = loud or float(self.powers().max(initial=0.0))
        return loud if loud > _QUIETEST else 0.0

    def sounding(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell for every cell whether something is heard."""
        loud = self.loud()
        return self.powers() > (loud * 10 ** (SILENT_DB / 10) if loud else np.inf)

    def programme(self) -> float:
        """Return the mean power where something is heard; 0 in silence."""
        heard = self.powers()[self.sounding()]
        return float(heard.mean()) if heard.size else 0.0

    def silence_percent(self) -> float:
        """Return the share of the time in which nothing is heard."""
        return 100.0 * float(1.0 - self.sounding().mean())

    @property
    def _offset(self) -> Float64s:
        """The steady offset of each channel, which is no sound."""
        return self._sums / max(1, self._n_seen)

    def start_db(self) -> float | None:
        """Return how loud the very first samples are: what begins, begins at zero.

        Beside the song, and beside what they lead to where that is louder: an attack rises.
        """
        programme = self.programme()
        if not programme:
            return None
        first, after = self._first.powers(self._offset)
        return power_to_db(first / max(programme, after), -120.0)

    def end_db(self) -> float | None:
        """Return how loud the last 30 ms of sound are: a song that ends dies away before."""
        programme = self.programme()
        if not programme:
            return None
        level = self._end.level(programme, round(_END_S / _FINE_S))
        return power_to_db(level / programme, -120.0)


class _First:
    """Keep the first samples."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._n_first, self._n_after = (max(1, round(s * sample_rate)) for s in _FIRST_S)
        self._kept: Block = np.zeros((channels, 0), np.float32)

    def add(self, block: Block) -> None:
        missing = self._n_after - self._kept.shape[1]
        if missing > 0:
            self._kept = np.concatenate((self._kept, block[:, :missing]), axis=1)

    def powers(self, offset: Float64s) -> tuple[float, float]:
        """Return the power of the very first samples, and of all that were kept."""
        squares = np.square(self._kept - offset[:, np.newaxis]).mean(axis=0)
        return float(squares[: self._n_first].mean()), float(squares.mean())


class _End:
    """Keep sums and squares of the last milliseconds in which something sounded."""

    def __init__(self, channels: int, n_samples: int) -> None:
        self._framer = Framer(channels, n_samples)
        self._n = n_samples
        self._kept: Float64s = np.zeros((0, 2, channels))  # sum and sum of squares by channel

    def add(self, block: Block) -> None:
        frames = self._framer(block).astype(np.float64)
        if not frames.shape[1]:
            return
        sums = np.stack([frames.sum(axis=2).T, np.square(frames).sum(axis=2).T], axis=1)
        heard = np.flatnonzero(self._spreads(sums) > _QUIETEST)
        if heard.size:  # what came before is out of reach once there is sound again
            self._kept = np.concatenate((self._kept, sums))[-_KEPT:]
        elif len(self._kept) < 2 * _KEPT:
            self._kept = np.concatenate((self._kept, sums))

    def level(self, programme: float, n_cells: int) -> float:
        """Return the mean power of the last cells before it stays 60 dB under `programme`."""
        heard = np.flatnonzero(self._spreads(self._kept) > programme * 10 ** (SILENT_DB / 10))
        if not heard.size:
            return 0.0
        last = int(heard[-1]) + 1
        sums, squares = self._kept[max(0, last - n_cells) : last].mean(axis=0) / self._n
        return float(np.mean(squares - sums**2))

    def _spreads(self, cells: Float64s) -> Float64s:
        """Return the mean power of cells but for their mean: an offset is no sound."""
        sums, squares = cells[:, 0] / self._n, cells[:, 1] / self._n
        return np.asarray((squares - sums**2).mean(axis=1))


_KEPT = 10_000  # cells of 1 ms: ten seconds
