"""How strongly an onset envelope repeats after each time, in windows along the song."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.units import Float64s

WINDOW_S = 12.0
HOP_S = 3.0
CURVE_WINDOW_S = 8.0
"""Shorter where the pace is followed: it may change by a few percent in a window."""
MAX_CHANGE = 0.06  # of the pace from window to window
STIFFNESS = 30.0
"""What a change of pace costs: times its squared logarithm, against a strength of up to 1."""


def tempogram(
    envelope: Float64s, frame_hz: float, max_lag_s: float, window_s: float = WINDOW_S
) -> Float64s:
    """Return the autocorrelation of windows, `(n_windows, n_lags)`, normalised to 1 at lag 0.

    Each window is freed of its mean; the sum at a lag is divided by how many products it has.
    """
    import scipy.fft

    n_lags = round(max_lag_s * frame_hz) + 2
    length, hop = round(window_s * frame_hz), round(HOP_S * frame_hz)
    length = max(min(length, envelope.size), n_lags + 1)
    padded = np.zeros(max(length, envelope.size))
    padded[: envelope.size] = envelope
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]
    centred = windows - windows.mean(axis=1, keepdims=True)
    n_fft = scipy.fft.next_fast_len(2 * length, real=True)
    spectra = scipy.fft.rfft(centred, n_fft)
    products = scipy.fft.irfft(spectra.real**2 + spectra.imag**2, n_fft)[:, :n_lags]
    products /= length - np.arange(n_lags)
    return np.asarray(products / np.maximum(products[:, :1], 1e-9))


def period_strength(acf: Float64s, frame_hz: float, periods_s: Float64s, n: int = 4) -> Float64s:
    """Return how much of a pulse train of each period an autocorrelation `(n_lags,)` has.

    The mean of the correlation at 1 to `n` periods, between frames by straight lines.
    """
    lags = np.arange(acf.size) / frame_hz
    found = np.zeros(periods_s.size)
    for k in range(1, n + 1):
        found += np.interp(k * periods_s, lags, acf, right=0.0)
    return found / n


def tempo_curve(envelope: Float64s, frame_hz: float, periods_s: Float64s) -> Float64s:
    """Return the pace of each frame, as a period relative to the song's median: 1 if it is steady.

    The path through the strengths of all periods in windows along the song that is strong and
    bends little (Viterbi); between the middles of the windows it is drawn in straight lines.

    Args:
        envelope: `(n_frames,)`.
        frame_hz: its rate.
        periods_s: what is looked at, in equal ratios.
    """
    acf = tempogram(envelope, frame_hz, 3 * float(periods_s.max()), CURVE_WINDOW_S)
    strengths = np.stack([period_strength(row, frame_hz, periods_s, 3) for row in acf])
    step = abs(float(np.log(periods_s[1] / periods_s[0])))
    reach = int(MAX_CHANGE / step)
    shifts = np.arange(-reach, reach + 1)
    cost = STIFFNESS * (shifts * step) ** 2
    score, back = strengths[0], []
    for row in strengths[1:]:
        padded = np.pad(score, reach, constant_values=-np.inf)
        came = np.lib.stride_tricks.sliding_window_view(padded, shifts.size) - cost
        best = came.argmax(axis=1)
        back.append(np.arange(row.size) + shifts[best])
        score = row + came.max(axis=1)
    path = [int(score.argmax())]
    for came_from in reversed(back):
        path.append(int(came_from[path[-1]]))
    periods = periods_s[path[::-1]]
    middles = (np.arange(len(path)) * HOP_S + 0.5 * CURVE_WINDOW_S) * frame_hz
    if len(path) > 1:  # the song's first and last seconds go on as those beside them
        ends = 2 * periods[[0, -1]] - periods[[1, -2]]
        hop = HOP_S * frame_hz
        middles = np.concatenate([[middles[0] - hop], middles, [middles[-1] + hop]])
        periods = np.concatenate([ends[:1], periods, ends[1:]])
    curve = np.interp(np.arange(envelope.size), middles, periods)
    return np.asarray(curve / np.median(curve))
