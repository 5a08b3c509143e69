"""The synthesisable signals of EBU Tech 3341 v4 (2023), table 1, and of Tech 3342, table 1.

48 kHz, 1 kHz sines in phase on left and right, levels as peaks in dBFS. What is missing are
3341's cases 7 and 8 and 3342's 5 and 6: programmes, not to be synthesised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.dsp.loudness import LoudnessMeter, TruePeakMeter

RATE = 48_000
SILENCE = -np.inf


def tone(
    *parts: tuple[float, float], rate: int = RATE, channels: int = 2, freq_hz: float = 1000.0
) -> Audio:
    """Join stretches `(seconds, peak_dbfs)` of one sine, in phase on all channels."""
    levels = [np.full(round(s * rate), 10 ** (db / 20)) for s, db in parts]
    envelope = np.concatenate(levels)
    sine = np.sin(2 * np.pi * freq_hz / rate * np.arange(len(envelope)))
    return Audio(np.tile(envelope * sine, (channels, 1)), rate)


class Case(NamedTuple):
    """One line of a table: what a meter should read, and by how much it may be off."""

    name: str
    expected: float
    read: float
    low: float = -0.1
    high: float = 0.1

    @property
    def error(self) -> float:
        """What was read, less what should have been."""
        return self.read - self.expected


def metered(audio: Audio, weights: tuple[float, ...] | None = None) -> LoudnessMeter:
    """Return a loudness meter that saw all of a signal."""
    meter = LoudnessMeter(audio.sample_rate, audio.channels, weights)
    meter.add(audio.samples)
    return meter


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def steady() -> Iterator[Case]:
    """Cases 1 and 2: momentary, short-term and integrated agree on a steady tone."""
    for name, level in (("1", -23.0), ("2", -33.0)):
        meter = metered(tone((20, level)))
        yield Case(f"{name} I", level, _number(meter.lufs()))
        yield Case(f"{name} M", level, _number(meter.max_momentary_lufs))
        yield Case(f"{name} S", level, _number(meter.max_short_term_lufs))


def gated() -> Iterator[Case]:
    """Cases 3 to 6: the gates, and the weights of a surround signal."""
    for name, parts in {
        "3 I": [(10, -36), (60, -23), (10, -36)],
        "4 I": [(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)],
        "5 I": [(20, -26), (20.1, -20), (20, -26)],
    }.items():
        yield Case(name, -23, _number(metered(tone(*parts)).lufs()))
    channels = [tone((20, db), channels=1).samples for db in (-28, -28, -24, -30, -30)]
    surround = Audio(np.concatenate(channels), RATE)  # L R C Ls Rs
    yield Case("6 I", -23, _number(metered(surround, (1, 1, 1, 1.41, 1.41)).lufs()))


def short_term() -> Iterator[Case]:
    """Cases 9 to 11: short-term loudness, constant; found wherever it begins; live."""
    levels = metered(tone(*[(1.34, -20), (1.66, -30)] * 5)).short_term()
    yield Case("9 S lowest", -23, float(levels.min()))
    yield Case("9 S highest", -23, float(levels.max()))
    for i in range(20):
        meter = metered(tone((i * 0.15, SILENCE), (3, -23), (1, SILENCE)))
        yield Case(f"10-{i + 1} max S", -23, _number(meter.max_short_term_lufs))
    live = LoudnessMeter(RATE, 2)
    for i in range(20):
        live.add(tone((i * 0.15, SILENCE), (3, -38 + i)).samples)
        yield Case(f"11-{i + 1} max S", -38 + i, _number(live.max_short_term_lufs))


def momentary() -> Iterator[Case]:
    """Cases 12 to 14: the same for momentary loudness."""
    levels = metered(tone(*[(0.18, -20), (0.22, -30)] * 25)).momentary()[60:]  # after 1 s
    yield Case("12 M lowest", -23, float(levels.min()))
    yield Case("12 M highest", -23, float(levels.max()))
    for i in range(20):
        meter = metered(tone((i * 0.02, SILENCE), (0.4, -23), (1, SILENCE)))
        yield Case(f"13-{i + 1} max M", -23, _number(meter.max_momentary_lufs))
    live = LoudnessMeter(RATE, 2)
    for i in range(20):
        live.add(tone((i * 0.02, SILENCE), (0.4, -38 + i)).samples)
        yield Case(f"14-{i + 1} max M", -38 + i, _number(live.max_momentary_lufs))


def true_peak() -> Iterator[Case]:
    """Cases 15 to 23: sines whose crests lie between the samples; a burst at four offsets."""
    from scipy.signal import firwin, oaconvolve

    for name, divisor, amplitude, phase_deg, expected in (
        ("15", 4, 0.50, 0.0, -6.0),
        ("16", 4, 0.50, 45.0, -6.0),
        ("17", 6, 0.50, 60.0, -6.0),
        ("18", 8, 0.50, 67.5, -6.0),
        ("19", 4, 1.41, 45.0, 3.0),
    ):
        x = amplitude * np.sin(2 * np.pi * np.arange(RATE) / divisor + np.radians(phase_deg))
        yield Case(f"{name} TP", expected, _peak(x), -0.4, 0.2)
    low = 0.5 * np.sin(2 * np.pi * np.arange(4 * RATE) / 24)  # fs/6, written at 4 fs
    burst = np.sin(2 * np.pi * np.arange(16) / 16)  # one period of fs/4 at full scale
    fine = np.concatenate((low[: 24 * 4000], burst, low[: 24 * 4000]))
    band_limited = oaconvolve(fine, firwin(1023, 0.25), mode="same")
    for offset in range(4):
        yield Case(f"{20 + offset} TP", 0.0, _peak(band_limited[offset::4]), -0.4, 0.2)


def _peak(x: NDArray[np.float64]) -> float:
    ramp = np.minimum(1, np.arange(len(x)) / (0.01 * RATE))  # 10 ms, as 3341 says
    meter = TruePeakMeter(2)
    meter.add(np.tile(x * ramp * ramp[::-1], (2, 1)).astype(np.float32))
    return _number(meter.true_peak_dbtp)


def loudness_range() -> Iterator[Case]:
    """Tech 3342, cases 1 to 4, in LU, within 1 LU."""
    for i, (levels, expected) in enumerate(
        (
            ((-20, -30), 10),
            ((-20, -15), 5),
            ((-40, -20), 20),
            ((-50, -35, -20, -35, -50), 15),
        )
    ):
        meter = metered(tone(*[(20, db) for db in levels]))
        yield Case(f"3342-{i + 1} LRA", expected, _number(meter.lra_lu), -1, 1)
