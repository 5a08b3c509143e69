"""Steady noise (hiss, a room, a tape): what it is, and how it is turned down a little.

Noise is told from music by its steadiness. The power of each bin, smoothed over some 150 ms and
five bins, of noise alone strays by about 1 dB; of music it falls by tens of dB in every pause. So
in each bin the low quantiles of the whole song are compared (minimum statistics, after R. Martin,
IEEE Trans. Speech and Audio Processing 9(5), 2001): where the 3rd and the 15th percentile lie
close together, a floor is there, and it is heard for at least that part of the time. A song whose
floor is never bare has none that could be taken without the music.

The gain is that of Wiener on powers, with a limit, from the same smoothed powers: so few degrees of
freedom are left that single bins do not flare up and chirp (musical noise), and since the smoothing
looks ahead as far as back, an attack finds the gain open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.units import Float64s, power_to_db

Powers = NDArray[np.float32]
"""`(n_frames, n_bins)`."""

STEADY_DB = 2.5
"""Noise alone has 1.0 to 2.2 dB here, music from 5 dB up."""

_LOW, _FLOOR, _HIGH = 0.03, 0.10, 0.15
_FLOOR_TO_MEAN_DB = 1.4  # the 10th percentile of smoothed noise lies this far below its mean
_FAINTEST_DB = -80.0  # density as of white noise of this level: far below is the rounding of 16 bit
_LEAST_SHARE = 1 / 8  # of all bins: a held chord is steady, too, but not in so many
_TYPICAL_DB = 2.0  # for the median of those bins
_SILENT_DBFS = -90.0
_MIN_FRAMES = 130  # 3 s at 44.1 kHz
_NEIGHBOURS_OCTAVES = 1 / 6
_TIME = np.array([1, 2, 3, 4, 3, 2, 1], np.float32) / 16
_REACH = len(_TIME) // 2
_BINS = 5
_OVER = 2.2  # up to 3.4 dB over its mean noise stays at the limit: three standard deviations
_BATCH = 64
_LOWEST_DB, _STEP_DB, _N_STEPS = -110.0, 0.5, 380


@dataclass(frozen=True, eq=False)
class Noise:
    """A noise floor.

    Args:
        power: mean |spectrum|^2 of `stemfx.dsp.stft`, all channels together, `(n_bins,)`; 0 where
            no floor was found.
        level_dbfs: mean power of a channel.
        programme_dbfs: the same of the whole signal, where something sounds.
    """

    power: Powers
    level_dbfs: float
    programme_dbfs: float

    def energy(self, edges_hz: tuple[float, ...], signal: Signal) -> Float64s:
        """Return the noise's energy between each two of `edges_hz`, over channels and samples."""
        from stemfx.dsp import stft

        bins = np.ceil(np.array(edges_hz) * stft.N_FFT / signal.sample_rate).astype(int)
        sums = np.concatenate(([0.0], np.cumsum(self.power, dtype=np.float64)))
        per_sample = np.diff(sums[np.minimum(bins, stft.N_BINS)]) * _mean_square_of_a_bin()
        energy: Float64s = per_sample * signal.n_samples
        return energy


def find_noise(signal: Signal) -> Noise | None:
    """Return the steady noise of `signal`; None if it has none that is ever bare."""
    from stemfx.dsp import stft

    counts = np.zeros(stft.N_BINS * _N_STEPS, np.int64)
    first = np.arange(stft.N_BINS) * _N_STEPS
    silent = 10 ** (_SILENT_DBFS / 10) / _mean_square_of_a_bin() * signal.channels
    n_active, programme = 0, 0.0
    for power in _smoothed_powers(signal):
        total = power.sum(axis=1, dtype=np.float64)
        power = power[total > silent]  # noqa: PLW2901 - silence says nothing about noise
        n_active += len(power)
        programme += float(total[total > silent].sum())
        level_db = 10 * np.log10(np.maximum(power, np.float32(1e-20)))
        step = np.clip((level_db - _LOWEST_DB) / _STEP_DB, 0, _N_STEPS - 1).astype(np.intp)
        counts += np.bincount((step + first).ravel(), minlength=len(counts))
    if n_active < _MIN_FRAMES:
        return None
    low, floor, high = _quantiles(counts.reshape(stft.N_BINS, _N_STEPS), (_LOW, _FLOOR, _HIGH))
    mean_db = floor + _FLOOR_TO_MEAN_DB
    as_white_db = mean_db + power_to_db(_mean_square_of_a_bin() * stft.N_BINS / signal.channels)
    is_steady = (high - low < STEADY_DB) & (as_white_db > _FAINTEST_DB)
    is_steady[:2] = False  # an offset is no noise
    is_noise = _mostly(is_steady)
    typical_db = float(np.median((high - low)[is_noise])) if is_noise.any() else np.inf
    if is_noise.mean() < _LEAST_SHARE or typical_db > _TYPICAL_DB:
        return None
    power = np.where(is_noise, 10 ** (mean_db / 10), 0.0).astype(np.float32)
    scale = _mean_square_of_a_bin() / signal.channels
    return Noise(
        power,
        power_to_db(float(power.sum(dtype=np.float64)) * scale),
        power_to_db(programme / n_active * scale),
    )


def denoised(signal: Signal, noise: Noise, max_reduction_db: float) -> Iterator[Block]:
    """Yield `signal` with its noise turned down by up to `max_reduction_db`.

    All channels get one gain, so the stereo image stays.
    """
    from stemfx.dsp import stft

    lowest = np.float32(10 ** (-max_reduction_db / 10))
    target = _OVER * (1 - lowest) * noise.power

    def spectra() -> Iterator[NDArray[np.complex64]]:
        for spectrum, power in _spectra_and_powers(signal):
            gain = 1 - target / np.maximum(power, np.float32(1e-20))
            yield spectrum * np.sqrt(np.maximum(gain, lowest))

    for block in stft.inverse(spectra(), signal.n_samples):
        yield np.ascontiguousarray(block)


def _mean_square_of_a_bin() -> float:
    """Return the mean square of a signal with |spectrum|^2 = 1 in one bin (and its mirror)."""
    from stemfx.dsp import stft

    return 2 / (stft.N_FFT * 3 / 8 * stft.N_FFT)


def _smoothed_powers(signal: Signal) -> Iterator[Powers]:
    return (power for _, power in _spectra_and_powers(signal))


def _spectra_and_powers(signal: Signal) -> Iterator[tuple[NDArray[np.complex64], Powers]]:
    """Yield spectra `(channels, frames, bins)`, each beside its power, smoothed."""
    from scipy.ndimage import convolve1d, uniform_filter1d

    from stemfx.dsp import stft

    n_frames = stft.n_frames(signal.n_samples)
    for start in range(0, n_frames, _BATCH):
        stop = min(start + _BATCH, n_frames)
        spectrum = stft.forward(signal, start - _REACH, stop + _REACH)
        power = (np.square(spectrum.real) + np.square(spectrum.imag)).sum(axis=0)
        power = uniform_filter1d(power, _BINS, axis=1, mode="nearest")
        power = convolve1d(power, _TIME, axis=0)
        inside = slice(_REACH, _REACH + stop - start)
        # The running sum of the filter leaves rounding of either sign where nothing sounds.
        yield spectrum[:, inside], np.maximum(power[inside], 0)


def _quantiles(counts: NDArray[np.int64], shares: tuple[float, ...]) -> list[Float64s]:
    """Return quantiles in dB of each row's histogram, straight within a step."""
    sums = np.cumsum(counts, axis=1)
    rows = np.arange(len(counts))
    found = []
    for share in shares:
        wanted = share * sums[:, -1]
        at = (sums < wanted[:, None]).sum(axis=1)
        below = np.where(at > 0, sums[rows, at - 1], 0)
        part = (wanted - below) / np.maximum(counts[rows, at], 1)
        found.append(_LOWEST_DB + _STEP_DB * (at + part))
    return found


def _mostly(is_steady: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where at least half of the bins within a sixth of an octave are steady."""
    n = len(is_steady)
    bins = np.arange(n)
    reach = np.maximum(_BINS, bins * (2**_NEIGHBOURS_OCTAVES - 1)).astype(int)
    low, high = np.maximum(bins - reach, 0), np.minimum(bins + reach + 1, n)
    sums = np.concatenate(([0], np.cumsum(is_steady)))
    mostly: NDArray[np.bool_] = 2 * (sums[high] - sums[low]) >= high - low
    return mostly
