"""Take the tensors out of a checkpoint that holds other objects too, and nothing else.

Training frameworks save what surrounds the weights with them: settings (`argparse.Namespace`,
OmegaConf), schedules, whole modules. Such a pickle is refused everywhere; `stemfx models add` takes
it when the user names its SHA-256. Even then nothing in it is imported or runs: every class that it
names is replaced by an empty one that remembers what it is given.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from stemfx.errors import ModelError
from stemfx.separators.weights import fraction, read_checkpoint, sha256

_STATES = ("state_dict", "state", "model_state_dict", "model", "weights")
_MOST_NAMES = 1000
_MOST_PARTS = 100_000  # modules and tensors; published networks have thousands
_LONGEST_NAME = 1000  # of a tensor in a module in a module ...
_LARGEST_TEXT = 64 << 10  # of what is kept beside the tensors, each


class StandIn:
    """Stands for an object of a class that is not loaded: takes anything, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.kept: Any = None

    def __setstate__(self, state: Any) -> None:
        self.kept = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def extract(path: Path, digest: str, folder: Path) -> Path:
    """Write the tensors of a checkpoint into `folder` as `<its name>.safetensors`; return that.

    Texts, numbers and lists of them that stand beside the state become metadata, as JSON; a class
    becomes its name. So a Demucs package keeps what says which network it is for.

    Args:
        path: a `torch.save` file.
        digest: the SHA-256 that the user trusts, in hex.
        folder: is made.

    Raises:
        ModelError: its SHA-256 is another one; or there is no state of a network in it, code that
            cannot be passed over, or more than the file holds.
    """
    import torch

    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ModelError("a SHA-256 has 64 hexadecimal digits", where="--allow-pickle")
    if (found := sha256(path)) != digest.lower():
        raise ModelError(
            f"its SHA-256 is {found}, not the one given; it was not read", where=str(path)
        )
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:  # torch raises many kinds on what is no checkpoint
        raise ModelError("not a file of torch weights", where=str(path)) from error
    if len(names) > _MOST_NAMES:
        raise ModelError(f"it names {len(names)} classes; no network needs that", where=str(path))
    package = read_checkpoint(path, {name: _stand_in(name) for name in names})
    try:
        state, beside = _state_of(package, path)
    except ValueError as error:
        raise ModelError(str(error), where=str(path)) from error
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if size > path.stat().st_size:  # views that share bytes
        raise ModelError(f"its tensors ask for {size} bytes, more than it has", where=str(path))
    return _save(state, beside, folder / f"{path.stem}.safetensors")


def _save(state: Mapping[str, Any], beside: Mapping[str, str], target: Path) -> Path:
    from safetensors.torch import save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        save_file(
            {n: t.contiguous().clone() for n, t in state.items()}, part, metadata=dict(beside)
        )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _stand_in(name: str) -> Any:
    """Return what stands for a name in a pickle: an empty class of that name."""
    return fraction if name == "fractions.Fraction" else type(name, (StandIn,), {})


def _state_of(package: Any, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Find the state of a network, and what is plain beside it."""
    if state := _tensors(package):
        return state, {}
    if isinstance(package, Mapping):
        for key in _STATES:
            if state := _tensors(package.get(key)):
                return state, _plain({k: v for k, v in package.items() if k != key})
    raise ModelError(
        f"there is no state of a network in it: neither itself nor one of {', '.join(_STATES)} "
        "maps names to tensors",
        where=str(path),
    )


def _tensors(thing: Any) -> dict[str, Any]:
    """Return the named tensors of a state or of a whole module; empty when it is neither."""
    import torch

    if isinstance(thing, StandIn):
        return dict(_tensors_of_module(thing))
    if not isinstance(thing, Mapping) or not thing:
        return {}
    named = {key: value for key, value in thing.items() if isinstance(value, torch.Tensor)}
    # A state holds tensors and little else; a package may hold one tensor among other things.
    is_state = 2 * len(named) > len(thing) and all(isinstance(key, str) for key in named)
    return {key: value.detach() for key, value in named.items()} if is_state else {}


def _tensors_of_module(module: StandIn) -> Iterator[tuple[str, Any]]:
    """Yield what `torch.nn.Module.state_dict` would, from a module's attributes.

    Raises:
        ValueError: they have no end.
    """
    import torch

    waiting = deque([("", module)])
    n_parts = 0
    while waiting:
        prefix, module = waiting.popleft()
        attributes = module.kept if isinstance(module.kept, Mapping) else {}
        passing = attributes.get("_non_persistent_buffers_set") or ()
        for kind in ("_parameters", "_buffers", "_modules"):
            own = attributes.get(kind)
            for name, part in own.items() if isinstance(own, Mapping) else ():
                if not isinstance(name, str):
                    continue
                n_parts += 1  # a module may hold another one twice, and that one a third one twice
                if n_parts > _MOST_PARTS or len(prefix) + len(name) > _LONGEST_NAME:
                    raise ValueError("it has more modules in modules than a network needs")
                if isinstance(part, torch.Tensor) and name not in passing:
                    yield f"{prefix}{name}", part.detach()
                elif isinstance(part, StandIn) and kind == "_modules":
                    waiting.append((f"{prefix}{name}.", part))


def _plain(beside: Mapping[Any, Any]) -> dict[str, str]:
    told = {}
    for key, value in beside.items():
        try:
            text = value if isinstance(value, str) else _json(value)
        except (TypeError, ValueError, RecursionError):
            continue  # an object: its class is not known here
        if isinstance(value, type):
            text = value.__name__
        if isinstance(key, str) and len(text) <= _LARGEST_TEXT:
            told[key] = text
    return told


def _json(value: Any) -> str:
    """Return a value as JSON, or only as much of it as is too much: lists may share lists."""
    text = ""
    for part in json.JSONEncoder(default=_as_json).iterencode(value):
        text += part
        if len(text) > _LARGEST_TEXT:
            break
    return text


def _as_json(value: Any) -> Any:
    if isinstance(value, Fraction):  # as demucs writes it
        return {
            "_type": "fraction",
            "numerator": value.numerator,
            "denominator": value.denominator,
        }
    if isinstance(value, type) and issubclass(value, StandIn):
        return value.__name__
    raise TypeError(type(value).__name__)
