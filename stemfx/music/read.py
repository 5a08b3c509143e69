"""Read tempo, beats, bars, key and form of a song."""

from __future__ import annotations

from collections.abc import Mapping

from stemfx.audio import Signal
from stemfx.beat_tracker import BeatTracker
from stemfx.music.beat_map import read_beats
from stemfx.music.form import read_form
from stemfx.music.listen import Heard, listen
from stemfx.music.tonality import read_key
from stemfx.music.tracked import Tracked, ask
from stemfx.music_reading import NOTHING_TOLD, MusicReading, Told


def read_music(
    mixture: Signal,
    stems: Mapping[str, Signal],
    *,
    tracker: BeatTracker | None = None,
    told: Told = NOTHING_TOLD,
) -> MusicReading:
    """Read the tempo, beats, bars, key and sections of a song.

    Args:
        mixture: the whole song.
        stems: of the same length and rate, by name; may be empty. Drums are listened to for
            the beat, all others for harmony; without them the mixture is.
        tracker: what tracks the beats; default: stemfx itself. Its beats are moved to the attacks
            that they mean, and a grid is laid through them; downbeats that it does not give are
            read among its beats.
        told: what the producer says of the song: the tempo within 4 %, with its octave; where a
            bar begins; its key. A tempo that nothing speaks for gets a confidence of 0.

    Raises:
        PluginError: the tracker failed or broke its contract.
    """
    tracked = None if tracker is None else ask(tracker, mixture)
    return read(listen(mixture, stems), told, tracked)


def read(heard: Heard, told: Told = NOTHING_TOLD, tracked: Tracked | None = None) -> MusicReading:
    """Read a song from what was heard."""
    beat_map = read_beats(heard, told, tracked)
    tonality = read_key(heard, beat_map.beats_s, beat_map.downbeats_s, told.key)
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
        bpm_runner_up=beat_map.bpm_runner_up,
        bpm_margin=beat_map.bpm_margin,
        sections=sections,
        bars=bars,
    )
