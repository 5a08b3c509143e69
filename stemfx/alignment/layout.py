"""The decision where every moment of every song sounds: readings and wishes to a timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stemfx.alignment import limits
from stemfx.alignment.beat_line import BarLine, BeatLine, straight
from stemfx.alignment.grid_reading import Grid, read_grid
from stemfx.alignment.keys import KeyChoice, choose_key
from stemfx.alignment.pieces import grid_of, lead_in_s, pieces_of, rung, sounds_from_s
from stemfx.alignment.placement import check_reach, check_sections, placed
from stemfx.alignment.song import Song, leading, no_beat, songs_of
from stemfx.alignment.tempo import TempoChoice, choose_tempo
from stemfx.alignment.timeline import Piece, SectionWish, SourceMap, Timeline, Wishes
from stemfx.errors import AlignmentError
from stemfx.music.match import Matching, match_bars
from stemfx.music_reading import NOTHING_TOLD, MusicReading
from stemfx.stage import Notes


def lay_out(readings: Mapping[str, MusicReading], wishes: Wishes) -> Timeline:
    """Decide where every moment of every song sounds, and how far it is transposed.

    Tempo: all follow the beats of one song, or a tempo; half and double time are considered. A
    song that is followed is only moved, by a multiple of 20 ms, and only where another one needs
    room before bar 1. Beats lie on beats and bars on bars; nothing before a first bar or after a
    last one is cut. Key: all follow the notes of one song's key, or a key; relative keys agree.

    Args:
        readings: of every source that is aligned, by name. Their order decides nothing.
        wishes: what the recipe asks.

    Raises:
        AlignmentError: a song has no beat, needs more stretch or transposition than is allowed,
            or a wish names what is not there.
    """
    if not readings:
        raise AlignmentError("align: there is no source to align; all have `align: false`")
    case = _case(readings, wishes)
    stretches = _check(case)
    if case.tempo:
        line, pieces = _on_grid(case, case.tempo)
    else:
        _check_unmoved(case.sections)
        line, pieces = case.reference.line, {name: _as_it_is(s) for name, s in case.used.items()}
    ends_s = [piece.out_s[-1] for own in pieces.values() for piece in own]
    reference = case.reference
    end_s = max(ends_s, default=0.0)
    grid = Grid(line, end_s, reference, case.octave(reference.name), case.bars)
    maps = {
        name: SourceMap(
            pieces[name],
            semitones=case.key.semitones[name],
            octave=case.octave(name),
            stretch_percent=stretches.get(name, 0.0),
            bpm=song.reading.bpm,
            key=song.reading.key,
            pitched=song.use.pitched,
        )
        for name, song in case.used.items()
    }
    return Timeline(
        read_grid(grid, case.tempo, case.key, case.sections, case.songs),
        maps,
        tuple(case.notes.findings),
        tempo_of=case.tempo.follows if case.tempo else "",
        key_of=case.key.follows,
        stretches=case.tempo is not None,
        transposes=bool(case.key.key),
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """What was decided for all songs together.

    Args:
        songs: all, by name.
        reference: the song whose bars the timeline has.
        tempo: None: nothing is stretched.
        key: of the timeline.
        sections: by hand, in order.
        wishes: of the recipe.
        notes: for findings.
    """

    songs: Mapping[str, Song]
    reference: Song
    tempo: TempoChoice | None
    key: KeyChoice
    sections: list[SectionWish]
    wishes: Wishes
    notes: Notes

    @property
    def used(self) -> dict[str, Song]:
        """The songs of which something sounds."""
        return {name: song for name, song in self.songs.items() if song.use.any}

    @property
    def bars(self) -> BarLine:
        """The bars of the timeline: those of the reference, unless it is in half or double time."""
        own = self.reference.bars
        return (
            own if self.octave(self.reference.name) == 1.0 else BarLine((0.0,), own.beats_per_bar)
        )

    def octave(self, name: str) -> float:
        """Return how many beats of the timeline one of a song takes."""
        return self.tempo.octaves[name] if self.tempo else 1.0


def _case(readings: Mapping[str, MusicReading], wishes: Wishes) -> _Case:
    songs = songs_of(readings, wishes.parts)
    sections = check_sections(wishes.sections, list(songs))
    tempo = None
    if wishes.tempo is not None:
        for name, song in songs.items():
            if song.use.any and song.line is None:
                raise AlignmentError(no_beat(name))
        tempo = choose_tempo(wishes.tempo, songs, wishes.max_stretch_percent)
    key = choose_key(wishes.key, songs, wishes.max_semitones)
    reference = songs[tempo.follows] if tempo and tempo.follows else leading(songs.values())
    return _Case(songs, reference, tempo, key, sections, wishes, Notes())


def _check(case: _Case) -> dict[str, float]:
    """Say what is far or unsure, and return the stretch of each song in percent."""
    used, tempo, key, wishes, notes = case.used, case.tempo, case.key, case.wishes, case.notes
    stretches = {}
    for name, song in case.songs.items():
        is_followed = tempo is not None and name == tempo.follows
        if name in used or is_followed or name == key.follows:
            limits.check_reading(song, wishes.told.get(name, NOTHING_TOLD), tempo, key, notes)
        if tempo and name in used:
            most = wishes.max_stretch_percent
            stretches[name] = limits.check_stretch(song, tempo, used, most, notes)
            limits.check_octave(song, tempo, notes)
            limits.check_meter(song, case.reference, notes)
        if key.key and name in used:
            limits.check_transposition(song, key, used, wishes.max_semitones, notes)
    if wishes.key and not key.key:
        notes.find(
            "info",
            "no_key",
            "no key was heard in what is used, so nothing is transposed; give `key:` under the "
            "sources that have one",
        )
    return stretches


def _on_grid(
    case: _Case, tempo: TempoChoice
) -> tuple[BeatLine | None, dict[str, tuple[Piece, ...]]]:
    """Return the beats of the timeline, and what of each song sounds on them."""
    reference, used, notes = case.reference, case.used, case.notes
    runs = {
        name: placed(
            song,
            case.octave(name),
            reference,
            bars=case.bars,
            sections=case.sections,
            matching=_matching(case, song),
            notes=notes,
        )
        for name, song in {**used, reference.name: reference}.items()
    }
    check_reach(case.sections, case.bars, [run for own in runs.values() for run in own])
    if tempo.follows:
        line = grid_of(reference, runs[reference.name])
    else:
        line = straight(float(reference.beats.at(np.zeros(1))[0]), 60.0 / tempo.bpm)
    whole = {
        name: rung(song, runs[name], 0.0 if name == tempo.follows else sounds_from_s(song))
        for name, song in used.items()
    }
    by_s = lead_in_s(line, whole)
    if by_s > 60.0 / tempo.bpm * reference.beats_per_bar:
        first = min(whole, key=lambda name: whole[name][0].first if whole[name] else 0.0)
        notes.find(
            "info",
            "later_start",
            f"bar 1 is {by_s:.1f} s later than in {reference.name}: {first} has that much before "
            "its first bar; cut it there if it is not wanted",
        )
    line = line.later(by_s)
    return line, {name: pieces_of(song, whole[name], line) for name, song in used.items()}


def _matching(case: _Case, song: Song) -> Matching | None:
    """Return how the form of a song lies on that of the reference, where bars can be compared."""
    own, of = song.reading, case.reference
    is_wished = case.wishes.structure == "auto" and song is not of
    same_bars = song.beats_per_bar == of.beats_per_bar and case.octave(of.name) == 1.0
    if not (is_wished and same_bars and own.bars and of.reading.bars):
        return None
    matching = match_bars(of.reading, own, octave=case.octave(song.name))
    if case.key.key:
        limits.check_chords(song, of, matching, case.notes)
    return matching


def _as_it_is(song: Song) -> tuple[Piece, ...]:
    ends = (0.0, song.reading.duration_s)
    return (Piece(ends, ends),) if ends[1] > 0 else ()


def _check_unmoved(sections: list[SectionWish]) -> None:
    for section in sections:
        for name, first in section.first_bar_of.items():
            if first != section.first_bar:
                raise AlignmentError(
                    f"sections: {section.name}: bars of {name} can only be moved onto a common "
                    "tempo; set `tempo:` under `align:`, for one song its own name"
                )
