"""A hit classifier for stemfx: tells drums apart by where their sound lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from stemfx.audio import Signal
from stemfx.hits import Hit, HitClassifier
from stemfx.hookspecs import hookimpl

WINDOW_S = 0.05
KICK_BELOW_HZ, HAT_ABOVE_HZ = 150.0, 5_000.0


class NewPluginClassifier(HitClassifier):
    """Hears one drum a stroke: a kick, a snare or a closed hat."""

    name = "newplugin"
    summary = "Kick, snare or closed hat, by the middle of the stroke's spectrum"
    licence = "GPL-3.0-or-later"
    version = 1  # raise it whenever the answers change

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        """Return one hit a stroke, in the order of time."""
        heard = []
        for time_s in sorted(onsets_s):
            start = round(time_s * drums.sample_rate)
            stroke = drums.read(start, start + round(WINDOW_S * drums.sample_rate)).mean(axis=0)
            peak = float(np.abs(stroke).max(initial=0.0))
            if peak > 0.0:
                drum_class = _drum(_middle_hz(stroke, drums.sample_rate))
                heard.append(Hit(float(time_s), drum_class, min(1.0, peak)))
        return heard


def _middle_hz(stroke: NDArray[np.float32], sample_rate: int) -> float:
    """Return the frequency below which half of a stroke's energy lies."""
    energy = np.cumsum(np.abs(np.fft.rfft(stroke)) ** 2)
    middle = np.searchsorted(energy, energy[-1] / 2)
    return float(middle * sample_rate / stroke.size)


def _drum(middle_hz: float) -> str:
    if middle_hz < KICK_BELOW_HZ:
        return "kick"
    return "hat_closed" if middle_hz > HAT_ABOVE_HZ else "snare"


@hookimpl
def stemfx_hit_classifiers() -> list[HitClassifier]:
    """Tell stemfx what this plugin adds."""
    return [NewPluginClassifier()]
