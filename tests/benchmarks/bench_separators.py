"""HTDemucs of the official size against plain demucs: CPU time, error, wall time and memory.

    python tests/benchmarks/bench_separators.py [ROUNDS]      # default: 3

Weights are random (speed and memory do not depend on them), with the scales of residual branches
drawn as large as after training, since new ones hide what is behind them. Candidates take turns
in one process, so that a neighbour's load meets all of them; ratios are of the fastest round and
the median of rounds. Memory is that of a process of its own.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import torch
from demucs.apply import apply_model
from demucs.demucs import LayerScale
from demucs.htdemucs import HTDemucs
from demucs.transformer import LayerScale as TransformerScale
from torch import Tensor

from stemfx.separators.htdemucs_fast import faster
from stemfx.separators.threads import torch_threads

RATE = 44_100
SEGMENT = 343_980
SONG_S = 60
EXACT_DB, NEAR_DB = -100.0, -60.0


def official() -> Any:
    torch.manual_seed(0)
    network = HTDemucs(
        sources=["drums", "bass", "other", "vocals"],
        dconv_mode=3,
        bottom_channels=512,
        t_dropout=0.02,
        segment=Fraction(39, 5),
    ).eval()
    for module in network.modules():
        if isinstance(module, (LayerScale, TransformerScale)):
            torch.nn.init.uniform_(module.scale, 0.1, 1.0)
    return network


def engines(network: Any) -> dict[str, Callable[[Tensor], Tensor]]:
    def plain(mix: Tensor) -> Tensor:
        with torch.no_grad():
            return network(mix)

    found = {"demucs": plain}
    for label, error_db in (("exact", EXACT_DB), ("near", NEAR_DB)):
        began = time.process_time()
        engine = faster(network, error_db=error_db)
        build_s = time.process_time() - began
        print(f"{label}: {engine.arithmetic} {engine.reason}, built in {build_s:.1f} CPU s")
        found[label] = engine
    return found


def error_db(estimate: Tensor, reference: Tensor) -> float:
    return 20 * math.log10((estimate - reference).norm() / reference.norm())


def print_row(label: str, seconds: dict[str, list[float]], error: float = -math.inf) -> None:
    pairs = [a / b for a, b in zip(seconds["demucs"], seconds[label], strict=True)]
    print(
        f"  {label:8} min {min(seconds[label]):6.2f} s  median"
        f" {statistics.median(seconds[label]):6.2f} s"
        f"  ratio of min {min(seconds['demucs']) / min(seconds[label]):5.2f}"
        f"  median ratio {statistics.median(pairs):5.2f}  error {error:7.1f} dB"
    )


def segments(network: Any, rounds: int) -> None:
    """Time one segment on one thread, in CPU seconds."""
    torch.set_num_threads(1)
    mix = 0.1 * torch.randn(1, 2, SEGMENT)
    candidates = engines(network)
    seconds: dict[str, list[float]] = {label: [] for label in candidates}
    outputs: dict[str, Tensor] = {}
    for run in (*candidates.values(),):
        run(mix)  # the first run of each is slower
    for _ in range(rounds):
        for label, run in candidates.items():
            began = time.process_time()
            outputs[label] = run(mix)
            seconds[label].append(time.process_time() - began)
    print(f"one segment of 7.8 s, one thread, CPU time, {rounds} rounds")
    for label in candidates:
        error = error_db(outputs[label], outputs["demucs"]) if label != "demucs" else -math.inf
        print_row(label, seconds, error)


def separate(run: Callable[[Tensor], Tensor], song: Tensor, workers: int) -> Tensor:
    """Cross-fade segments as `apply_model(shifts=0, split=True, overlap=0.25)` does."""
    step = int(0.75 * SEGMENT)
    ramp = torch.arange(1, SEGMENT + 1).minimum(torch.arange(SEGMENT, 0, -1)).float()
    ramp /= ramp.max()
    n = song.shape[1]
    starts = range(0, n, step)
    padded = torch.nn.functional.pad(song, (0, SEGMENT))

    def one(start: int) -> Tensor:
        here = min(SEGMENT, n - start)
        before = (SEGMENT - here) // 2  # the last one is short: it hears what was before
        with torch_threads(1):
            heard = padded[None, :, start - before : start - before + SEGMENT]
            return run(heard)[0, ..., before : before + here]

    total, weight = torch.zeros(4, *song.shape), torch.zeros(n)
    with ThreadPoolExecutor(workers) as pool:
        for start, estimate in zip(starts, pool.map(one, starts), strict=True):
            here = estimate.shape[-1]
            total[..., start : start + here] += ramp[:here] * estimate
            weight[start : start + here] += ramp[:here]
    return total / weight


def songs(network: Any, rounds: int) -> None:
    """Time a song on two cores, in wall seconds: workers of one thread, or demucs' own way."""
    song = 0.1 * torch.randn(2, SONG_S * RATE)

    def plain(song: Tensor) -> Tensor:
        return apply_model(network, song[None], shifts=0, split=True, overlap=0.25)[0]

    torch.set_num_threads(2)
    candidates: dict[str, Callable[[Tensor], Tensor]] = {"demucs": plain}
    for label, bound_db in (("exact", EXACT_DB), ("near", NEAR_DB)):
        engine = faster(network, error_db=bound_db)
        candidates[label] = lambda song, engine=engine: separate(engine, song, workers=2)
    seconds: dict[str, list[float]] = {label: [] for label in candidates}
    outputs: dict[str, Tensor] = {}
    for _ in range(rounds):
        for label, run in candidates.items():
            began = time.perf_counter()
            outputs[label] = run(song)
            seconds[label].append(time.perf_counter() - began)
    print(f"{SONG_S} s, two cores, wall time, {rounds} rounds")
    for label in candidates:
        error = error_db(outputs[label], outputs["demucs"]) if label != "demucs" else -math.inf
        print_row(label, seconds, error)


def memory(bound_db: float, workers: int) -> None:
    """Separate the song in this process and print its peak memory."""
    network = official()
    engine = faster(network, error_db=bound_db)
    del network
    separate(engine, 0.1 * torch.randn(2, SONG_S * RATE), workers)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    sys.stdout.reconfigure(line_buffering=True)
    if sys.argv[1:2] == ["memory"]:
        memory(float(sys.argv[2]), int(sys.argv[3]))
        return
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
    network = official()
    segments(network, rounds)
    songs(network, rounds)
    del network
    for workers in (1, 2):
        command = [sys.executable, __file__, "memory", str(EXACT_DB), str(workers)]
        peak = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        print(f"peak memory of a process, {SONG_S} s, {workers} workers: {float(peak):.2f} GiB")


if __name__ == "__main__":
    main()
