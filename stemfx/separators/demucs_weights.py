"""Find and read Demucs weights: safetensors and `.th` packages, and bags of them.

A file of weights names its class and the arguments of that class. Here both are data: the
class must be one of three, every argument is checked, and the network's weights are laid out
without memory first, so that a hostile file can neither run code nor have more weights made than
it has bytes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from stemfx.errors import ModelError
from stemfx.separators.hub import snapshot
from stemfx.separators.plain_yaml import read_plain, shown
from stemfx.separators.weights import (
    NUMPY,
    Ignored,
    filled,
    fraction,
    models_folder,
    read_checkpoint,
    read_safetensors,
    safetensors_metadata,
    sha256,
    torch_hub,
)

CLASSES = {
    "demucs.htdemucs.HTDemucs": ("demucs.htdemucs", "HTDemucs"),
    "demucs.hdemucs.HDemucs": ("demucs.hdemucs", "HDemucs"),
    "demucs.demucs.Demucs": ("demucs.demucs", "Demucs"),
}

_LIMITS: Mapping[str, tuple[float, float]] = {  # what a network may ask for: loops, time, memory
    "audio_channels": (2, 2),
    "samplerate": (8_000, 192_000),
    "segment": (0.1, 120),  # seconds
    "nfft": (64, 16_384),
    "channels": (1, 1024),
    "channels_time": (1, 1024),
    "bottom_channels": (0, 4096),
    "growth": (1, 8),
    "t_hidden_scale": (0.1, 16),
    "t_sin_random_shift": (0, 0),  # it would draw from the global random state
    "depth": (1, 16),
    "t_layers": (0, 64),
    "t_heads": (1, 64),
    "lstm_layers": (0, 8),
    "dconv_depth": (0, 16),
    "wiener_iters": (-1, 4),
    "end_iters": (-1, 4),
}
_LARGEST_NUMBER = 1e6  # of any other argument
_LARGEST_LIST = 64
_SIGNATURE = re.compile(r"[A-Za-z0-9_]{1,64}")  # a file name without any path in it
_CHECKED_NAME = re.compile(r"[^-]+-([0-9a-f]{8})")  # <sig>-<start of the SHA-256>


class Network(Protocol):
    """What the streamer needs to know of a loaded Demucs network (a torch module)."""

    sources: list[str]
    samplerate: int
    segment: float | Fraction

    def __call__(self, mixture: Any) -> Any:
        """Separate `(1, 2, n_samples)` into `(1, n_stems, 2, n_samples)`."""

    def to(self, device: str) -> Any:
        """Move the weights to a device of torch."""


@dataclass(frozen=True)
class Header:
    """What a file of weights says about its network."""

    class_name: str
    arguments: Mapping[str, Any]

    @property
    def stems(self) -> tuple[str, ...]:
        """The names of the stems, in the network's order."""
        return tuple(self.arguments["sources"])

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return int(self.arguments.get("samplerate", 44_100))


def _signature(value: Any) -> str:
    if not isinstance(value, str | int):  # eight digits without a letter among them are a number
        raise TypeError("not the name of a file")
    return str(value)


@dataclass(frozen=True)
class Bag:
    """Networks that work together.

    Args:
        signatures: names of the files of weights, without their endings.
        weights: per network, how much it counts for each stem; None counts all alike.
        segment: length in seconds of the stretches that are separated at a time, if not the
            networks' own.
    """

    signatures: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None = None
    segment: float | None = None

    @classmethod
    def read(cls, path: Path) -> Bag:
        """Read a bag's YAML.

        Raises:
            ModelError: it is not one.
        """
        content = read_plain(path)
        signatures, weights, segment = map(content.get, ("models", "weights", "segment"))
        try:
            bag = cls(
                tuple(map(_signature, signatures or ())),
                None if weights is None else tuple(tuple(map(float, row)) for row in weights),
                None if segment is None else float(segment),
            )
        except (ValueError, TypeError) as error:
            msg = "not a Demucs bag; it needs `models: [signature, ...]`"
            raise ModelError(msg, where=str(path)) from error
        bag._check(path)
        return bag

    def _check(self, path: Path) -> None:
        low, high = _LIMITS["segment"]
        if not 1 <= len(self.signatures) <= _LARGEST_LIST or not all(
            _SIGNATURE.fullmatch(signature) for signature in self.signatures
        ):
            raise ModelError(
                "models must be 1 to 64 names of weight files, without paths", where=str(path)
            )
        if self.segment is not None and not low <= self.segment <= high:
            raise ModelError(
                f"segment {self.segment} s is outside [{low}, {high}] s", where=str(path)
            )
        if self.weights is None:
            return
        numbers = [number for row in self.weights for number in row]
        if (
            len(self.weights) != len(self.signatures)
            or len({len(row) for row in self.weights}) != 1
            or not all(math.isfinite(number) and number >= 0 for number in numbers)
            or not all(sum(column) > 0 for column in zip(*self.weights, strict=True))
        ):
            raise ModelError("weights must be one row of numbers >= 0 a model", where=str(path))


@dataclass(frozen=True)
class Found:
    """A bag whose files are all here."""

    bag: Bag
    files: tuple[Path, ...]


def find(name: str, bag: Bag, hub_id: str) -> Found | None:
    """Look for a published model: models folder, Hugging Face cache, torch hub cache.

    Args:
        name: of the model; `<name>.yaml` beside the weights replaces `bag`.
        bag: as published.
        hub_id: repository on the Hugging Face hub.
    """
    folders = (models_folder() / name, models_folder(), snapshot(hub_id), torch_hub())
    for folder in filter(None, folders):
        found = find_in(folder, name, bag)
        if found:
            return found
    return None


def find_in(folder: Path, name: str, bag: Bag | None) -> Found | None:
    """Look for a bag and all its weights in one folder."""
    listing = folder / f"{name}.yaml"
    if listing.is_file():
        bag = Bag.read(listing)
    files = [find_file(folder, signature) for signature in bag.signatures] if bag else []
    here = tuple(file for file in files if file)
    return Found(bag, here) if bag and len(here) == len(files) else None


def find_file(folder: Path, signature: str) -> Path | None:
    """Find the weights of one network: `<sig>.safetensors`, `<sig>.th` or `<sig>-<sha8>.th`."""
    plain = [folder / f"{signature}.safetensors", folder / f"{signature}.th"]
    checked = sorted(folder.glob(f"{signature}-????????.th"))
    return next((path for path in plain + checked if path.is_file()), None)


def read_header(path: Path) -> Header:
    """Read what a file says about its network, without its tensors (`.safetensors`: without torch).

    Raises:
        ModelError: damaged, not a Demucs network, or one that asks for too much.
    """
    if path.suffix == ".th":
        return _header_of_package(path, _read_package(path))
    metadata = safetensors_metadata(path)
    if "klass" not in metadata:
        raise ModelError(
            "not a Demucs model: it does not say what network it is for", where=str(path)
        )
    if "structure" in metadata:
        raise ModelError(
            "quantised (diffq) weights are not supported; take the full ones", where=str(path)
        )
    try:
        args, kwargs = (_decode(json.loads(metadata.get(key, d))) for key, d in _ARGUMENTS)
    except (ValueError, TypeError, KeyError, RecursionError, ZeroDivisionError) as error:
        raise ModelError("the arguments of its network cannot be read", where=str(path)) from error
    return _checked_header(path, metadata["klass"], args, kwargs)


_ARGUMENTS = (("args", "[]"), ("kwargs", "{}"))


def is_demucs(path: Path) -> bool:
    """Say whether a readable safetensors file says that it is for a Python class, as Demucs' do."""
    return "klass" in safetensors_metadata(path)


def _decode(value: Any) -> Any:
    """Turn demucs' JSON form of a fraction back into one."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return fraction(value["numerator"], value["denominator"])
        return {key: _decode(item) for key, item in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value


def _stand_in(name: str) -> type:
    """Make an empty class that stands for a network's class in a package."""
    return type(name, (Ignored,), {})


def _read_package(path: Path) -> dict[str, Any]:
    """Read `{klass, args, kwargs, state, ...}`, with stand-ins for all classes."""
    promised = _CHECKED_NAME.fullmatch(path.stem)
    if promised and not sha256(path).startswith(promised[1]):
        raise ModelError("damaged: its SHA-256 is not the one in its name", where=str(path))
    allowed: dict[str, Callable[..., Any]] = {name: _stand_in(name) for name in CLASSES}
    allowed["fractions.Fraction"] = fraction
    allowed |= dict.fromkeys(NUMPY, Ignored)
    package = read_checkpoint(path, allowed)
    if not isinstance(package, dict) or not {"klass", "kwargs", "state"} <= package.keys():
        raise ModelError(
            "not a Demucs model: it does not say what network it is for", where=str(path)
        )
    if not isinstance(package["state"], dict) or "__quantized" in package["state"]:
        raise ModelError(
            "quantised (diffq) weights are not supported; take the full ones", where=str(path)
        )
    return package


def _header_of_package(path: Path, package: Mapping[str, Any]) -> Header:
    name = getattr(package["klass"], "__name__", "")
    return _checked_header(path, name, package.get("args", ()), package["kwargs"])


def _checked_header(path: Path, class_name: Any, args: Any, kwargs: Any) -> Header:
    """Refuse what is not plain, small and finite."""
    if class_name not in CLASSES:
        known = ", ".join(name.rpartition(".")[2] for name in CLASSES)
        raise ModelError(
            f"it names {str(class_name)[:80]!r}; only {known} are allowed", where=str(path)
        )
    if not isinstance(args, list | tuple) or len(args) > 1 or not isinstance(kwargs, dict):
        raise ModelError("the arguments of its network are not named", where=str(path))
    arguments = {"sources": args[0]} | kwargs if args else kwargs
    for name, value in arguments.items():
        items = value if isinstance(value, list | tuple) else [value]
        is_sane = isinstance(name, str) and len(items) <= _LARGEST_LIST
        if not is_sane or not all(_is_sane(name, item) for item in items):
            raise ModelError(
                f"{shown(name)} = {shown(value)} is outside what networks need", where=str(path)
            )
    stems = arguments.get("sources")
    if (
        not isinstance(stems, list | tuple)
        or not 1 <= len(stems) == len(set(stems)) <= 16
        or not all(isinstance(stem, str) and _SIGNATURE.fullmatch(stem) for stem in stems)
    ):
        raise ModelError("sources must be 1 to 16 different names of stems", where=str(path))
    if not isinstance(arguments.get("samplerate", 0), int | float):
        raise ModelError("samplerate must be a number", where=str(path))
    return Header(class_name, arguments)


def _is_sane(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 64
    if isinstance(value, int | float | Fraction):
        low, high = _LIMITS.get(name, (-_LARGEST_NUMBER, _LARGEST_NUMBER))
        return low <= value <= high  # NaN is not
    return value is None


def load(path: Path) -> Network:
    """Build the network that a file describes and fill it with the file's weights.

    Raises:
        ModelError: see `read_header`; or the weights do not fit the network.
    """
    if path.suffix == ".th":
        package = _read_package(path)
        header, state = _header_of_package(path, package), package["state"]
    else:
        header, state = read_header(path), read_safetensors(path)

    build = partial(_build, header)
    try:
        # Demucs' scales of layers begin as zeros. It makes no other zeros but placeholders of one
        # number, for masks that each forward makes anew.
        network: Network = filled(build, state, path.stat().st_size, are_zeros_weights=True)
    except Exception as error:  # demucs checks its arguments in many ways
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"the weights do not fit the network: {reason}", where=str(path)
        ) from error
    return network


def _build(header: Header) -> Any:
    module, name = CLASSES[header.class_name]
    network_class = getattr(importlib.import_module(module), name)
    known = inspect.signature(network_class).parameters  # demucs drops others, from older versions
    arguments = {key: value for key, value in header.arguments.items() if key in known}
    return network_class(**arguments)
