"""Peak memory and speed of whole separations, by length of the song.

    python tests/benchmarks/bench_memory.py MODEL MINUTES [MINUTES ...] [--without-network]

MODEL is a name or path as `--model` takes it, or `random-htdemucs` for the official size with
random weights (speed and memory do not depend on them). The song is noise made on the way, so
that it takes no memory. Each figure is a process of its own. With `--without-network` a demucs
network gives its input back, which leaves what handles a long song: minutes instead of hours.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block
from stemfx.registry import build_registry
from stemfx.separator import SeparationContext, Separator
from stemfx.separators import demucs

RATE = 44_100


class Noise:
    """A stereo song of any length that is made anew whenever it is read."""

    sample_rate, channels = RATE, 2

    def __init__(self, n_samples: int) -> None:
        self.n_samples = n_samples
        self._second = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) / 10

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        stop = min(self.n_samples if stop is None else stop, self.n_samples)
        at = np.arange(max(0, start), max(0, stop)) % RATE
        return self._second[:, at]

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)


def save_random_htdemucs(path: Path) -> None:
    from safetensors.torch import save_file

    network = importlib.import_module("bench_separators").official()
    names = ("sources", "dconv_mode", "bottom_channels", "t_dropout")
    arguments: dict[str, Any] = {name: network._init_args_kwargs[1][name] for name in names}
    arguments["segment"] = {"_type": "fraction", "numerator": 39, "denominator": 5}
    kinds = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(arguments)}
    save_file(network.state_dict(), path, metadata=kinds)


def find(model: str) -> Separator:
    registry = build_registry()
    found = registry.separators.get(model) or registry.open_model(Path(model))
    if found is None:
        sys.exit(f"{model} is no model")
    return found


def without_network(network: Any, **_: Any) -> Any:
    def run(mix: Any) -> Any:
        return mix[:, None].repeat(1, len(network.sources), 1, 1)

    run.arithmetic, run.error_db = "none", -np.inf  # type: ignore[attr-defined]
    return run


def measure(model: str, minutes: float, *, is_stubbed: bool) -> None:
    """Separate in this process; print seconds and the process's peak memory in MiB."""
    if is_stubbed:
        demucs.faster = without_network  # type: ignore[assignment]
    separator, song = find(model), Noise(round(minutes * 60 * RATE))
    began = time.perf_counter()
    done = 0
    for block in separator.separate(song, separator.card.stems, SeparationContext()):
        done += block.shape[-1]
    assert done == song.n_samples
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    model, *more = sys.argv[1:]
    if more[0] == "here":
        measure(model, float(more[1]), is_stubbed=more[2] == "True")
        return
    is_stubbed = "--without-network" in more
    with tempfile.TemporaryDirectory() as name:
        if model == "random-htdemucs":
            model = str(Path(name) / "random.safetensors")
            save_random_htdemucs(Path(model))
        for minutes in (float(text) for text in more if not text.startswith("--")):
            command = [sys.executable, __file__, model, "here", str(minutes), str(is_stubbed)]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            seconds, peak = map(float, out.split())
            print(
                f"{minutes:5g} min  {seconds:8.1f} s  {60 * minutes / seconds:6.1f} x real time"
                f"  peak {peak:6.0f} MiB" + ("  (without network)" if is_stubbed else "")
            )


if __name__ == "__main__":
    main()
