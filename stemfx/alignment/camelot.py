"""Keys as numbers on a wheel, as DJs write them: neighbours share all notes but one."""

from __future__ import annotations

from stemfx.dsp.transpose import parse_key


def major_tonic(key: str) -> int:
    """Return the tonic, 0 (C) to 11, of the major key that has the notes of this key.

    >>> major_tonic("A minor"), major_tonic("C major"), major_tonic("C# minor")
    (0, 0, 4)
    """
    tonic, mode = parse_key(key)
    return (tonic + 3 * mode) % 12


def camelot(key: str) -> str:
    """Return the place of a key on the Camelot wheel: 1 to 12 by fifths, A minor, B major.

    >>> camelot("A minor"), camelot("C major"), camelot("G major"), camelot("Ab minor")
    ('8A', '8B', '9B', '1A')

    Raises:
        ValueError: this is no key.
    """
    _, mode = parse_key(key)
    return f"{(7 * major_tonic(key) + 7) % 12 + 1}{'BA'[mode]}"


def named(key: str) -> str:
    """Return a key with its place: `A minor 8A`."""
    return f"{key} {camelot(key)}"
