"""Find the strokes of a drum stem, and where each attack begins, to the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.framing import Framer

Times = NDArray[np.float64]

WINDOW_S, HOP_S = 0.0232, 0.005
N_BANDS = 28
LOW_HZ, HIGH_HZ = 30.0, 16_000.0
LAG = 2
MERGE_S = 0.030
SEARCH_BEFORE_S, SEARCH_AFTER_S = 0.025, 0.020


def _bands(n_fft: int, rate: int) -> NDArray[np.float32]:
    from stemfx.dsp.bands import erb_rate

    hz = np.arange(n_fft // 2 + 1) * (rate / n_fft)
    low, high = erb_rate(np.array([LOW_HZ, min(HIGH_HZ, 0.45 * rate)]))
    centres = np.linspace(low, high, N_BANDS)
    width = centres[1] - centres[0]
    shares = np.maximum(0.0, 1.0 - np.abs(erb_rate(hz) - centres[:, None]) / width)
    for b in range(N_BANDS):
        if not shares[b].any():
            shares[b, np.argmin(np.abs(erb_rate(hz) - centres[b]))] = 1.0
    found: NDArray[np.float32] = shares.astype(np.float32)
    return found


def _levels(signal: Signal) -> tuple[NDArray[np.float32], int]:
    import scipy.fft

    rate = signal.sample_rate
    hop, length = round(HOP_S * rate), 2 * round(WINDOW_S * rate / 2)
    n_fft = scipy.fft.next_fast_len(length, real=True)
    shares = _bands(n_fft, rate).T
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    window /= window.sum()
    framer = Framer(signal.channels, length, hop)
    rows = []

    def take(block: Block) -> None:
        frames = framer(block)
        for r in range(0, frames.shape[1], 64):
            X = scipy.fft.rfft(frames[:, r : r + 64] * window, n_fft)
            rows.append((X.real**2 + X.imag**2).mean(axis=0) @ shares)

    take(np.zeros((signal.channels, length // 2), np.float32))
    for block in signal.blocks():
        take(block)
    take(np.zeros((signal.channels, length), np.float32))
    return np.concatenate(rows), hop


def find_onsets(signal: Signal) -> Times:
    """Return where the strokes of a drum stem begin, in seconds, in order.

    Drums struck within `MERGE_S` are one stroke, told at the first of them.
    """
    from scipy.ndimage import maximum_filter1d

    if not signal.n_samples:
        return np.zeros(0)
    power, hop = _levels(signal)
    loud = np.percentile(power.sum(axis=1), 98)
    if loud <= 1e-14:
        return np.zeros(0)
    band_loud = np.percentile(power, 98, axis=0)
    floor = np.maximum(band_loud * 10**-4.5, loud * 10**-7.5).astype(np.float32)
    level = 10 * np.log10(power + floor)
    before = maximum_filter1d(level, 3, axis=1)
    rise = np.zeros_like(level)
    rise[LAG:] = np.maximum(0, level[LAG:] - before[:-LAG])
    rise = np.minimum(rise, 20)
    group = np.sort(rise, axis=1)[:, -8:].mean(axis=1)
    flux = rise.mean(axis=1) + 0.5 * group
    # peaks
    local = maximum_filter1d(flux, 7)
    med = np.convolve(flux, np.ones(41) / 41, "same")
    peaks = np.flatnonzero((flux == local) & (flux > 3.5) & (flux > med + 2.0))
    # hop to seconds; peak of the rise: window centre a little after the attack
    rate = signal.sample_rate
    times: list[float] = []
    last = -1.0
    for p in peaks:
        near = (p * hop) / rate - 0.005
        lo = max(0, round((near - 0.08) * rate))
        hi = round((near + 0.05) * rate)
        t = lo / rate + attack_s(signal.read(lo, hi), rate, near - lo / rate)
        if t - last > MERGE_S:
            times.append(t)
            last = t
    return np.array(times)


def attack_s(samples: Block, sample_rate: int, near_s: float) -> float:
    """Return where the attack near `near_s` begins, in seconds from the start of `samples`.

    Args:
        samples: `(channels, n)`, with 60 ms or more before the attack if there are any.
        sample_rate: in Hz.
        near_s: where the attack is thought to be.
    """
    from scipy.signal import lfilter

    a = max(0, round((near_s - SEARCH_BEFORE_S) * sample_rate))
    b = min(samples.shape[1], round((near_s + SEARCH_AFTER_S) * sample_rate))
    x = samples[:, :b].astype(np.float64)
    if b - a < 64:
        return max(0.0, near_s)
    scale = np.sqrt((x**2).mean())
    if scale == 0:
        return max(0.0, near_s)
    order = 16
    past = x[:, max(0, a - round(0.06 * sample_rate)) : a]
    energy = np.zeros(b - a)
    for ch, whole in zip(past, x, strict=True):
        coefs = _predictor(ch, order, scale)
        energy += lfilter(coefs, 1.0, whole)[a:b] ** 2
    k = _change(energy, scale)
    return (a + k) / sample_rate


def _predictor(past: NDArray[np.float64], order: int, scale: float) -> NDArray[np.float64]:
    from scipy.linalg import solve_toeplitz

    if past.size < 4 * order:
        return np.array([1.0])
    n = past.size
    r = (
        np.correlate(past, past, "full")[n - 1 : n + order] / n
        if n < 512
        else np.array([np.dot(past[: n - k], past[k:]) / n for k in range(order + 1)])
    )
    r[0] = r[0] * (1 + 1e-6) + scale**2 * 1e-8
    return np.concatenate(([1.0], -solve_toeplitz(r[:-1], r[1:])))


def _change(energy: NDArray[np.float64], scale: float) -> int:
    n = energy.size
    guard = 16
    total = np.cumsum(energy + scale**2 * 1e-9)
    k = np.arange(guard, n - guard)
    left, right = total[k - 1], total[-1] - total[k - 1]
    aic = k * np.log(left / k) + (n - k) * np.log(right / (n - k))
    return int(k[np.argmin(aic)])
