"""Whether two sounds are the same to the ear: pictures of them, and their distance in dB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.bands import erb_rate

Picture = NDArray[np.float32]
"""`(frames, bands)`: levels in dB below the loudest cell, `FLOOR_DB` at least."""

FLOOR_DB = -40.0
N_BANDS = 20
FRAME_S = 0.01
LOW_HZ, HIGH_HZ = 40.0, 16_000.0


def picture(samples: Block, sample_rate: int, n_frames: int | None = None) -> Picture:
    """Return what a sound is like, whatever its level.

    Powers in bands of equal width on the ERB scale, from short spectra every 10 ms.

    Args:
        samples: `(channels, n)` from the attack on.
        sample_rate: in Hz.
        n_frames: over how many equal parts the spectra are averaged; default: one each.
    """
    import scipy.fft

    hop = max(1, round(FRAME_S * sample_rate))
    length = 2 * hop
    n_spectra = max(1, samples.shape[1] // hop)
    padded = np.pad(samples, ((0, 0), (hop, length)))[:, : (n_spectra + 1) * hop]
    frames = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)[:, ::hop]
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    shares = _shares(length, sample_rate)
    power = np.zeros((n_spectra, N_BANDS))
    for first in range(0, n_spectra, 64):
        spectra = scipy.fft.rfft(frames[:, first : first + 64] * window)
        power[first : first + 64] = np.square(np.abs(spectra)).sum(axis=0) @ shares
    if n_frames is not None and n_frames < n_spectra:
        starts = np.arange(n_frames) * n_spectra // n_frames
        power = np.add.reduceat(power, starts, axis=0)
    return _levels(power)


def _levels(power: NDArray[np.float64]) -> Picture:
    loudest = float(power.max(initial=0.0))
    if loudest <= 0.0:
        return np.full(power.shape, FLOOR_DB, np.float32)
    levels = 10.0 * np.log10(np.maximum(power / loudest, 10 ** (FLOOR_DB / 10)))
    return levels.astype(np.float32)


def _shares(length: int, sample_rate: int) -> NDArray[np.float64]:
    """Return `(bins, bands)`: triangles on the ERB scale; a bin between two belongs to both."""
    rates = erb_rate(np.arange(length // 2 + 1) * (sample_rate / length))
    low, high = erb_rate(np.array([LOW_HZ, min(HIGH_HZ, 0.45 * sample_rate)]))
    centres = np.linspace(low, high, N_BANDS)
    position = np.clip((rates - low) / (centres[1] - low), 0.0, N_BANDS - 1.0)
    shares: NDArray[np.float64] = 1.0 - np.abs(position[:, np.newaxis] - np.arange(N_BANDS))
    return np.maximum(shares, 0.0)


def distance_db(a: Picture, b: Picture) -> float:
    """Return the rms difference of two pictures over the frames that both have.

    Cells that are at the floor in both say nothing and do not count.
    """
    n = min(len(a), len(b))
    counts = np.maximum(a[:n], b[:n]) > FLOOR_DB
    if not counts.any():
        return 0.0
    return float(np.sqrt(np.mean(np.square(a[:n] - b[:n])[counts])))
