"""The key of the timeline, and how far each song is transposed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stemfx.alignment.camelot import major_tonic
from stemfx.alignment.song import Song, followed
from stemfx.dsp.key import MODES, NAMES
from stemfx.dsp.transpose import key_text, parse_key
from stemfx.errors import AlignmentError

TUNED_CENTS = 10.0
"""A tuning is read to some cents; a smaller difference is not worth a transposition."""
NEAR = 0.1
"""Costs so near to the least are alike: 5 cents of a vocal."""


@dataclass(frozen=True)
class KeyChoice:
    """The key of the timeline; nothing is transposed where it is empty.

    Args:
        key: such as `A minor`.
        follows: the song that has it; empty: it was told.
        tuning_cents: how far A4 lies from 440 Hz.
        steps: the transposition of each song in whole semitones.
        semitones: the same with its tuning.
    """

    key: str = ""
    follows: str = ""
    tuning_cents: float = 0.0
    steps: Mapping[str, int] = field(default_factory=dict)
    semitones: Mapping[str, float] = field(default_factory=dict)


def transposition(key: str, tuning_cents: float, to_key: str, to_cents: float) -> tuple[int, float]:
    """Return the nearest transposition that brings the notes of a key to those of another.

    Relative keys have the same notes: A minor is C major. So has every minor key with a major
    one, and two songs of different modes agree when their scales do. A tuning is measured from
    the nearest note, so the whole steps are counted with it: 45 cents above A and 45 below Bb
    are 10 cents apart.

    Returns:
        Whole semitones, -6 to 6, and those with the difference in tuning if it can be heard.
    """
    apart = (major_tonic(to_key) - major_tonic(key)) % 12
    cents = to_cents - tuning_cents
    cents = cents if abs(cents) >= TUNED_CENTS else 0.0
    return min(
        ((steps, steps + cents / 100.0) for steps in (apart - 12, apart)),
        key=lambda one: round(abs(one[1]), 9),
    )


def total_transposition(key: str, tuning_cents: float, songs: Collection[Song]) -> float:
    """Return the weighted sum of all transpositions, in semitones."""
    return sum(
        song.use.pitch_weight
        * abs(transposition(song.reading.key, song.reading.tuning_cents, key, tuning_cents)[1])
        for song in songs
        if song.reading.key
    )


def choose_key(wish: str | None, songs: Mapping[str, Song], max_semitones: float) -> KeyChoice:
    """Return the key that a recipe names, or the one that costs least.

    A key by its name keeps the tuning of the song with most to lose, not A4 = 440 Hz: songs that
    agree with one another already stay as they are.

    Raises:
        AlignmentError: the name is neither a song nor a key, or the song has none.
    """
    none = KeyChoice(steps=dict.fromkeys(songs, 0), semitones=dict.fromkeys(songs, 0.0))
    if wish is None:
        return none
    keyed = [song for song in songs.values() if song.use.pitched and song.reading.key]
    if wish == "auto":
        if not keyed:
            return none
        follows = best_key(keyed, max_semitones)
    elif wish in songs:
        follows = wish
        if not songs[wish].reading.key:
            raise AlignmentError(
                f"align: key: no key was found in {wish!r}; give it under sources: "
                f"`{wish}: {{file: ..., key: A minor}}`, name another source or a key, or write "
                "`auto`"
            )
    else:
        return _in_key(_checked(wish, songs), "", _tuning_of(keyed), songs)
    reading = songs[follows].reading
    return _in_key(reading.key, follows, reading.tuning_cents, songs)


def _checked(wish: str, songs: Mapping[str, Song]) -> str:
    try:
        return key_text(*parse_key(wish))
    except ValueError:
        raise AlignmentError(
            f"align: key: {wish!r} is neither a source that is aligned ({', '.join(songs)}) nor a "
            "key; write one such as 'A minor' or 'Eb major', or `auto`"
        ) from None


def _tuning_of(keyed: Collection[Song]) -> float:
    """Return the tuning of the song that would suffer most from another one."""
    if not keyed:
        return 0.0
    surest = min(keyed, key=lambda s: (-s.use.pitch_weight, -s.reading.key_confidence, s.name))
    return surest.reading.tuning_cents


def _in_key(key: str, follows: str, tuning_cents: float, songs: Mapping[str, Song]) -> KeyChoice:
    moves = {name: _move(song, key, tuning_cents) for name, song in songs.items()}
    return KeyChoice(
        key,
        follows,
        tuning_cents,
        {name: steps for name, (steps, _) in moves.items()},
        {name: semitones for name, (_, semitones) in moves.items()},
    )


def _move(song: Song, key: str, tuning_cents: float) -> tuple[int, float]:
    own = song.reading
    if not own.key or not song.use.pitched:
        return 0, 0.0
    return transposition(own.key, own.tuning_cents, key, tuning_cents)


def n_too_far(key: str, tuning_cents: float, songs: Collection[Song], most: float) -> int:
    """Count the songs that a key would transpose farther than allowed."""
    return sum(abs(_move(song, key, tuning_cents)[0]) > most for song in songs)


def best_key(keyed: Collection[Song], max_semitones: float) -> str:
    """Return the song to whose key the total transposition is least.

    As with tempi, the least lies at one of the songs. A key that would transpose one farther
    than allowed comes last; among those that are nearly alike the song with vocals is followed,
    then the one whose key is surest.
    """

    def refused(at: Song) -> int:
        own = at.reading
        return n_too_far(own.key, own.tuning_cents, keyed, max_semitones)

    return followed(
        keyed,
        n_refused=refused,
        cost=lambda song: total_transposition(song.reading.key, song.reading.tuning_cents, keyed),
        near=NEAR,
        sureness=lambda song: song.reading.key_confidence,
    )


def keys_that_fit(songs: Collection[Song], tuning_cents: float, max_semitones: float) -> list[str]:
    """Return the keys that transpose no song farther than allowed, those of least total first."""
    keyed = [song for song in songs if song.use.pitched and song.reading.key]
    minor = sum(song.use.pitch_weight * (MODES[1] in song.reading.key) for song in keyed)
    mode = int(2 * minor >= sum(song.use.pitch_weight for song in keyed))
    keys = [key_text(tonic, mode) for tonic in range(len(NAMES))]
    fitting = [key for key in keys if not n_too_far(key, tuning_cents, keyed, max_semitones)]
    return sorted(fitting, key=lambda key: (total_transposition(key, tuning_cents, keyed), key))
