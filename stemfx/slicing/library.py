"""A library on disk: whole or not at all, and never over somebody's files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from stemfx.audio import Audio, Block
from stemfx.dsp.units import gain_to_db, power_to_db
from stemfx.dsp.windows import read_windows
from stemfx.errors import OutputError, UsageError
from stemfx.io import Encoding, check_writable, file_sha256, write, write_text, writing_to
from stemfx.recipe.paths import name_fault
from stemfx.slicing.build import SlicedSong
from stemfx.slicing.samples import ONE_SHOT, Sample

INDEX = "library.json"
ENCODING = Encoding("wav", 24)
_BODY_S = 0.05
_FOLDERS = ("one-shots", "loops")
_KIT_SUFFIXES = (".sfz", ".h2drumkit")
_MAX_INDEX_BYTES = 64 << 20


@dataclass(frozen=True)
class Written:
    """A sample in the library, with all that `library.json` tells of it."""

    sample: Sample
    path: Path
    facts: dict[str, Any]


@contextmanager
def library_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder to write a library in; what is there at the end appears in `folder`.

    Args:
        folder: made if need be, and removed again if nothing comes of it.
        overwrite: replace the library that is there. Files that are not of that library, or were
            changed since, are not touched.

    Raises:
        UsageError: a library is there already, or a file that the new one would replace.
        OutputError: the folder cannot be written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is a file; name a folder for the library", where=str(folder))
    if (folder / INDEX).exists() and not overwrite:
        raise UsageError(
            f"a library is there already ({INDEX}); choose another folder with --out, or pass "
            "--overwrite to replace it",
            where=str(folder),
        )
    staging = folder / f".stemfx-slice-{os.getpid()}.part"
    try:
        check_writable(folder)
        with writing_to(folder):
            staging.mkdir()
        yield staging
        _install(staging, folder)
        made = []
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for path in made:
            with suppress(OSError):  # somebody put something there
                path.rmdir()


def write_samples(
    folder: Path, songs: Sequence[SlicedSong], advanced: Callable[[str], None]
) -> list[Written]:
    """Write the samples of songs, one stem after the other, each read once.

    Raises:
        OutputError, DiskFullError: as for `stemfx.io.write`.
    """
    written: list[Written] = []
    for slices in (one for song in songs for one in song.slices):
        samples = sorted(slices.samples, key=lambda sample: sample.span)
        if not samples:
            continue
        advanced(f"writing samples of {slices.stem.path.name}")
        windows = read_windows(slices.signal, [sample.span for sample in samples])
        done = {
            sample.name: _write(folder, sample, sample.cut(window))
            for sample, window in zip(samples, windows, strict=True)
        }
        written += [done[sample.name] for sample in slices.samples]
    return written


def _write(folder: Path, sample: Sample, sound: Block) -> Written:
    path = folder / sample.file
    rate = sample.markers.sample_rate
    peak = float(np.abs(sound).max(initial=0.0))
    gain = 1.0 if peak <= 1.0 else 1.0 / peak
    write(path, Audio(sound, rate), ENCODING, gain=gain, chunks=sample.markers.to_bytes())
    body = sound
    if sample.kind == ONE_SHOT:
        attack = sample.markers.cues[0]
        body = sound[:, attack : attack + round(_BODY_S * rate)]
    level = power_to_db(float(np.mean(np.square(body, dtype=np.float64))))
    facts = {
        "file": sample.file,
        "kind": sample.kind,
        "class": sample.sound_class,
        **sample.facts,
        "length": sound.shape[1],
        "length_s": round(sound.shape[1] / rate, 6),
        "sample_rate": rate,
        "channels": len(sound),
        "peak_dbfs": round(gain_to_db(peak * gain), 2),
        "level_dbfs": round(level + gain_to_db(gain), 2),
        "gain_db": round(gain_to_db(gain), 2) + 0.0,
        "sha256": file_sha256(path),
    }
    return Written(sample, path, facts)


def write_index(folder: Path, document: dict[str, Any]) -> None:
    """Write `library.json`."""
    write_text(folder / INDEX, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


# --- the folder --------------------------------------------------------------------------


def _install(staging: Path, folder: Path) -> None:
    """Move everything from `staging` to `folder`, or nothing.

    What the library there before it had goes; until all is in place it is kept aside.
    """
    new = [path.relative_to(staging) for path in staging.rglob("*") if path.is_file()]
    new.sort(key=lambda name: (name == Path(INDEX), name))  # the index says that all is there
    old = [name for name in _listed(folder) if (folder / name).is_file()]
    for name in new:
        if name not in old and os.path.lexists(folder / name):
            raise UsageError(
                f"{name.as_posix()} is there already and is no part of a library that stemfx "
                "made; choose another folder with --out",
                where=str(folder),
            )
    aside = staging / ".old"
    moves = [(folder / name, aside / name) for name in old]
    moves += [(staging / name, folder / name) for name in new]
    done: list[tuple[Path, Path]] = []
    try:
        with writing_to(folder):
            for source, target in moves:
                target.parent.mkdir(parents=True, exist_ok=True)
                done.append((source, target))
                source.rename(target)
    except BaseException:
        for source, target in reversed(done):
            with suppress(OSError):
                target.rename(source)
        _remove_empty(folder)
        raise
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    for name in _FOLDERS:
        with suppress(OSError):
            (folder / name).rmdir()


def _listed(folder: Path) -> list[Path]:
    """Return the files of the library in a folder that still are as stemfx wrote them.

    Its index is data that anybody may have written: names that lead elsewhere are left out.
    """
    index = folder / INDEX
    if not index.is_file():
        return []
    try:
        with index.open("rb") as file:
            document = json.loads(file.read(_MAX_INDEX_BYTES))
        entries = [*document["samples"], *document["kits"]]
        listed = {str(entry["file"]): str(entry["sha256"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise OutputError(
            f"{INDEX} there cannot be read, so nothing says what belongs to the library that "
            "should be replaced; remove it, or choose another folder with --out",
            where=str(folder),
        ) from None
    own = [
        Path(name)
        for name, sha256 in listed.items()
        if _is_inside(name)
        and (folder / name).is_file()
        and not (folder / name).is_symlink()
        and file_sha256(folder / name) == sha256
    ]
    return [*own, Path(INDEX)]


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    if any(name_fault(part) for part in path.parts):
        return False
    if len(path.parts) == 2:
        return path.parts[0] in _FOLDERS and path.suffix == ".wav"
    return len(path.parts) == 1 and path.suffix in _KIT_SUFFIXES
