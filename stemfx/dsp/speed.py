"""Find a copy that runs at another speed, or starts seconds off: first by its rhythm, then exactly.

A rhythm survives what a waveform does not: at 1 % another speed two waveforms are out of step
after a millisecond, their onsets only after seconds. So onsets in a dozen bands find the speed to
a tenth of a percent, and the delay of the waveform along the song finds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Audio, Block, Signal, read_forward, read_only
from stemfx.dsp.delay import estimate_delay
from stemfx.dsp.resample import rechunk, resample_blocks
from stemfx.dsp.shift import Shifted

MAX_SPEED_PERCENT = 6.0
WRONG_RATES = (44_100 / 48_000, 48_000 / 44_100, 0.5, 2.0, 44_100 / 96_000, 96_000 / 44_100)
"""Speeds of a file whose header names another sample rate than its samples have."""

_EXCERPT_S = 60.0
_HOP_S = 0.005
_FRAME = 1024
_BAND_EDGES_HZ = np.geomspace(60.0, 12_000.0, 13)
_FLOOR = 1e-9
_MIN_PEAK = 0.25  # correlation of onsets; unrelated stems of one song reach 0.15
_SEGMENT_S = 4.0
_MIN_SEGMENTS = 3
_REFINEMENTS = 5

_SEARCH_MS = 60.0

Floats = NDArray[np.float64]
Features = NDArray[np.float64]


@dataclass(frozen=True)
class SpeedEstimate:
    """How a copy runs beside the original.

    Args:
        speed: 1.01 is one percent fast; and as much higher, as on a tape.
        delay_s: how much later than the original it starts, once its speed is put right.
        agreement: correlation of the onsets, 0 to 1.
        is_exact: confirmed by the waveform, so that `speed` is good to a few parts in a million.
    """

    speed: float
    delay_s: float
    agreement: float
    is_exact: bool

    @property
    def percent(self) -> float:
        """How much faster it runs, in percent; negative is slower."""
        return 100.0 * (self.speed - 1.0)


@dataclass(frozen=True, eq=False)
class Slowed:
    """A signal played `factor` times as slowly (1.01: one percent longer and lower)."""

    source: Signal
    factor: float

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.source.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.source.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return round(self.source.n_samples * self.factor)

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        slowed = resample_blocks(
            self.source.blocks(BLOCK_SAMPLES),
            1e6,
            1e6 * self.factor,
            self.channels,
            self.n_samples,
            quality="VHQ",
        )
        return map(read_only, rechunk(slowed, n_samples))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`; it runs from the start of the signal."""
        return read_forward(self, start, stop)


def find_speed(signal: Signal, original: Signal) -> SpeedEstimate | None:
    """Find at which speed, and from when, `signal` plays what `original` holds among other sound.

    Speeds within 6 % and those of a wrong sample rate are tried, and any start. A minute of the
    signal is used, from where it begins to sound.

    Returns:
        None when its rhythm is not found.
    """
    rate = signal.sample_rate
    start = _first_sound(signal)
    length = round(_EXCERPT_S * rate)
    excerpt = Audio(signal.read(start, start + length), rate)
    mine, theirs = _onsets(excerpt), _onsets(original)
    if min(mine.shape[1], theirs.shape[1]) < 2.0 / _HOP_S:
        return None
    step = min(0.0005, 0.03 / (mine.shape[1] * _HOP_S))  # 15 ms out of step at either end, at most
    grid = np.arange(-MAX_SPEED_PERCENT / 100, MAX_SPEED_PERCENT / 100 + step / 2, step)
    speeds = np.concatenate((1.0 + grid - grid[np.argmin(np.abs(grid))], WRONG_RATES))
    peaks = [_best_lag(_slowed_features(mine, speed), theirs) for speed in speeds]
    best = int(np.argmax([peak for peak, _ in peaks]))
    agreement, lag = peaks[best]
    speed = float(speeds[best])
    if agreement < _MIN_PEAK:
        return None
    # The excerpt's first sample lies `lag` hops into the original: at `start` in the signal.
    delay_s = start / rate * speed - lag * _HOP_S
    return _refined(excerpt, original, SpeedEstimate(speed, delay_s, agreement, False), start)


def find_drift(signal: Signal, original: Signal) -> SpeedEstimate | None:
    """Find a speed that is off by less than 0.02 %, of a signal that starts with the original.

    Returns:
        None when the waveform's delay cannot be followed along the signal.
    """
    start = _first_sound(signal)
    excerpt = Audio(
        signal.read(start, start + round(_EXCERPT_S * signal.sample_rate)), signal.sample_rate
    )
    found = _refined(excerpt, original, SpeedEstimate(1.0, 0.0, 1.0, False), start)
    return found if found.is_exact else None


def _first_sound(signal: Signal) -> int:
    position, peak = 0, 0.0
    firsts: list[tuple[int, float]] = []
    for block in signal.blocks(BLOCK_SAMPLES // 4):
        level = float(np.abs(block).max())
        firsts.append((position, level))
        peak = max(peak, level)
        position += block.shape[1]
    return next((at for at, level in firsts if level > 0.05 * peak), 0)


def _onsets(signal: Signal) -> Features:
    """Return how fast the level rises in each band, `(n_bands, n_hops)`, of unit norm a band."""
    rate = signal.sample_rate
    hop = round(_HOP_S * rate)
    bins = np.fft.rfftfreq(_FRAME, 1 / rate)
    member = np.digitize(bins, _BAND_EDGES_HZ)
    bands = np.stack([member == k for k in range(1, len(_BAND_EDGES_HZ))]).astype(np.float32)
    bands = bands[bands.any(axis=1)]
    window = np.hanning(_FRAME).astype(np.float32)
    rows: list[NDArray[np.float32]] = []
    waiting = np.zeros((signal.channels, 0), np.float32)
    for block in signal.blocks(BLOCK_SAMPLES):
        waiting = np.concatenate((waiting, block), axis=1)
        count = (waiting.shape[1] - _FRAME) // hop + 1
        if count <= 0:
            continue
        frames = np.lib.stride_tricks.sliding_window_view(waiting, _FRAME, axis=1)
        spectra = np.fft.rfft(frames[:, : (count - 1) * hop + 1 : hop] * window)
        rows.append(np.sum(spectra.real**2 + spectra.imag**2, axis=0) @ bands.T)
        waiting = waiting[:, count * hop :]
    if not rows:
        return np.zeros((len(bands), 0))
    power = np.concatenate(rows).T.astype(np.float64)
    level = np.log(power + 1e-5 * power.mean() + _FLOOR)
    rise = np.maximum(np.diff(level, axis=1, prepend=level[:, :1]), 0.0)
    smooth = np.apply_along_axis(np.convolve, 1, rise, [0.25, 0.5, 0.25], "same")
    centred: Features = smooth - smooth.mean(axis=1, keepdims=True)
    return centred


def _slowed_features(features: Features, factor: float) -> Features:
    n = features.shape[1]
    at = np.arange(round(n * factor)) / factor
    slowed: Features = np.stack([np.interp(at, np.arange(n), row) for row in features])
    return slowed


def _best_lag(mine: Features, theirs: Features) -> tuple[float, int]:
    """Return the highest normalised correlation, and how many hops into the original it starts.

    Bands are added before they are normalised: a band in which nothing happens counts nothing.
    """
    n_bands = min(len(mine), len(theirs))
    mine, theirs = mine[:n_bands], theirs[:n_bands]
    size = 1 << (mine.shape[1] + theirs.shape[1]).bit_length()
    product = np.sum(np.fft.rfft(theirs, size) * np.fft.rfft(mine, size).conj(), axis=0)
    correlation = np.fft.irfft(product, size)
    # Energy of what lies under the excerpt at each lag, of both.
    norm = np.sqrt(np.sum(mine**2) * np.sum(theirs**2) * min(1.0, mine.shape[1] / theirs.shape[1]))
    if norm == 0:
        return 0.0, 0
    best = int(np.argmax(correlation))
    return float(correlation[best] / norm), best if best < size // 2 else best - size


def _refined(excerpt: Audio, original: Signal, coarse: SpeedEstimate, start: int) -> SpeedEstimate:
    """Follow the waveform's delay along the excerpt, and straighten it."""
    rate = excerpt.sample_rate
    speed = coarse.speed
    place = start / rate * speed - coarse.delay_s  # where in the original the excerpt begins
    is_exact = False
    for segment_s in (_SEGMENT_S / 2, *(_SEGMENT_S for _ in range(_REFINEMENTS))):
        slowed = Audio(Slowed(excerpt, speed).read(), rate)
        begin = round(place * rate)
        times, delays, weights = _delays_along(slowed, original, begin, round(segment_s * rate))
        if len(times) < _MIN_SEGMENTS:
            continue
        slope, offset = _line(times, delays, weights)
        is_exact = True
        speed /= 1.0 + slope
        place = begin / rate - offset
        if abs(slope) < 1e-7 and segment_s == _SEGMENT_S:
            break
    return SpeedEstimate(speed, start / rate * speed - place, coarse.agreement, is_exact)


def _delays_along(
    signal: Audio, original: Signal, begin: int, segment: int
) -> tuple[Floats, Floats, Floats]:
    """Return when, by how much and how surely the signal is late, in segments of its length.

    Args:
        signal: at the speed of the original, nearly.
        original: the original.
        begin: the signal's first sample in the original.
        segment: length in samples; one begins every half of it.
    """
    rate = signal.sample_rate
    found = []
    for at in range(0, signal.n_samples - segment + 1, segment // 2):
        if begin + at < 0 or begin + at + segment > original.n_samples:
            continue
        there = Audio(original.read(begin + at, begin + at + segment), rate)
        here = Audio(signal.read(at, at + segment), rate)
        delay = estimate_delay(here, there, _SEARCH_MS)
        if delay.has_common_source:
            sure = 1.0 / (1.0 + delay.uncertainty_samples)
            found.append(((at + segment / 2) / rate, delay.delay_samples / rate, sure))
    times, delays, weights = np.array(found).reshape(-1, 3).T
    return times, delays, weights


def _line(times: Floats, delays: Floats, weights: Floats) -> tuple[float, float]:
    """Fit slope and offset by weighted least squares, without the segments far off (Tukey)."""
    kept = weights
    slope = offset = 0.0
    for _ in range(10):
        slope, offset = np.polyfit(times, delays, 1, w=np.sqrt(kept) + 1e-9)
        off = np.abs(delays - slope * times - offset)
        scale = 6.0 * float(np.median(off)) + 1e-7
        kept = weights * np.square(np.clip(1.0 - np.square(off / scale), 0.0, None))
        if not kept.any():
            break
    return float(slope), float(offset)


def put_right(signal: Signal, found: SpeedEstimate) -> Shifted:
    """Return the signal at the original's speed and place."""
    slowed: Signal = signal if found.speed == 1.0 else Slowed(signal, found.speed)
    return Shifted(slowed, -found.delay_s * signal.sample_rate)
