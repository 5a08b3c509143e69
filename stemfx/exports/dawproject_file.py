"""A DAWproject as one file: a zip with its XML and its audio, so that nothing can go missing."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stemfx.audio import Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.units import db_to_gain
from stemfx.exports.dawproject import fader_and_rest_db, metadata_xml, project_xml
from stemfx.exports.song import Song
from stemfx.io import Encoding, write, writing_to

_FLOAT_WAV = Encoding("wav", 32)
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of a zip: the same every time
_REGULAR_FILE = 0o644 << 16


def write_dawproject(path: Path, song: Song, signals: Sequence[Signal]) -> None:
    """Write a project with its audio: whole, or not at all; the same input gives the same bytes.

    All audio is stereo, since programs pan mono by laws of their own, and 32-bit float, stored as
    it is. It needs room for the longest track a second time while it is written.

    Args:
        path: of the project.
        song: its tracks name the audio's places in the zip.
        signals: one for each track.

    Raises:
        OutputError: it cannot be written.
        DiskFullError: no space left.
    """
    whole, audio = (path.with_name(f".{path.name}.{os.getpid()}.{kind}.part") for kind in "za")
    tracks, rests_db = [], []
    for track in song.tracks:
        fader_db, rest_db = fader_and_rest_db(track.gain_db)
        tracks.append(replace(track, channels=2, gain_db=fader_db))
        rests_db.append(rest_db)
    song = replace(song, tracks=tuple(tracks))
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            archive = zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED)
        with archive:
            with writing_to(path):
                archive.writestr(_entry("project.xml"), project_xml(song))
                archive.writestr(_entry("metadata.xml"), metadata_xml(song))
            for track, signal, rest_db in zip(tracks, signals, rests_db, strict=True):
                stereo = Fitted(signal, 2, signal.n_samples)
                write(audio, stereo, _FLOAT_WAV, gain=db_to_gain(rest_db))
                with writing_to(path):
                    _store(archive, audio, track.file)
                    audio.unlink()
        with writing_to(path):
            whole.replace(path)
    finally:
        for part in (whole, audio):
            with suppress(OSError):
                part.unlink()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _FIRST_DAY)
    entry.create_system, entry.external_attr = 3, _REGULAR_FILE  # as Unix, wherever it is written
    return entry


def _store(archive: zipfile.ZipFile, file: Path, name: str) -> None:
    entry = _entry(name)
    entry.file_size = file.stat().st_size  # beyond 2 GB its entry has to have longer numbers
    with file.open("rb") as content, archive.open(entry, "w") as stored:
        shutil.copyfileobj(content, stored, 1 << 20)
