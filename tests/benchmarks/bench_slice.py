"""How exact the samples of `stemfx slice` are, song by song.

`python tests/benchmarks/bench_slice.py SONG...`: folders of stems. For every one-shot: where a
slice passes 10 % of the peak of its first 30 ms (no part of stemfx) and where the attack finder
finds it again, less the documented pre-roll; with a `song.json` beside the stems also how far the
nearest listed hit is from the attack. For loops: whether each is as long as its bars at the tempo
it tells, and the step at the wrap against the largest step inside.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from stemfx.dsp.onsets import attack_s


def bench(song: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-m", "stemfx", "slice", str(song), "-o", f"{folder}/x"]
        subprocess.run([*command, "--json"], check=True, capture_output=True)
        seconds = time.perf_counter() - began
        library = Path(folder) / "x"
        index = json.loads((library / "library.json").read_text("utf-8"))
        shots = [s for s in index["samples"] if s["kind"] == "one-shot"]
        loops = [s for s in index["samples"] if s["kind"] == "loop"]
        again = np.array([_again_ms(library / s["file"], index["pre_roll_s"]) for s in shots])
        truth = _truth_ms(song, shots)
        exact = sum(
            s["length"] == round(s["beats"] * 60 / s["bpm"] * s["sample_rate"]) for s in loops
        )
        wraps = [_wrap(library / s["file"]) for s in loops]
    worst = np.abs(again).max(axis=0) if shots else (np.nan, np.nan)
    n_clean = sum(s["is_clean"] for s in shots)
    return (
        f"{song.name:16} {len(shots):4} ({n_clean} clean) {worst[0]:6.2f} {worst[1]:6.2f} "
        f"{truth:>14} {exact:5}/{len(loops):<4} {max(wraps, default=np.nan):6.2f} {seconds:6.1f}"
    )


def _again_ms(path: Path, pre_roll_s: float) -> tuple[float, float]:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    level = np.abs(sound).max(axis=1)
    tenth_s = np.argmax(level >= 0.1 * level[: round(0.03 * rate)].max()) / rate
    padded = np.pad(sound.T, ((0, 0), (rate // 10, 0)))
    found_s = attack_s(padded, rate, 0.1 + pre_roll_s) - rate // 10 / rate
    return 1000 * (tenth_s - pre_roll_s), 1000 * (found_s - pre_roll_s)


def _truth_ms(song: Path, shots: list[dict]) -> str:
    path = song / "song.json"
    hits = json.loads(path.read_text("utf-8")).get("drums") if path.is_file() else None
    if not hits or not shots:
        return "-"
    attacks = [s["start_s"] + s["attack"] / s["sample_rate"] for s in shots]
    errors = [1000 * min(abs(hit["t"] - at) for hit in hits) for at in attacks]
    return f"{np.median(errors):.2f} / {np.percentile(errors, 95):.2f}"


def _wrap(path: Path) -> float:
    sound, _ = soundfile.read(path, always_2d=True)
    return float(np.abs(sound[0] - sound[-1]).max() / np.abs(np.diff(sound, axis=0)).max())


if __name__ == "__main__":
    print(f"{'song':16} one-shots       10 %    AIC  truth 50/95 %  exact loops   wrap  seconds")
    for name in sys.argv[1:]:
        print(bench(Path(name)))
