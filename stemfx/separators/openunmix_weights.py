"""Find Open-Unmix weights: one file a target, bare or in the folder that its training writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfx.download import Remote
from stemfx.errors import ModelError
from stemfx.separators.plain_yaml import shown
from stemfx.separators.weights import models_folder, sha256, torch_hub

TARGETS = ("vocals", "drums", "bass", "other")

SETTINGS_FILE = "separator.json"
_NAME = re.compile(r"([A-Za-z0-9_]{1,64}?)(?:-([0-9a-f]{8}|[0-9a-f]{64}))?")
_MARKS = (b"input_mean", b"output_scale", b"lstm.weight_ih_l0", b"fc3.weight")
_HEAD = 256 << 10  # bytes; names of weights stand before the weights
_LARGEST_JSON = 4 << 20  # bytes; losses of 1000 epochs have 80 kB


@dataclass(frozen=True)
class Published:
    """Weights that have a name.

    Args:
        record: on zenodo.org.
        files: names, each ending in the start of its SHA-256, for each target.
        size_bytes: of all files.
        sha256: of each file in full, where known.
    """

    record: int
    files: Mapping[str, str]
    size_bytes: int
    sha256: Mapping[str, str]

    def remote(self) -> dict[str, Remote]:
        """Return where each file comes from."""
        root = f"https://zenodo.org/records/{self.record}/files"
        return {
            name: Remote(f"{root}/{name}", sha256=self.sha256.get(target, _start_of_hash(name)))
            for target, name in self.files.items()
        }


PUBLISHED: Mapping[str, Published] = {  # openunmix 1.3.0, `openunmix/__init__.py`
    "umxhq": Published(
        3370489,
        {
            "vocals": "vocals-b62c91ce.pth",
            "drums": "drums-9619578f.pth",
            "bass": "bass-8d85a5bd.pth",
            "other": "other-b52fbbf7.pth",
        },
        4 * 35_637_796,
        {
            "vocals": "b62c91cedbc7a066f1778ead5b5cecb377aa3a46a31af1cce7c5c8769339d083",
            "drums": "9619578f885c54737cb0234f9f9a4a679ee4f31438fd77fd1dbe02bb16c2da0a",
            "bass": "8d85a5bd3f996a8867fca0e8442e077e5a3f5ec747a6112742452a8f347b39c8",
            "other": "b52fbbf76479e752bd72e02304c602ac7802aa5bfbfb9cd12054b2695d5093ab",
        },
    ),
    "umx": Published(
        3370486,
        {
            "vocals": "vocals-c8df74a5.pth",
            "drums": "drums-5a48008b.pth",
            "bass": "bass-646024d3.pth",
            "other": "other-f8e132cc.pth",
        },
        4 * 35_637_796,  # the same shapes
        {},
    ),
    "umxl": Published(
        5069601,
        {
            "vocals": "vocals-bccbd9aa.pth",
            "drums": "drums-69e0ebd4.pth",
            "bass": "bass-2ca1ce51.pth",
            "other": "other-c8c5b3e6.pth",
        },
        452_400_000,  # from its shapes; the record's exact figure is not known here
        {},
    ),
}


def _start_of_hash(name: str) -> str:
    return Path(name).stem.rpartition("-")[2]


@dataclass(frozen=True)
class Spectrogram:
    """The transform that a network was trained on."""

    n_fft: int = 4096
    hop: int = 1024
    sample_rate: int = 44_100


@dataclass(frozen=True)
class Found:
    """A model whose files are all here: one for each target."""

    files: Mapping[str, Path]
    spectrogram: Spectrogram = Spectrogram()


def find(name: str) -> Found | None:
    """Look for a published model: `<models>/<name>/`, the models folder, torch's hub cache.

    In a folder of its own, names and layout are free; elsewhere only the published names count.

    Raises:
        ModelError: it has a folder of its own, which is damaged.
    """
    own = models_folder() / name
    if own.is_dir():
        found = find_in(own)
        if found and set(found.files) >= set(TARGETS):
            return Found({target: found.files[target] for target in TARGETS}, found.spectrogram)
    for folder in (own, models_folder(), torch_hub()):
        files = {target: folder / file for target, file in PUBLISHED[name].files.items()}
        if all(file.is_file() for file in files.values()):
            return Found(files)
    return None


def find_in(folder: Path) -> Found | None:
    """Look for an Open-Unmix model in a folder; None where there is none.

    Raises:
        ModelError: `separator.json` cannot be used, or names no or two files for a target.
    """
    settings = folder / SETTINGS_FILE
    is_ours = settings.is_file()
    spectrogram = spectrogram_in(folder)
    files: dict[str, Path] = {}
    for file in sorted([*folder.glob("*.pth"), *folder.glob("*.safetensors")]):
        if not is_ours and not is_open_unmix(file):
            continue
        target = target_of(file)
        if target in files:
            msg = f"two files of weights for {target!r}: {files[target].name} and {file.name}"
            raise ModelError(msg, where=str(folder))
        files[target] = file
    if is_ours and not files:
        raise ModelError("no <target>.pth beside it", where=str(settings))
    order = sorted(files, key=lambda t: (TARGETS.index(t) if t in TARGETS else 9, t))
    return Found({target: files[target] for target in order}, spectrogram) if files else None


def spectrogram_in(folder: Path) -> Spectrogram:
    """Return the transform that a folder's `separator.json` says, or that of published models.

    Raises:
        ModelError: it says none that can be used.
    """
    settings = folder / SETTINGS_FILE
    return _read_spectrogram(settings) if settings.is_file() else Spectrogram()


def is_open_unmix(path: Path) -> bool:
    """Say whether a file begins with the names of Open-Unmix' weights, without reading them."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return all(mark in head for mark in _MARKS)


def target_of(path: Path) -> str:
    """Return the target that a file is named after: `vocals.pth`, `vocals-b62c91ce.pth`.

    Raises:
        ModelError: it is no name of a stem.
    """
    return _named(path)[1]


def check_promise(path: Path) -> None:
    """Hold a file to the start of its SHA-256, where its name has that.

    Raises:
        ModelError: it is another file.
    """
    promised = _named(path)[2]
    if promised and not sha256(path).startswith(promised):
        raise ModelError("damaged: its SHA-256 is not the one in its name", where=str(path))


def _named(path: Path) -> re.Match[str]:
    name = _NAME.fullmatch(path.stem)
    if name is None:
        msg = "the name must be <target>.pth or <target>-<start of its SHA-256>.pth"
        raise ModelError(msg, where=str(path))
    return name


def read_json(path: Path) -> Any:
    """Read a JSON file of sane size.

    Raises:
        ModelError: it is none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("not JSON, or cut off in the middle", where=str(path)) from error


_SETTINGS = {"nfft": (64, 16_384), "nhop": (16, 4_096), "sample_rate": (8_000, 192_000)}


def _read_spectrogram(path: Path) -> Spectrogram:
    """Read `{"nfft", "nhop", "sample_rate", "nb_channels"}`, as training writes it."""
    said = read_json(path)
    settings = said if isinstance(said, dict) else {}
    for key, (low, high) in _SETTINGS.items():
        number = settings.get(key)
        if not isinstance(number, int | float) or not low <= number <= high or number % 1:
            msg = f"{key} {shown(number)} is not a whole number within [{low}, {high}]"
            raise ModelError(msg, where=str(path))
    n_fft, hop, sample_rate = (int(settings[key]) for key in _SETTINGS)
    if n_fft % hop or n_fft // hop < 4:
        msg = f"nhop {hop} is not a quarter of nfft {n_fft}, or a smaller part"
        raise ModelError(msg, where=str(path))
    return Spectrogram(n_fft, hop, sample_rate)
