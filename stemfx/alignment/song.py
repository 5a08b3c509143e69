"""A song as the alignment sees it: what was read of it, and what of it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from stemfx.alignment.beat_line import BarLine, BeatLine, bar_line, beat_line
from stemfx.alignment.parts import Use, use_of
from stemfx.errors import AlignmentError
from stemfx.music_reading import MusicReading


@dataclass(frozen=True, eq=False)
class Song:
    """One source.

    Args:
        name: of the source.
        reading: its music.
        use: what of it sounds.
        line: its beats; None if it has none.
        bars: which of them begin bars.
    """

    name: str
    reading: MusicReading
    use: Use
    line: BeatLine | None
    bars: BarLine

    @property
    def beats(self) -> BeatLine:
        """Its beats, where songs without any were sorted out."""
        if self.line is None:
            raise AlignmentError(no_beat(self.name))
        return self.line

    @property
    def bpm(self) -> float:
        """Its tempo; 0 without a beat."""
        return self.line.bpm if self.line else 0.0

    @property
    def beats_per_bar(self) -> int:
        """Beats in its usual bar."""
        return self.bars.beats_per_bar


def no_beat(name: str) -> str:
    """Say that a song has no beat, and what to set."""
    return (
        f"align: no beat was found in {name!r}, so it cannot be brought into a tempo; if you know "
        f"it, say so under sources: `{name}: {{file: ..., bpm: 120, downbeat_s: 0.5}}`; else leave "
        "it out with `align: false` there, or omit `tempo` to leave all tempi alone"
    )


def songs_of(
    readings: Mapping[str, MusicReading], parts: Mapping[str, Iterable[str]]
) -> dict[str, Song]:
    """Return the songs by name, sorted: their order in a recipe decides nothing.

    Where nothing at all is used, all of them are, wholly.
    """
    if not any(tuple(parts.get(name, ())) for name in readings):
        parts = dict.fromkeys(readings, ("",))
    return {
        name: Song(
            name,
            readings[name],
            use_of(parts.get(name, ())),
            beat_line(readings[name]),
            bar_line(readings[name]),
        )
        for name in sorted(readings)
    }


def leading(songs: Collection[Song]) -> Song:
    """Return the song that decides where nothing else does.

    It has a beat, is used, carries the vocals, or most; then the surest beat, then its name.
    """

    def order(song: Song) -> tuple[bool, bool, bool, float, float, str]:
        use, sure = song.use, song.reading.bpm_confidence
        return (not song.line, not use.any, not use.vocals, -use.stretch_weight, -sure, song.name)

    return min(songs, key=order)


def followed(
    songs: Collection[Song],
    *,
    n_refused: Callable[[Song], int],
    cost: Callable[[Song], float],
    near: float,
    sureness: Callable[[Song], float],
) -> str:
    """Return the song that costs the others least to follow.

    Args:
        songs: to choose from.
        n_refused: how many could not follow it at all; the fewest come first.
        cost: of following it.
        near: costs so near to the least are alike; then the song with vocals is followed, and
            then the surest.
        sureness: of what is followed.
    """
    refused = {song.name: n_refused(song) for song in songs}
    candidates = [song for song in songs if refused[song.name] == min(refused.values())]
    costs = {song.name: cost(song) for song in candidates}
    least = min(costs.values())
    return min(
        (song for song in candidates if costs[song.name] <= least + near),
        key=lambda s: (not s.use.vocals, -sureness(s), round(costs[s.name], 6), s.name),
    ).name
