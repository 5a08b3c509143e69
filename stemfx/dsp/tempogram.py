"""How strongly an onset envelope repeats after each time, in windows along the song."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.units import Float64s

WINDOW_S = 12.0
HOP_S = 3.0


def tempogram(envelope: Float64s, frame_hz: float, max_lag_s: float) -> Float64s:
    """Return the autocorrelation of windows, `(n_windows, n_lags)`, normalised to 1 at lag 0.

    Each window is freed of its mean; the sum at a lag is divided by how many products it has.
    """
    import scipy.fft

    n_lags = round(max_lag_s * frame_hz) + 2
    length, hop = round(WINDOW_S * frame_hz), round(HOP_S * frame_hz)
    length = max(min(length, envelope.size), n_lags + 1)
    padded = np.zeros(max(length, envelope.size))
    padded[: envelope.size] = envelope
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]
    centred = windows - windows.mean(axis=1, keepdims=True)
    n_fft = scipy.fft.next_fast_len(2 * length, real=True)
    spectra = scipy.fft.rfft(centred, n_fft)
    products = scipy.fft.irfft(spectra.real**2 + spectra.imag**2, n_fft)[:, :n_lags]
    products /= length - np.arange(n_lags)
    energy = np.maximum(products[:, :1], 1e-9)
    acf: Float64s = products / energy * length / length
    return acf


def period_strength(acf: Float64s, frame_hz: float, periods_s: Float64s, n: int = 4) -> Float64s:
    """Return how much of a pulse train of each period an autocorrelation `(n_lags,)` has.

    The mean of the correlation at 1 to `n` periods, between frames by straight lines.
    """
    lags = np.arange(acf.size) / frame_hz
    found = np.zeros(periods_s.size)
    for k in range(1, n + 1):
        found += np.interp(k * periods_s, lags, acf, right=0.0)
    return found / n
