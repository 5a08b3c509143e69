"""Spectra of the passages of a song, so that loud ones can be held against loud ones.

A passage is about a second. How loud it is, is the K-weighted power of the three seconds around
it: short-term loudness. A record's choruses and its quiet intro differ in tone, so the mean over
all of a song depends on how long its intro is; the mean over passages of one loudness does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.filters import response
from stemfx.dsp.framing import Framer
from stemfx.dsp.k_weighting import k_weighting
from stemfx.dsp.units import Float64s, power_to_db

LAYERS_LU = (4.0, 10.0)
"""Loud passages are at most 4 LU under the loudest ones, middling ones at most 10."""

QUIET_LU = 20.0

GROUPS_PER_OCTAVE = 24
_FRAME_S = 0.37  # 2.7 Hz a bin: a third of an octave at 30 Hz has three
_FRAMES_PER_PASSAGE = 6  # 1.1 s
_SHORT_TERM = 3  # passages
_TOP_PERCENT = 95.0  # one crash is no passage
_LOWEST_HZ = 10.0
_GATE_DB = 70.0  # passages so far under the loudest ones are silence


@dataclass(frozen=True, eq=False)
class Passages:
    """What was measured of a song.

    Args:
        freq_hz: middle of each group of bins, `(n_groups,)`; 24 an octave, or single bins.
        powers: `(2, n_passages, n_groups)`: mid, side.
        k_gain: K-weighting's factor of power in each group.
    """

    freq_hz: Float64s
    powers: NDArray[np.float32]
    k_gain: Float64s

    def layers(self) -> tuple[Float64s, Float64s]:
        """Return the mean spectra of mid and side in each of `LAYERS_LU`, and the energy there.

        Returns:
            `(n_layers, 2, n_groups)`, zeros where no passage is that loud; and each layer's share
            in the K-weighted energy of all of them, `(n_layers,)`.
        """
        heard, levels_db = self._heard()
        spectra = np.zeros((len(LAYERS_LU), 2, len(self.freq_hz)))
        energy = np.zeros(len(LAYERS_LU))
        upper_db = np.inf
        for layer, depth_lu in enumerate(LAYERS_LU):
            chosen = (levels_db >= -depth_lu) & (levels_db < upper_db)
            upper_db = -depth_lu
            if chosen.any():
                spectra[layer] = self.powers[:, chosen].mean(axis=1, dtype=np.float64)
                energy[layer] = heard[chosen].sum()
        total = energy.sum()
        return spectra, energy / total if total else energy

    def quiet(self) -> Float64s:
        """Return the mean spectrum of passages `QUIET_LU` down, `(n_groups,)`; zeros if none is.

        Music is lower there, noise as high as ever.
        """
        levels_db = self._heard()[1]
        chosen = (levels_db < -QUIET_LU) & (levels_db > -_GATE_DB)
        if not chosen.any():
            return np.zeros(len(self.freq_hz))
        mean: Float64s = self.powers[:, chosen].sum(axis=0, dtype=np.float64).mean(axis=0)
        return mean

    def _heard(self) -> tuple[Float64s, Float64s]:
        """Return the K-weighted power of each passage, and its short-term level under the top."""
        heard = self.powers.sum(axis=0, dtype=np.float64) @ self.k_gain
        around = np.ones(_SHORT_TERM)
        sums = [np.convolve(row, around)[1:-1] for row in (heard, np.ones_like(heard))]
        levels_db = power_to_db(sums[0] / sums[1])
        audible = levels_db[levels_db >= levels_db.max() - _GATE_DB]
        return heard, levels_db - np.percentile(audible, _TOP_PERCENT)


class PassageMeter:
    """Measure `Passages`, block by block.

    Args:
        sample_rate: in Hz.
        channels: 1 or 2; mono has a side of zero.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._n_fft = max(64, 1 << round(np.log2(_FRAME_S * sample_rate)))
        self._hop = self._n_fft // 2
        length = (_FRAMES_PER_PASSAGE + 1) * self._hop
        self._framer = Framer(2, length, _FRAMES_PER_PASSAGE * self._hop)
        self._mono = channels == 1
        angle = 2 * np.pi * np.arange(self._n_fft) / self._n_fft
        self._window = (0.5 - 0.5 * np.cos(angle)).astype(np.float32)
        bins_hz = np.fft.rfftfreq(self._n_fft, 1 / sample_rate)
        self._first = int(np.searchsorted(bins_hz, _LOWEST_HZ))
        bins_hz = bins_hz[self._first :]
        octaves = np.floor(GROUPS_PER_OCTAVE * np.log2(bins_hz / _LOWEST_HZ))
        self._starts = np.flatnonzero(np.diff(octaves, prepend=-1.0))
        sizes = np.diff(self._starts, append=len(bins_hz))
        self._freq_hz = np.add.reduceat(bins_hz, self._starts) / sizes
        k_gain = np.abs(response(k_weighting(sample_rate), self._freq_hz, sample_rate)) ** 2
        self._k_gain: Float64s = k_gain
        self._passages: list[NDArray[np.float32]] = []

    def add(self, block: Block) -> None:
        """Take the next block, `(channels, n_samples)`."""
        half = np.float32(0.5)
        right = block[0] if self._mono else block[1]
        stretches = self._framer(half * np.stack((block[0] + right, block[0] - right)))
        # One after the other: what is transformed together would depend on the block's length.
        for i in range(stretches.shape[1]):
            self._take(stretches[:, i])

    def result(self) -> Passages:
        """Return what was measured; the signal is over."""
        rest = self._framer.rest
        if rest.shape[1] > self._hop or not self._passages:
            n_frames = max(1, -(-rest.shape[1] // self._hop) - 1)
            missing = (n_frames + 1) * self._hop - rest.shape[1]
            self._take(np.pad(rest, ((0, 0), (0, missing))))
        return Passages(self._freq_hz, np.stack(self._passages, axis=1), self._k_gain)

    def _take(self, stretch: Block) -> None:
        import scipy.fft

        frames = np.lib.stride_tricks.sliding_window_view(stretch, self._n_fft, axis=1)
        spectra = scipy.fft.rfft(frames[:, :: self._hop] * self._window)[:, :, self._first :]
        power = (np.square(spectra.real) + np.square(spectra.imag)).mean(axis=1)
        self._passages.append(np.add.reduceat(power, self._starts, axis=1))
