"""The tone tools of a mastering bus on three minutes of stereo, against pedalboard's filters.

    python tests/benchmarks/bench_tone.py [--seconds 180] [--song FILE]

One thread, process CPU time, best of two, peers in between in the same run. Speed is times real
time; the ratio is the time of ours over that of the peer beside it: pedalboard has no filter of
linear phase, no mid and side, no oversampling and no level match, and runs in float32, so it
does less. Below: how far each equaliser is from the analogue curve up to 20 kHz at 44.1 kHz.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pedalboard
import soundfile

from stemfx.audio import Audio
from stemfx.dsp.equaliser import bell, magnitude
from stemfx.registry import build_registry
from stemfx.stage import StageContext
from stemfx.testing import apply

RATE = 44_100
FIVE = [
    {"type": "low_shelf", "freq_hz": 80.0, "gain_db": 1.5},
    {"freq_hz": 300.0, "gain_db": -1.5},
    {"freq_hz": 1000.0, "gain_db": 1.0},
    {"freq_hz": 4000.0, "gain_db": -1.0},
    {"type": "high_shelf", "freq_hz": 12_000.0, "gain_db": 1.5},
]
MID_SIDE = [{**band, "on": on} for band, on in zip(FIVE, ["mid", "side"] * 3, strict=False)]


def made(seconds: float) -> Audio:
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * RATE)) / RATE
    beat = np.exp(-8 * (t % 0.5))
    noise = rng.standard_normal((2, t.size), dtype=np.float32)
    return Audio(0.1 * beat * noise + 0.1 * np.sin(2 * np.pi * 220 * t), RATE)


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def peers() -> dict[str, Any]:
    five = [
        pedalboard.LowShelfFilter(80, 1.5),
        pedalboard.PeakFilter(300, -1.5),
        pedalboard.PeakFilter(1000, 1.0),
        pedalboard.PeakFilter(4000, -1.0),
        pedalboard.HighShelfFilter(12_000, 1.5),
    ]
    return {
        "5 filters": pedalboard.Pedalboard(five),
        "HighpassFilter": pedalboard.HighpassFilter(20),
        "Distortion": pedalboard.Distortion(6),
        "Gain": pedalboard.Gain(1),
    }


JOBS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("eq", {"bands": FIVE}, "5 filters"),
    ("eq", {"bands": MID_SIDE}, "5 filters"),
    ("eq", {"bands": FIVE, "phase": "linear"}, "5 filters"),
    ("high_pass", {"cutoff_hz": 20.0}, "HighpassFilter"),
    ("saturate", {"drive_db": 3.0}, "Distortion"),
    ("saturate", {"drive_db": 3.0, "kind": "tape"}, "Distortion"),
    ("saturate", {"drive_db": 3.0, "kind": "clip"}, "Distortion"),
    ("saturate", {"drive_db": 15.0, "kind": "tape"}, "Distortion"),
    ("exciter", {}, "Distortion"),
    ("exciter", {"band": "low"}, "Distortion"),
    ("width", {"bands": [{"high_hz": 150.0, "width": 0.0}]}, "5 filters"),
    ("fade", {"in_s": 0.01, "out_s": 8.0}, "Gain"),
)


def speeds(audio: Audio) -> None:
    stages, found = build_registry().stages, peers()
    for name, params, peer in JOBS:  # imports and caches first
        apply(stages[name], Audio(audio.samples[:, :RATE], RATE), **params)
        found[peer](audio.samples[:, :RATE], RATE)
    print(f"{audio.duration_s:.0f} s of stereo, CPU time of one core")
    for name, params, peer in JOBS:
        stage, ours, theirs = stages[name], [], []
        for _ in range(2):
            context = StageContext()
            blocks = stage.process(audio, stage.params(**params), context)
            ours.append(cpu_seconds(lambda: sum(b.shape[1] for b in blocks)))  # noqa: B023
            theirs.append(cpu_seconds(lambda: found[peer](audio.samples, RATE)))  # noqa: B023
        told = {k: v for k, v in params.items() if k != "bands"}
        told |= {"on": "mid, side"} if params.get("bands") is MID_SIDE else {}
        speed, ratio = audio.duration_s / min(ours), min(ours) / min(theirs)
        print(
            f"  {name:10} {told or ''!s:38} {min(ours):6.2f} s {speed:6.0f} x"
            f"   {ratio:5.1f} x the time of {peer}"
        )


def errors() -> None:
    stage = build_registry().stages["eq"]
    n = 1 << 16
    impulse = np.zeros((2, n), np.float32)
    impulse[:, n // 2] = 1.0
    freq_hz = np.fft.rfftfreq(n, 1 / RATE)
    held = (freq_hz >= 20) & (freq_hz <= 20_000)
    print("error from the analogue curve, 20 Hz to 20 kHz, dB: minimum  linear  pedalboard")
    for centre_hz in (100.0, 1000.0, 10_000.0, 16_000.0):
        target = magnitude([bell(centre_hz, 6.0, 1.0)], freq_hz)
        band = {"freq_hz": centre_hz, "gain_db": 6.0, "q": 1.0}
        outs = [
            apply(stage, Audio(impulse, RATE), bands=[band], phase=phase)[0].samples
            for phase in ("minimum", "linear")
        ]
        outs.append(pedalboard.PeakFilter(centre_hz, 6.0, 1.0)(impulse, RATE))
        worst = [
            np.abs(20 * np.log10(np.abs(np.fft.rfft(out[0])) / target))[held].max() for out in outs
        ]
        print(f"  bell {centre_hz:6.0f} Hz +6 dB, q 1 " + "".join(f"{db:9.3f}" for db in worst))


def distortion(audio: Audio) -> None:
    stages = build_registry().stages
    print("residual, dB: 3, 6 and 12 dB of drive on this music")
    part = Audio(audio.samples[:, : 20 * RATE], RATE)
    for kind in ("soft", "tape", "clip"):
        told = [
            apply(stages["saturate"], part, drive_db=d, kind=kind)[1].measurements["residual_db"]
            for d in (3.0, 6.0, 12.0)
        ]
        print(f"  {kind:5} " + "".join(f"{db:8.1f}" for db in told))
    print(
        "exciter:",
        *(apply(stages["exciter"], part, band=b)[1].measurements for b in ("high", "low")),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--song", type=Path, help="stereo at 44.1 kHz, repeated to --seconds")
    given = parser.parse_args()
    audio = made(given.seconds)
    if given.song:
        samples = soundfile.read(given.song, dtype="float32", always_2d=True)[0].T
        times = -(-audio.n_samples // samples.shape[1])
        audio = Audio(np.tile(samples, times)[:, : audio.n_samples], RATE)
    speeds(audio)
    errors()
    distortion(audio)


if __name__ == "__main__":
    main()
