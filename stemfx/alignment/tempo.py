"""The tempo of the timeline, and in which octave each song counts its beats there."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stemfx.alignment.song import Song, followed
from stemfx.errors import AlignmentError

OCTAVES = (1.0, 0.5, 2.0)
"""Beats of the timeline for one of a song; an earlier one wins where two fit alike."""
SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0
NEAR = 0.01
"""Costs so near to the least are alike: 0.35 % of stretch of a vocal."""


@dataclass(frozen=True)
class TempoChoice:
    """A tempo in BPM, the song that has it (empty: it was told) and the octave of each song."""

    bpm: float
    follows: str
    octaves: Mapping[str, float]


def octave_for(own_bpm: float, bpm: float) -> float:
    """Return how many beats of the timeline one beat of a song takes: the least stretch.

    >>> octave_for(87, 174), octave_for(174, 87), octave_for(100, 120)
    (2.0, 0.5, 1.0)
    """
    return min(OCTAVES, key=lambda octave: round(_distance(own_bpm, bpm, octave), 9))


def stretch_percent(own_bpm: float, bpm: float) -> float:
    """Return how much longer a song becomes, in the octave that suits it; negative is shorter."""
    return 100.0 * (octave_for(own_bpm, bpm) * own_bpm / bpm - 1.0)


def is_too_far(percent: float, most_percent: float) -> bool:
    """Whether a stretch is more than some, but for rounding."""
    return abs(percent) > most_percent + 1e-6


def total_stretch(bpm: float, songs: Collection[Song]) -> float:
    """Return the weighted total stretch, in octaves: sum of w |log2(T / (o T_i))|."""
    return sum(
        song.use.stretch_weight * _distance(song.bpm, bpm, octave_for(song.bpm, bpm))
        for song in songs
    )


def _distance(own_bpm: float, bpm: float, octave: float) -> float:
    return abs(math.log2(bpm / (octave * own_bpm)))


def choose_tempo(
    wish: str | float, songs: Mapping[str, Song], max_stretch_percent: float
) -> TempoChoice:
    """Return the tempo that a recipe names, or the one that costs least.

    The total is a sum of distances, so it is least at the tempo of one of the songs: between two
    of them it only rises, or falls, towards one. That song is then left as it is.

    Raises:
        AlignmentError: the name is no song.
    """
    follows = ""
    if not isinstance(wish, str):
        bpm = float(wish)
        if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            raise AlignmentError(
                f"align: tempo: {wish:g} BPM is outside [{SLOWEST_BPM:g}, {FASTEST_BPM:g}] BPM"
            )
    else:
        follows = best_tempo(songs.values(), max_stretch_percent) if wish == "auto" else wish
        if follows not in songs:
            raise AlignmentError(
                f"align: tempo: {wish!r} is no source that is aligned; name one of "
                f"{', '.join(songs)}, give a tempo in BPM, or write `auto`"
            )
        bpm = songs[follows].beats.bpm
    return TempoChoice(
        bpm,
        follows,
        {name: octave_for(song.bpm, bpm) if song.bpm else 1.0 for name, song in songs.items()},
    )


def best_tempo(songs: Collection[Song], max_stretch_percent: float) -> str:
    """Return the song at whose tempo the total stretch is least.

    A tempo that would need more stretch than is allowed comes last. Among those that are nearly
    alike the song with vocals is followed, then the one whose beat is surest.
    """
    used = [song for song in songs if song.use.any and song.line]
    if not used:
        raise AlignmentError("align: tempo: no song that is used has a beat; omit `tempo`")

    def n_refused(at: Song) -> int:
        percents = [stretch_percent(song.bpm, at.bpm) for song in used]
        return sum(is_too_far(percent, max_stretch_percent) for percent in percents)

    return followed(
        used,
        n_refused=n_refused,
        cost=lambda song: total_stretch(song.bpm, used),
        near=NEAR,
        sureness=lambda song: song.reading.bpm_confidence,
    )
