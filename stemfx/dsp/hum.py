"""Mains hum: steady lines at 50 or 60 Hz and their multiples.

A bass note may lie close to a line, but it comes and goes and its pitch belongs to a scale; hum
is there all the time, in the pauses too, at exact multiples of the mains. So a line counts when
even its tenth percentile over time stands out of what lies beside it at the same quiet moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.resample import Resampler
from stemfx.dsp.units import power_to_db

MAINS_HZ = (50.0, 60.0)

_RATE_HZ = 2600.0  # twice the highest line, and then some for the resampler's slope
_FRAME_S = 65_536 / 44_100  # lines of 0.7 Hz: half a semitone at 50 Hz is 1.5 Hz
_HARMONICS = 8
_NEAR_HZ = 2.1
_BESIDE_HZ = (3.0, 12.0)
_MIN_FRAMES = 4
_MAX_FRAMES = 1024  # 13 minutes; then every second one is dropped
_STANDS_OUT_DB = 10.0
_ABOVE_NEXT_DB = 5.0  # a loop that repeats itself has lines at every multiple of its beat
_STEADY_DB = 6.0  # the quiet tenth of the time beside its median
_QUIETEST = 1e-10  # -100 dBFS
_MAINS_OFF = 0.005  # grids keep to 0.4 %; the nearest note of a scale, G1, is 2 % off
_LINES_OFF = 0.002
_MIN_LINES = 3
_LAST_TO_BEGIN = 2  # a rectifier's buzz begins at twice the mains; what begins higher is music


@dataclass(frozen=True)
class HumReading:
    """The hum that was found.

    Args:
        mains_hz: 50 or 60; None without hum.
        level_dbfs: rms level of its lines in a channel, together; None without hum.
        lines: how many harmonics stand out, the fundamental too.
        lines_hz: where they lie, from low to high; none without hum.
    """

    mains_hz: float | None
    level_dbfs: float | None
    lines: int
    lines_hz: tuple[float, ...] = ()


class HumMeter:
    """Look for hum block by block.

    Args:
        sample_rate: in Hz.
        channels: number of channels; their powers are averaged.
    """

    def __init__(self, sample_rate: float, channels: int) -> None:
        decimation = max(1, int(sample_rate / _RATE_HZ))
        sample_rate = sample_rate / decimation
        self._decimate = Resampler(decimation, 1, channels) if decimation > 1 else None
        self._frame = 2 ** round(np.log2(_FRAME_S * sample_rate))
        self._framer = Framer(channels, self._frame, self._frame // 2)
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        self._scale = 2.0 / float(np.sum(self._window, dtype=np.float64)) ** 2
        self._step_hz = sample_rate / self._frame
        self._top = round(_HARMONICS * max(MAINS_HZ) / self._step_hz) + 64
        self._powers: list[NDArray[np.float32]] = []
        self._stride, self._n_frames = 1, 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        frames = self._framer(self._decimate(block) if self._decimate else block)
        wanted = (np.arange(frames.shape[1]) + self._n_frames) % self._stride == 0
        self._n_frames += frames.shape[1]
        for i in np.flatnonzero(wanted):
            spectra = np.fft.rfft(frames[:, i] * self._window)[:, : self._top]
            self._powers.append((spectra.real**2 + spectra.imag**2).mean(axis=0))
        if len(self._powers) > _MAX_FRAMES:
            self._powers = self._powers[::2]
            self._stride *= 2

    def reading(self) -> HumReading:
        """Return what was found so far."""
        if len(self._powers) < _MIN_FRAMES:
            return HumReading(None, None, 0)
        powers = np.array(self._powers, np.float64) * self._scale
        quiet, usual = np.percentile(powers, (10, 50), axis=0)
        found = [_agreeing(self._lines(quiet, usual, mains), mains) for mains in MAINS_HZ]
        best = max(range(len(found)), key=lambda i: len(found[i]))
        lines = found[best]
        if len(lines) < _MIN_LINES:
            return HumReading(None, None, len(lines))
        return HumReading(
            MAINS_HZ[best], power_to_db(sum(lines.values())), len(lines), tuple(lines)
        )

    def _lines(
        self, quiet: NDArray[np.float64], usual: NDArray[np.float64], mains_hz: float
    ) -> list[tuple[float, float, int]]:
        """Return frequency over harmonic, power, harmonic of what stands out near multiples."""
        freq_hz = np.arange(len(quiet)) * self._step_hz
        found = []
        for k in range(1, _HARMONICS + 1):
            off = np.abs(freq_hz - k * mains_hz)
            beside = (off >= _BESIDE_HZ[0]) & (off <= _BESIDE_HZ[1])
            near = np.flatnonzero(off <= _NEAR_HZ)
            at = int(near[np.argmax(quiet[near])])
            line = float(quiet[at])
            if (
                line > float(quiet[beside].max()) * 10 ** (_ABOVE_NEXT_DB / 10)
                and line > float(np.median(quiet[beside])) * 10 ** (_STANDS_OUT_DB / 10)
                and line > float(usual[at]) * 10 ** (-_STEADY_DB / 10)
                and line > max(quiet[at - 1], quiet[at + 1], _QUIETEST)
            ):
                found.append(((at + _vertex(quiet[at - 1 : at + 2])) * self._step_hz / k, line, k))
            elif k == _LAST_TO_BEGIN and not found:
                break
        return found


def _vertex(powers: NDArray[np.float64]) -> float:
    """Return where the parabola through three levels has its top, -0.5 to 0.5 bins."""
    low, top, high = np.log(np.maximum(powers, 1e-30))
    bend = low - 2 * top + high
    return float(0.5 * (low - high) / bend) if bend < 0 else 0.0


def _agreeing(lines: list[tuple[float, float, int]], mains_hz: float) -> dict[float, float]:
    """Return frequency and power of the lines that are multiples of one near the mains'."""
    best: dict[float, float] = {}
    for mains, _, _ in lines:
        if abs(mains / mains_hz - 1.0) < _MAINS_OFF:
            agreeing = {
                other * k: power
                for other, power, k in lines
                if abs(other / mains - 1.0) < _LINES_OFF
            }
            best = max(best, agreeing, key=len)
    return best
