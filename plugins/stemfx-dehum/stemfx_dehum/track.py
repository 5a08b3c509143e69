"""The fundamental of a hum over time, and its phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """A frequency that is known every `step_s` seconds and runs straight between.

    Args:
        freq_hz: `(n,)`, n >= 2, the first at time 0; outside it stays as it is at the ends.
        step_s: from one to the next.
    """

    freq_hz: Floats
    step_s: float

    @classmethod
    def through(cls, freq_hz: Floats, times_s: Floats, duration_s: float, step_s: float) -> Track:
        """Return the track of a whole signal from frequencies that are known at some times."""
        knots = np.arange(0.0, duration_s + 2 * step_s, step_s)
        return cls(np.interp(knots, times_s, freq_hz), step_s)

    def moved(self, by_hz: Floats, times_s: Floats) -> Track:
        """Return this track with a correction added that is known at some times."""
        knots = np.arange(len(self.freq_hz)) * self.step_s
        return Track(self.freq_hz + np.interp(knots, times_s, by_hz), self.step_s)

    def cycles(self, times_s: Floats) -> Floats:
        """Return how often it has swung since time 0: the integral of the frequency.

        A straight line f + s t between two knots has swung f t + s t^2 / 2.
        """
        middles = 0.5 * (self.freq_hz[1:] + self.freq_hz[:-1]) * self.step_s
        swung = np.concatenate(([0.0], np.cumsum(middles)))
        knot = np.clip(np.floor(times_s / self.step_s), 0, len(self.freq_hz) - 1).astype(np.intp)
        since = times_s - knot * self.step_s
        slopes = np.append(np.diff(self.freq_hz) / self.step_s, 0.0)
        return np.asarray(swung[knot] + since * (self.freq_hz[knot] + 0.5 * slopes[knot] * since))
