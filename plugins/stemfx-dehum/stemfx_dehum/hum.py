"""The hum itself: what is steady of each line, and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening

from stemfx.audio import Signal
from stemfx.dsp.units import power_to_db
from stemfx_dehum.lines import HOP_S, Complexes, Lines, evidence, steady
from stemfx_dehum.track import Floats, Track

LOWEST_HZ, TOP_HZ = 40.0, 70.0
MOST_LINES = 24
"""Up to 1.2 kHz at 50 Hz: a rectifier's buzz is 50 dB under its first lines there."""

_REACHES = (16, 64)  # frames on either side: 4 s and 16 s; each line takes what foretells it best
_SPARED_S = 1.0
_LINE_NATS = 0.1
_SHORT_S = 0.1
_REST_S = 4.0
_LOWEST_LINES = 4
_MOST_GAPS = 0.2  # music that knows nothing of the hum makes 1/6 at most
_HUM_NATS = 0.5


@dataclass(frozen=True, eq=False)
class Hum:
    """Lines, and what of them is steady.

    Args:
        track: the fundamental over time.
        lines: what is heard along it.
        steady: `(n_frames, channels, n_lines)`, complex amplitudes.
        evidence: `(channels, n_lines)`, nats a frame; see `stemfx_dehum.lines.evidence`.
        gaps: `(channels, n_lines)`, how often it is missing; see `_gaps`.
    """

    track: Track
    lines: Lines
    steady: Complexes
    evidence: Floats
    gaps: Floats

    @classmethod
    def along(cls, signal: Signal, track: Track, n_lines: int) -> Hum:
        """Find what is steady along a track."""
        lines = Lines.of(signal, track, n_lines)
        short = Lines.of(signal, track, n_lines, frame_s=_SHORT_S, hop_s=_SHORT_S)
        options = []
        for reach in _REACHES:
            foretold, _ = steady(lines, reach, spared=round(_SPARED_S / HOP_S))
            options.append((evidence(lines, foretold), steady(lines, reach)[0]))
        (brief_nats, brief), (long_nats, long) = options
        found = np.where(long_nats > brief_nats, long, brief)
        nats = np.maximum(long_nats, brief_nats)
        return cls(track, lines, found, nats, _gaps(short, lines.times_s, found))

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Which lines are hum, `(channels, n_lines)`."""
        return np.asarray((self.evidence > _LINE_NATS) & (self.gaps < _MOST_GAPS))

    @property
    def nats(self) -> float:
        """How sure it is that this is hum: the best channel's evidence of the lowest lines taken.

        A held F4 is the seventh multiple of 49.9 Hz: high lines alone are music.
        """
        return float((self.evidence * self.taken)[:, :_LOWEST_LINES].sum(axis=1).max())

    @property
    def is_there(self) -> bool:
        """Say whether this is hum.

        Songs and stems without hum had 0.0 nats; hum at -40 dBFS in a dense mix has 3.5.
        """
        return self.nats > _HUM_NATS

    @property
    def freq_hz(self) -> Floats:
        """The fundamental at each frame."""
        knots = np.arange(len(self.track.freq_hz)) * self.track.step_s
        return np.interp(self.lines.times_s, knots, self.track.freq_hz)

    @property
    def power(self) -> float:
        """Mean square of the hum in a channel."""
        return sum(self.line_power(k + 1) for k in range(self.taken.shape[1]))

    def line_power(self, k: int) -> float:
        """Return the mean square of the `k`-th multiple in a channel, 0 where it is not taken."""
        line = self.steady[:, :, k - 1] * self.taken[:, k - 1]
        return float(0.5 * (np.abs(line) ** 2).mean())

    def reduction_db(self, k: int, amount: float) -> float:
        """Return by how much the `k`-th multiple goes down in the quiet tenth of the time.

        Args:
            k: from 1.
            amount: factor of the steady part that is subtracted.
        """
        heard = self.lines.heard[:, :, k - 1]
        left = heard - amount * self.steady[:, :, k - 1] * self.taken[:, k - 1]
        before, after = (float(np.quantile((abs(x) ** 2).sum(axis=1), 0.1)) for x in (heard, left))
        return power_to_db(after) - power_to_db(before)

    def sound(self, start: int, n_samples: int, sample_rate: int) -> Floats:
        """Return the hum from sample `start` on, `(channels, n_samples)`."""
        times_s = (start + np.arange(n_samples)) / sample_rate
        turn = np.exp(2j * np.pi * self.track.cycles(times_s))
        turning = np.ones_like(turn)
        out = np.zeros((len(self.taken), n_samples))
        for k in range(self.taken.shape[1]):
            turning = turning * turn
            for channel in np.flatnonzero(self.taken[:, k]):
                line = self.steady[:, channel, k]
                out[channel] += np.interp(times_s, self.lines.times_s, line.real) * turning.real
                out[channel] -= np.interp(times_s, self.lines.times_s, line.imag) * turning.imag
        return out


def _gaps(short: Lines, times_s: Floats, steady: Complexes) -> Floats:
    """Return how often less than half of a line is there, `(channels, n_lines)` from 0 to 1.

    Kicks on the beat and a bass on one note are as steady as hum, but for the gaps between them.
    Music that is in no step with the hum hides it in 1/6 of the moments at most: seen from a
    point at the distance a, a disc of radius a/2 takes 60 of 360 degrees.
    """
    nearest = np.searchsorted(times_s, short.times_s).clip(max=len(times_s) - 1)
    # Rests of a note are gaps, digital silence or not; a track that pauses for long tells nothing.
    n_rest = round(_REST_S / _SHORT_S)
    is_heard = ~binary_opening(short.is_muted, np.ones((n_rest, 1, 1)))
    amplitudes = np.where(short.is_muted, 0.0, np.abs(short.heard))
    is_gone = (amplitudes < 0.5 * np.abs(steady[nearest])) & is_heard
    return np.asarray(is_gone.sum(axis=0) / np.maximum(is_heard.sum(axis=0), 1))
