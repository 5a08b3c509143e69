"""Dropouts: the signal stands still in the middle of music.

A lost buffer leaves zeros, or holds its last sample. Silence between notes is reached by a decay
and left by an onset; a dropout begins *and* ends at full level. So it is a run of equal samples,
and the quarter millisecond beside it on either side is about as far off as the 12 ms there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block

_MIN_S, _MAX_S = 0.001, 2.0  # shorter is a click or a slow wave's top, longer a pause
_EDGE_S, _BESIDE_S = 0.00025, 0.012  # a gate fades for half a millisecond at least
_QUIETEST = 0.003  # -50 dBFS
_ABRUPT = 0.25  # of the level around: a decay or a fade is far lower at its end
_SLOPE = 0.06  # a slow wave's top, flat by quantising, is left at 0.02 of the level around
_AWAY = 0.3
_STEPS = 30.0
_TOP = 0.85  # of what is beside it: a limiter after clipping left flat tops at 0.87 of the others


@dataclass(frozen=True)
class DropoutReading:
    """Where the signal stands still.

    Args:
        at_s: begin of each in seconds.
        length_s: its length.
        total_s: all together.
    """

    at_s: NDArray[np.float64]
    length_s: NDArray[np.float64]

    @property
    def total_s(self) -> float:
        """How much is missing."""
        return float(self.length_s.sum())


class DropoutMeter:
    """Find dropouts block by block, in each channel by itself.

    Args:
        sample_rate: in Hz.
        channels: number of channels.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._channels = [_Channel(sample_rate) for _ in range(channels)]

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        for channel, samples in zip(self._channels, block, strict=True):
            channel.add(samples)

    def reading(self) -> DropoutReading:
        """Return what was found so far; the same moment in both channels counts once."""
        found = sorted({run for channel in self._channels for run in channel.found})
        merged: list[list[int]] = []
        for start, stop in found:
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], stop)
            else:
                merged.append([start, stop])
        runs = np.array(merged, np.float64).reshape(-1, 2) / self._rate
        return DropoutReading(runs[:, 0], runs[:, 1] - runs[:, 0])


class _Channel:
    """Runs of equal samples in one channel: `found` are (first sample, one past the last)."""

    def __init__(self, sample_rate: int) -> None:
        self.found: list[tuple[int, int]] = []
        self._shortest = max(16, round(_MIN_S * sample_rate))
        self._longest = round(_MAX_S * sample_rate)
        self._edge = max(6, round(_EDGE_S * sample_rate))
        self._beside = round(_BESIDE_S * sample_rate)
        self._kept = np.zeros(0, np.float32)
        self._start = 0  # place of the first kept sample

    def add(self, samples: NDArray[np.float32]) -> None:
        joined = np.concatenate((self._kept, samples))
        equal = joined[1:] == joined[:-1]
        # A run of `shortest` fills at least one whole group of half that length with equals.
        group = self._shortest // 2
        n_groups = len(equal) // group
        still = equal[: n_groups * group].reshape(n_groups, group).all(axis=1)
        keep_from = len(joined) - self._beside
        if still.any() or not equal[n_groups * group :].any():
            keep_from = min(keep_from, self._judge(joined, equal))
        keep_from = max(0, keep_from, len(joined) - self._longest - 4 * self._beside)
        self._kept = joined[keep_from:]
        self._start += keep_from

    def _judge(self, joined: NDArray[np.float32], equal: NDArray[np.bool_]) -> int:
        """Keep the dropouts that are whole; return the first sample that is needed further on."""
        edges = np.diff(np.concatenate(([0], equal.astype(np.int8), [0])))
        starts, stops = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) + 1
        long = stops - starts >= self._shortest
        for start, stop in zip(starts[long].tolist(), stops[long].tolist(), strict=True):
            if stop + self._beside > len(joined):
                return int(start) - self._beside
            if stop - start > self._longest or start < self._beside:
                continue
            before, after = joined[start - self._beside : start], joined[stop : stop + self._beside]
            place = (self._start + start, self._start + stop)
            is_new = not self.found or place[0] > self.found[-1][1]
            if is_new and self._is_dropout(float(joined[start]), before[::-1], after):
                self.found.append(place)
        return len(joined)

    def _is_dropout(self, held: float, *sides: NDArray[np.float32]) -> bool:
        """Tell whether the sound is there at once on both sides, each going away from the run."""
        around = [_rms(side - held) for side in sides]
        if min(around) < max(_QUIETEST, _STEPS * max(_step(side) for side in sides)):
            return False
        if held and abs(held) > _TOP * max(_reach(side, held) for side in sides):
            return False  # clipping
        shares = [
            _rms(side[: self._edge] - held) / of for side, of in zip(sides, around, strict=True)
        ]
        middle = float(np.mean(sides, dtype=np.float64))  # silence, where there is an offset
        is_hold = abs(held - middle) > _AWAY * min(around)
        # A held sample is left at once but reached at the wave's own slope.
        return max(shares) > _ABRUPT and min(shares) > (_SLOPE if is_hold else _ABRUPT)


def _step(samples: NDArray[np.float32]) -> float:
    """Return the smallest step between neighbours: that of the quantiser, or less."""
    steps = np.abs(np.diff(samples))
    moving = steps[steps > 0]
    return float(moving.min()) if len(moving) else 0.0


def _reach(samples: NDArray[np.float32], held: float) -> float:
    """Return how far the samples go on the side of zero where `held` is."""
    return float(samples.max() if held > 0 else -samples.min())


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
