"""Stream a short-time Fourier transform and its exact inverse, in float32.

Window: periodic Hann of `N_FFT` samples, hop `N_FFT / 4`, used for analysis and for
synthesis. Its squares at this hop add up to 3/8 * 4 = 3/2 everywhere, so the inverse is an
overlap-add divided by 3/2. Frame `k` covers the samples from `(k - 3) * HOP` up to
`(k + 1) * HOP`, with zeros outside the signal: every sample, the first and the last too,
lies in exactly four frames, and the law holds at the edges:

    inverse(forward(x)) == x, within float rounding (-130 dB).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemfx.audio import Signal

N_FFT = 4096
HOP = N_FFT // 4
N_BINS = N_FFT // 2 + 1

Spectrum = NDArray[np.complex64]
"""`(..., n_frames, N_BINS)` complex64; a bin is `sample_rate / N_FFT` wide."""

_LEAD = N_FFT - HOP  # samples of frame 0 before the start of the signal
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
_ROWS = 64  # frames per transform: 1 MB, so that it stays in cache


def n_frames(n_samples: int) -> int:
    """Count the frames that touch `n_samples` samples."""
    return -(-(n_samples + _LEAD) // HOP) if n_samples else 0


def forward(signal: Signal, start: int, stop: int, step: int = 1) -> Spectrum:
    """Transform frames `start` up to `stop`, every `step`-th; beyond the signal they are zero.

    Shape: `(channels, ceil((stop - start) / step), N_BINS)`.
    """
    first, last = start * HOP - _LEAD, stop * HOP
    before = max(0, -first)
    samples = signal.read(min(first + before, signal.n_samples), min(last, signal.n_samples))
    padded = np.zeros((signal.channels, last - first), np.float32)
    padded[:, before : before + samples.shape[1]] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[:, :: step * HOP]
    spectrum = np.empty((*windows.shape[:2], N_BINS), np.complex64)
    for row in range(0, windows.shape[1], _ROWS):
        rows = slice(row, row + _ROWS)
        spectrum[:, rows] = scipy.fft.rfft(windows[:, rows] * _WINDOW)
    return spectrum


def inverse(
    spectra: Iterable[Spectrum], n_samples: int, *, first_frame: int = 0, start: int = 0
) -> Iterator[NDArray[np.float32]]:
    """Turn consecutive spectra back into a signal, from sample `start` on.

    Shape: a spectrum of shape `(..., n, N_BINS)` gives a block `(..., up to n * HOP)`.

    Args:
        spectra: from frame `first_frame` on.
        n_samples: length of the whole signal.
        first_frame: at most `start / HOP`, so that all four frames of that sample are there.
        start: first sample wanted.
    """
    ahead: NDArray[np.float32] | None = None  # samples that later frames still add to
    skip, left = start - first_frame * HOP + _LEAD, n_samples - start
    for spectrum in spectra:
        *lead, n, _ = spectrum.shape
        added = np.zeros((*lead, n + 3, HOP), np.float32)
        for row in range(0, n, _ROWS):
            rows = scipy.fft.irfft(spectrum[..., row : row + _ROWS, :], N_FFT)
            rows *= _WINDOW / np.float32(1.5)
            quarters = rows.reshape(*rows.shape[:-1], 4, HOP)
            for q in range(4):
                added[..., row + q : row + q + rows.shape[-2], :] += quarters[..., q, :]
        if ahead is not None:
            added[..., :3, :] += ahead
        ahead = added[..., n:, :].copy()
        block = added[..., :n, :].reshape(*lead, n * HOP)[..., skip : skip + left]
        skip = max(0, skip - n * HOP)
        left -= block.shape[-1]
        if block.shape[-1]:
            yield block
