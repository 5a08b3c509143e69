"""How dense a song is beside another, and the gentle compression that brings it there.

Density is read as a crest: how far the loudest twentieth of all 50 ms stands out of the three
seconds around it, in loud passages (K-weighted). It tells the swing of a beat, of words and of
notes, which a bus compressor evens out. Peaks of a millisecond are left to the clip and the
limiter behind it: to take them with a compressor, it would have to be as fast as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.band_compressor import BandCompressor, BandReading, Times
from stemfx.dsp.loudness import CELLS_PER_S, SHORT_TERM_CELLS
from stemfx.dsp.passages import LAYERS_LU
from stemfx.dsp.units import Float64s, power_to_db

MAX_REDUCTION_DB = 4.0
_NOTE_CELLS = 5
_LEAST_CELLS = 2 * SHORT_TERM_CELLS
_STANDS_OUT_PERCENT = 95.0
_RATIO = 2.0
_TIMES = Times(rms_ms=10.0, attack_ms=20.0, release_ms=150.0)
_THRESHOLDS_LU = (-12.0, 15.0)
_TRIES = 12


def crest_db(cells: Float64s) -> float | None:
    """Return the crest of loud passages; see the module.

    Args:
        cells: K-weighted mean square of every 10 ms: `LoudnessMeter.cells`.

    Returns:
        dB; None in silence and under 6 s: parts of songs that long were 0.4 dB off the whole.
    """
    if len(cells) < _LEAST_CELLS or not cells.any():
        return None
    total = np.concatenate(([0.0], np.cumsum(cells)))
    around = _means(total, SHORT_TERM_CELLS)
    notes = _means(total, _NOTE_CELLS)
    first = (SHORT_TERM_CELLS - _NOTE_CELLS) // 2
    notes = notes[first : first + len(around)]  # each in the middle of its three seconds
    loud = around > np.percentile(around, 95) * 10 ** (-LAYERS_LU[0] / 10)
    return power_to_db(float(np.percentile(notes[loud] / around[loud], _STANDS_OUT_PERCENT)))


def _means(total: Float64s, width: int) -> Float64s:
    means: Float64s = np.maximum(total[width:] - total[:-width], 0.0) / width
    return means


@dataclass(frozen=True, eq=False)
class Densified:
    """A compression that was found.

    Args:
        gains: factor at the end of each 10 ms; the last one holds to the end.
        crest_db: of the song afterwards.
        reading: what the compressor did.
    """

    gains: NDArray[np.float32]
    crest_db: float
    reading: BandReading

    @property
    def measurements(self) -> dict[str, float]:
        """Highest reduction, and the mean while at work."""
        return {
            "max_gain_reduction_db": self.reading.max_reduction_db,
            "mean_gain_reduction_db": self.reading.mean_reduction_db,
        }

    def __call__(self, blocks: Iterable[Block], sample_rate: int) -> Iterator[Block]:
        """Yield the blocks compressed; between two gains it moves in a straight line."""
        ends = np.arange(1, len(self.gains) + 1) * sample_rate // CELLS_PER_S
        position = 0
        for block in blocks:
            at = np.arange(position, position + block.shape[1])
            first, last = np.searchsorted(ends, (at[0], at[-1]))
            near = slice(max(0, first - 1), last + 1)
            curve = np.interp(at, ends[near], self.gains[near])
            position += block.shape[1]
            yield block * curve.astype(np.float32)


def densify(cells: Float64s, wanted_db: float, sample_rate: int) -> Densified | None:
    """Find the compression that brings the crest down to `wanted_db`, or as far as is gentle.

    2:1, with an attack of 20 ms: it never takes more than `MAX_REDUCTION_DB`.

    Returns:
        None where there is nothing to be compressed.
    """
    low, high = _THRESHOLDS_LU
    found = None
    for _ in range(_TRIES):
        threshold_lu = (low + high) / 2
        gains = cells.astype(np.float32)
        compressor = BandCompressor(_RATIO, threshold_lu, None, _TIMES, 1.0, 0.0)
        reading = compressor.turn_into_gain(gains, sample_rate, sample_rate // CELLS_PER_S)
        after_db = crest_db(cells * np.square(gains, dtype=np.float64))
        if after_db is None:
            return None
        if reading.max_reduction_db > MAX_REDUCTION_DB or after_db < wanted_db:
            low = threshold_lu
        else:
            high = threshold_lu
            found = Densified(gains, after_db, reading)
    return found if found and found.reading.max_reduction_db > 0 else None
