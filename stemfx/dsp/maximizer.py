"""Make a song louder than its peaks allow: level, clip, limit, and find the gain for a loudness.

Three things share the work, each what it does with least harm. The leveller turns down what is
loud for milliseconds (bass, held notes); a soft clip at 4x takes the tips of drums, which would
otherwise turn everything else down; the true-peak limiter holds what grows again between the
samples, tenths of a dB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from stemfx.audio import Audio, Block, Signal
from stemfx.dsp.leveller import Leveller
from stemfx.dsp.limiter import TOLERANCE_DB, SoftClip, Spool, TruePeakLimiter, shape
from stemfx.dsp.loudness import (
    ABSOLUTE_GATE_LUFS,
    LoudnessMeter,
    TruePeakMeter,
    metered,
)
from stemfx.dsp.true_peak import WidePeakMeter
from stemfx.dsp.units import db_to_gain, gain_to_db

MARGIN_DB = 0.03
"""Meters that end elsewhere below Nyquist read more of music held at a ceiling: up to 0.07 dB."""
LEVEL_OVER_CEILING_DB = 1.5
"""Where the leveller begins: lower it pumps more, higher the clip tears bass."""
CLIP_UNDER_CEILING_DB = (0.05, 0.4)
"""Least and most room to grow in between the samples. More would clip what needs no clip; only
where next to nothing is over is it worth so much that the limiter can rest altogether."""
LIGHT_DB = 1.0
"""So little over the ceiling, most of it may lie between the samples."""
LIGHT_TRIES = 3
LIGHT_ROOM_DB = 0.03
KNEE_DB = (0.1, 1.5)
"""Least and most that the clip bends below its ceiling: as much as the highest tip is over it.

Of 0.5 to 4.5 dB at most, 1 to 1.5 leave least of all kinds of distortion; a softer one bends half
of the wave, a harder one crackles on bass alone."""
RELEASE_MS = 20.0
LOOK_AHEAD_MS = HOLD_MS = 2.0
"""Of the limiter, which takes tenths of a dB: the shorter, the less of the sound it touches."""

AIM_LU = 0.05  # of 0.1 that are promised
EXCESS_LU = (0.04, 0.2)
"""What is too loud by less is left so, with its peaks at the ceiling; by no more than the second it
is lowered to the first: that costs next to nothing, another run does."""
GUESS_OVER_LU = 0.02  # for what the limiter takes; rather too loud than not loud enough
NEAR_LU = 0.02  # on excerpts, so that what they are no likeness of has room
MAX_RUNS = 4
MAX_GUESSES = 8
MAX_STEP_DB = 6.0
FIRST_LU_PER_DB = 1 / 1.3  # what music gives when its peaks are at the ceiling
PROBE_DB = 3.0
STUCK_LU_PER_DB = 0.5 / PROBE_DB  # 3 dB more gain for half a LU: that is distortion, not loudness

EXCERPT_S = 0.7  # the meter hears blocks of 0.4 s
EXCERPTS_S = 35.0
"""How much of a song the gain is looked for on; one not twice as long is heard whole."""
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Loud:
    """A song after gain, leveller, clip and limiter, and how deep each went.

    Args:
        blocks: starts the stream.
        gain_db: what the song was raised by, in all.
        lufs: integrated loudness of the result.
        true_peak_dbtp: highest level between its samples.
        clip_db: what the highest tip lost to the soft clip.
        reduction_db: deepest of leveller and limiter together.
    """

    blocks: Callable[[], Iterator[Block]]
    gain_db: float
    lufs: float
    true_peak_dbtp: float
    clip_db: float = 0.0
    reduction_db: float = 0.0


class Maximizer:
    """Gain, leveller, soft clip and limiter in one stream; use it once.

    Args:
        like: a signal of the same rate and channels.
        ceiling_dbtp: highest level allowed between the samples.
        gain_db: what it is raised by.
        peak_dbfs: highest sample of the whole song before the gain: how soft the clip can be.
        room_db: how far under the ceiling the clip ends.
    """

    def __init__(
        self,
        like: Signal,
        ceiling_dbtp: float,
        gain_db: float,
        peak_dbfs: float,
        room_db: float = CLIP_UNDER_CEILING_DB[0],
    ) -> None:
        self._channels = like.channels
        self._gain = db_to_gain(gain_db)
        least, most = KNEE_DB
        knee_db = min(most, max(least, peak_dbfs + gain_db - ceiling_dbtp))
        self._leveller = Leveller(like.sample_rate, ceiling_dbtp + LEVEL_OVER_CEILING_DB)
        self._clip = SoftClip(ceiling_dbtp - room_db, db_to_gain(-knee_db))
        self._limiter = TruePeakLimiter(
            like.sample_rate,
            like.channels,
            ceiling_dbtp,
            RELEASE_MS,
            look_ahead_ms=LOOK_AHEAD_MS,
            hold_ms=HOLD_MS,
        )

    def __call__(self, blocks: Iterable[Block], n_samples: int) -> Iterator[Block]:
        """Yield `blocks`, `n_samples` in all."""
        return self._limiter(self.clipped(blocks, n_samples), n_samples)

    def clipped(
        self, blocks: Iterable[Block], n_samples: int, oversampling: int = 4
    ) -> Iterator[Block]:
        """Yield `blocks` before the limiter, which takes some hundredths of a LU at most.

        Without oversampling they are as loud, within 0.002 LU, in half the time.
        """
        levelled = self._leveller(block * self._gain for block in blocks)
        return shape(levelled, self._clip, self._channels, n_samples, oversampling)

    @property
    def clip_db(self) -> float:
        """What the highest tip so far lost to the clip."""
        return self._clip.max_reduction_db

    @property
    def reduction_db(self) -> float:
        """The deepest that leveller and limiter went so far, taken together."""
        return self._leveller.max_reduction_db + self._limiter.max_reduction_db


def maximize(
    signal: Signal, target_lufs: float, ceiling_dbtp: float, gain_db: float, peak_dbfs: float
) -> Loud:
    """Find the gain with which a song, held below the ceiling, is `target_lufs` loud.

    It is looked for on excerpts, by secants; the whole song then takes one run, seldom two. Where
    more gain brings next to no more loudness the search ends there.

    Args:
        signal: a song that has a loudness.
        target_lufs: integrated loudness that is wanted.
        ceiling_dbtp: highest level allowed between the samples.
        gain_db: what would do if there were no ceiling.
        peak_dbfs: highest sample of the song.
    """
    room_db, most_db = CLIP_UNDER_CEILING_DB
    held_dbtp = ceiling_dbtp - MARGIN_DB

    def maximizer(gain_db: float) -> Maximizer:
        return Maximizer(signal, held_dbtp, gain_db, peak_dbfs, room_db)

    heard = excerpts(signal)
    is_light = peak_dbfs + gain_db - ceiling_dbtp < LIGHT_DB
    for _ in range(LIGHT_TRIES if is_light else 0):
        peaks = TruePeakMeter(signal.channels)
        for block in maximizer(gain_db).clipped(heard.blocks(), heard.n_samples):
            peaks.add(block)
        over_db = gain_to_db(peaks.true_peak) - held_dbtp
        if over_db <= 0:
            break
        room_db = min(most_db, room_db + over_db + LIGHT_ROOM_DB)
    # By how much the song is louder than its excerpts.
    offset_lu = target_lufs - gain_db - _lufs(heard, heard.blocks())

    def guessed_lufs(gain_db: float) -> float:
        clipped = maximizer(gain_db).clipped(heard.blocks(), heard.n_samples, oversampling=1)
        return offset_lu + _lufs(heard, clipped)

    gain_db, lu_per_db = _guess(guessed_lufs, target_lufs + GUESS_OVER_LU, gain_db)
    if lu_per_db < STUCK_LU_PER_DB and guessed_lufs(gain_db) < target_lufs:
        gain_db = _least(guessed_lufs, min(gain_db, held_dbtp - peak_dbfs), gain_db)
    best = loud = _whole(signal, maximizer(gain_db), gain_db, target_lufs, ceiling_dbtp)
    for _ in range(MAX_RUNS - 1):
        missing_lu = target_lufs - loud.lufs
        if abs(missing_lu) <= AIM_LU or (missing_lu > 0 and lu_per_db < STUCK_LU_PER_DB):
            break
        gain_db += missing_lu / max(lu_per_db, STUCK_LU_PER_DB)
        loud = _whole(signal, maximizer(gain_db), gain_db, target_lufs, ceiling_dbtp)
        best = min(best, loud, key=lambda each: abs(each.lufs - target_lufs))
    return best


def excerpts(signal: Signal) -> Signal:
    """Return stretches from all over a long song, one after the other; a short song itself.

    One in each of as many equal parts, at places in them that follow no metre (golden ratio).
    """
    n_each = round(EXCERPT_S * signal.sample_rate)
    count = round(EXCERPTS_S / EXCERPT_S)
    if signal.n_samples <= 2 * count * n_each:
        return signal
    part = signal.n_samples // count
    starts = [i * part + int(i * GOLDEN % 1 * (part - n_each)) for i in range(count)]
    stretches, position = iter(starts), 0
    start = next(stretches)
    picked: list[Block] = []
    for block in signal.blocks():
        end = position + block.shape[1]
        while start < end:
            picked.append(block[:, max(0, start - position) : start + n_each - position])
            if start + n_each > end:
                break  # it goes on in the next block
            start = next(stretches, signal.n_samples)
        position = end
    return Audio(np.concatenate(picked, axis=1), signal.sample_rate)


def _guess(
    lufs_at: Callable[[float], float], target_lufs: float, gain_db: float
) -> tuple[float, float]:
    """Return the gain that comes nearest to the target, and what 1 dB more brings there in LU."""
    best_db, lufs = gain_db, lufs_at(gain_db)
    smallest, lu_per_db = abs(target_lufs - lufs), FIRST_LU_PER_DB
    for _ in range(MAX_GUESSES - 1):
        missing_lu = target_lufs - lufs
        if abs(missing_lu) <= NEAR_LU or (missing_lu > 0 and lu_per_db < STUCK_LU_PER_DB):
            break
        step_db = min(MAX_STEP_DB, missing_lu / max(lu_per_db, STUCK_LU_PER_DB))
        gain_db += step_db
        before, lufs = lufs, lufs_at(gain_db)
        lu_per_db = (lufs - before) / step_db
        if abs(target_lufs - lufs) < smallest:
            best_db, smallest = gain_db, abs(target_lufs - lufs)
    return best_db, lu_per_db


def _least(lufs_at: Callable[[float], float], low_db: float, high_db: float) -> float:
    """Return the gain, within 1 dB, above which more gain brings next to no loudness.

    The loudness of a lone click does not rise, however much it is clipped: all that any gain
    beyond its peak does is to bring up what lies under it.
    """
    while high_db - low_db > 1.0:
        middle_db = (low_db + high_db) / 2
        more_lu = lufs_at(middle_db + PROBE_DB) - lufs_at(middle_db)
        if more_lu < PROBE_DB * STUCK_LU_PER_DB:
            high_db = middle_db
        else:
            low_db = middle_db
    return high_db


def _whole(
    signal: Signal, maximizer: Maximizer, gain_db: float, target_lufs: float, ceiling_dbtp: float
) -> Loud:
    """Run the whole song, measure it, and lower it by what little is over ceiling or target."""
    meter = LoudnessMeter(signal.sample_rate, signal.channels)
    peaks = WidePeakMeter(signal.channels)
    done = metered(maximizer(signal.blocks(), signal.n_samples), meter, peaks)
    spool = Spool(done, signal.sample_rate, signal.channels)
    true_peak_dbtp = gain_to_db(peaks.true_peak)
    # A gain that moves while the sound is full of energy close to Nyquist lets some pass.
    over_db = true_peak_dbtp - ceiling_dbtp
    excess_lu, (kept_lu, most_lu) = _loudness(meter) - target_lufs, EXCESS_LU
    down_db = max(
        over_db if over_db > TOLERANCE_DB else 0.0,
        excess_lu - kept_lu if kept_lu < excess_lu < most_lu else 0.0,
    )
    return Loud(
        partial(_lowered, spool, down_db),
        gain_db - down_db,
        _loudness(meter, -down_db),
        true_peak_dbtp - down_db,
        maximizer.clip_db,
        maximizer.reduction_db,
    )


def _lowered(signal: Signal, down_db: float) -> Iterator[Block]:
    if not down_db:
        return signal.blocks()
    gain = db_to_gain(-down_db)
    return (block * gain for block in signal.blocks())


def _lufs(like: Signal, blocks: Iterable[Block]) -> float:
    meter = LoudnessMeter(like.sample_rate, like.channels)
    for block in blocks:
        meter.add(block)
    return _loudness(meter)


def _loudness(meter: LoudnessMeter, gain_db: float = 0.0) -> float:
    lufs = meter.lufs(gain_db)
    return ABSOLUTE_GATE_LUFS if lufs is None else lufs
