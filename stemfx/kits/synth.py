"""A drum kit made of formulas: no samples to ship, no licence to clear.

Every drum is drawn once, at full velocity and `RENDER_HZ`. A softer hit is the same drawing,
darker and quieter; another sample rate is the same drawing, resampled. So a drum sounds the
same at every rate, and a hit never depends on the hits before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.dsp.resample import Resampled
from stemfx.kit import Kit

Wave = NDArray[np.float64]

RENDER_HZ = 48_000
PEAK = 0.8
"""Sample peak of the hardest hit at `RENDER_HZ`; the rest is room for peaks between samples."""
OPEN_HZ = 18_000.0
"""Corner of the velocity low-pass at velocity 1: above nearly all that a drum has."""
FADE_OUT_S = 0.02
METAL_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
"""The six square-wave oscillators behind the hats and cymbal of the Roland TR-808."""


@dataclass(frozen=True)
class Drum:
    """One drawing: `draw(t, noise)` with time and white noise on the same samples."""

    draw: Callable[[Wave, Wave], Wave]
    seconds: float
    seed: int
    dull_hz: float
    """Corner of the low-pass that the softest hit goes through."""


def _decay(t: Wave, seconds: float) -> Wave:
    """Fall to 1/e in `seconds`."""
    return np.exp(-t / seconds)


def _sweep(t: Wave, start_hz: float, end_hz: float, seconds: float) -> Wave:
    """Sing a sine whose pitch falls exponentially; the phase is the integral of the pitch."""
    cycles = end_hz * t + (start_hz - end_hz) * seconds * (1.0 - _decay(t, seconds))
    return np.sin(2.0 * np.pi * cycles)


def _band(x: Wave, low_hz: float, high_hz: float) -> Wave:
    """Keep `low_hz` to `high_hz` (Butterworth, 12 dB per octave on both sides)."""
    from scipy.signal import butter, sosfilt

    sos = butter(2, (low_hz, high_hz), "bandpass", fs=RENDER_HZ, output="sos")
    return np.asarray(sosfilt(sos, x))


def _metal(t: Wave, scale: float = 1.0) -> Wave:
    """Sum inharmonic square waves: the clang of a cymbal."""
    waves = np.sign(np.sin(2.0 * np.pi * scale * np.outer(METAL_HZ, t)))
    return np.asarray(waves.sum(axis=0))


def _kick(t: Wave, noise: Wave) -> Wave:
    beater = _band(noise, 1_500, 7_000) * _decay(t, 0.003)
    knock = _sweep(t, 420, 110, 0.008) * _decay(t, 0.02)
    body = _sweep(t, 165, 47, 0.035) * _decay(t, 0.13)
    return np.tanh(1.7 * body + 0.8 * knock + 0.7 * beater)


def _snare(t: Wave, noise: Wave) -> Wave:
    # A circular membrane's second mode lies at 1.59 times its first.
    head = _sweep(t, 260, 185, 0.012) + 0.6 * _sweep(t, 1.59 * 240, 1.59 * 185, 0.012)
    stick = _band(noise, 2_500, 12_000) * _decay(t, 0.006)
    wires = _band(noise, 1_300, 9_500) * (_decay(t, 0.09) + 0.25 * _decay(t, 0.18))
    return np.tanh(0.9 * head * _decay(t, 0.06) + 0.7 * wires + 0.6 * stick)


def _hat(t: Wave, noise: Wave, seconds: float) -> Wave:
    sizzle = _band(0.45 * _metal(t) + 0.6 * noise, 6_500, 16_000)
    stick = _band(noise, 3_000, 9_000) * _decay(t, 0.004)
    return sizzle * _decay(t, seconds) + 0.6 * stick


def _hat_closed(t: Wave, noise: Wave) -> Wave:
    return _hat(t, noise, 0.028)


def _hat_open(t: Wave, noise: Wave) -> Wave:
    return _hat(t, noise, 0.19)


def _tom(t: Wave, noise: Wave) -> Wave:
    head = _sweep(t, 175, 104, 0.05) * _decay(t, 0.17)
    overtone = _sweep(t, 1.59 * 175, 1.59 * 104, 0.05) * _decay(t, 0.06)
    stick = _band(noise, 1_200, 6_000) * _decay(t, 0.008)
    return np.tanh(1.4 * head + 0.5 * overtone + 0.7 * stick)


def _crash(t: Wave, noise: Wave) -> Wave:
    # The top dies first: three bands, each with its own decay. Second-order neighbours are in
    # opposite phase where they meet, so the middle band is turned over to leave no notch.
    clang = 0.3 * _metal(t, 1.37) + noise
    strike = _band(noise, 2_000, 14_000) * _decay(t, 0.03)
    wash = (
        0.5 * _band(clang, 1_200, 3_500) * _decay(t, 0.75)
        - _band(clang, 3_500, 8_000) * _decay(t, 0.6)
        + _band(clang, 8_000, 16_000) * _decay(t, 0.38)
    )
    return wash + 0.8 * strike


def _clap(t: Wave, noise: Wave) -> Wave:
    # Several hands, 11 ms apart, then the room.
    def burst(late_s: float, seconds: float) -> Wave:
        return np.where(t >= late_s, _decay(t - late_s, seconds), 0.0)

    hands = 1.4 * burst(0, 0.005) + burst(0.011, 0.005) + burst(0.022, 0.005)
    room = burst(0.031, 0.075)
    palms, snap = _band(noise, 850, 1_900), _band(noise, 1_900, 8_000)
    return palms * (hands + 0.7 * room) + 0.3 * snap * hands


DRUMS = {
    "kick": Drum(_kick, seconds=0.7, seed=1, dull_hz=400),
    "snare": Drum(_snare, seconds=0.8, seed=2, dull_hz=1_200),
    "hat_closed": Drum(_hat_closed, seconds=0.25, seed=3, dull_hz=3_000),
    "hat_open": Drum(_hat_open, seconds=1.2, seed=4, dull_hz=3_000),
    "tom": Drum(_tom, seconds=1.1, seed=5, dull_hz=400),
    "crash": Drum(_crash, seconds=3.5, seed=6, dull_hz=2_500),
    "clap": Drum(_clap, seconds=0.6, seed=7, dull_hz=1_200),
}


@cache
def _full_hit(drum_class: str) -> Wave:
    """Draw a drum at velocity 1 and `RENDER_HZ`, with peak `PEAK` and a faded end; read-only."""
    drum = DRUMS[drum_class]
    t = np.arange(round(drum.seconds * RENDER_HZ)) / RENDER_HZ
    wave = drum.draw(t, np.random.default_rng(drum.seed).standard_normal(t.size))
    wave *= np.minimum(1.0, (t[-1] - t) / FADE_OUT_S)
    wave *= PEAK / np.max(np.abs(wave))
    wave.flags.writeable = False
    return wave


class SynthKit(Kit):
    """Electronic drums with punch, drawn by formulas."""

    name = "synth"
    summary = "Punchy electronic drums, synthesised: the same at every sample rate"
    licence = "CC0-1.0"

    @property
    def classes(self) -> tuple[str, ...]:
        """All seven drum classes."""
        return tuple(DRUMS)

    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,
    ) -> Audio:
        """Return one hit, mono `(1, n)`, starting at its attack and ending in silence.

        Args:
            drum_class: one of `classes`.
            velocity: (0, 1]. The amplitude follows it; a one-pole low-pass closes with it,
                geometrically from `OPEN_HZ` at 1 to the drum's `dull_hz` at 0.
            sample_rate: in Hz; above the kit's own 48 kHz nothing is added.
            variant: there is one of each drum, "".
            take: there is one of each drum.

        Raises:
            KeyError: the kit has no such class or variant.
            ValueError: the velocity lies outside (0, 1].
        """
        from scipy.signal import butter, sosfilt

        if not 0.0 < velocity <= 1.0:
            msg = f"velocity must be in (0, 1]; got {velocity}"
            raise ValueError(msg)
        if variant:
            raise KeyError(variant)
        hit = _full_hit(drum_class)
        cutoff_hz = DRUMS[drum_class].dull_hz ** (1.0 - velocity) * OPEN_HZ**velocity
        low_pass = butter(1, cutoff_hz, fs=RENDER_HZ, output="sos")
        softened = Audio(velocity * sosfilt(low_pass, hit)[np.newaxis], RENDER_HZ)
        return Audio(Resampled(softened, sample_rate).read(), sample_rate)
