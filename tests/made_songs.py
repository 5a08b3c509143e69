"""Songs that formulas play, of many kinds, so that tempo, bars and key are known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Audio
from stemfx.kits.synth import SynthKit

RATE = 44_100
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR, MAJOR = (0, 3, 7), (0, 4, 7)
# Chords as (semitones above the tonic, triad); each key rests on its first and last.
PROGRESSIONS = {
    "minor": (
        (0, MINOR),
        (8, MAJOR),
        (3, MAJOR),
        (10, MAJOR),
    ),  # the relative's chords
    "major": ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)),
}
_E = tuple(i / 2 for i in range(8))
_T = 2 / 3
GROOVES: dict[str, tuple[tuple[str, tuple[float, ...], float], ...]] = {
    "rock": (("kick", (0, 2, 2.5), 0.9), ("snare", (1, 3), 0.9), ("hat_closed", _E, 0.5)),
    "four on the floor": (
        *(("kick", (0, 1, 2, 3), 0.9), ("clap", (1, 3), 0.7)),
        ("hat_open", (0.5, 1.5, 2.5, 3.5), 0.5),
    ),
    "drum and bass": (("kick", (0, 2.5), 0.9), ("snare", (1, 3), 0.9), ("hat_closed", _E, 0.5)),
    "swing ballad": (
        *(("kick", (0, 2), 0.4), ("snare", (1, 3), 0.35)),
        *(("hat_closed", (0, 1, 2, 3), 0.5), ("hat_closed", (1 + _T, 3 + _T), 0.3)),
    ),
}


@dataclass(frozen=True)
class MadeSong:
    """Stems, and what they play to."""

    stems: dict[str, Audio]
    beats_s: np.ndarray
    downbeats_s: np.ndarray
    key: str

    @property
    def mixture(self) -> Audio:
        return Audio(np.sum([stem.samples for stem in self.stems.values()], axis=0), RATE)


def made_song(
    groove: str,
    bpm: float,
    *,
    tonic: int = 9,
    mode: str = "minor",
    cents: float = 0.0,
    bars: int = 12,
    start_s: float = 0.3,
    faster_at_end: float = 0.0,
    chords: Sequence[tuple[int, tuple[int, ...]]] = (),
) -> MadeSong:
    """Play `bars` bars of four and a last chord; the tempo may grow by a share until the end.

    Unless `chords` are given, which go round, it is those of `PROGRESSIONS`, from the tonic to it.
    """
    tonic_chord = (0, PROGRESSIONS[mode][0][1])
    played = [*(chords or PROGRESSIONS[mode])] * bars
    last = played[0] if chords else tonic_chord
    played[0] = last
    beats = np.arange(4 * bars + 5)
    pace = 1 + faster_at_end * beats / beats[-1]
    beats_s = start_s + np.concatenate([[0], np.cumsum(60 / bpm / pace)])[:-1]

    def at(beat: float) -> float:
        return float(np.interp(beat, beats, beats_s))

    n = round((beats_s[-1] + 1.0) * RATE)
    drums, bass, other = (np.zeros(n) for _ in range(3))
    kit, rng = SynthKit(), np.random.default_rng(0)
    for bar in range(bars):
        degree, triad = played[bar]
        for drum, places, velocity in GROOVES[groove]:
            for place in places:
                touch = velocity * rng.uniform(0.85, 1.0)
                _add(drums, kit.sample(drum, touch, RATE).samples[0], at(4 * bar + place))
        root = 36 + (tonic + degree) % 12
        for place, beats_long in ((0, 1.4), (1.5, 0.9), (3, 0.9)):
            _add(bass, _tone(root, beats_long * 60 / bpm, cents), at(4 * bar + place))
        for note in triad:
            _add(other, _tone(root + 24 + note, 4 * 60 / bpm, cents), at(4 * bar))
    root = (tonic + last[0]) % 12
    for note in last[1]:
        _add(other, _tone(60 + root + note, 3 * 60 / bpm, cents), at(4 * bars))
    _add(bass, _tone(36 + root, 3 * 60 / bpm, cents), at(4 * bars))
    _add(drums, kit.sample("kick", 0.9, RATE).samples[0], at(4 * bars))
    stems = {"drums": 0.5 * drums, "bass": 0.2 * bass, "other": 0.08 * other}
    audio = {name: Audio(x[np.newaxis].astype(np.float32), RATE) for name, x in stems.items()}
    counted = beats_s[: 4 * bars + 4]
    return MadeSong(audio, counted, counted[::4], f"{NAMES[tonic % 12]} {mode}")


def _tone(midi: float, seconds: float, cents: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((midi - 69 + cents / 100) / 12)
    tone = sum(np.sin(2 * np.pi * hz * k * t) / k**1.3 for k in range(1, 7))
    return tone * np.minimum(1, t / 0.004) * np.clip((t[-1] - t) / 0.03, 0, 1) * np.exp(-t / 1.5)


def _add(out: np.ndarray, sound: np.ndarray, at_s: float) -> None:
    start = round(at_s * RATE)
    part = sound[: max(0, out.size - start)]
    out[start : start + part.size] += part
