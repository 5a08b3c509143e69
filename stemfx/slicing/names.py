"""Names of samples: `SONG_STEM_CLASS_KEY_BPM_v127_01`, fields that a program can split at `_`."""

from __future__ import annotations

import unicodedata

from stemfx.recipe.paths import MAX_NAME

_MAX_BYTES = 180  # with a suffix; most systems take 255
_MAX_NUMBER = 4  # digits, with its `_`


def slug(text: str, otherwise: str = "song") -> str:
    """Return a text as one field of a name: letters and digits of any script, and `-`.

    >>> slug("Überraschung – été (final mix) [v2]")
    'Überraschung-été-final-mix-v2'
    """
    kept = (
        letter if unicodedata.category(letter)[0] in "LMN" else " "
        for letter in unicodedata.normalize("NFC", text)
    )
    return "-".join("".join(kept).split()) or otherwise


def key_field(key: str) -> str:
    """Return a key without signs that file names lack.

    >>> key_field("F# minor"), key_field("Eb major"), key_field("")
    ('Fsmin', 'Ebmaj', 'nokey')
    """
    tonic, _, mode = key.partition(" ")
    return slug(tonic.replace("#", "s") + mode[:3], "nokey")


def bpm_field(bpm: float) -> str:
    """Return a tempo, with a decimal where it is no whole number.

    >>> bpm_field(104.0), bpm_field(136.88), bpm_field(0.0)
    ('104bpm', '136.9bpm', 'nobpm')
    """
    return f"{round(bpm, 1):g}bpm" if bpm > 0 else "nobpm"


class Names:
    """Hand out names that are distinct on every system, in the order in which they are asked.

    macOS and Windows take names that differ only in case for one.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, song: str, *fields: str) -> str:
        """Return a new name, without suffix; a long song name is cut.

        Args:
            song: a `slug`.
            fields: slugs too; what is empty is left out.
        """
        rest = "".join(f"_{field}" for field in fields if field)
        song = song[: max(1, MAX_NAME - _MAX_NUMBER - len(rest))]
        while len((song + rest).encode()) > _MAX_BYTES and len(song) > 1:
            song = song[:-1]
        name = (song.rstrip("-") or "song") + rest
        count = self._counts[name.casefold()] = self._counts.get(name.casefold(), 0) + 1
        return f"{name}_{count:02}"
