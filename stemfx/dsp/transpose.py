"""How far to transpose a loop so that its notes are those of a song's key."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.key import MODES, NAMES, PROFILES
from stemfx.dsp.units import Float64s

MAX_SEMITONES = 6
_COST_A_SEMITONE = 0.008  # of correlation: between shifts that fit alike, the smaller one


def parse_key(key: str) -> tuple[int, int]:
    """Return tonic (semitones above C) and mode (0 major, 1 minor) of such as `Eb major`.

    >>> parse_key("A minor"), parse_key("Db major"), parse_key("d# minor")
    ((9, 1), (1, 0), (3, 1))

    Raises:
        ValueError: this is no key.
    """
    tonic, _, mode = key.strip().partition(" ")
    naturals = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
    letter, signs = tonic[:1].upper(), tonic[1:].replace("♯", "#").replace("♭", "b")
    if letter not in naturals or signs.strip("#b") or len(signs) > 1 or mode not in MODES:
        msg = f"{key!r} is no key; write one such as 'A minor' or 'Eb major'"
        raise ValueError(msg)
    return (naturals[letter] + signs.count("#") - signs.count("b")) % 12, MODES.index(mode)


def key_text(tonic: int, mode: int) -> str:
    """Name a key.

    >>> key_text(9, 1)
    'A minor'
    """
    return f"{NAMES[tonic % 12]} {MODES[mode]}"


def scale_profile(key: str) -> Float64s:
    """Return how well each pitch class, from C up, goes with a key and its relative, `(12,)`.

    The sum of their two profiles, so that A minor and C major are one: their notes are the same.
    """
    tonic, mode = parse_key(key)
    major = (tonic + 3 * mode) % 12
    profile: Float64s = np.roll(PROFILES[0], major) + np.roll(PROFILES[1], major + 9)
    return profile


def key_chroma(key: str) -> Float64s:
    """Return the pitch classes that are expected of music in a key, `(12,)` from C up."""
    tonic, mode = parse_key(key)
    expected: Float64s = np.roll(PROFILES[mode], tonic)
    return expected


def semitones_to_key(chroma: Float64s, key: str) -> int:
    """Return the transposition, -6 to 6, that brings the notes of a loop into a song's key.

    The shift whose pitch classes correlate best with the key and its relative; since a loop of
    one chord fits several, small shifts have the advantage.

    Args:
        chroma: `(12,)` from C up.
        key: the song's.
    """
    profile = scale_profile(key)
    shifts = sorted(range(-MAX_SEMITONES, MAX_SEMITONES + 1), key=lambda d: (abs(d), d))
    scores = [
        float(np.corrcoef(np.roll(chroma, shift), profile)[0, 1]) - _COST_A_SEMITONE * abs(shift)
        for shift in shifts
    ]
    return shifts[int(np.argmax(scores))]
