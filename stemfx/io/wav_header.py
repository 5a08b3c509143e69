"""The sizes in the header of a WAV, held against the file: libsndfile would read what it can."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO

from stemfx.errors import AudioFileError
from stemfx.io.places import reading_from

_MAX_WAV_CHUNKS = 1000  # before the audio; editors write tens


def check_container_sizes(path: Path) -> None:
    """Refuse a WAV whose header and content disagree; libsndfile would read what it can."""
    repair = "export it again, or rewrite its header with `ffmpeg -i IN.wav OUT.wav`"
    try:
        with reading_from(path), path.open("rb") as file:
            declared_and_there = _wav_data_sizes(file)
    except _HeaderError as error:
        raise AudioFileError(f"{error}; {repair}", where=str(path)) from None
    if declared_and_there is None:
        return
    declared, there = declared_and_there
    if declared == 0 and there > 0:
        raise AudioFileError(
            f"the WAV header says that there is no audio, but {there:,} bytes follow: the "
            f"program that wrote it did not finish; {repair}",
            where=str(path),
        )
    if declared == 0xFFFFFFFF:
        raise AudioFileError(
            "the WAV header has no length (0xFFFFFFFF, as streaming writers leave it), so "
            f"nothing says whether the audio is complete; {repair}",
            where=str(path),
        )
    if declared > there:
        raise AudioFileError(
            f"the file is cut off: its header promises {declared:,} bytes of audio and "
            f"{there:,} are there ({100 * there / declared:.0f} %); {repair}",
            where=str(path),
        )


class _HeaderError(Exception):
    """A WAV header that makes no sense."""


def _wav_data_sizes(file: IO[bytes]) -> tuple[int, int] | None:
    """Return (declared, present) bytes of a WAV's data chunk; None when it is no WAV.

    Raises:
        _HeaderError: the header cannot be followed to the audio.
    """
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    end = os.fstat(file.fileno()).st_size
    long_size: int | None = None
    for _ in range(_MAX_WAV_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = header[:4], int(struct.unpack("<I", header[4:])[0])
        after = file.tell() + size + size % 2
        if name == b"ds64":  # RF64, EBU Tech 3306: the true size of the data chunk
            sizes = file.read(min(size, 16))
            if len(sizes) < 16:
                raise _HeaderError(
                    "the file is cut off or damaged in the part of its RF64 header (ds64) that "
                    "says how long the audio is"
                )
            long_size = int(struct.unpack("<8xQ", sizes)[0])
        elif name == b"data":
            there = end - file.tell()
            return (long_size if long_size is not None else size), there
        file.seek(after)
    raise _HeaderError(
        f"no audio lies within the first {_MAX_WAV_CHUNKS:,} chunks of this WAV, so it is damaged"
    )
