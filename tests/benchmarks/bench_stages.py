"""Every stage's speed on three minutes of stereo, against pedalboard's nearest effect.

    python tests/benchmarks/bench_stages.py [STAGE ...]

One thread, process CPU time, best of three, interleaved with the peer: a gain and a compressor
of pedalboard over the same samples.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pedalboard

from stemfx.audio import Audio
from stemfx.registry import build_registry
from stemfx.stage import StageContext

SECONDS, RATE, ROUNDS = 180, 44_100, 3
REQUIRED = {"duck": {"by": "key"}, "vst3": None}


def song() -> Audio:
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * RATE) / RATE
    beat = np.exp(-8 * (t % 0.5))
    noise = rng.standard_normal((2, t.size), dtype=np.float32)
    return Audio(0.1 * beat * noise + 0.1 * np.sin(2 * np.pi * 220 * t), RATE)


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    audio = song()
    stages = build_registry().stages
    peer = pedalboard.Pedalboard([pedalboard.Gain(1), pedalboard.Compressor(-20, 3)])
    print(f"{SECONDS} s of stereo; peer: pedalboard Gain + Compressor")
    for name in sys.argv[1:] or stages:
        required = REQUIRED.get(name, {})
        if required is None:
            print(f"  {name:12} needs a plugin file")
            continue
        stage, params = stages[name], stages[name].params(**required)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            context = StageContext(sidechains={"key": audio})
            ours.append(
                cpu_seconds(lambda: sum(b.shape[1] for b in stage.process(audio, params, context)))  # noqa: B023
            )
            theirs.append(cpu_seconds(lambda: peer(audio.samples, RATE)))
        ratio = min(ours) / min(theirs)
        print(f"  {name:12} {1000 * min(ours):7.0f} ms  {ratio:5.2f} x peer")


if __name__ == "__main__":
    main()
