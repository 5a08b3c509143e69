"""The beats of a song as a grid that goes on past its first and last beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music_reading import MusicReading

_BEATS_A_BAR = 4
_EDGE_BEATS = 8  # whose mean length the grid goes on with


@dataclass(frozen=True)
class Grid:
    """Beats of a song, from one on.

    Args:
        beats_s: rising, the last one after the end of the song.
        bar_phase: how many beats before the first bar line; beat k begins a bar when
            `(k - bar_phase) % beats_a_bar` is 0.
        beats_a_bar: such as 4.
    """

    beats_s: Float64s
    bar_phase: int
    beats_a_bar: int

    @property
    def beat_s(self) -> float:
        """The usual length of a beat."""
        return float(np.median(np.diff(self.beats_s)))

    def is_bar(self, beat: int) -> bool:
        """Whether a beat begins a bar."""
        return (beat - self.bar_phase) % self.beats_a_bar == 0

    def bar_starts(self) -> Float64s:
        """Return where each bar begins."""
        starts: Float64s = self.beats_s[self.bar_phase % self.beats_a_bar :: self.beats_a_bar]
        return starts

    def since(self, beat: int) -> Grid:
        """Return the grid from a beat on."""
        return Grid(self.beats_s[beat:], self.bar_phase - beat, self.beats_a_bar)


def song_grid(reading: MusicReading, duration_s: float) -> Grid:
    """Return the beats of a song and, evenly on, those before its first and up to its end.

    Raises:
        ValueError: the song has no beat.
    """
    beats_s = np.unique(np.array(reading.beats_s, np.float64))
    if reading.bpm <= 0 or len(beats_s) == 0:
        raise ValueError("no beat was found")
    own_s = 60.0 / reading.bpm
    lengths = np.diff(beats_s)
    head_s = float(np.mean(lengths[:_EDGE_BEATS])) if lengths.size else own_s
    tail_s = float(np.mean(lengths[-_EDGE_BEATS:])) if lengths.size else own_s
    n_before = int(beats_s[0] / head_s + 1e-6)
    n_after = max(0, int(np.ceil((duration_s - beats_s[-1]) / tail_s))) + 2
    whole = np.concatenate(
        (
            beats_s[0] - head_s * np.arange(n_before, 0, -1),
            beats_s,
            beats_s[-1] + tail_s * np.arange(1, n_after + 1),
        )
    )
    bars = np.searchsorted(beats_s, np.array(reading.downbeats_s) - own_s / 4)
    a_bar = round(float(np.median(np.diff(bars)))) if len(bars) > 1 else _BEATS_A_BAR
    a_bar = a_bar if 1 <= a_bar <= 12 else _BEATS_A_BAR
    phase = int(bars[0]) if len(bars) else 0
    return Grid(whole, (n_before + phase) % a_bar, a_bar)
