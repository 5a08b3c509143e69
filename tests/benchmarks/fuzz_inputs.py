"""Read changed files of every kind on demand, and count what becomes of them.

    python tests/benchmarks/fuzz_inputs.py recipe=100000 audio=50000 hits=5000

Kinds: those of `tests/fuzzing.py`; bundles have `fuzz_bundles.py`. Each kind is read in a process
of its own, so that a crash in C or a hang is found as well; the input that did it is kept.

Printed for each kind: how many were read, refused and crashed, by the type of the exception; the
longest time; the most memory of the process, and before the first input. A crash is any exception
but `StemfxError`, and an error whose text has control characters or more than 300 kB. Fails on a
crash, on more than 2 s and on more than 500 MB over what the process had before.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from stemfx.errors import StemfxError

LONGEST_S = 2.0
MOST_MB = 500
HANGS_AFTER_S = 20.0


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ending(read: Callable[[Path], object], path: Path) -> str:
    """Read one file; say how that ended."""
    try:
        read(path)
    except StemfxError as refused:
        text = str(refused)
        odd = len(text) > 300_000 or not text.replace("\n", "").isprintable()
        return f"crash: says {text[:200]!r}" if odd else f"refused: {type(refused).__name__}"
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        return f"crash: {type(error).__name__}: {error}"[:300]
    return "read"


def work(kind: str, n: int, seed: int, folder: Path) -> None:
    """Read inputs of one kind; print one line of JSON."""
    from fuzzing import KINDS

    fuzzed = KINDS[kind]
    inputs = fuzzed.inputs(seed)
    inside = folder / "in"
    inside.mkdir()
    for name, data in islice(inputs, 40):  # what is loaded once
        (inside / name).write_bytes(data)
        ending(fuzzed.read, inside / name)
    before = peak_mb()
    counts: Counter[str] = Counter()
    worst_s, worst, crashes = 0.0, "", []
    start = time.perf_counter()
    for i, (name, data) in enumerate(islice(inputs, n)):
        path = inside / name
        path.write_bytes(data)
        faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
        had, at = peak_mb(), time.perf_counter()
        ended = ending(fuzzed.read, path)
        took_s, grew = time.perf_counter() - at, peak_mb() - had
        counts[ended.partition(": ")[2] or ended] += 1
        if took_s > worst_s:
            worst_s, worst = took_s, f"input {i}, {name}"
        is_bad = ended.startswith("crash") or took_s > LONGEST_S or grew > 100
        if is_bad and len(crashes) < 50:
            kept = folder / f"kept-{i}-{name}"
            kept.write_bytes(data)
            crashes.append(f"{kept.name}: {took_s:.2f} s, +{grew:.0f} MB, {ended}")
        path.unlink(missing_ok=True)
    faulthandler.cancel_dump_traceback_later()
    told = {
        "n": n,
        "seconds": time.perf_counter() - start,
        "counts": counts,
        "worst_s": worst_s,
        "worst": worst,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "crashes": crashes,
    }
    print(json.dumps(told))


def fuzz(kind: str, n: int, seed: int, keep: Path) -> bool:
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{kind}-"))
    command = [sys.executable, __file__, "--work", str(folder), "--seed", str(seed), f"{kind}={n}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        keep.mkdir(parents=True, exist_ok=True)
        kept = shutil.copytree(folder / "in", keep / f"{kind}-{seed}-died", dirs_exist_ok=True)
        print(f"{kind}: THE PROCESS ENDED with {done.returncode}; its last input is in {kept}")
        print(done.stderr[-2_000:])
        shutil.rmtree(folder)
        return False
    told = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{kind:8} {told['n']:8,} inputs in {told['seconds']:6.1f} s; "
        f"longest {told['worst_s']:.3f} s ({told['worst']}); "
        f"memory {told['before_mb']:.0f} -> {told['peak_mb']:.0f} MB; "
        f"{len(told['crashes'])} crashes; seed {seed}"
    )
    for ended, count in sorted(told["counts"].items(), key=lambda pair: -pair[1])[:30]:
        print(f"         {count:8,} {ended}")
    for crash in told["crashes"]:
        print(f"    {crash}")
    if told["crashes"]:
        keep.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("kept-*"):
            shutil.copy(path, keep / f"{kind}-{seed}-{path.name}")
        print(f"    the inputs are in {keep}")
    shutil.rmtree(folder)
    grew = told["peak_mb"] - told["before_mb"]
    return not told["crashes"] and told["worst_s"] <= LONGEST_S and grew <= MOST_MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+", metavar="KIND=N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir(), "stemfx-fuzz"))
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    wanted = [(kind, int(n)) for kind, _, n in (each.partition("=") for each in options.kinds)]
    if options.work:
        work(*wanted[0], options.seed, options.work)
        return
    held = [fuzz(kind, n, options.seed, options.keep) for kind, n in wanted]
    if not all(held):
        sys.exit(1)


if __name__ == "__main__":
    main()
