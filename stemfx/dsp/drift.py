"""How far the attacks of a stretched signal lie from where they belong.

Attacks are heard as rises of the level, band by band, in spectra of 6 ms; the rises of the source,
moved to where they should sound, are correlated with those of the result over a few seconds. The
lag of the highest correlation is how late the result is there.
"""

from __future__ import annotations

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.units import Float64s

_HOP_MS = 1.0
_WINDOW_MS = 6.0
_MAX_LAG_MS = 40.0
_FLOOR_DB = -50.0  # below the loudest frame: not heard as an attack
_BANDS = 8
_LEAST_CORRELATION = 0.5
_LEAST_PEAK_DB = 6.0  # a rise that is an attack, in the mean over the bands

CHECK_S = 4.0
"""Length of the stretch that is looked at in one go."""


def lag_ms(source: Block, speed: float, out: Block, sample_rate: int) -> float | None:
    """Return how late `out` is against `source` played at `speed`, or None if it has no attacks.

    Args:
        source: `(channels, n)`.
        speed: source samples an output sample.
        out: `(channels, about n / speed)`; its first sample belongs to the source's first.
        sample_rate: of both, in Hz.
    """
    expected, rises = rises_db(source, sample_rate), rises_db(out, sample_rate)
    if min(len(expected), len(rises)) < 2 or expected.max() < _LEAST_PEAK_DB:
        return None
    hop_ms = 1000.0 * _hop(sample_rate) / sample_rate
    # What is heard at a frame is in its middle, which stretching does not make longer.
    middle = _length(sample_rate) / (2.0 * _hop(sample_rate))
    moments = (np.arange(len(rises)) + middle) * speed - middle
    expected = np.interp(moments, np.arange(len(expected)), expected, left=0.0, right=0.0)
    n_lags = round(_MAX_LAG_MS / hop_ms)
    if len(rises) <= 4 * n_lags:
        return None
    still = expected[n_lags:-n_lags]
    n = len(still)
    scores = np.array([_correlation(still, rises[k : k + n]) for k in range(2 * n_lags + 1)])
    best = int(np.argmax(scores))
    if scores[best] < _LEAST_CORRELATION or best in (0, 2 * n_lags):
        return None
    left, here, right = scores[best - 1 : best + 2]
    bend = left - 2 * here + right
    return float((best - n_lags + (0.5 * (left - right) / bend if bend else 0.0)) * hop_ms)


def rises_db(samples: Block, sample_rate: int) -> Float64s:
    """Return how much the level rises from one frame to the next, the mean over the bands."""
    import scipy.fft

    hop, length = _hop(sample_rate), _length(sample_rate)
    mono = samples.astype(np.float64).mean(axis=0)
    if len(mono) < length + 8 * hop:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(mono, length)[::hop]
    power = np.abs(scipy.fft.rfft(frames * np.hanning(length), axis=1)) ** 2
    edges = np.unique(np.geomspace(1, power.shape[1] - 1, _BANDS + 1).astype(int))[:-1]
    bands = np.add.reduceat(power, edges, axis=1)
    floor = max(float(bands.sum(axis=1).max()) * 10 ** (_FLOOR_DB / 10), 1e-30)
    level_db = 10 * np.log10(bands + floor)
    ago = _length(sample_rate) // hop
    rise = np.zeros(len(level_db))
    rise[ago:] = np.maximum(level_db[ago:] - level_db[:-ago], 0.0).mean(axis=1)
    return rise


def _hop(sample_rate: int) -> int:
    return max(1, round(_HOP_MS * sample_rate / 1000))


def _length(sample_rate: int) -> int:
    return max(8, round(_WINDOW_MS * sample_rate / 1000))


def _correlation(a: Float64s, b: Float64s) -> float:
    a, b = a - a.mean(), b - b.mean()
    powers = float(a @ a) * float(b @ b)
    return float(a @ b) / float(np.sqrt(powers)) if powers else 0.0


class DriftMeter:
    """Collect lags over a song: the drift is the worst of its three thirds, each by its median."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._lags: list[tuple[float, float]] = []

    def add(self, time_s: float, lag: float | None) -> None:
        """Take the lag at one moment; None is no reading."""
        if lag is not None:
            self._lags.append((time_s, lag))

    @property
    def n_points(self) -> int:
        """How many readings there were."""
        return len(self._lags)

    @property
    def drift_ms(self) -> float | None:
        """The lag that is farthest from zero; positive is late; None without a reading."""
        thirds: list[list[float]] = [[], [], []]
        for time_s, lag in self._lags:
            thirds[min(2, int(3 * time_s / max(self._duration_s, 1e-9)))].append(lag)
        medians = [float(np.median(third)) for third in thirds if third]
        return max(medians, key=abs) if medians else None
