"""What it does to a take to follow a tempo and a key, what that costs, and how to say it."""

from __future__ import annotations

from stemfx.alignment.camelot import named
from stemfx.alignment.keys import transposition
from stemfx.alignment.offers import Move, Take
from stemfx.alignment.parts import DRUMS_WEIGHT, HARMONIC_WEIGHT, VOCALS_WEIGHT
from stemfx.alignment.tempo import octave_for, stretch_percent

_WEIGHTS = {
    "vocals": VOCALS_WEIGHT,
    "drums": DRUMS_WEIGHT,
    "bass": HARMONIC_WEIGHT,
    "harmony": HARMONIC_WEIGHT,
}
# Up to 4 % nobody hears a stretch, up to 8 % it is fine, over 12 % it shows; two semitones are
# fine for a voice, three for instruments (methods, 5.3). So points grow with the square: 4 % of a
# voice are 2 points of 100, 8 % are 8, 12 % are 18; two semitones are 8, five are 50.
_STRETCH_POINT = 16.0  # percent squared that cost a point of weight 1
_PITCH_POINT = 1.0  # semitones squared, likewise


def move_to(take: Take, bpm: float, key: str, tuning_cents: float) -> Move:
    """Return what brings a take to a tempo and a key; an empty key leaves the pitch alone."""
    own = take.reading
    steps, semitones = 0, 0.0
    if key and own.key:
        steps, semitones = transposition(own.key, own.tuning_cents, key, tuning_cents)
    return Move(stretch_percent(own.bpm, bpm), octave_for(own.bpm, bpm), steps, semitones)


def cost(part: str, move: Move) -> float:
    """Return the points that a part loses by being moved: 0 for none."""
    pitch = 0.0 if part == "drums" else move.semitones**2 / _PITCH_POINT
    return _WEIGHTS[part] * (move.stretch_percent**2 / _STRETCH_POINT + pitch)


def is_allowed(part: str, move: Move, max_stretch_percent: float, max_semitones: float) -> bool:
    """Tell whether a part may be moved as far as that."""
    is_near = part == "drums" or abs(move.steps) <= max_semitones
    return is_near and abs(move.stretch_percent) <= max_stretch_percent


def in_words(take: Take, move: Move, bpm: float, key: str) -> str:
    """Say what is done to a take.

    >>> from stemfx.music_reading import MusicReading
    >>> reading = MusicReading(127.0, 1, (), (), "D minor", 1, "F major", 0, 60)
    >>> in_words(Take("b", "b.wav", reading), Move(7.6, 1.0, -1, -1.0), 118, "C# minor")
    '127 BPM -> 118, 7.6 % longer; D minor 7A -> C# minor 12A, -1 semitone'
    """
    return "; ".join(filter(None, (tempo_words(take, move, bpm), key_words(take, move, key))))


def tempo_words(take: Take, move: Move, bpm: float) -> str:
    """Say what is done to the tempo of a take."""
    own = f"{take.reading.bpm:.4g} BPM"
    counted = {0.5: " (counted in half time)", 2.0: " (counted in double time)"}
    percent = round(abs(move.stretch_percent), 1)
    how = f"{percent:g} % {'longer' if move.stretch_percent > 0 else 'shorter'}"
    if percent == 0:
        how = "not stretched"
        if move.octave == 1.0:
            return f"{own}, {how}"
    return f"{own} -> {bpm:.4g}, {how}{counted.get(move.octave, '')}"


def key_words(take: Take, move: Move, key: str) -> str:
    """Say what is done to the key of a take; nothing where there is none."""
    own = take.reading.key
    if not own or not key:
        return ""
    cents = round(100 * (move.semitones - move.steps))
    tuned = f" and {cents:+d} cents" if cents else ""
    if move.steps == 0:
        moved = f"tuned by {cents:+d} cents" if cents else "not transposed"
    else:
        moved = f"{move.steps:+d} semitone{'s' if abs(move.steps) != 1 else ''}{tuned}"
    if own == key:
        return f"{named(own)}, {moved}"
    if move.steps == 0:
        return f"{named(own)} has the notes of {named(key)}, {moved}"
    return f"{named(own)} -> {named(key)}, {moved}"
