"""What the nodes do that write projects for DAWs, and stem files for DJ software."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stemfx.audio import Signal
from stemfx.exports.dawproject_file import write_dawproject
from stemfx.exports.four_parts import four_parts
from stemfx.exports.grid_midi import midi_bytes
from stemfx.exports.reaper import is_anothers, rpp_text
from stemfx.exports.song import HitTrack, Marker, Song
from stemfx.exports.stem_mp4 import parts_of, write_stem_mp4
from stemfx.exports.tempo_map import NO_TEMPO, tempo_map
from stemfx.graph import WriteSession, WriteStemFile
from stemfx.hits import Hit
from stemfx.io import Encoding, write, write_bytes, write_text
from stemfx.music_reading import MusicReading
from stemfx.stage import Notes
from stemfx.tags import read_cover

_FLOAT_WAV = Encoding("wav", 32)
_UNNAMED = "unnamed"  # a section of the song that the recipe's `sections` leave out


def write_session(
    work: WriteSession,
    inputs: Sequence[Signal],
    data: Sequence[Mapping[str, Any]],
    notes: Notes,
) -> None:
    """Write a project and its media; report its tempo, and say if there is none.

    A REAPER project that somebody went on with is kept: there is work in it.

    Raises:
        OutputError, DiskFullError: it cannot be written.
    """
    song = _song(work, inputs, data)
    if song.tempo == NO_TEMPO:
        notes.find(
            "info",
            "session_no_tempo",
            "no beat was found, so the project is at 120 BPM and its bars mean nothing; where "
            "you know the tempo, `bpm: 96` under the source tells it",
        )
    else:
        notes.report(bpm=song.tempo.tempos[0].bpm, tempo_changes=len(song.tempo.tempos) - 1)
        notes.report(song_starts_s=song.tempo.song_start_s)
    if work.format == "dawproject":
        write_dawproject(work.path, song, inputs)
    elif work.format == "mid":
        write_bytes(work.path, midi_bytes(song))
    else:
        for path, signal in zip(work.media, inputs, strict=True):
            write(path, signal, _FLOAT_WAV)
        if is_anothers(work.path):
            notes.find(
                "warn",
                "session_edited",
                f"{work.path.name} was saved by REAPER, so it is kept as it is, and only its audio "
                "is written; to have the project written anew move it away, or give `session` "
                "another name",
            )
        else:
            write_text(work.path, rpp_text(song))


def write_stem_file(work: WriteStemFile, inputs: Sequence[Signal], notes: Notes) -> None:
    """Write a stem file; report which tracks each of its four parts is made of.

    Raises:
        OutputError, DiskFullError: it cannot be written.
        TagError: the cover cannot be used.
    """
    master, *tracks = inputs
    named = dict(zip(work.tracks, tracks, strict=True))
    cover = read_cover(work.tags.cover) if work.tags and work.tags.cover else None
    parts = parts_of(named, work.stems)
    write_stem_mp4(work.path, master, parts, tags=work.tags, cover=cover)
    for part, names in four_parts(work.tracks, work.stems).items():
        notes.report(**{f"part_{part}": ", ".join(names) or "silent"})


def _song(work: WriteSession, inputs: Sequence[Signal], data: Sequence[Mapping[str, Any]]) -> Song:
    told = list(data)
    reading = MusicReading.from_json(told.pop(0)) if work.has_reading else None
    tempo = None if reading is None else tempo_map(reading, work.sample_rate)
    ends_s = [signal.n_samples / signal.sample_rate for signal in inputs]
    duration_s = max(ends_s, default=work.duration_s if reading is None else reading.duration_s)
    tracks = (
        replace(track, channels=signal.channels, n_samples=signal.n_samples)
        for track, signal in zip(work.tracks, inputs, strict=True)
    )
    found = (
        HitTrack(name, tuple(Hit(*values) for values in one["hits"]))
        for name, one in zip(work.hits, told, strict=True)
    )
    return Song(
        work.title,
        work.artist,
        work.about,
        work.sample_rate,
        duration_s,
        tempo or NO_TEMPO,
        markers_of(reading),
        tuple(tracks),
        (*found, *(_until(duration_s, track) for track in work.given_hits)),
    )


def _until(end_s: float, track: HitTrack) -> HitTrack:
    return replace(track, hits=tuple(hit for hit in track.hits if hit.time_s < end_s))


def markers_of(reading: MusicReading | None) -> tuple[Marker, ...]:
    """Return where sections begin; what is left over after the last one with a name is none."""
    sections = [] if reading is None else list(reading.sections)
    while sections and not sections[-1].label:
        sections.pop()
    return tuple(Marker(section.label or _UNNAMED, section.start_s) for section in sections)
