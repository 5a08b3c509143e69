"""Which files are compared: stems matched by name, at one rate, channel count and length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stemfx.errors import AudioFileError, UsageError
from stemfx.io import AUDIO_SUFFIXES, FileInfo, probe
from stemfx.stage import Finding, Level

MIXTURE_NAMES = {"mix", "mixture"}

MAX_LENGTH_DIFFERENCE_S = 0.1
"""Lossy codecs add up to two frames (MP3 52 ms, AAC 46 ms); what differs more is another take."""


@dataclass
class Material:
    """Files that are compared at one rate, channel count and length (those of the references).

    The stems that are scored are those of `estimates`; other references can only leak.
    """

    references: dict[str, FileInfo]
    estimates: dict[str, FileInfo]
    mixture: FileInfo | None
    sample_rate: int = 0
    channels: int = 0
    n_samples: int = 0
    findings: list[tuple[str | None, Finding]] = field(default_factory=list)

    def find(self, level: Level, code: str, message: str, stem: str | None = None) -> None:
        """Keep what the numbers alone do not say."""
        self.findings.append((stem, Finding(level, code, message)))


def find_material(reference: Path, estimate: Path, mixture: Path | None = None) -> Material:
    """Match the stems of two folders by the names of their files; or take two files as one stem.

    Upper and lower case are the same. `mix` and `mixture` are no stems; the one beside the
    references is the mixture, unless `mixture` is given.

    Raises:
        UsageError: a folder is missing or empty, one of two is a file, or no name matches.
        AudioFileError: a file cannot be used, or the files do not belong together.
    """
    for path, option in ((reference, "--reference"), (estimate, "--estimate")):
        if not path.exists():
            raise UsageError(f"no such file or folder: {path}", where=option)
    if reference.is_dir() != estimate.is_dir():
        raise UsageError(
            "one is a folder and one is a file; give two folders of stems, or two files",
            where="--reference, --estimate",
        )
    if reference.is_dir():
        found = _match(_files_in(reference, "--reference"), _files_in(estimate, "--estimate"))
    else:
        name = reference.stem
        found = Material({name: probe(reference)}, {name: probe(estimate)}, None)
    if mixture is not None:
        found.mixture = probe(mixture)
    _agree(found)
    return found


def _files_in(folder: Path, option: str) -> dict[str, Path]:
    """Return the audio files of a folder by their names without suffix, in lower case."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        if not path.is_file():
            continue
        other = files.setdefault(path.stem.casefold(), path)
        if other != path:
            raise UsageError(
                f"{other.name} and {path.name} are the same stem; keep one", where=str(folder)
            )
    if not files:
        raise UsageError(f"no audio files in {folder}", where=option)
    return files


def _match(references: dict[str, Path], estimates: dict[str, Path]) -> Material:
    mixture = next((references[name] for name in references if name in MIXTURE_NAMES), None)
    true = {name: path for name, path in references.items() if name not in MIXTURE_NAMES}
    guessed = {name: path for name, path in estimates.items() if name not in MIXTURE_NAMES}
    if not true.keys() & guessed.keys():
        raise UsageError(
            f"no stem has the same name in both folders: one has {_names(true)}, the other "
            f"{_names(guessed)}; name the files alike, e.g. vocals.wav in both",
            where="--reference, --estimate",
        )
    found = Material(
        {path.stem: probe(path) for path in true.values()},
        {path.stem: probe(guessed[name]) for name, path in true.items() if name in guessed},
        None if mixture is None else probe(mixture),
    )
    for name, path in true.items():
        if name not in guessed:
            message = "there is no estimate of it: not scored, but its leakage into others is"
            found.find("warn", "no_estimate", message, path.stem)
    for name, path in guessed.items():
        if name not in true:
            found.find("warn", "no_reference", "there is no reference: not scored", path.stem)
    return found


def _names(files: Mapping[str, Path]) -> str:
    return ", ".join(path.stem for path in files.values()) or "no stem"


def _agree(found: Material) -> None:
    """Decide rate, channels and length; refuse what would not compare, tell what is adapted."""
    first = next(iter(found.references.values()))
    rate = first.sample_rate
    found.sample_rate = rate
    for info in found.references.values():
        if info.sample_rate != rate:
            raise AudioFileError(
                f"the references have different sample rates: {first.path.name} {rate} Hz, this "
                f"one {info.sample_rate} Hz; bring them to one rate",
                where=str(info.path),
            )
    found.n_samples = max(info.n_samples for info in found.references.values())
    others = [(name, info, "estimate") for name, info in found.estimates.items()]
    if found.mixture is not None:
        others.append((None, found.mixture, "mixture"))  # type: ignore[arg-type]
    true = [(name, info, "reference") for name, info in found.references.items()]
    for _, info, _ in true + others:
        if info.channels > 2:
            raise AudioFileError(
                f"{info.channels} channels; mono and stereo files can be scored",
                where=str(info.path),
            )
        found.channels = max(found.channels, info.channels)
    for name, info, what in true + others:
        if info.channels < found.channels:
            message = f"the {what} is mono; it counts as stereo with two equal sides"
            found.find("info", "mono", message, name)
    for name, info, what in others:
        if info.sample_rate != rate:
            message = f"the {what} is resampled from {info.sample_rate} to {rate} Hz"
            found.find("info", "resampled", message, name)
        _check_length(found, name, info, what)


def _check_length(found: Material, name: str | None, info: FileInfo, what: str) -> None:
    """Accept the length of the references or, of an estimate, that of its own reference."""
    wanted = [found.n_samples / found.sample_rate]
    if name is not None:
        wanted.append(found.references[name].duration_s)
    difference_s = min((info.duration_s - length for length in wanted), key=abs)
    if abs(difference_s) > MAX_LENGTH_DIFFERENCE_S:
        raise AudioFileError(
            f"this {what} lasts {info.duration_s:.2f} s and the reference {wanted[-1]:.2f} s; more "
            f"than {MAX_LENGTH_DIFFERENCE_S:g} s apart they are not the same piece; cut both alike",
            where=str(info.path),
        )
    if abs(difference_s) * found.sample_rate >= 1:
        more = "longer" if difference_s > 0 else "shorter"
        message = (
            f"the {what} is {1000 * abs(difference_s):.1f} ms {more} than the reference; its end "
            f"is {'left out' if difference_s > 0 else 'taken as silent'}"
        )
        found.find("info", "length", message, name)
