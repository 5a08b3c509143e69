"""The only place where audio files are read and written.

`reading` probes first and refuses what is damaged with one sentence. `writing` quantises by itself
(libsndfile scales by 32767, so a read and a write would not give the same samples), dithers where
bits are lost, never clips silently, and makes a file appear whole or not at all. `encoding` is how
a file is stored, `places` what keeps every write whole.
"""

from stemfx.io.encoding import MP3_KBPS, Encoding, encoding_for, fits_wav
from stemfx.io.places import (
    check_writable,
    visible_files,
    write_bytes,
    write_chunks,
    write_new_bytes,
    write_text,
    writing_to,
)
from stemfx.io.reading import (
    AUDIO_SUFFIXES,
    MAX_DURATION_S,
    MAX_SAMPLE_RATE,
    MIN_DURATION_S,
    MIN_SAMPLE_RATE,
    READABLE,
    FileInfo,
    FileSignal,
    file_sha256,
    generator_tag,
    probe,
    read_blocks,
)
from stemfx.io.writing import Written, is_on_grid, riff_chunk, write

__all__ = [
    "AUDIO_SUFFIXES",
    "MAX_DURATION_S",
    "MAX_SAMPLE_RATE",
    "MIN_DURATION_S",
    "MIN_SAMPLE_RATE",
    "MP3_KBPS",
    "READABLE",
    "Encoding",
    "FileInfo",
    "FileSignal",
    "Written",
    "check_writable",
    "encoding_for",
    "file_sha256",
    "fits_wav",
    "generator_tag",
    "is_on_grid",
    "probe",
    "read_blocks",
    "riff_chunk",
    "visible_files",
    "write",
    "write_bytes",
    "write_chunks",
    "write_new_bytes",
    "write_text",
    "writing_to",
]
