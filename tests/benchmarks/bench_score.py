"""What BSS Eval and all of `stemfx score` cost against museval, and how far they agree.

    python tests/benchmarks/bench_score.py [--seconds 10] [TRUE_STEMS ESTIMATES]

Without folders the stems are those of the demo song, with leaks and noise added. One thread,
process CPU time, ours and museval's by turns; the ratio is that of the best of each.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.bss_eval import bss_eval
from stemfx.io import Encoding, probe, read_blocks, write
from stemfx.scoring.material import find_material
from stemfx.scoring.measure import score

ROUNDS = 2
Sources = NDArray[np.float32]


def museval_metrics() -> Any:
    """Load museval's algorithm alone; the package wants ffmpeg and data sets."""
    spec = importlib.util.find_spec("museval")
    if spec is None:
        sys.exit("pip install museval")
    package = ModuleType("museval")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["museval"] = package
    return importlib.import_module("museval.metrics")


def made_up(seconds: float) -> tuple[list[str], Sources, Sources, int]:
    stems = demo_song()
    rate = next(iter(stems.values())).sample_rate
    first = 4 * rate  # where all of them play
    references = np.stack(
        [stem.samples[:, first : first + round(seconds * rate)] for stem in stems.values()]
    )
    mixture = references.sum(axis=0)
    noise = np.random.default_rng(0).standard_normal(references.shape).astype(np.float32)
    level = np.sqrt(np.mean(np.square(references), axis=(1, 2), keepdims=True))
    estimates = references + 0.15 * (mixture - references) + 0.05 * level * noise
    return list(stems), references, estimates, rate


def from_folders(
    true: Path, estimated: Path, seconds: float
) -> tuple[list[str], Sources, Sources, int]:
    material = find_material(true, estimated)
    n = round(seconds * material.sample_rate)

    def read(path: Path) -> Sources:
        return np.concatenate(list(read_blocks(probe(path))), axis=1)[:, :n]

    names = list(material.estimates)
    references = np.stack([read(material.references[name].path) for name in names])
    estimates = np.stack([read(material.estimates[name].path) for name in names])
    return names, references, estimates, material.sample_rate


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("folders", nargs="*", type=Path)
    given = parser.parse_args()
    names, references, estimates, rate = (
        from_folders(*given.folders, given.seconds) if given.folders else made_up(given.seconds)
    )
    seconds = references.shape[-1] / rate
    museval = museval_metrics()
    turned = references.transpose(0, 2, 1), estimates.transpose(0, 2, 1)
    with tempfile.TemporaryDirectory() as folder:
        true, estimated = Path(folder, "true"), Path(folder, "estimated")
        for name, r, e in zip(names, references, estimates, strict=True):
            write(true / f"{name}.wav", Audio(r, rate), Encoding("wav", 32))
            write(estimated / f"{name}.wav", Audio(e, rate), Encoding("wav", 32))
        bss_s, all_s, museval_s = [], [], []
        for _ in range(ROUNDS):
            cost, ours = timed(lambda: bss_eval(references, estimates, rate))
            bss_s.append(cost)
            cost, theirs = timed(lambda: museval.bss_eval(*turned, window=rate, hop=rate))
            museval_s.append(cost)
            cost, _ = timed(lambda: score(find_material(true, estimated)))
            all_s.append(cost)
    print(f"{len(names)} stems, {references.shape[1]} channels, {seconds:.1f} s at {rate} Hz")
    print(f"  museval.bss_eval      {min(museval_s):7.2f} s CPU")
    for what, costs in (("stemfx bss_eval", bss_s), ("stemfx score, all", all_s)):
        cost = min(costs)
        print(f"  {what:20}  {cost:7.2f} s CPU  {min(museval_s) / cost:5.1f} x less")
    worst = 0.0
    for k, (name, scores) in enumerate(zip(names, ours, strict=True)):
        told = []
        measures = {"SDR": scores.sdr_db, "ISR": scores.isr_db}
        measures |= {"SIR": scores.sir_db, "SAR": scores.sar_db}
        for (measure, value), frames in zip(measures.items(), theirs[:4], strict=True):
            peer = float(np.nanmedian(frames[k]))
            told.append(f"{measure} {value:6.2f} ({value - peer:+.4f})")
            worst = max(worst, abs(value - peer))
        print(f"  {name:8} {'  '.join(told)}")
    print(f"  largest difference from museval: {worst:.4f} dB")


if __name__ == "__main__":
    main()
