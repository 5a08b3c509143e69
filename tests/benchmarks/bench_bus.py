"""The bus compressors `glue` and `multiband` against pedalboard's Compressor.

    python tests/benchmarks/bench_bus.py [SONG ...]

Speed and neutral null on three minutes of stereo: `multiband` beside a pedalboard.Compressor on
each of four Linkwitz-Riley bands (scipy's Butterworth twice, summed). Then what makes a bus
compressor: at the same mean reduction, how far a kick makes a steady chord go up and down (from
the 5th to the 95th percentile of the gain), and how much a 55 Hz tone is distorted. SONGs get the
same reading of the gain. One thread, process CPU time, best of three, interleaved.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pedalboard
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from stemfx.audio import Audio
from stemfx.dsp.units import gain_to_db, power_to_db
from stemfx.registry import build_registry
from stemfx.stage import StageContext
from stemfx.testing import apply, null_db

SECONDS, RATE, ROUNDS = 180, 44_100, 3
EDGES_HZ = (120.0, 800.0, 4500.0)
MEAN_DB = 1.5
STAGES = build_registry().stages
Process = Callable[[Audio, float], tuple[Audio, float]]
"""From a signal and a threshold in LU to what comes out, and the make-up gain in it in dB."""


# ---------------------------------------------------------------------------- signals


def beat(seconds: float, kick: float = 0.5) -> Audio:
    """Return a steady chord over a kick at 120 BPM."""
    t = np.arange(int(seconds * RATE)) / RATE
    chord = sum(0.05 * np.sin(2 * np.pi * hz * t) for hz in (220, 277.2, 329.6, 440, 1108.7))
    since = t % 0.5
    hit = kick * np.exp(-9 * since) * np.sin(2 * np.pi * 52 * since + 9 * np.exp(-60 * since))
    side = 0.02 * np.random.default_rng(0).standard_normal(t.size)
    return Audio(np.float32([chord + hit + side, chord + hit - side]), RATE)


def tone() -> Audio:
    t = np.arange(4 * RATE) / RATE
    return Audio(np.float32([0.5 * np.sin(2 * np.pi * 55 * t)] * 2), RATE)


# ---------------------------------------------------------------------------- compressors


def ours(name: str, **params: Any) -> Process:
    def process(audio: Audio, threshold_lu: float) -> tuple[Audio, float]:
        out, context = apply(STAGES[name], audio, threshold_lu=threshold_lu, **params)
        return out, float(context.measurements["makeup_db"])

    return process


def pedalboards(audio: Audio, threshold_lu: float) -> tuple[Audio, float]:
    board = pedalboard.Pedalboard([pedalboard.Compressor(threshold_lu - 15, 2.0, 10.0, 120.0)])
    return Audio(board(audio.samples, RATE), RATE), 0.0


BUSES: dict[str, Process] = {
    "glue": ours("glue", max_reduction_db=24.0),
    "glue, sidechain_hz: 0": ours("glue", max_reduction_db=24.0, sidechain_hz=0.0),
    "compress, ratio 2": ours("compress", ratio=2.0),
    "compress, auto, 100 Hz": ours("compress", ratio=2.0, release_ms="auto", sidechain_hz=100.0),
    "pedalboard.Compressor": pedalboards,
}


def bands(samples: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Split by three 24 dB/octave Linkwitz-Riley crossovers, one after the other."""
    split, rest = [], samples
    for hz in EDGES_HZ:
        low, high = (butter(2, hz, kind, fs=RATE, output="sos") for kind in ("low", "high"))
        split.append(sosfilt(low, sosfilt(low, rest)))
        rest = sosfilt(high, sosfilt(high, rest))
    return [*split, rest]


def peer_multiband(audio: Audio, ratio: float) -> Audio:
    board = pedalboard.Pedalboard([pedalboard.Compressor(-30, ratio, 10.0, 120.0)])
    return Audio(sum(board(band.astype(np.float32), RATE) for band in bands(audio.samples)), RATE)


# ---------------------------------------------------------------------------- readings


def gains_db(before: Audio, after: Audio) -> NDArray[np.float64]:
    """Return the gain of every 10 ms in which something is heard, in dB."""
    n = RATE // 100
    x, y = (
        a.samples[:, : a.n_samples // n * n].astype(float).reshape(2, -1, n)
        for a in (before, after)
    )
    power, cross = (x * x).sum(axis=(0, 2)), (x * y).sum(axis=(0, 2))
    heard = power > 1e-3 * power.mean()
    return gain_to_db(cross[heard] / power[heard])


def at_mean_reduction(process: Process, audio: Audio) -> Audio:
    """Return what comes out at the threshold with `MEAN_DB` of reduction on average."""
    low, high = -25.0, 25.0
    for _ in range(14):
        threshold_lu = (low + high) / 2
        out, makeup_db = process(audio, threshold_lu)
        is_deep = makeup_db - gains_db(audio, out).mean() > MEAN_DB
        low, high = (threshold_lu, high) if is_deep else (low, threshold_lu)
    return out


def swing_db(before: Audio, after: Audio) -> float:
    low, high = np.percentile(gains_db(before, after), [5, 95])
    return float(high - low)


def distortion_db(process: Process) -> float:
    """Return what is not the 55 Hz tone, relative to it."""
    out = at_mean_reduction(process, tone()).samples[0, 2 * RATE :].astype(float)
    t = np.arange(len(out)) / RATE
    basis = np.stack([np.sin(2 * np.pi * 55 * t), np.cos(2 * np.pi * 55 * t)])
    fitted = basis.T @ (basis @ out * 2 / len(out))
    return power_to_db(float(np.sum((out - fitted) ** 2))) - power_to_db(float(np.sum(fitted**2)))


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def run(name: str, audio: Audio, **params: Any) -> int:
    stage = STAGES[name]
    blocks = stage.process(audio, stage.params(**params), StageContext())
    return sum(block.shape[1] for block in blocks)


def main() -> None:
    audio = beat(SECONDS)
    works: dict[str, Callable[[], object]] = {
        name: functools.partial(run, name, audio) for name in ("glue", "compress", "multiband")
    }
    works["pedalboard x 4 LR4"] = lambda: peer_multiband(audio, 1.5)
    took = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            took[name].append(cpu_seconds(work))
    best = {name: min(seconds) for name, seconds in took.items()}
    peer = best["pedalboard x 4 LR4"]
    for name, seconds in best.items():
        fast, ratio = SECONDS / seconds, seconds / peer
        print(f"{name:24} {seconds:5.2f} s {fast:5.0f} x real time {ratio:.2f} x peer")

    short = beat(20)
    neutral = apply(STAGES["multiband"], short, ratio=1.0)[0]
    print(f"neutral null: multiband {null_db(short, neutral):.0f} dB", end=", ")
    print(f"pedalboard x 4 LR4 {null_db(short, peer_multiband(short, 1.0)):.1f} dB")

    songs = [(path.split("/")[-2], read(path)) for path in sys.argv[1:]]
    print(f"swing of the gain in dB at {MEAN_DB} dB mean reduction; distortion of a 55 Hz tone")
    for name, process in BUSES.items():
        swings = [
            f"{label} {swing_db(a, at_mean_reduction(process, a)):4.1f}"
            for label, a in [("kick and chord", beat(12)), *songs]
        ]
        print(f"  {name:24} {', '.join(swings)}; distortion {distortion_db(process):.1f} dB")


def read(path: str) -> Audio:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Audio(np.ascontiguousarray(samples.T[:, 20 * rate : 50 * rate]), rate)


if __name__ == "__main__":
    main()
