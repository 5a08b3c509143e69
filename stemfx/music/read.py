"""Read tempo, beats, bars, key and form of a song."""

from __future__ import annotations

from collections.abc import Mapping

from stemfx.audio import Signal
from stemfx.music.beat_map import read_beats
from stemfx.music.form import read_form
from stemfx.music.listen import Heard, listen
from stemfx.music.tonality import read_key
from stemfx.music_reading import MusicReading


def read_music(mixture: Signal, stems: Mapping[str, Signal]) -> MusicReading:
    """Read the tempo, beats, bars, key and sections of a song.

    Args:
        mixture: the whole song.
        stems: of the same length and rate, by name; may be empty. Drums are listened to for
            the beat, all others for harmony; without them the mixture is.
    """
    return read(listen(mixture, stems))


def read(heard: Heard) -> MusicReading:
    """Read a song from what was heard."""
    beat_map = read_beats(heard)
    tonality = read_key(heard, beat_map.beats_s, beat_map.downbeats_s)
    sections, bars = read_form(heard, beat_map)
    return MusicReading(
        bpm=beat_map.bpm,
        bpm_confidence=beat_map.confidence,
        beats_s=tuple(beat_map.beats_s.tolist()),
        downbeats_s=tuple(beat_map.downbeats_s.tolist()),
        key=tonality.key,
        key_confidence=tonality.confidence,
        key_runner_up=tonality.runner_up,
        tuning_cents=heard.pitches.tuning_cents,
        duration_s=heard.duration_s,
        beats_per_bar=beat_map.beats_per_bar,
        steady=beat_map.steady,
        sections=sections,
        bars=bars,
    )
