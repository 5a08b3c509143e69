"""Where files of weights lie, and how they are read: as data, nothing in them is ever run."""

from __future__ import annotations

import hashlib
import json
import os
import pickletools
import re
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import platformdirs

from stemfx.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, Tensor]

CHECKPOINTS = frozenset({".ckpt", ".chpt", ".pth", ".pt", ".th", ".safetensors"})
"""Endings of files of weights."""

_LARGEST_DIRECTORY = 4 << 20  # of a zip: some 40,000 tensors; published networks have thousands
_MOST_STEPS = 500_000  # of the pickles in a checkpoint: 3000 tensors take 96,000
_LARGEST_HEADER = 4 << 20  # bytes; the published ones have 60 kB to 1 MB

# How torch's files began before they were zips (until 1.6, 2020): a pickled magic number.
_BEFORE_ZIPS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ALLOWING = threading.Lock()  # torch keeps the list of allowed names for the whole process


def models_folder() -> Path:
    """Return the folder for weights of one's own: `STEMFX_MODELS`, else the user's data folder."""
    chosen = os.environ.get("STEMFX_MODELS")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("stemfx") / "models"


def torch_hub() -> Path:
    """Return where torch keeps what it downloads (`torch.hub.get_dir`, without torch)."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("TORCH_HOME", cache_home / "torch"))
    return home.expanduser() / "hub" / "checkpoints"


def check_plain(path: Path) -> None:
    """Refuse what only looks like files: reading a pipe would wait, and a device never ends.

    A folder is looked at one level deep. Links in it may not lead out of it, except as those of
    the Hugging Face hub's cache do, to the blobs of the same repository.

    Raises:
        ModelError: `path`, or something in it, is neither a plain file nor a folder.
    """
    if path.is_file():
        return
    if not path.is_dir():
        raise ModelError(
            "neither a file nor a folder" if os.path.lexists(path) else "there is no such file",
            where=str(path),
        )
    inside = path.resolve()
    allowed = (
        [inside, inside.parent.parent / "blobs"] if inside.parent.name == "snapshots" else [inside]
    )
    for entry in sorted(path.iterdir()):
        if not (entry.is_file() or entry.is_dir()):
            raise ModelError(
                f"{entry.name!r} in it is neither a file nor a folder", where=str(path)
            )
        if entry.is_symlink() and not any(entry.resolve().is_relative_to(a) for a in allowed):
            raise ModelError(
                f"{entry.name!r} in it is a link that leads out of the folder; put the file itself "
                "there",
                where=str(path),
            )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex; an unchanged file is read once per process."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fraction(*parts: Any) -> Fraction:
    """Make a small fraction of `("39/5",)` or `(39, 5)`; `Fraction("1e999999999")` would hang."""
    if not re.fullmatch(r"-?\d{1,12}(/\d{1,12})?", "/".join(map(str, parts))):
        raise ValueError("Unsupported fraction")
    return Fraction(*parts)


def read_checkpoint(path: Path, allowed: Mapping[str, Callable[..., Any]]) -> Any:
    """Read a `torch.save` file whose pickle may name `allowed` things only.

    Args:
        path: a zip of a pickle and raw tensors, as torch has written it since 1.6, or a row of
            pickles and raw tensors, as it did before.
        allowed: what may be called for each full name that the pickle uses; beside these,
            tensors, numbers, text, lists and dicts.

    Raises:
        ModelError: not such a file, damaged, or it names anything else.
    """
    import torch

    is_zip = not _begins_with(path, _BEFORE_ZIPS)
    if is_zip:
        _check_archive(path)
    _check_pickles(path, is_zip=is_zip)
    names: list[Any] = [(function, name) for name, function in allowed.items()]
    try:
        with _ALLOWING, torch.serialization.safe_globals(names):
            # mmap: tensors are slices of the file, so a wrong length cannot read beyond it. An
            # older file says how long each is before it comes, and has to keep its word.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # torch raises many kinds on a hostile file
        if "unsupported" in str(error).lower():
            msg = (
                "not loaded: it contains code or objects that are not weights; if you trust where "
                "it is from, `stemfx models add FILE --allow-pickle SHA256` takes only the tensors "
                "out of it"
            )
        else:
            msg = "damaged weights; download the file again"
        raise ModelError(msg, where=str(path)) from error


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _check_archive(path: Path) -> None:
    """Refuse what is no plain torch archive; a zip bomb needs compression or shared bytes."""
    if _directory_bytes(path) > _LARGEST_DIRECTORY:
        raise ModelError("it has more parts than a network has tensors", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # a damaged directory makes zipfile raise many kinds
        msg = "not a file of torch weights, or cut off in the middle"
        raise ModelError(msg, where=str(path)) from error
    size = sum(entry.file_size for entry in entries)
    if any(entry.compress_type for entry in entries) or size > path.stat().st_size:
        msg = "not a file of torch weights (its parts are compressed)"
        raise ModelError(msg, where=str(path))


def _check_pickles(path: Path, *, is_zip: bool) -> None:
    """Refuse pickles of very many steps: torch takes them one by one, in Python, and keeps all.

    Their bytes say little, since some checkpoints hold the numbers themselves in them. What is
    damaged in them is for torch to tell.
    """
    with ExitStack() as opened:
        files: list[IO[bytes]]
        if is_zip:
            archive = opened.enter_context(zipfile.ZipFile(path))
            # Of two entries with one name torch may take either, in any case of letters.
            parts = [p for p in archive.infolist() if p.filename.lower().endswith(".pkl")]
            try:
                files = [opened.enter_context(archive.open(part)) for part in parts]
            except Exception as error:  # a damaged header makes zipfile raise many kinds
                msg = "damaged weights; download the file again"
                raise ModelError(msg, where=str(path)) from error
        else:  # five in a row: a mark, a version, the machine, the state, where its numbers lie
            files = [opened.enter_context(path.open("rb"))] * 5
        left = _MOST_STEPS
        for file in files:
            with suppress(Exception):
                for _ in pickletools.genops(file):
                    left -= 1
                    if left < 0:
                        break
    if left < 0:
        raise ModelError("it names more than the tensors of a network", where=str(path))


def _directory_bytes(path: Path) -> int:
    """Return the size of a zip's directory as its end tells it (APPNOTE 4.3.14 to 4.3.16).

    zipfile would make an object of each entry before anybody could count them.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - (1 << 16) - 22 - 20)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if not 0 <= at <= len(tail) - 22:
            return 0
        told = int.from_bytes(tail[at + 12 : at + 16], "little")
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":  # then zip64 tells it
            file.seek(min(size, int.from_bytes(tail[at - 12 : at - 4], "little")))
            told = int.from_bytes(file.read(56)[40:48], "little")
    return told


class Ignored:
    """Stands for what a checkpoint says beside its weights (metrics, settings of a training).

    It takes anything and does nothing.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


NUMPY = (  # numbers in the metrics of checkpoints
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.dtypes.Float32DType",
    "numpy.dtypes.Float64DType",
)
_SETTINGS = (  # what Lightning keeps of a training's configuration
    "argparse.Namespace",
    *(f"builtins.{kind}" for kind in ("bool", "dict", "float", "int", "list", "str", "tuple")),
    "ml_collections.config_dict.config_dict.ConfigDict",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
    "pathlib.WindowsPath",
    "typing.Any",
)
_MAPPINGS = (  # torch fills nothing but plain mappings
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
_NESTS = ("state_dict", "model_state_dict", "state")
_PREFIXES = ("module.", "_orig_mod.", "model.")  # DataParallel, torch.compile, Lightning


def read_state(path: Path) -> State:
    """Read the weights of a network by name, whatever they are wrapped in.

    Args:
        path: a `.safetensors`, or a file of `torch.save`: a state dict, or one under
            `state_dict`, `model_state_dict` or `state`. Where some names begin with `module.` or
            `model.`, those are the network's, and the others (optimiser, windows) are left out.

    Raises:
        ModelError: damaged, no weights, or it contains code.
    """
    from torch import Tensor

    if path.suffix == ".safetensors":
        content = read_safetensors(path)
    else:
        allowed: dict[str, Callable[..., Any]] = dict.fromkeys((*NUMPY, *_SETTINGS), Ignored)
        allowed |= dict.fromkeys(_MAPPINGS, OrderedDict)
        allowed["collections.defaultdict"] = _mapping
        content = read_checkpoint(path, allowed)
    for _ in _NESTS:
        nest = next((n for n in _NESTS if isinstance(_get(content, n), dict)), None)
        content = content[nest] if nest else content
    for prefix in _PREFIXES:
        own = {k: v for k, v in _items(content) if k.startswith(prefix)}
        content = {k.removeprefix(prefix): v for k, v in own.items()} or content
    state = {k: v for k, v in _items(content) if isinstance(v, Tensor)}
    if not state or len(state) != len(content):
        raise ModelError("no weights of a network, or more than that", where=str(path))
    return state


def _mapping(*_: Any) -> dict[Any, Any]:
    """Stand for a dict that makes its missing values with a function."""
    return {}


def _get(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _items(content: Any) -> list[tuple[str, Any]]:
    return [(str(k), v) for k, v in content.items()] if isinstance(content, dict) else []


def read_safetensors(path: Path) -> State:
    """Read named tensors.

    Raises:
        ModelError: damaged, cut off, or not such a file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    safetensors_metadata(path)
    try:
        state: State = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:  # KeyError: a type torch does not have
        raise ModelError("damaged weights; download the file again", where=str(path)) from error
    return state


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Read the texts at the start of a safetensors file, and look whether the file is whole.

    The file: an 8-byte length, JSON of that length, then the tensors.

    Raises:
        ModelError: it is not such a file, or its header does not fit its size.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _LARGEST_HEADER)))
        metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise ModelError(
            "not a safetensors file, or cut off in the middle", where=str(path)
        ) from error
    if end != size:
        raise ModelError(
            f"cut off: {size} bytes of {end}; download the file again", where=str(path)
        )
    return metadata


def filled(
    build: Callable[[], Any], state: State, n_bytes: int, *, are_zeros_weights: bool = False
) -> Any:
    """Build a network and fill it with weights, of which it may have no more than the file bytes.

    Before they are counted, the weights have no memory. What else a constructor makes (windows,
    tables, start values of norms) has: what that may be is for limits of its arguments to say.

    Args:
        build: makes the network; what it asks `torch.empty` for gets no memory.
        state: its weights by name; half precision becomes the network's own.
        n_bytes: size of the file that they come from.
        are_zeros_weights: whether what it asks `torch.zeros` for is in the file too, and gets no
            memory either.

    Raises:
        ValueError: the weights are not the network's, or some are no numbers.
        Exception: whatever `build` raises.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    without_memory = (torch.empty, torch.zeros) if are_zeros_weights else (torch.empty,)

    class WithoutMemory(TorchFunctionMode):  # type: ignore[misc]
        """Not all that is made: windows and band tables have values."""

        def __torch_function__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func in without_memory:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    # Constructors draw what the file's weights replace; the caller's random state stays.
    with torch.random.fork_rng(devices=[]), WithoutMemory():
        network = build()
    own = network.state_dict(keep_vars=True)
    n_weights = sum(tensor.numel() for tensor in own.values())
    if n_weights > n_bytes:
        raise ValueError(f"it wants {n_weights} weights, the file has {n_bytes} bytes")
    first_names: dict[int, str] = {}  # files may hold what a network shares only once
    for name, tensor in own.items():
        first = first_names.setdefault(id(tensor), name)
        if name not in state and first in state:
            state = state | {name: state[first]}
    blank = {
        name: torch.empty_like(tensor, device="cpu") if tensor.is_meta else tensor
        for name, tensor in own.items()
    }
    torch.nn.Module.load_state_dict(network, blank, assign=True)
    try:
        network.load_state_dict(state, strict=True)  # demucs' own knows names of older files
    except RuntimeError:
        _compare(own, state)
        raise
    if not all(torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise ValueError("some are not numbers")
    network.eval()
    return network


def _compare(own: State, state: State) -> None:
    """Refuse weights of another network, in one sentence."""
    missing = [name for name in own if name not in state]
    if missing:
        raise ValueError(f"{len(missing)} of {len(own)} are missing, {missing[0]} first")
    unknown = [name for name in state if name not in own]
    if unknown:
        raise ValueError(f"{len(unknown)} are not the network's, {unknown[0][:80]} first")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            want, given = (list(shaped.shape) for shaped in (tensor, state[name]))
            raise ValueError(f"{name} has shape {given}, the network's has {want}")
