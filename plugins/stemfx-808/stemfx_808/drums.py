"""The drums as formulas: resonators that are struck, square oscillators, shaped noise.

The bass drum of the TR-808 is a bridged-T network that rings at about 50 Hz when it is struck. A
transistor raises its pitch by more than an octave for the first milliseconds, and a leak lets it
sink a little while it rings: the "sigh". Hats and cymbal share six square-wave oscillators in no
harmonic relation, filtered and shaped. Sources: Werner, Abel & Smith, "A Physically-Informed,
Circuit-Bendable, Digital Model of the Roland TR-808 Bass Drum Circuit", DAFx-14, and "The TR-808
Cymbal", ICMC 2014 (oscillators). Pitches of toms and snare follow the usual tunings of the machine;
the balance of the parts was set by ear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]

RENDER_HZ = 48_000
PEAK = 0.8
"""Sample peak of the hardest hit at `RENDER_HZ`; the rest is room for peaks between samples."""
METAL_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
TOP_HZ = 22_000.0
"""No partial of an oscillator lies above this, so none folds back."""
FADE_OUT_S = 0.02


@dataclass(frozen=True)
class Drum:
    """One drawing: `draw(t, noise)` with time in s and white noise on the same samples.

    `dull_hz` is the corner of the low-pass that the softest hit goes through.
    """

    draw: Callable[[Wave, Wave], Wave]
    seconds: float
    seed: int
    dull_hz: float

    def drawn(self) -> Wave:
        """Return the hardest hit, `(n,)` at `RENDER_HZ`: peak `PEAK`, no direct current."""
        t = np.arange(round(self.seconds * RENDER_HZ)) / RENDER_HZ
        wave = self.draw(t, np.random.default_rng(self.seed).standard_normal(t.size))
        wave = _high(wave, 20.0, order=1)
        wave *= np.minimum(1.0, (t[-1] - t) / FADE_OUT_S)
        return wave * (PEAK / np.max(np.abs(wave)))


def _decay(t: Wave, seconds: float) -> Wave:
    """Fall to 1/e in `seconds`, from 0 on; 0 before."""
    return np.where(t < 0.0, 0.0, np.exp(-np.maximum(t, 0.0) / seconds))


def _ring(t: Wave, hz: float, above: tuple[tuple[float, float], ...] = ()) -> Wave:
    """Ring at a pitch that starts higher: by `factor - 1`, gone in `seconds`, for each of `above`.

    The phase is the integral of the pitch.
    """
    cycles = hz * t
    for factor, seconds in above:
        cycles += hz * (factor - 1.0) * seconds * (1.0 - _decay(t, seconds))
    return np.sin(2.0 * np.pi * cycles)


def _band(x: Wave, low_hz: float, high_hz: float) -> Wave:
    from scipy.signal import butter, sosfilt

    sos = butter(2, (low_hz, high_hz), "bandpass", fs=RENDER_HZ, output="sos")
    return np.asarray(sosfilt(sos, x))


def _high(x: Wave, low_hz: float, order: int = 2) -> Wave:
    from scipy.signal import butter, sosfilt

    return np.asarray(sosfilt(butter(order, low_hz, "highpass", fs=RENDER_HZ, output="sos"), x))


@cache
def _metal(n_samples: int) -> Wave:
    """Sum six square waves, each as the sines sin(m w t) / m of odd m below `TOP_HZ`."""
    t = np.arange(n_samples) / RENDER_HZ
    out = np.zeros(n_samples)
    for hz in METAL_HZ:
        for m in range(1, int(TOP_HZ / hz) + 1, 2):
            out += np.sin(2.0 * np.pi * m * hz * t) / m
    return out


def _kick(seconds: float) -> Callable[[Wave, Wave], Wave]:
    def draw(t: Wave, noise: Wave) -> Wave:
        body = _ring(t, 49.5, ((2.6, 0.005), (1.08, 0.12))) * _decay(t, seconds)
        click = _band(noise, 800, 5_000) * _decay(t, 0.0015)
        return body + 0.08 * click

    return draw


def _snare(t: Wave, noise: Wave) -> Wave:
    low = _ring(t, 180.0, ((1.3, 0.004),)) * _decay(t, 0.055)
    high = _ring(t, 330.0, ((1.3, 0.004),)) * _decay(t, 0.035)
    snappy = _band(noise, 1_500, 12_000) * (0.7 * _decay(t, 0.06) + 0.3 * _decay(t, 0.15))
    return 0.9 * low + 0.6 * high + 0.45 * snappy


def _hat(seconds: float) -> Callable[[Wave, Wave], Wave]:
    def draw(t: Wave, noise: Wave) -> Wave:
        metal = _high(_band(_metal(t.size), 5_000, 13_000), 6_500)
        return (metal + 0.02 * _high(noise, 8_000)) * _decay(t, seconds)

    return draw


def _crash(t: Wave, noise: Wave) -> Wave:
    metal = _metal(t.size)
    body = _band(metal, 2_600, 5_200) * (0.4 * _decay(t, 0.09) + 0.6 * _decay(t, 0.7))
    top = _high(_band(metal, 5_500, 14_000), 6_500) * _decay(t, 0.45)
    return body + 1.4 * top + 0.05 * _high(noise, 7_000) * _decay(t, 0.35)


def _clap(t: Wave, noise: Wave) -> Wave:
    # Three sharp hands 10 ms apart, then a fourth that rings like a room.
    hands = sum(_decay(t - 0.01 * i, 0.003) for i in range(3))
    tail = 0.8 * _decay(t - 0.03, 0.012) + 0.35 * _decay(t - 0.03, 0.08)
    return _band(noise, 700, 2_200) * (hands + tail)


def _tom(hz: float) -> Callable[[Wave, Wave], Wave]:
    def draw(t: Wave, noise: Wave) -> Wave:
        body = _ring(t, hz, ((1.6, 0.008), (1.12, 0.08))) * _decay(t, 0.16)
        skin = _band(noise, 300, 1_500) * _decay(t, 0.05)
        return body + 0.06 * skin

    return draw


DRUMS: Mapping[str, Mapping[str, Drum]] = {
    "kick": {
        "short": Drum(_kick(0.11), seconds=0.8, seed=1, dull_hz=150),
        "long": Drum(_kick(0.38), seconds=2.6, seed=1, dull_hz=150),
    },
    "snare": {"": Drum(_snare, seconds=0.9, seed=2, dull_hz=900)},
    "hat_closed": {"": Drum(_hat(0.035), seconds=0.3, seed=3, dull_hz=4_000)},
    "hat_open": {"": Drum(_hat(0.22), seconds=1.4, seed=3, dull_hz=4_000)},
    "tom": {
        "mid": Drum(_tom(130.0), seconds=1.1, seed=4, dull_hz=300),
        "low": Drum(_tom(90.0), seconds=1.1, seed=4, dull_hz=300),
        "high": Drum(_tom(190.0), seconds=1.1, seed=4, dull_hz=300),
    },
    "crash": {"": Drum(_crash, seconds=3.5, seed=5, dull_hz=3_000)},
    "clap": {"": Drum(_clap, seconds=0.7, seed=6, dull_hz=1_000)},
}
