"""How close an estimated stem is to the true one: SDR, SI-SDR, bleedless and fullness.

Each measure is a class that takes the two signals block by block, so that an hour needs no more
memory than a second, and a function of whole arrays. Arrays are `(channels, n_samples)` at one
rate; all channels count as one signal. BSS Eval is in `bss_eval`, attacks are in `attacks`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio, Block
from stemfx.dsp import stft
from stemfx.dsp.units import Float64s

CEILING_DB = 150.0
"""Ratios are kept within +-150 dB, where float32 samples end: equal signals stay a number."""

SDR_DELTA = 1e-7
"""Added to both energies of the MDX and SDX definition; it also keeps silence defined."""

N_MELS = 512
TOP_DB = 80.0


def ratio_db(power: float, over: float) -> float | None:
    """Return 10 log10(power / over) within +-`CEILING_DB`; None for 0 / 0.

    >>> ratio_db(100.0, 1.0), ratio_db(1.0, 0.0), ratio_db(0.0, 0.0)
    (20.0, 150.0, None)
    """
    if power <= 0 and over <= 0:
        return None
    if over <= 0:
        return CEILING_DB
    if power <= 0:
        return -CEILING_DB
    db = 10 * (np.log10(power) - np.log10(over))
    return float(np.clip(db, -CEILING_DB, CEILING_DB))


# --- ratios of energies ------------------------------------------------------------------


class EnergyRatios:
    """SDR and SI-SDR of a stream.

    Both come from the energies of r and d = e - r and from <r, d>: sums that stay exact where
    the estimate is almost the reference, when those of e itself would cancel.
    """

    def __init__(self) -> None:
        self._rr = self._rd = self._dd = self._ee = 0.0

    def add(self, reference: Block, estimate: Block) -> None:
        """Take the next blocks, `(channels, n)` each."""
        r = np.asarray(reference, np.float64).ravel()
        e = np.asarray(estimate, np.float64).ravel()
        d = e - r
        self._rr += float(r @ r)
        self._rd += float(r @ d)
        self._dd += float(d @ d)
        self._ee += float(e @ e)

    @property
    def reference_energy(self) -> float:
        """Sum of squares of the reference."""
        return self._rr

    @property
    def estimate_energy(self) -> float:
        """Sum of squares of the estimate."""
        return self._ee

    @property
    def sdr_db(self) -> float:
        """10 log10((sum r^2 + d) / (sum (r - e)^2 + d)), d = 1e-7.

        The "global" or "new" SDR of the MDX 2021 and SDX 2023 challenges (Mitsufuji et al. 2022,
        Fabbro et al. 2024). Defined for silence too: about 0 dB for a silent estimate, far below
        zero where the reference is silent and the estimate is not.
        """
        value = ratio_db(self._rr + SDR_DELTA, self._dd + SDR_DELTA)
        assert value is not None  # noqa: S101 - both are above zero
        return value

    @property
    def si_sdr_db(self) -> float | None:
        """10 log10(|a r|^2 / |a r - e|^2) with a = <r, e> / <r, r> (Le Roux et al. 2019).

        No gain of the estimate changes it. None when either signal is silent.
        """
        if self._rr <= 0 or self._ee <= 0:
            return None
        slope = self._rd / self._rr  # a - 1
        return ratio_db((1 + slope) ** 2 * self._rr, max(0.0, self._dd - slope * self._rd))


def sdr_db(reference: Block, estimate: Block) -> float:
    """Return the SDR of the MDX and SDX challenges; see `EnergyRatios.sdr_db`.

    >>> r = np.ones((2, 1000), np.float32)
    >>> round(sdr_db(r, 0.9 * r), 3)
    20.0
    """
    ratios = EnergyRatios()
    ratios.add(reference, estimate)
    return ratios.sdr_db


def si_sdr_db(reference: Block, estimate: Block) -> float | None:
    """Return the scale-invariant SDR; see `EnergyRatios.si_sdr_db`."""
    ratios = EnergyRatios()
    ratios.add(reference, estimate)
    return ratios.si_sdr_db


# --- bleedless and fullness --------------------------------------------------------------


def mel_filters(sample_rate: int, n_mels: int = N_MELS) -> NDArray[np.float32]:
    """Return Slaney's mel filters of unit area, `(n_mels, stft.N_BINS)`, from 0 Hz to Nyquist.

    As `librosa.filters.mel` by default (Slaney's Auditory Toolbox, 1998): linear below 1 kHz in
    steps of 200/3 Hz, logarithmic above.
    """
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    bins = np.arange(stft.N_BINS) * (sample_rate / stft.N_FFT)
    width = np.diff(edges)
    rising = (bins - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - bins) / width[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@lru_cache(maxsize=1)
def _sparse_mel_filters(sample_rate: int) -> Any:
    from scipy.sparse import csr_array  # a bin lies in two filters at most, not in 512

    return csr_array(mel_filters(sample_rate))


_LINEAR_HZ = 200 / 3  # a mel, below the break
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = math.log(6.4) / 27  # of the natural logarithm of the frequency, a mel above it


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: Float64s) -> Float64s:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)


class MelMagnitudes:
    """Mel magnitudes of a stream: Hann 4096 / 1024, frames centred, zeros around the signal."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._filters = _sparse_mel_filters(sample_rate)
        self._pending = np.zeros((channels, stft.N_FFT // 2), np.float32)

    def __call__(self, block: Block, *, last: bool = False) -> NDArray[np.float32] | None:
        """Return the frames that are complete, `(N_MELS, channels * frames)`; None if none is."""
        parts = [self._pending, block]
        if last:
            parts.append(np.zeros((block.shape[0], stft.N_FFT // 2), np.float32))
        samples = np.concatenate(parts, axis=1)
        n_frames = (samples.shape[1] - stft.N_FFT) // stft.HOP + 1
        if n_frames < 1:
            self._pending = samples
            return None
        self._pending = samples[:, n_frames * stft.HOP :]
        # Frame 3 of a signal is the first that begins with its first sample.
        spectrum = stft.forward(Audio(samples, self._rate), 3, 3 + n_frames)
        magnitudes = np.abs(spectrum).reshape(-1, stft.N_BINS)
        mel: NDArray[np.float32] = self._filters @ magnitudes.T
        return mel


class MelPeak:
    """The largest mel magnitude of a stream: the first of two readings for `BleedFullness`."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._mel = MelMagnitudes(channels, sample_rate)
        self.value = 0.0

    def add(self, block: Block, *, last: bool = False) -> None:
        """Take the next block; `last` at the end."""
        mel = self._mel(block, last=last)
        if mel is not None:
            self.value = max(self.value, float(mel.max()))


class BleedFullness:
    """How much an estimate has that the reference has not (bleed), and what it lacks (fullness).

    D = difference of the two 512-band mel spectrograms in dB, each cut off 80 dB below its own
    peak. bleedless = 100 / (1 + mean of the positive values of D), fullness = 100 / (1 - mean of
    the negative ones); 100 is ideal. The definition of the UVR and MVSEP community
    (ZFTurbo/Music-Source-Separation-Training, `bleed_full`), which always takes filters for
    44.1 kHz; here they are those of the actual rate.

    Args:
        channels: of both signals.
        sample_rate: of both signals, in Hz.
        reference_peak: `MelPeak.value` of the whole reference.
        estimate_peak: the same of the estimate.
    """

    def __init__(
        self, channels: int, sample_rate: int, reference_peak: float, estimate_peak: float
    ) -> None:
        self._mels = [MelMagnitudes(channels, sample_rate) for _ in range(2)]
        self._floors_db = [
            float(_mel_db(np.array([peak], np.float32))[0]) - TOP_DB
            for peak in (reference_peak, estimate_peak)
        ]
        self._more_db = self._less_db = 0.0
        self._n_more = self._n_less = 0

    def add(self, reference: Block, estimate: Block, *, last: bool = False) -> None:
        """Take the next blocks, of equal length; `last` at the end."""
        true = self._mels[0](reference, last=last)
        kept = self._mels[1](estimate, last=last)
        if true is None or kept is None:  # of equal lengths both or none
            return
        true_db, kept_db = (
            np.maximum(_mel_db(mel), np.float32(floor_db))
            for mel, floor_db in zip((true, kept), self._floors_db, strict=True)
        )
        difference = kept_db - true_db
        more, less = np.maximum(difference, 0), np.minimum(difference, 0)
        self._more_db += float(more.sum(dtype=np.float64))
        self._less_db += float(less.sum(dtype=np.float64))
        self._n_more += int(np.count_nonzero(more))
        self._n_less += int(np.count_nonzero(less))

    @property
    def bleedless(self) -> float:
        """From 0 to 100; 100 when nothing is louder than in the reference."""
        return 100 / (1 + self._more_db / max(1, self._n_more))

    @property
    def fullness(self) -> float:
        """From 0 to 100; 100 when nothing is softer than in the reference."""
        return 100 / (1 - self._less_db / max(1, self._n_less))


def _mel_db(magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(20) * np.log10(np.maximum(magnitudes, np.float32(1e-10)))


def bleedless_and_fullness(
    reference: Block, estimate: Block, sample_rate: int
) -> tuple[float, float]:
    """Return bleedless and fullness of two whole signals; see `BleedFullness`."""
    peaks = []
    for signal in (reference, estimate):
        peak = MelPeak(signal.shape[0], sample_rate)
        peak.add(signal, last=True)
        peaks.append(peak.value)
    measure = BleedFullness(reference.shape[0], sample_rate, *peaks)
    measure.add(reference, estimate, last=True)
    return measure.bleedless, measure.fullness
