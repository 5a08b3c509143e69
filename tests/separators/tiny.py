"""Tiny networks of each Demucs class, saved in the layouts of the published files."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

SOURCES = ["drums", "bass", "other", "vocals"]

# Small enough to run in milliseconds, with every part that the published ones have.
TINY: dict[str, dict[str, Any]] = {
    "htdemucs": {
        "channels": 8,
        "depth": 4,
        "dconv_mode": 3,
        "bottom_channels": 16,
        "t_layers": 2,
        "t_heads": 2,
        "segment": Fraction(3, 5),
        "nfft": 4096,
    },
    "hdemucs": {"channels": 4, "depth": 6, "segment": 0.5},
    "demucs": {"channels": 4, "depth": 4, "segment": 0.5, "lstm_layers": 1},
}


def build(kind: str, seed: int = 0, sources: list[str] = SOURCES, **changes: Any) -> Any:
    """Make a seeded random network; demucs remembers its arguments for saving."""
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    classes = {"htdemucs": HTDemucs, "hdemucs": HDemucs, "demucs": Demucs}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return classes[kind](sources=sources, **(TINY[kind] | changes)).eval()


def save_safetensors(network: Any, path: Path, **replaced: str) -> Path:
    """Write the layout of demucs' tools/export_hf.py."""
    from safetensors.torch import save_file

    def fraction(value: Any) -> Any:
        return {
            "_type": "fraction",
            "numerator": value.numerator,
            "denominator": value.denominator,
        }

    args, kwargs = network._init_args_kwargs
    metadata = {
        "klass": f"{type(network).__module__}.{type(network).__qualname__}",
        "args": json.dumps(args, default=fraction),
        "kwargs": json.dumps(kwargs, default=fraction),
    }
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file(state, path, metadata=metadata | replaced)
    return path


def save_package(network: Any, path: Path, **replaced: Any) -> Path:
    """Write the layout of demucs.states.serialize_model; the metrics hold numpy numbers."""
    args, kwargs = network._init_args_kwargs
    package = {
        "klass": type(network),
        "args": args,
        "kwargs": kwargs,
        "state": network.state_dict(),
        "training_args": {"lr": 3e-4, "dset": {"musdb": "/data"}},
        "metrics": [{"valid": {"nsdr": np.float64(7.5)}}],
    }
    torch.save(package | replaced, path)
    return path


def with_checksum(path: Path) -> Path:
    """Rename `<sig>.th` to `<sig>-<sha8>.th`, as published."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return path.rename(path.with_name(f"{path.stem}-{digest}.th"))
