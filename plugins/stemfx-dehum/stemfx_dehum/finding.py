"""Find the fundamental of a hum, and follow it.

In a stretch of 8 s a hum is coherent: the frames of a line, each turned back by the phase that the
hum would have there, add up; music's do not. For every frequency and slope on a grid

    gain = -n log(1 - |sum w x e^(-j phase)|^2 / (sum w sum w |x|^2)),   w = 1 / power around

is the gain in log-likelihood that such a line brings (amplitude and noise level unknown), and the
gains of all lines and channels add up. The best way through the stretches (Viterbi) is the track.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from stemfx.audio import Signal
from stemfx.dsp.framing import Framer
from stemfx_dehum.hum import Hum
from stemfx_dehum.lines import HOP_S, Complexes, decimated
from stemfx_dehum.locking import locked
from stemfx_dehum.track import Floats, Track

SHORTEST_S = 5.0
"""With less, hum cannot be told from a note."""

_MAINS_HZ = (50.0, 60.0)
_OFF_HZ = 0.5  # G1, the nearest note of a scale, lies at 49.0 Hz
_FRAME_S = 1.0
_AROUND_HZ = 6.0
_MOST_COHERENT = 0.995
_EVERY = 4  # hops from one stretch to the next: 1 s


@dataclass(frozen=True)
class Search:
    """Where to look.

    Args:
        low_hz: of the fundamental.
        high_hz: likewise.
        stretch_s: how long a hum is taken to drift in a straight line.
        n_lines: multiples that are looked at.
        slopes: Hz a second.
    """

    low_hz: float
    high_hz: float
    stretch_s: float
    n_lines: int = 8
    slopes: tuple[float, ...] = tuple(0.015 * i for i in range(-4, 5))

    @property
    def grid_hz(self) -> Floats:
        """Two steps for what the highest line resolves."""
        step = 0.5 / (self.stretch_s * self.n_lines)
        return np.arange(self.low_hz, self.high_hz + step / 2, step)


def find_hum(signal: Signal, freq_hz: float | None, n_lines: int) -> Hum | None:
    """Return the hum of a signal, or None if it has none.

    Args:
        signal: mono or stereo.
        freq_hz: its fundamental within half a hertz; None looks at the mains.
        n_lines: multiples to look at.
    """
    duration_s = signal.n_samples / signal.sample_rate
    if duration_s < SHORTEST_S:
        return None
    stretch_s = min(8.0, HOP_S * int((duration_s - 1.5) / HOP_S))
    told = _MAINS_HZ if freq_hz is None else (freq_hz,)
    searches = [Search(hz - _OFF_HZ, hz + _OFF_HZ, stretch_s) for hz in told]
    track, _ = max((find_track(signal, search) for search in searches), key=lambda one: one[1])
    hum = Hum.along(signal, locked(signal, track, n_lines), n_lines)
    return hum if hum.is_there else None


def find_track(signal: Signal, search: Search) -> tuple[Track, float]:
    """Return the best track within a search, and its mean gain in nats."""
    gains, times_s = _gains(signal, search)
    path, gain = _best_path(gains)
    duration_s = signal.n_samples / signal.sample_rate
    return Track.through(search.grid_hz[path], times_s, duration_s, HOP_S), gain


def _gains(signal: Signal, search: Search) -> tuple[Floats, Floats]:
    blocks, rate = decimated(signal)
    length, hop = round(_FRAME_S * rate), round(HOP_S * rate)
    framer = Framer(signal.channels, length, hop)
    window = np.hanning(length + 1)[:-1]
    bin_hz = rate / (2 * length)
    n_frames = round(search.stretch_s / HOP_S)
    tau_s = np.asarray((np.arange(n_frames) - (n_frames - 1) / 2) * hop / rate, np.float64)
    grid = search.grid_hz
    scorers = [
        _Scorer(k, grid, bin_hz, tau_s, np.array(search.slopes))
        for k in range(1, search.n_lines + 1)
    ]
    top = int(search.n_lines * search.high_hz / bin_hz) + round(_AROUND_HZ / bin_hz)
    ring: deque[tuple[Complexes, Floats, Floats]] = deque(maxlen=n_frames)
    gains, times_s, seen = [], [], 0
    for block in blocks:
        frames = framer(block)
        for i in range(frames.shape[1]):
            ring.append(
                _whitened(frames[:, i] * window, 2 * length, top, round(_AROUND_HZ / bin_hz))
            )
            seen += 1
            if len(ring) == n_frames and (seen - n_frames) % _EVERY == 0:
                stacked = [np.stack(part) for part in zip(*ring, strict=True)]
                total = np.sum([scorer(*stacked) for scorer in scorers], axis=0)
                gains.append(total.max(axis=0))
                times_s.append(((seen - n_frames) * hop + length / 2) / rate - tau_s[0])
    return np.array(gains), np.array(times_s)


def _whitened(frame: Floats, n_fft: int, top: int, around: int) -> tuple[Complexes, Floats, Floats]:
    """Return x w, w and |x|^2 w of a frame's bins, `(channels, top)`."""
    spectrum = np.fft.rfft(frame, n_fft)[:, :top]
    powers = np.abs(spectrum) ** 2
    # The filter runs on, and so it keeps the rounding of loud bins; no mean is below a share of it.
    means = np.maximum(uniform_filter1d(powers, around, axis=1), powers / around)
    sounds = np.count_nonzero(frame, axis=1, keepdims=True) > 0.8 * frame.shape[1]
    weights = sounds / (means + 1e-16)  # silence has no say
    return spectrum * weights, weights, powers * weights


class _Scorer:
    """The gain of one line, for every slope and frequency of the grid."""

    def __init__(
        self, k: int, grid_hz: Floats, bin_hz: float, tau_s: Floats, slopes: Floats
    ) -> None:
        self._bins = np.round(k * grid_hz / bin_hz).astype(np.intp)
        self._back = np.exp(-2j * np.pi * k * np.outer(tau_s, grid_hz))
        self._bent = np.exp(-1j * np.pi * k * np.outer(slopes, tau_s**2))
        self._kernel = np.hanning(len(tau_s) + 2)[1:-1]
        self._independent = len(tau_s) * HOP_S / _FRAME_S

    def __call__(self, weighted: Complexes, weights: Floats, energies: Floats) -> Floats:
        """Return `(n_slopes, n_grid)` from `(n_frames, channels, n_bins)`."""
        total = 0.0
        for channel in range(weighted.shape[1]):
            turned = self._kernel[:, np.newaxis] * weighted[:, channel, self._bins] * self._back
            power = (self._kernel @ weights[:, channel, self._bins]) * (
                self._kernel @ energies[:, channel, self._bins]
            )
            summed = np.abs(self._bent @ turned) ** 2
            coherent = np.minimum(summed / np.maximum(power, 1e-300), _MOST_COHERENT)
            total = total - self._independent * np.log1p(-coherent)
        return np.asarray(total)


_STEPS = 8  # of the grid from one stretch to the next: 0.06 Hz
_STEP_COST = 0.3


def _best_path(gains: Floats) -> tuple[np.ndarray, float]:
    """Return the way through `(n_stretches, n_grid)` with the most gain, and its mean (Viterbi)."""
    n_times, n_grid = gains.shape
    reach = min(_STEPS, n_grid - 1)
    came = np.zeros((n_times, n_grid), np.int8)
    best = gains[0]
    for t in range(1, n_times):
        options = np.full((2 * reach + 1, n_grid), -np.inf)
        for by in range(-reach, reach + 1):
            source = best - _STEP_COST * abs(by)
            if by >= 0:
                options[by + reach, : n_grid - by] = source[by:]
            else:
                options[by + reach, -by:] = source[:by]
        chosen = options.argmax(axis=0)
        came[t] = chosen - reach
        best = options[chosen, np.arange(n_grid)] + gains[t]
    path = np.empty(n_times, np.intp)
    path[-1] = best.argmax()
    for t in range(n_times - 1, 0, -1):
        path[t - 1] = path[t] + came[t, path[t]]
    return path, float(best.max()) / n_times
