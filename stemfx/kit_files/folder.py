"""A folder of samples as a kit: the names say what is what."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from stemfx.errors import KitError
from stemfx.io import AUDIO_SUFFIXES
from stemfx.kit_files.file_kit import FileKit
from stemfx.kit_files.grouping import Named, drums_of, natural
from stemfx.kit_files.levels import sort_by_sound
from stemfx.kit_files.manifest import Manifest
from stemfx.kit_files.names import read_name
from stemfx.kit_files.parts import MAX_SAMPLES, Ignored, Source, probe_sample

MAX_DEPTH = 8
MAX_ENTRIES = 100_000


def read_folder(folder: Path, manifest: Manifest | None = None) -> FileKit:
    """Return the kit that the audio files of a folder, and of the folders in it, make.

    Args:
        folder: where they lie.
        manifest: what a `kit.yaml` says of them.

    Raises:
        KitError: there is no sample of a drum, or one cannot be used.
        AudioFileError: a sample is damaged.
    """
    paths = list(audio_files(folder))
    name = (manifest and manifest.name) or folder.resolve().name
    licence = manifest.licence if manifest else ""
    author = manifest.author if manifest else ""
    if manifest and manifest.drums is not None:
        kit = FileKit(name, manifest.drums, format="kit.yaml", licence=licence, author=author)
        kit.ignored = tuple(_unlisted(kit, folder, paths))
        return kit
    if not paths:
        raise KitError(
            "no audio files in this folder; a kit is a folder of samples named after their drums "
            "(kick.wav, snare_soft.wav), with a kit.yaml if you like, an .sfz or a Hydrogen kit",
            where=str(folder),
        )
    named, ignored = name_samples(folder, paths)
    if not named:
        raise KitError(
            f"none of its {len(paths)} audio files is named after a drum ({ignored[0].name}: "
            f"{ignored[0].reason}); name them kick, snare, hat_closed, hat_open, tom, crash or "
            "clap, or list them in a kit.yaml",
            where=str(folder),
        )
    drums = drums_of(named, sort_by_sound)
    return FileKit(name, drums, format="folder", licence=licence, author=author, ignored=ignored)


def _unlisted(kit: FileKit, folder: Path, paths: Sequence[Path]) -> Iterator[Ignored]:
    listed = {Path(os.path.realpath(path)) for path in kit.files}
    for path in paths:
        if Path(os.path.realpath(path)) not in listed:
            yield Ignored(path.relative_to(folder).as_posix(), "kit.yaml does not list it")


def name_samples(folder: Path, paths: Sequence[Path]) -> tuple[list[Named], list[Ignored]]:
    """Read the name, and where it names a drum the header, of every file."""
    named: list[Named] = []
    ignored: list[Ignored] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        reading = read_name(str(Path(name).with_suffix("")))
        if reading.drum_class is None:
            ignored.append(Ignored(name, reading.why_not))
        elif len(named) == MAX_SAMPLES:
            raise KitError(f"more than {MAX_SAMPLES:,} samples; split the kit", where=str(folder))
        else:
            named.append(Named(Source(probe_sample(path, name, str(path)), name), reading))
    return named, ignored


def audio_files(folder: Path) -> Iterator[Path]:
    """Yield the audio files of a folder and those in it, in the order of their names.

    Hidden ones are left out, and whatever a link leads to outside the folder.

    Raises:
        KitError: there are more files, or deeper folders, than a kit has.
    """
    root = Path(os.path.realpath(folder))
    left = [MAX_ENTRIES]
    yield from _walk(folder, root, MAX_DEPTH, left)


def _walk(folder: Path, root: Path, depth: int, left: list[int]) -> Iterator[Path]:
    if depth == 0:
        raise KitError(f"folders nested deeper than {MAX_DEPTH} levels", where=str(root))
    for path in sorted(folder.iterdir(), key=lambda p: natural(p.name)):
        left[0] -= 1
        if left[0] < 0:
            raise KitError(f"more than {MAX_ENTRIES:,} files; this is no kit", where=str(root))
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            continue
        if path.is_dir():
            if not path.is_symlink():  # a link to a folder could go in circles
                yield from _walk(path, root, depth - 1, left)
        elif path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
            yield path
