"""Hold a true-peak ceiling: a soft clip for the tips, then a limiter that looks ahead.

pedalboard.BrickwallLimiter was measured against this one (three songs, -9 LUFS, 8x meter):
it overshoots its ceiling by 0.05 to 0.10 dB where this one keeps within 0.002 dB, and it does
not say how much it turned down. Both change the signal by the same amount.
"""

from __future__ import annotations

import errno
import math
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import chain, tee
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.loudness import OVERSAMPLING, TruePeakMeter, metered
from stemfx.dsp.resample import rechunk, resample_blocks
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.errors import DiskFullError

Curve = NDArray[np.float64]

CHUNK_SAMPLES = 8192
LOOK_AHEAD_MS = 4.0
HOLD_MS = 8.0
"""With the look-ahead 12 ms: the gain rests between the half-waves of any tone above 42 Hz."""
UNHEARD_NEPERS = 1e-5  # 0.0001 dB: below it the release ends, and the gain is exactly 1
_NOTHING = 1e-30  # in place of zero, which has no logarithm
TOLERANCE_DB = 0.02
"""Of 0.05 dB promised: the rest is for meters whose oversampling filter ends elsewhere."""


# ------------------------------------------------------------------------ wave shaping


def shape(
    blocks: Iterable[Block],
    curve: Callable[[Block], Block],
    channels: int,
    n_samples: int,
    oversampling: int = 4,
) -> Iterator[Block]:
    """Yield `blocks` bent by `curve`, computed at a higher rate so that harmonics do not alias.

    Only the difference `curve(x) - x` takes the way up and down: where the curve does nothing
    not a bit changes, and the sound above the resampler's 0.91 Nyquist stays.
    """
    dry, probe = tee(rechunk(blocks, CHUNK_SAMPLES))
    fine = resample_blocks(probe, 1, oversampling, channels, n_samples * oversampling)
    change = resample_blocks(
        (curve(block) - block for block in fine), oversampling, 1, channels, n_samples
    )
    for block, bent in zip(dry, rechunk(change, CHUNK_SAMPLES), strict=True):
        yield block + bent


class SoftClip:
    """A curve that is straight below the knee, then bends into the ceiling like tanh.

    f(x) = k + (c - k) tanh((x - k) / (c - k)) above k = knee * c: slope 1 at the knee, so
    there is no corner, and never above c.
    """

    def __init__(self, ceiling_dbfs: float, knee: float = 0.7) -> None:
        self._ceiling = db_to_gain(ceiling_dbfs)
        self._knee = knee * self._ceiling
        self._highest = 0.0

    def __call__(self, block: Block) -> Block:
        """Bend a block of any shape."""
        size = np.abs(block)
        highest = float(size.max(initial=0))
        if highest <= self._knee:
            return block
        self._highest = max(self._highest, highest)
        room = self._ceiling - self._knee
        over = size > self._knee
        bent = block.copy()
        tips = size[over]
        tips = self._knee + room * np.tanh((tips - self._knee) / room)
        bent[over] = np.copysign(tips, block[over])
        return bent

    @property
    def max_reduction_db(self) -> float:
        """How much the highest tip so far was taken down."""
        if not self._highest:
            return 0.0
        room = self._ceiling - self._knee
        return gain_to_db(self._highest) - gain_to_db(
            self._knee + room * float(np.tanh((self._highest - self._knee) / room))
        )


# ------------------------------------------------------------------------ the limiter


class ReductionCurve:
    """Turn the reduction that is needed at each step into one that is there in time, no corner.

    The maximum over the hold, an exponential release, and a triangle as long as the look-ahead.
    All in nepers. What comes out belongs to the steps `delay` before what went in.

    Args:
        steps_per_s: of the values, in Hz.
        look_ahead_ms: from the first move to the wanted depth.
        hold_ms: how long, beyond the look-ahead, the gain rests on a peak.
        release_ms: time in which a reduction falls to 37 %.
    """

    def __init__(
        self, steps_per_s: float, look_ahead_ms: float, hold_ms: float, release_ms: float
    ) -> None:
        self._decay = 1000 / (release_ms * steps_per_s)
        self._box = max(1, round(look_ahead_ms / 2000 * steps_per_s))
        # A step's gain also weighs on its neighbours, up to the next one on either side:
        # wherever in the triangle, 2 box - 1 long, it must see the needs of n-1, n and n+1.
        self.delay = 2 * self._box - 1
        window = self.delay + 2 + round(hold_ms / 1000 * steps_per_s)
        self._reach = window // 2  # the maximum runs over 2 reach + 1 steps
        self._past = [np.zeros(2 * self._reach), np.zeros(self._box), np.zeros(self._box)]
        self._falling = 0.0

    def __call__(self, needs: Curve) -> Curve:
        """Take the next needs, return as many reductions."""
        if not (self._falling or needs.any() or any(past.any() for past in self._past)):
            return needs  # none, as most of the time in a quiet song
        return self._smoothed(self._released(self._held(needs)))

    def _with_past(self, curve: Curve, which: int) -> Curve:
        past = self._past[which]
        joined = np.concatenate((past, curve))
        self._past[which] = joined[len(curve) :]
        return joined

    def _held(self, needs: Curve) -> Curve:
        from scipy.ndimage import maximum_filter1d

        joined = self._with_past(needs, 0)
        highest = maximum_filter1d(joined, 2 * self._reach + 1)
        held: Curve = highest[self._reach : self._reach + len(needs)]
        return held

    def _released(self, held: Curve) -> Curve:
        # max over m <= n of held[m] exp(-(n - m) decay): in logarithms a running maximum.
        time = self._decay * np.arange(len(held))
        level = np.log(np.maximum(held, _NOTHING)) + time
        level[:1] = np.maximum(level[:1], np.log(max(self._falling, _NOTHING)) - self._decay)
        falling: Curve = np.exp(np.maximum.accumulate(level) - time)
        falling[falling < UNHEARD_NEPERS] = 0
        self._falling = float(falling[-1])
        return falling

    def _smoothed(self, curve: Curve) -> Curve:
        for which in (1, 2):  # two boxes make a triangle
            total = np.cumsum(self._with_past(curve, which))
            curve = (total[self._box :] - total[: -self._box]) / self._box
        return curve


class TruePeakLimiter:
    """Turn down, in time, whatever would rise above a ceiling between or on the samples.

    The reduction that every sample needs is read at 8x, over both channels together (the
    stereo image stays). `ReductionCurve` makes a gain of it. Below the ceiling it is exactly 1.

    Use it once, as `limiter(blocks, n_samples)`; `max_reduction_db` is what it did so far.
    """

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        ceiling_dbtp: float,
        release_ms: float = 50.0,
        *,
        look_ahead_ms: float = LOOK_AHEAD_MS,
        hold_ms: float = HOLD_MS,
    ) -> None:
        self._channels = channels
        self._ceiling = db_to_gain(ceiling_dbtp)
        self._curve = ReductionCurve(sample_rate, look_ahead_ms, hold_ms, release_ms)
        self.max_reduction_db = 0.0

    def __call__(self, blocks: Iterable[Block], n_samples: int) -> Iterator[Block]:
        """Yield `blocks`, `n_samples` in all, below the ceiling."""
        dry, coarse, probe = tee(rechunk(blocks, CHUNK_SAMPLES), 3)
        fine = resample_blocks(probe, 1, OVERSAMPLING, self._channels, n_samples * OVERSAMPLING)
        gains = rechunk(self._gains(coarse, fine), CHUNK_SAMPLES)
        for block, gain in zip(dry, gains, strict=True):
            yield block * gain

    def _gains(self, coarse: Iterable[Block], fine: Iterable[Block]) -> Iterator[Block]:
        early = self._curve.delay
        for needs in chain(self._needs(coarse, fine), [np.zeros(early)]):
            reduction = self._curve(needs)
            self.max_reduction_db = max(
                self.max_reduction_db, gain_to_db(math.e) * float(reduction.max(initial=0))
            )
            yield np.exp(-reduction[early:], dtype=np.float32)[None]
            early = max(0, early - len(reduction))

    def _needs(self, coarse: Iterable[Block], fine: Iterable[Block]) -> Iterator[Curve]:
        """Yield the nepers that bring each sample, and the 8 points after it, to the ceiling."""
        for block, points in zip(coarse, rechunk(fine, CHUNK_SAMPLES * OVERSAMPLING), strict=True):
            size = np.abs(points).max(axis=0).reshape(-1, OVERSAMPLING)
            # The sample itself counts, too: what it has above 0.91 Nyquist is not in the points.
            # Column by column is ten times as fast as max(axis=1).
            peak = reduce(np.maximum, size.T, np.abs(block).max(axis=0)).astype(np.float64)
            yield np.log(np.maximum(peak, self._ceiling) / self._ceiling)


# ------------------------------------------------------------------------ to the ceiling


class Spool:
    """A signal in an unnamed temporary file: for a stream that is dear to make and wanted twice.

    Raises:
        DiskFullError: there is no room for it.
    """

    def __init__(self, blocks: Iterable[Block], sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.n_samples = 0
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with self
        weakref.finalize(self, self._file.close)
        try:
            for block in blocks:
                self._file.write(np.ascontiguousarray(block.T, np.float32).data)
                self.n_samples += block.shape[1]
            self._file.flush()
        except OSError as reason:
            if reason.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            message = f"no room for a temporary file in {tempfile.gettempdir()}; set TMPDIR"
            raise DiskFullError(message) from reason

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop` as a read-only block."""
        start = max(0, start)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        frame = 4 * self.channels
        self._file.seek(start * frame)
        frames = np.frombuffer(self._file.read(max(0, stop - start) * frame), np.float32)
        return read_only(frames.reshape(-1, self.channels).T)


@dataclass(frozen=True)
class Limited:
    """A limited signal and what the limiter did to it."""

    signal: Signal
    true_peak_dbtp: float
    max_reduction_db: float


def limit(
    source: Callable[[], Iterable[Block]],
    like: Signal,
    ceiling_dbtp: float,
    release_ms: float = 50.0,
) -> Limited:
    """Limit a stream to `ceiling_dbtp` and verify it at 8x, within 0.02 dB.

    A gain that moves while the sound is full of energy close to Nyquist can still let a peak
    through: then the limiter aims lower and runs again.

    Args:
        source: starts the stream; called once a try.
        like: a signal of the same rate, channels and length.
        ceiling_dbtp: highest level allowed between the samples.
        release_ms: time in which a reduction (in dB) falls to 37 %.
    """
    aim_dbtp = ceiling_dbtp
    while True:  # the overshoot is a few hundredths of a dB, so the second try lands
        limiter = TruePeakLimiter(like.sample_rate, like.channels, aim_dbtp, release_ms)
        meter = TruePeakMeter(like.channels, "VHQ")
        limited = metered(limiter(source(), like.n_samples), meter)
        spool = Spool(limited, like.sample_rate, like.channels)
        true_peak_dbtp = gain_to_db(meter.true_peak)
        over_db = true_peak_dbtp - ceiling_dbtp
        if not over_db > TOLERANCE_DB:  # so that a NaN ends it, too
            return Limited(spool, true_peak_dbtp, limiter.max_reduction_db)
        aim_dbtp -= over_db
