"""Which files libsndfile is given, told by their first bytes.

It knows some thirty formats and opens by content whatever the name says. The old ones among them
are what few people have and few have tested: its reader of MIDI sample dumps writes to stdout, its
reader of Sound Designer II opens a second file. Only what stemfx promises to read gets there.
"""

from __future__ import annotations

from pathlib import Path

from stemfx.io.places import reading_from

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC", "OGG", "MP3"})
"""What libsndfile calls those that stemfx reads."""

_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"  # Sony's GUID


def is_known(path: Path) -> bool:
    """Tell whether a file begins as WAV, RF64, W64, AIFF, FLAC, Ogg or MP3 do.

    An MP3 may also begin amid a frame, as one that was cut, if its name says what it is.

    Raises:
        AudioFileError: it cannot be read.
    """
    with reading_from(path), path.open("rb") as file:
        head = file.read(16)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return head[8:12] == b"WAVE"
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC")
    if head[:4] in (b"fLaC", b"OggS") or head[:3] == b"ID3" or head == _W64:
        return True
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":  # the sync word of MPEG, 11 bits set
        return True
    is_sample_dump = head[:1] == b"\xf0"
    return path.suffix.lower() == ".mp3" and not is_sample_dump
