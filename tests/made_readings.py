"""Readings of songs that nobody played: beats and keys as a test wants them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stemfx.music_reading import MusicReading, Section


def made_reading(
    bpm: float = 120.0,
    key: str = "A minor",
    *,
    downbeat_s: float = 0.5,
    n_bars: int = 8,
    tail_s: float = 1.5,
    beats_per_bar: int = 4,
    tuning_cents: float = 0.0,
    bpm_confidence: float = 0.9,
    key_confidence: float = 0.9,
    key_runner_up: str = "",
    sway: float = 0.0,
) -> MusicReading:
    """Return a reading of whole bars at a tempo; its beats begin before bar 1 where there is room.

    `sway` lets the tempo swing by that share around `bpm`, once in four bars.
    """
    beat_s = 60.0 / bpm
    n_before = int(downbeat_s / beat_s) if not sway else 0
    index = np.arange(-n_before, n_bars * beats_per_bar + 1)
    turn = 2 * np.pi / (4 * beats_per_bar)
    beats_s = downbeat_s + beat_s * (index + sway / turn * np.sin(turn * index))
    downbeats_s = beats_s[n_before:-1:beats_per_bar]
    return MusicReading(
        bpm=bpm,
        bpm_confidence=bpm_confidence,
        beats_s=tuple(beats_s[:-1].tolist()),
        downbeats_s=tuple(downbeats_s.tolist()),
        key=key,
        key_confidence=key_confidence,
        key_runner_up=key_runner_up,
        tuning_cents=tuning_cents,
        duration_s=float(beats_s[-1]) + tail_s,
        beats_per_bar=beats_per_bar,
        steady=not sway,
    )


def with_sections(reading: MusicReading, *bars: tuple[str, int, int]) -> MusicReading:
    """Return a reading with sections of a label, a first bar and a length."""
    edges = [*reading.downbeats_s, reading.duration_s]
    return replace(
        reading,
        sections=tuple(
            Section(label, edges[first - 1], edges[first - 1 + n], first, n)
            for label, first, n in bars
        ),
    )
