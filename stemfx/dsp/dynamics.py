"""What every stage that rides a level is made of: detector, gain computer, ballistics, gain.

Ours, because pedalboard's Compressor and NoiseGate work on each channel by itself (the
stereo image wanders), have no side-chain, no knee and no hold, and do not tell how many dB
they took: neither `duck` nor an honest report can be built on them.

Levels are looked at once every `CONTROL_SAMPLES` (a *frame*, 0.36 ms at 44.1 kHz), all
channels together, and the gain moves in a straight line from one frame's end to the next.
So the ballistics, which must run one value after the other, run 16 times less often than
the audio; and since frames are counted from the start of the signal, the result has the
same bits however the signal is cut into blocks. See D. Giannoulis, M. Massberg and
J. D. Reiss, "Digital Dynamic Range Compressor Design", J. Audio Eng. Soc. 60(6), 2012.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.units import FLOOR_DB, gain_to_db

CONTROL_SAMPLES = 16
"""Length of a frame. The gain sees at most this far ahead: a level counts for its whole frame."""

Frames = NDArray[np.float64]
"""`(n_frames,)`: one value for each frame."""


# ---------------------------------------------------------------------------- cutting


def frame_aligned(blocks: Iterable[Block]) -> Iterator[Block]:
    """Cut blocks again so that each but the last is a whole number of frames long."""
    rest: Block | None = None
    for block in blocks:
        joined = block if rest is None else np.concatenate((rest, block), axis=1)
        whole = joined.shape[1] // CONTROL_SAMPLES * CONTROL_SAMPLES
        if whole:
            yield joined[:, :whole]
        rest = joined[:, whole:]
    if rest is not None and rest.shape[1]:
        yield rest


def beside_key(
    signal: Signal, key: Signal, look_ahead_samples: int = 0
) -> Iterator[tuple[Block, Block]]:
    """Yield frame-aligned blocks of `signal`, each beside the stretch of `key` that steers it.

    The stretch begins `look_ahead_samples` later and is as long; past its end a key is silent.
    A signal that is its own key is read once.

    Raises:
        ValueError: the sample rates differ.
    """
    if signal.sample_rate != key.sample_rate:
        msg = f"the key is at {key.sample_rate} Hz, the signal at {signal.sample_rate} Hz"
        raise ValueError(msg)
    if key is signal and not look_ahead_samples:
        yield from ((block, block) for block in frame_aligned(signal.blocks()))
    else:
        yield from steered(signal.blocks(), key, look_ahead_samples)


def steered(
    blocks: Iterable[Block], key: Signal, look_ahead_samples: int = 0
) -> Iterator[tuple[Block, Block]]:
    """Yield a stream in frame-aligned blocks, each beside the stretch of `key` that steers it.

    As `beside_key` for what is no signal yet; both are at one rate.
    """
    start = look_ahead_samples
    for block in frame_aligned(blocks):
        stretch = key.read(start, start + block.shape[1])
        missing = block.shape[1] - stretch.shape[1]
        yield block, np.pad(stretch, ((0, 0), (0, missing))) if missing else stretch
        start += block.shape[1]


def whole_frames(duration_ms: float, sample_rate: int) -> int:
    """Return the number of frames nearest to `duration_ms`."""
    return round(duration_ms * sample_rate / (1000.0 * CONTROL_SAMPLES))


# ---------------------------------------------------------------------------- detector


def frame_peak_db(block: Block, floor_db: float = FLOOR_DB) -> Frames:
    """Return the peak of each frame over all channels in dBFS (stereo-linked)."""
    peaks: Frames = _in_frames(np.abs(block).max(axis=0)).max(axis=1)
    return gain_to_db(peaks, floor_db)


def frame_power(block: Block) -> Frames:
    """Return the mean square of each frame, averaged over all channels (stereo-linked)."""
    squares: Frames = np.square(block, dtype=np.float64).mean(axis=0)
    power: Frames = _in_frames(squares).mean(axis=1)
    return power


def frame_mean(block: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of each frame of each channel, `(channels, n_frames)`.

    A last frame that is not full counts as if silence followed.
    """
    missing = -block.shape[1] % CONTROL_SAMPLES
    whole = np.pad(block, ((0, 0), (0, missing))) if missing else block
    frames = whole.reshape(len(block), -1, CONTROL_SAMPLES)
    mean: NDArray[np.float64] = frames.sum(axis=2, dtype=np.float64) / CONTROL_SAMPLES
    return mean


def _in_frames(samples: NDArray[Any]) -> NDArray[Any]:
    missing = -len(samples) % CONTROL_SAMPLES
    whole = np.pad(samples, (0, missing)) if missing else samples
    return whole.reshape(-1, CONTROL_SAMPLES)


# ---------------------------------------------------------------------------- gain computer


def soft_ramp_db(over_db: Frames, knee_db: float) -> Frames:
    """Return max(0, over) with its corner rounded over `knee_db`, half of it on either side.

    (over + knee/2)^2 / (2 knee) inside the knee: Giannoulis et al. 2012, equation 4. A
    compressor's reduction is (1 - 1/ratio) times this of level - threshold.
    """
    if knee_db <= 0:
        return np.maximum(over_db, 0.0)
    inside = np.clip(over_db + knee_db / 2.0, 0.0, knee_db)
    return inside * inside / (2.0 * knee_db) + np.maximum(over_db - knee_db / 2.0, 0.0)


# ---------------------------------------------------------------------------- ballistics


def smoothing(time_ms: float, sample_rate: int, frame: int = CONTROL_SAMPLES) -> float:
    """Return the share of the way that a one-pole goes in one frame: 63 % of it in `time_ms`."""
    if time_ms <= 0:
        return 1.0
    return -math.expm1(-1000.0 * frame / (time_ms * sample_rate))


class OnePole:
    """A one-pole low-pass over frames, `frame` samples each, that starts settled on `start`."""

    def __init__(
        self, sample_rate: int, time_ms: float, start: float = 0.0, *, frame: int = CONTROL_SAMPLES
    ) -> None:
        self._share = smoothing(time_ms, sample_rate, frame)
        self._state = np.array([(1.0 - self._share) * start])

    def __call__(self, values: Frames) -> Frames:
        """Smooth the next frames."""
        from scipy.signal import lfilter

        smoothed: Frames
        smoothed, self._state = lfilter(
            [self._share], [1.0, self._share - 1.0], values, zi=self._state
        )
        return smoothed


class Follower:
    """Follow a value upwards with `attack_ms`, hold it, and let it fall with `release_ms`.

    The decoupled smooth peak detector of Giannoulis et al. 2012, section 3: peaks are caught
    at once, held for `hold_ms` and released exponentially; the result is smoothed with the
    attack. A steady tone, whose frames come and go with every half-wave, therefore reads at
    its peak. Both times are time constants: 63 % of the way. On the way down the smoothing adds
    its own time, so the peak itself is released sooner by as much, twice as fast at most:
    within 8 % of `release_ms` from twice `attack_ms` on, later below. (Without smoothing on the
    way down the time would be exact, and the distortion of a bass note 5 dB higher.)

    Args:
        sample_rate: of the audio, in Hz.
        attack_ms: 0 follows at once.
        release_ms: 0 falls at once.
        hold_ms: how long a peak stays before it is released.
        start: the value before the signal begins, held like any other.
        frame: length of a frame in samples.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        attack_ms: float,
        release_ms: float,
        hold_ms: float = 0.0,
        start: float = 0.0,
        frame: int = CONTROL_SAMPLES,
    ) -> None:
        self._attack = smoothing(attack_ms, sample_rate, frame)
        self._release = smoothing(max(release_ms - attack_ms, release_ms / 2), sample_rate, frame)
        self._hold = whole_frames(hold_ms, sample_rate)
        self._state = (start, start, self._hold)  # peak, smoothed peak, frames left to hold

    def __call__(self, values: Frames) -> Frames:
        """Follow the next frames."""
        attack, release, hold = self._attack, self._release, self._hold
        peak, smooth, left = self._state
        followed: list[float] = []
        append = followed.append
        for value in values.tolist():
            if value >= peak:
                peak, left = value, hold
            elif left:
                left -= 1
            else:
                peak += release * (value - peak)
            smooth += attack * (peak - smooth)
            append(smooth)
        self._state = (peak, smooth, left)
        return np.array(followed)


class AutoFollower:
    """Follow a value with a release that heeds what came before: fast, down to a slow mean.

    What is released towards is the mean of the last second: a single peak hardly moves it, and
    is let go of in `FAST_MS`; after a long loud stretch the mean is as high as the value was,
    and takes `SLOW_MS` to sink. Between two drum hits the gain so comes back only part of the
    way: it breathes less. Like the two capacitors of a bus compressor's auto release.
    """

    FAST_MS = 100.0
    SLOW_MS = 1200.0

    def __init__(self, sample_rate: int, *, attack_ms: float) -> None:
        self._mean = OnePole(sample_rate, self.SLOW_MS)
        self._follower = Follower(sample_rate, attack_ms=attack_ms, release_ms=self.FAST_MS)

    def __call__(self, values: Frames) -> Frames:
        """Follow the next frames."""
        return self._follower(np.maximum(values, self._mean(values)))


class PeakHold:
    """Follow a level in dB upwards at once and downwards by at most `fall_db_per_s`.

    envelope[n] = max over m <= n of level[m] - fall (n - m), which is a running maximum of
    level[n] + fall n: exact, and without a loop.
    """

    def __init__(self, sample_rate: int, fall_db_per_s: float) -> None:
        self._fall = fall_db_per_s * CONTROL_SAMPLES / sample_rate
        self._highest = -math.inf
        self._n_frames = 0

    def __call__(self, level_db: Frames) -> Frames:
        """Follow the next frames."""
        tilt = self._fall * np.arange(self._n_frames, self._n_frames + len(level_db))
        tilted: Frames = np.maximum(np.maximum.accumulate(level_db + tilt), self._highest)
        self._highest = float(tilted[-1])
        self._n_frames += len(level_db)
        return tilted - tilt


# ---------------------------------------------------------------------------- gain


class GainRamp:
    """Turn a gain per frame into a gain per sample, in straight lines that join at frame ends.

    Args:
        start: the gain before the signal begins, a factor.
    """

    _RISE = (np.arange(1, CONTROL_SAMPLES + 1) / CONTROL_SAMPLES).astype(np.float32)

    def __init__(self, start: float = 1.0) -> None:
        self._last = np.array([start], np.float32)

    def __call__(self, gain: Frames, n_samples: int) -> NDArray[np.float32]:
        """Return `(n_samples,)` factors for the next frames; a constant gain stays exact."""
        ends = gain.astype(np.float32)
        starts = np.concatenate((self._last, ends[:-1]))
        self._last = ends[-1:]
        gains = starts[:, None] + (ends - starts)[:, None] * self._RISE
        out: NDArray[np.float32] = gains.reshape(-1)[:n_samples]
        return out


class ReductionMeter:
    """Sum up how much a stage turned down, for its report."""

    ACTIVE_DB = 0.1
    """A reduction below this is not counted as work."""

    def __init__(self) -> None:
        self._highest_db = 0.0
        self._sum_db = 0.0
        self._active = 0
        self._n_frames = 0

    def __call__(self, reduction_db: Frames) -> None:
        """Take in the next frames."""
        working = reduction_db[reduction_db > self.ACTIVE_DB]
        self._highest_db = max(self._highest_db, float(reduction_db.max()))
        self._sum_db += float(working.sum())
        self._active += len(working)
        self._n_frames += len(reduction_db)

    @property
    def active_percent(self) -> float:
        """How much of the time there was a reduction."""
        return round(100.0 * self._active / max(1, self._n_frames), 1)

    @property
    def measurements(self) -> dict[str, float]:
        """Highest reduction, its mean over the time it was at work, and that time's share."""
        return {
            "max_gain_reduction_db": round(self._highest_db, 2),
            "mean_gain_reduction_db": round(self._sum_db / max(1, self._active), 2),
            "active_percent": self.active_percent,
        }
