"""Turn a stem down in cells of time and frequency; where nothing is cut, its bits stay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp import stft
from stemfx.dsp.bands import ErbBands
from stemfx.dsp.foreign_bleed import Cells
from stemfx.dsp.spectral_cut import EVERY, Cuts, Memory, Powers, cut


def ducked(signal: Signal, cuts_db: Cells, bands: ErbBands) -> Iterator[Block]:
    """Yield a signal, turned down.

    A cut is spread over the window of its frame, so it comes and goes within 46 ms at 44.1 kHz,
    before a hit begins. A sample that lies in no frame with a cut comes back bit for bit.

    Args:
        signal: what is turned down.
        cuts_db: for every second frame of `stft` and each band, in dB, 0 or more.
        bands: of these.
    """

    def aim(start: int, heard: Powers) -> Cuts:
        first = start // EVERY
        wanted: Cuts = cuts_db[first : first + len(heard)] @ bands
        return wanted

    works = np.repeat(cuts_db.any(axis=1), EVERY)
    position = 0
    for block in cut(signal, aim, _Forgetful()):
        _keep_bits(block, signal, position, works)
        yield block
        position += block.shape[1]


class _Forgetful(Memory):
    """Keeps nothing: what is to be cut is known."""

    def __init__(self) -> None:
        super().__init__(0, 1.0)
        self._fits = False


def _keep_bits(block: Block, signal: Signal, position: int, works: np.ndarray) -> None:
    """Put the signal back where no frame of a sample, or beside one, is cut."""
    n = block.shape[1]
    overlap = stft.N_FFT // stft.HOP
    first, last = position // stft.HOP, (position + n - 1) // stft.HOP
    for hop in range(first, last + 1):
        if not works[max(0, hop - 1) : hop + overlap + 1].any():
            start = max(position, hop * stft.HOP)
            stop = min(position + n, (hop + 1) * stft.HOP)
            block[:, start - position : stop - position] = signal.read(start, stop)
