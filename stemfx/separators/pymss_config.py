"""Read the YAML beside a checkpoint of the Music-Source-Separation-Training layout (MSST).

It is data: no tags but `!!python/tuple`, no aliases but of plain lists and few of these, every
argument of the network known and within limits, before anything is built from it. Some arguments
are names that pymss-core looks up in torch (`window_fn`, `rnn_type`); only a few names pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfx.errors import ModelError
from stemfx.separators.chunked import LEAST_OVERLAP, left_over
from stemfx.separators.plain_yaml import LARGEST_BYTES, read_plain, section, shown
from stemfx.separators.pymss_limits import (
    KNOWN,
    LABELS,
    NUMBERS,
    SIGNS,
    TRAINING_ONLY,
    check,
    is_number,
)

Arguments = dict[str, Any]

_LARGEST_CHUNK_S = 60.0  # published ones are 3 to 30 s
_MOST_FRAMES = 8192  # of a spectrogram that a network sees at once; published ones see 800 to 1700
_SECTION = re.compile(r"^(model|audio|training|inference):", re.MULTILINE)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,31}")


@dataclass(frozen=True)
class Config:
    """What a network is and how it hears.

    Args:
        path: of the YAML.
        kind: architecture, as pymss-core names it.
        stems: in the network's order.
        left: name of what is left of the mixture without them, for a network with one stem.
        sample_rate: in Hz.
        length: samples that it hears at a time.
        overlap: share of that which neighbours have in common.
        is_normalised: whether it wants songs with mean 0 and deviation 1.
        hears_one_channel: whether it takes left and right by themselves.
        step: it can hear `step * k - margin` samples for every k.
        margin: see `step`.
        shortest: samples below which its spectrogram does not work.
        document: what pymss-core builds it from.
    """

    path: Path
    kind: str
    stems: tuple[str, ...]
    left: str | None
    sample_rate: int
    length: int
    overlap: float
    is_normalised: bool
    hears_one_channel: bool
    step: int
    margin: int
    shortest: int
    document: Mapping[str, Arguments]

    def hearable(self, n_samples: int) -> int:
        """Return the largest length up to `n_samples` that the network can hear."""
        n_steps = (max(n_samples, self.shortest) + self.margin) // self.step
        if n_steps * self.step - self.margin < self.shortest:
            n_steps += 1
        return n_steps * self.step - self.margin


def looks_like_msst(path: Path) -> bool:
    """Say whether a YAML has the sections of this layout, be it readable or not."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            sections = set(_SECTION.findall(file.read(LARGEST_BYTES)))
    except OSError:
        return False
    return "model" in sections and len(sections) > 1


def names_demucs(path: Path) -> bool:
    """Say whether a YAML of this layout is for a Demucs network."""
    content = read_plain(path)
    named = [content.get("model_type"), content.get("model"), *section(content, "model").values()]
    return any("demucs" in name.lower() for name in named if isinstance(name, str))


def read_config(path: Path) -> Config:
    """Read and check a YAML.

    The architecture is what `model_type`, `model.type`, `model.model_type` or
    `model.architecture` says, else the one whose keys `model` has, as pymss-core's `auto`.

    Raises:
        ModelError: not such a YAML, of an unknown architecture, or out of limits.
    """
    content = read_plain(path)
    try:
        return _checked(path, content)
    except ValueError as error:
        raise ModelError(str(error), where=str(path)) from error


def _checked(path: Path, content: Arguments) -> Config:
    model, audio = section(content, "model"), section(content, "audio")
    training, inference = section(content, "training"), section(content, "inference")
    kind = _kind(content, model)
    target = training.get("target_instrument")
    stems, left = _stems(training, model, target)
    arguments = _arguments(kind, model, stems)
    rate = _number(audio, model, keys=("sample_rate", "fs"), default=44_100, limits=_RATES_HZ)
    n_fft = _number(audio | model, keys=_N_FFT, default=4096 if kind == "scnet" else 2048)
    hop = _number(audio | model, keys=_HOP, default=1024 if kind == "scnet" else 512)
    length = _length(audio, inference, hop, rate)
    if length // hop > _MOST_FRAMES:
        raise ValueError(f"{length} samples in hops of {hop} are more than {_MOST_FRAMES} frames")
    heard: Arguments = {"n_fft": n_fft, "hop_length": hop}
    step, margin = 1, 0
    if kind == "mdx23c":
        heard |= {"dim_f": audio.get("dim_f"), "num_channels": audio.get("num_channels", 2)}
        check("audio.dim_f", "nfft", heard["dim_f"])
        check("audio.num_channels", "audio_channels", heard["num_channels"])
        scale = arguments.get("scale", (2, 2))
        step, margin = hop * scale[0] ** arguments.get("num_scales", 5), hop
    n_overlap = _number(inference, keys=("num_overlap",), default=2, limits=(1, 50))
    is_roformer = kind.endswith("former")
    config = Config(
        path=path,
        kind=kind,
        stems=stems,
        left=left,
        sample_rate=rate,
        length=length,
        overlap=min(0.9, max(LEAST_OVERLAP, 1 - 1 / n_overlap)),
        is_normalised=inference.get("normalize") is True,
        hears_one_channel=kind == "bandit" or (is_roformer and not model.get("stereo", False)),
        step=step,
        margin=margin,
        shortest=2 * n_fft,
        document={
            "model": arguments,
            "audio": heard,
            "training": {"instruments": list(stems), "target_instrument": target and stems[0]},
        },
    )
    if config.hearable(length) != length:
        raise ValueError(f"audio.chunk_size {length} is not a length that {kind} can hear")
    return config


def _arguments(kind: str, model: Arguments, stems: tuple[str, ...]) -> Arguments:
    """Return the checked arguments of the network."""
    arguments = {key: value for key, value in model.items() if key not in LABELS | TRAINING_ONLY}
    for key, value in arguments.items():
        if key not in KNOWN[kind]:
            raise ValueError(f"model.{key[:80]} is unknown to {kind}")
        if key not in {"sources", "stems"}:
            check(f"model.{key}", key, value)
        elif not isinstance(value, list | tuple) or [*map(type, value)] != [str] * len(stems):
            raise ValueError(f"model.{key} must name {len(stems)} stems, as training does")
    if kind.endswith("former") and arguments.get("num_stems", 1) != len(stems):
        n = arguments.get("num_stems", 1)
        raise ValueError(f"model.num_stems is {n}, but training names {len(stems)} stems")
    if kind.startswith("mel_band"):
        arguments["match_input_audio_length"] = True  # without it, the end of a chunk is missing
    return arguments


_RATES_HZ = NUMBERS["sample_rate"]
_N_FFT = ("stft_n_fft", "nfft", "n_fft")
_HOP = ("stft_hop_length", "hop_size", "hop_length")


def _kind(content: Arguments, model: Arguments) -> str:
    named = [content.get("model_type"), *(model.get(key) for key in sorted(LABELS))]
    names = {
        name.strip().lower() if isinstance(name, str) else shown(name) for name in named if name
    } - {"auto"}
    if not names:
        names = {kind for kind, signs in SIGNS.items() if set(signs) <= model.keys()}
    if len(names) == 1 and names <= KNOWN.keys():
        return names.pop()
    told = ", ".join(sorted(names))[:80] or "none that is known"
    raise ValueError(f"the architecture is {told}; known are {', '.join(KNOWN)}")


def _number(
    *sections: Arguments,
    keys: tuple[str, ...],
    default: int,
    limits: tuple[float, float] | None = None,
) -> int:
    """Return the first of `keys` that a section has."""
    for given in sections:
        for key in keys:
            value = given.get(key)
            if value is not None:
                low, high = limits or NUMBERS[key]
                if not is_number(value, low, high):
                    raise ValueError(f"{key} = {shown(value)} is outside [{low:g}, {high:g}]")
                return int(value)
    return default


def _length(audio: Arguments, inference: Arguments, hop: int, rate: int) -> int:
    """Return how many samples the network hears at a time."""
    limits = (2048, _LARGEST_CHUNK_S * rate)
    length = _number(inference, audio, keys=("chunk_size",), default=0, limits=limits)
    if not length:  # older settings count the frames of a spectrogram
        frames = _number(inference, audio, keys=("dim_t",), default=0, limits=(2, _MOST_FRAMES))
        length = hop * (frames - 1)
    if not limits[0] <= length <= limits[1]:
        raise ValueError(f"it hears {length} samples at a time; chunk_size must say 2048 to 60 s")
    return length


def _stems(
    training: Arguments, model: Arguments, target: Any
) -> tuple[tuple[str, ...], str | None]:
    """Return the stems that the network makes, and what is left when it makes only one."""
    named = training.get("instruments") or model.get("sources") or model.get("stems")
    if not isinstance(named, list | tuple) or not 1 <= len(named) <= 16:
        raise ValueError("training.instruments must name 1 to 16 stems")
    instruments = [_name(stem) for stem in named]
    if len(set(instruments)) != len(instruments):
        raise ValueError("training.instruments names a stem twice")
    if not target and len(instruments) > 1:
        return tuple(instruments), None
    stem = _name(target) if target else instruments[0]
    others = [name for name in instruments if name != stem]
    return (stem,), others[0] if len(others) == 1 else left_over([stem])


def _name(value: Any) -> str:
    """Return the name of a stem as recipes and files write it."""
    name = "_".join(value.lower().split()) if isinstance(value, str) else ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{shown(value)} cannot be the name of a stem")
    return name
