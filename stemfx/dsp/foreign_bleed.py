"""How much of a stem is another stem of its song, told in every band and moment.

Two clues, in cells of `stft` frames and ERB bands:

- *coherence*: what leaked from stem d into stem e is e's copy of d, whatever its level, and it
  keeps d's phase. g = |sum e d*|^2 / (sum |e|^2 sum |d|^2) over three bands and three frames is
  the share of e that goes with d. By chance it is about

      sum |e|^2 |d|^2 / (sum |e|^2 sum |d|^2)

  with independent bins, and `_KAPPA` times that with those of a Hann window; that much is taken
  off, and what is not well above it counts as nothing. So stems that were played by themselves
  hold nothing of each other.
- *level*: a separator's masks leave every stem in phase with the mixture, so there g says nothing
  about whose sound it is. A mask m = e / (e + d + ...) lets the same share through of all that
  sounds in a cell, so e's own share is again e / (e + d + ...).

Together, with P for powers, the power of d in e is

    leak = P_e * g_d P_d / (P_e + sum_k g_k P_k)

for a leak through a gain or a room with no mask (g_k = 0 for k other than d, P_e << P_d) g P_e, as
it must be, and for masks (all g = 1) what they let through. Where e is loud, leaks hide: there
`leak` is a guess. And what a separator took for e outright, so that its own stem d lacks it, cannot
be told: then there is more than `leak` says (a real record's vocal: 12 dB down, told as 22).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp import stft
from stemfx.dsp.bands import ErbBands, erb_bands
from stemfx.dsp.spectral_cut import CHUNK_FRAMES, EVERY, powers
from stemfx.dsp.units import FLOOR_DB, Floats, power_to_db

N_BANDS = 40

COHERENT = 0.03
"""Mean coherence from which a stem holds another: true stems show 0.001, separators'
0.09 to 0.4, leaks 30 dB down 0.3 to 0.6."""

_BESIDE = 1  # bands on either side that coherence is told from
_KAPPA = np.float32(2.0)
_CLEARLY = np.float32(3.0)  # times chance, from which coherence counts
_MOST_CHANCE = np.float32(0.95)
_TINY = np.float32(1e-14)
_ACTIVE = 0.01  # of the mean power: quieter frames do not count as playing
_AUDIBLE = 1e-6  # of the stem's power while it plays, in one cell: 60 dB down
_OVERESTIMATE = np.float32(1.5)

Cells = NDArray[np.float32]
"""`(n_frames, N_BANDS)`, every second frame of `stft`."""


@dataclass(frozen=True, eq=False)
class Part:
    """What of another stem lies in a stem.

    Args:
        power: of the other stem.
        leak: its power in the stem, as far as it can be told; 0 where all of that is chance.
        coherence: 0 to 1; that of chance is 0, and so it is where the stem is all but silent.
    """

    power: Cells
    leak: Cells
    coherence: Cells

    @property
    def mean_coherence(self) -> float:
        """Mean, weighted with the power of the other stem; 0 when that is silent."""
        whole = float(self.power.sum(dtype=np.float64))
        together = float(np.sum(self.power * self.coherence, dtype=np.float64))
        return together / whole if whole > 0 else 0.0

    @property
    def is_there(self) -> bool:
        """Whether there is any bleed: else what coherence there is is chance."""
        return self.mean_coherence >= COHERENT


@dataclass(frozen=True, eq=False)
class BleedMap:
    """What of other stems lies in a stem, cell by cell: 7 kB a second for each other stem.

    Args:
        own: power of the stem, bleed included.
        parts: by name.
        bands: shares of the bins in the bands.
        sample_rate: of the signals, in Hz.
    """

    own: Cells
    parts: Mapping[str, Part]
    bands: ErbBands
    sample_rate: int

    @property
    def frame_s(self) -> float:
        """From one frame to the next."""
        return EVERY * stft.HOP / self.sample_rate

    @property
    def playing_power(self) -> float:
        """Mean power of the stem's frames while it plays."""
        return _playing_power(self.own)

    def cuts_db(self, names: tuple[str, ...], depth_db: float) -> Cells:
        """Return how far to turn the stem down in each cell, in dB, 0 to `depth_db`.

        Where the other stem is louder than this one *and* coherent with it, by Wiener's gain for
        a bleed taken for half as loud again; where the own voice is louder, by nothing.
        """
        keep = np.ones_like(self.own)
        for name in names:
            part = self.parts[name]
            if part.is_there:
                both = self.own + part.power + _TINY
                louder = np.clip((part.power - self.own) / both, 0.0, 1.0)
                keep -= _OVERESTIMATE * louder * np.sqrt(part.coherence)
        floor = np.float32(10.0 ** (-depth_db / 20.0))
        cuts: Cells = np.float32(-20.0) * np.log10(np.maximum(keep, floor))
        return np.clip(cuts, np.float32(0.0), np.float32(depth_db))

    def bleed_db(self, name: str, gains: Floats | None = None) -> float:
        """Return the level of a part's bleed relative to the stem, in dB.

        Args:
            name: of the part.
            gains: factors that the stem is turned down by in each cell, if it is.
        """
        part = self.parts[name]
        leak = part.leak if gains is None else part.leak * np.square(gains)
        own = float(self.own.sum(dtype=np.float64))
        return power_to_db(float(leak.sum(dtype=np.float64)) / own) if own > 0 else FLOOR_DB


def bleed_map(stem: Signal, others: Mapping[str, Signal], of: tuple[str, ...]) -> BleedMap:
    """Tell what of `of` lies in a stem.

    Args:
        stem: the stem, as separation left it.
        others: all other stems of its song: what masks left is told by all of them.
        of: those of the others that are asked for.
    """
    bands = erb_bands(N_BANDS, stem.sample_rate)
    chunks = [(np.zeros((0, N_BANDS), np.float32), dict.fromkeys(of, _NOTHING))]
    chunks += _chunks(stem, others, of, bands)

    own = np.concatenate([own for own, _ in chunks])
    audible = own > _AUDIBLE * _playing_power(own)

    def joined(name: str) -> Part:
        found = [parts[name] for _, parts in chunks]
        part = Part(
            np.concatenate([part.power for part in found]),
            audible * np.concatenate([part.leak for part in found]),
            audible * np.concatenate([part.coherence for part in found]),
        )
        return part if part.is_there else replace(part, leak=np.zeros_like(part.leak))

    return BleedMap(own, {name: joined(name) for name in of}, bands, stem.sample_rate)


def _playing_power(own: Cells) -> float:
    power = own.sum(axis=1, dtype=np.float64)
    playing = power[power > _ACTIVE * power.mean()] if power.any() else power
    return float(playing.mean()) if playing.size else 0.0


_NOTHING = Part(*(np.zeros((0, N_BANDS), np.float32) for _ in range(3)))


class _Stretch:
    """Every second frame of a signal from one on, with one more before and one behind.

    Args:
        signal: that is looked at.
        start: the first frame.
        n_frames: how many, without the two.
        bands: one set for the cells, one of wider ones that coherence is told from.
    """

    def __init__(
        self, signal: Signal, start: int, n_frames: int, bands: tuple[ErbBands, ErbBands]
    ) -> None:
        first = start - EVERY
        stop = first + EVERY * (n_frames + 2)
        self.spectrum = stft.forward(signal, first, stop, EVERY)
        self.power = powers(self.spectrum)
        self.cells: Cells = self.power[1:-1] @ bands[0].T
        self.wide: Cells = _over_frames(self.power @ bands[1].T)


def _chunks(
    stem: Signal, others: Mapping[str, Signal], of: tuple[str, ...], bands: ErbBands
) -> Iterator[tuple[Cells, dict[str, Part]]]:
    """Yield the power of the stem, and what of others lies in it, chunk by chunk."""
    near = np.abs(np.subtract.outer(np.arange(N_BANDS), np.arange(N_BANDS))) <= _BESIDE
    wide = (near @ bands).astype(np.float32)
    n_frames = stft.n_frames(stem.n_samples)
    for start in range(0, n_frames, CHUNK_FRAMES):
        n = len(range(start, min(start + CHUNK_FRAMES, n_frames), EVERY))
        heard = _Stretch(stem, start, n, (bands, wide))
        total = heard.wide + _TINY
        found = {}
        for name, other in others.items():
            beside = _Stretch(other, start, n, (bands, wide))
            coherence = _coherence(heard, beside, wide)
            share = coherence * beside.wide
            total += share
            found[name] = (beside.cells, share, coherence)
        yield (
            heard.cells,
            {
                name: Part(power, heard.cells * (share / total), coherence)
                for name, (power, share, coherence) in found.items()
                if name in of
            },
        )


def _over_frames(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum three frames: one before, itself, one behind."""
    total: NDArray[np.float32] = values[:-2] + values[1:-1] + values[2:]
    return total


def _coherence(one: _Stretch, other: _Stretch, wide: ErbBands) -> Cells:
    """Return coherence without that of chance."""
    cross = (one.spectrum * other.spectrum.conj()).sum(axis=0)
    real, imaginary = (_over_frames(part @ wide.T) for part in (cross.real, cross.imag))
    both = one.wide * other.wide + _TINY
    together = np.minimum((real * real + imaginary * imaginary) / both, np.float32(1.0))
    chance = _over_frames((one.power * other.power) @ np.square(wide).T)
    bias = np.minimum(_KAPPA * chance / both, _MOST_CHANCE)
    share = np.maximum((together - bias) / (1 - bias), np.float32(0.0))
    found: Cells = np.where(together > _CLEARLY * bias, share, np.float32(0.0))
    return found
