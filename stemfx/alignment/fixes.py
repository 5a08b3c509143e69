"""What to write in a recipe about songs that fit badly or were misheard."""

from __future__ import annotations

from collections.abc import Mapping

from stemfx.alignment.keys import KeyChoice, best_key, choose_key
from stemfx.alignment.song import Song
from stemfx.alignment.tempo import TempoChoice, best_tempo, stretch_percent
from stemfx.dsp.transpose import key_text, parse_key
from stemfx.fixes import entries, in_sources
from stemfx.music_reading import MusicReading

_BPM = (20.0, 400.0)  # that a recipe may tell


def told_bpm(source: str, bpm: float, downbeat_s: float | None = None) -> str | None:
    """Return what tells the tempo of a song; None for one that no song has."""
    if not _BPM[0] <= bpm <= _BPM[1]:
        return None
    first_s = None if downbeat_s is None else round(downbeat_s, 3)
    return entries(in_sources(source), bpm=round(bpm, 2), downbeat_s=first_s)


def other_bpm(source: str, reading: MusicReading) -> str | None:
    """Return what says that an unsure tempo is the other one; where there is none, that it is so.

    Where a bar begins is only said with the tempo that was heard.
    """
    if reading.bpm_runner_up:
        return told_bpm(source, reading.bpm_runner_up)
    return told_bpm(source, reading.bpm, next(iter(reading.downbeats_s), None))


def told_key(source: str, key: str) -> str:
    """Return what tells the key of a song."""
    return entries(in_sources(source), key=key)


def nearer_tempo(
    tempo: TempoChoice, songs: Mapping[str, Song], max_stretch_percent: float
) -> str | None:
    """Return the tempo for which no song is stretched as far as now, if there is one."""
    used = {name: song for name, song in songs.items() if song.use.any and song.line}
    best = best_tempo(used.values(), max_stretch_percent)

    def worst(bpm: float) -> float:
        return max(abs(stretch_percent(song.bpm, bpm)) for song in used.values())

    is_nearer = worst(used[best].bpm) < worst(tempo.bpm) - 0.1
    return entries("in align", tempo=best) if is_nearer else None


def nearer_key(key: KeyChoice, songs: Mapping[str, Song], max_semitones: float) -> str | None:
    """Return the key for which no song is transposed as far as now, if there is one."""
    keyed = [song for song in songs.values() if song.use.pitched and song.reading.key]
    best = best_key(keyed, max_semitones)

    def worst(choice: KeyChoice) -> int:
        return max(abs(choice.steps[song.name]) for song in keyed)

    is_nearer = worst(choose_key(best, songs, max_semitones)) < worst(key)
    return entries("in align", key=best) if is_nearer else None


def key_by_chords(song: Song, reference: Song, semitones: int) -> str:
    """Return what brings two keys together that chords, so many semitones apart, do not allow.

    The surer of the keys stands.
    """
    right, wrong, apart = reference, song, semitones
    if song.reading.key_confidence > reference.reading.key_confidence:
        right, wrong, apart = song, reference, -semitones
    tonic, mode = parse_key(right.reading.key)
    return told_key(wrong.name, key_text(tonic + apart, mode))
