"""A kit to listen to: every drum of it, one after the other, from soft to hard."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Audio
from stemfx.dsp.channels import widen
from stemfx.kit import Kit

VELOCITIES = (0.25, 0.5, 0.75, 1.0)
STEP_S = 0.4
MAX_S = 300.0
PEAK = 0.89  # -1 dBFS


def render(kit: Kit, sample_rate: int) -> Audio:
    """Return stereo of at most five minutes, its peak at -1 dBFS; takes are played in turn."""
    hits = [
        (drum_class, variant, velocity)
        for drum_class in kit.classes
        for variant in kit.variants(drum_class)
        for velocity in VELOCITIES
    ][: int(MAX_S / STEP_S)]
    tail_s = 2.0
    n_samples = round((len(hits) * STEP_S + tail_s) * sample_rate)
    mix = np.zeros((2, n_samples), np.float32)
    for i, (drum_class, variant, velocity) in enumerate(hits):
        take = i % kit.n_takes(drum_class, velocity, variant)
        hit = kit.sample(drum_class, velocity, sample_rate, variant=variant, take=take)
        start = round(i * STEP_S * sample_rate)
        part = widen(hit.samples)[:, : n_samples - start]
        mix[:, start : start + part.shape[1]] += part
    peak = float(np.abs(mix).max(initial=0.0))
    return Audio(mix * np.float32(PEAK / peak) if peak else mix, sample_rate)
