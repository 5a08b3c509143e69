"""How far songs may be stretched and transposed, and what is uncertain about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stemfx.alignment.camelot import major_tonic, named
from stemfx.alignment.fixes import (
    key_by_chords,
    nearer_key,
    nearer_tempo,
    other_bpm,
    told_bpm,
    told_key,
)
from stemfx.alignment.keys import KeyChoice, best_key, keys_that_fit, transposition
from stemfx.alignment.song import Song
from stemfx.alignment.tempo import TempoChoice, best_tempo, is_too_far, stretch_percent
from stemfx.errors import AlignmentError
from stemfx.fixes import entries, in_sources
from stemfx.music.match import LEAST_CONFIDENCE, Matching
from stemfx.music_reading import Told
from stemfx.stage import Notes

FINE_PERCENT, HEARD_PERCENT = 8.0, 12.0
VOCALS_SEMITONES, OTHERS_SEMITONES = 2, 3
UNSURE_BEAT = 0.3
"""Songs with a clear beat read 0.5 to 0.9, noise and drones under 0.05."""
UNSURE_KEY = 0.2
"""How far the key is ahead of its runner-up, of both: 1.5 to 1."""
FREE_PERCENT = 6.0
"""Bars of a band that plays freely differ so much from the usual one; of one in time by 2."""


def longer(percent: float) -> str:
    """Say a stretch: `7.6 % longer`."""
    return f"{abs(percent):.1f} % {'longer' if percent > 0 else 'shorter'}"


def check_stretch(
    song: Song, tempo: TempoChoice, songs: Mapping[str, Song], most_percent: float, notes: Notes
) -> float:
    """Return how much longer a song becomes, in percent.

    Raises:
        AlignmentError: that is more than is allowed.
    """
    percent, name = stretch_percent(song.bpm, tempo.bpm), song.name
    at = f"the {tempo.bpm:.4g} of {tempo.follows}" if tempo.follows else f"{tempo.bpm:.4g}"
    change = f"{name} plays at {song.bpm:.4g} BPM and the timeline at {at}"
    if is_too_far(percent, most_percent):
        other = _other_tempo(tempo, songs, most_percent)
        raise AlignmentError(
            f"align: {change}: it would have to become {longer(percent)}, and "
            f"max_stretch_percent allows {most_percent:g} %; {other}, raise "
            f"`max_stretch_percent`, give `bpm:` under source {name} if its tempo was misheard, "
            "or leave it out with `align: false` there"
        )
    if is_too_far(percent, FINE_PERCENT):
        is_heard = is_too_far(percent, HEARD_PERCENT)
        heard = f"above {HEARD_PERCENT:g} % that is heard" if is_heard else "listen to long notes"
        notes.find(
            "warn" if is_heard else "info",
            "far_stretched",
            f"{change}: it becomes {longer(percent)}; {heard}; another `tempo:` under `align:` "
            "changes it",
            nearer_tempo(tempo, songs, most_percent),
        )
    return percent


def _other_tempo(tempo: TempoChoice, songs: Mapping[str, Song], most_percent: float) -> str:
    best = best_tempo(songs.values(), most_percent)
    used = [song for song in songs.values() if song.use.any]
    worst = max(abs(stretch_percent(song.bpm, songs[best].bpm)) for song in used)
    if best != tempo.follows and not is_too_far(worst, most_percent):
        return (
            f"set `tempo: {best}` ({songs[best].bpm:.4g} BPM), for which no song needs more than "
            f"{worst:.1f} %"
        )
    return "set another `tempo`"


def check_transposition(
    song: Song, key: KeyChoice, songs: Mapping[str, Song], most: float, notes: Notes
) -> None:
    """Say what is far, unsure or impossible about the transposition of a song.

    Raises:
        AlignmentError: it is farther than is allowed.
    """
    own, name = song.reading, song.name
    if not song.use.pitched:
        return
    if not own.key:
        notes.find(
            "info",
            "no_key",
            f"{name} has no key that could be heard, so it is not transposed; give `key:` under "
            f"source {name} if it has one",
        )
        return
    steps = key.steps[name]
    whose = f" of {key.follows}" if key.follows else ""
    change = f"{name} is in {named(own.key)} and the timeline in {named(key.key)}{whose}"
    if abs(steps) > most:
        raise AlignmentError(
            f"align: {change}: it would have to be transposed by {steps:+d} semitones, and "
            f"max_semitones allows {most:g}; {_other_key(key, songs, most)}raise `max_semitones`, "
            f"give `key:` under source {name} if its key was misheard, or leave it out with "
            "`align: false` there"
        )
    if abs(steps) > (VOCALS_SEMITONES if song.use.vocals else OTHERS_SEMITONES):
        notes.find(
            "warn",
            "far_transposed",
            f"{change}: it is transposed by {steps:+d} semitones, which is heard"
            f"{' in voices' if song.use.vocals else ''}; another `key:` under `align:` changes it",
            nearer_key(key, songs, most),
        )


def _other_key(key: KeyChoice, songs: Mapping[str, Song], most: float) -> str:
    fitting = keys_that_fit(songs.values(), key.tuning_cents, most)
    if not fitting:
        return "no key is so near to all of them: use fewer songs, omit `key`, "
    keyed = [song for song in songs.values() if song.use.pitched and song.reading.key]
    best = songs[best_key(keyed, most)].reading.key
    notes = {major_tonic(one) for one in fitting}
    auto = f"`key: auto` would take {named(best)}; " if major_tonic(best) in notes else ""
    return (
        f"{auto}these would fit: {', '.join(named(one) for one in fitting[:4])}: set one as "
        "`key:`, "
    )


def check_reading(
    song: Song, told: Told, tempo: TempoChoice | None, key: KeyChoice, notes: Notes
) -> None:
    """Say what is uncertain about a song where it matters, and its producer has not said it."""
    own, name = song.reading, song.name
    if tempo and song.line and told.bpm is None:
        if own.bpm_confidence < UNSURE_BEAT:
            other = f", or else {own.bpm_runner_up:.4g}" if own.bpm_runner_up else ""
            notes.find(
                "warn",
                "unsure_beat",
                f"{name}: its beat is uncertain ({own.bpm:.4g} BPM{other}, confidence "
                f"{own.bpm_confidence:.2f}); if it is wrong, give `bpm:` and `downbeat_s:` under "
                f"source {name}",
                other_bpm(name, own),
            )
        _check_length(song, notes)
        _check_freedom(song, notes)
    if tempo and told.bpm is not None and own.bpm_confidence < UNSURE_BEAT:
        notes.find(
            "warn",
            "told_not_heard",
            f"{name}: little in it plays at the {told.bpm:g} BPM that it was told to have: where "
            "its beats are is a guess",
        )
    if key.key and own.key and not told.key and (song.use.pitched or name == key.follows):
        _check_key(song, key, notes)


def _check_length(song: Song, notes: Notes) -> None:
    n_beats = len(song.reading.beats_s)
    if n_beats < 2 * song.beats_per_bar:
        notes.find(
            "warn",
            "short_song",
            f"{song.name} has {n_beats} beats, less than two bars: its tempo and first beat are "
            f"guesses; give `bpm:` and `downbeat_s:` under source {song.name}",
            told_bpm(song.name, song.bpm, next(iter(song.reading.downbeats_s), None)),
        )


def _check_freedom(song: Song, notes: Notes) -> None:
    line, a_bar = song.beats, song.beats_per_bar
    if line.is_straight or len(line.times_s) < 2 * a_bar:
        return
    bars_bpm = 60.0 * a_bar / (line.times_s[a_bar:] - line.times_s[:-a_bar])
    usual = float(np.median(bars_bpm))
    low, high = float(bars_bpm.min()), float(bars_bpm.max())
    if max(high / usual, usual / low) > 1 + FREE_PERCENT / 100:
        notes.find(
            "warn",
            "free_tempo",
            f"{song.name} moves between {low:.4g} and {high:.4g} BPM: each of its beats is "
            f"followed, which is heard in long notes; if it is steady, give `bpm:` under source "
            f"{song.name}",
            told_bpm(song.name, usual),
        )


def _check_key(song: Song, key: KeyChoice, notes: Notes) -> None:
    """Warn of an unsure key if the runner-up would be transposed otherwise."""
    own = song.reading
    if own.key_confidence >= UNSURE_KEY or not own.key_runner_up:
        return
    cents = own.tuning_cents
    first, second = (
        transposition(one, cents, key.key, key.tuning_cents)[0]
        for one in (own.key, own.key_runner_up)
    )
    if first != second:
        notes.find(
            "warn",
            "unsure_key",
            f"{song.name}: its key is uncertain: {named(own.key)}, or else "
            f"{named(own.key_runner_up)}, for which it would be {second:+d} instead of {first:+d} "
            f"semitones; give `key:` under source {song.name}",
            told_key(song.name, own.key_runner_up),
        )


def check_chords(song: Song, reference: Song, matching: Matching, notes: Notes) -> None:
    """Warn of two takes of one song whose keys are not as far apart as their chords."""
    own, of = song.reading, reference.reading
    if not (own.key and of.key and song.use.pitched and matching.confidence >= LEAST_CONFIDENCE):
        return
    by_key = (major_tonic(own.key) - major_tonic(of.key)) % 12
    if by_key != matching.semitones % 12:
        apart = (matching.semitones + 5) % 12 - 5
        notes.find(
            "warn",
            "keys_disagree",
            f"the chords of {song.name} are those of {reference.name}, {apart:+d} semitones "
            f"away, which {named(own.key)} and {named(of.key)} are not: one of the keys is "
            f"misheard; give `key:` under source {song.name} or {reference.name}",
            key_by_chords(song, reference, matching.semitones),
        )


def check_meter(song: Song, reference: Song, notes: Notes) -> None:
    """Warn of bars that do not fit on one another."""
    if song.beats_per_bar != reference.beats_per_bar:
        notes.find(
            "warn",
            "other_meter",
            f"{song.name} has {song.beats_per_bar} beats in a bar and {reference.name} "
            f"{reference.beats_per_bar}: beats fall on beats, and bars do not fit after the first; "
            "leave it out with `align: false` under its source, or give `bpm:` and `downbeat_s:` "
            "there if it was misheard",
            entries(in_sources(song.name), align=False),
        )


def check_octave(song: Song, tempo: TempoChoice, notes: Notes) -> None:
    """Say that a song counts its beats otherwise than the timeline."""
    octave = tempo.octaves[song.name]
    if octave != 1.0:
        bars = "one bar of it covers two" if octave > 1 else "two bars of it cover one"
        notes.find(
            "info",
            "other_octave",
            f"{song.name} ({song.bpm:.4g} BPM) plays in {'half' if octave > 1 else 'double'} time "
            f"against {tempo.bpm:.4g} BPM: {bars} of the timeline; if its tempo was misheard, give "
            f"`bpm:` under source {song.name}",
            told_bpm(song.name, song.bpm * octave),
        )
