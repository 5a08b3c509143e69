"""Drum stems with known hits, played by the built-in kit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stemfx.audio import Audio
from stemfx.hits import Hit
from stemfx.kits.synth import SynthKit

RATE = 44_100


def play(hits: Sequence[Hit], seconds: float, rate: int = RATE, channels: int = 2) -> Audio:
    """Play hits on the built-in kit; its samples begin at their attack."""
    kit = SynthKit()
    out = np.zeros((channels, round(seconds * rate)), np.float32)
    for hit in hits:
        sound = kit.sample(hit.drum_class, hit.velocity, rate).samples.mean(axis=0)
        at = round(hit.time_s * rate)
        part = sound[: out.shape[1] - at]
        out[:, at : at + len(part)] += 0.5 * part
    return Audio(out, rate)


def true_hits(song: Path) -> list[Hit]:
    """Return the hits of a corpus song."""
    return sorted(
        Hit(one["t"], _drum_class(one), one["vel"] / 127)
        for one in json.loads((song / "song.json").read_text("utf-8"))["drums"]
    )


def _drum_class(one: dict) -> str:
    if one["midi"] == 39:
        return "clap"
    if one["class"] == "hat":
        return "hat_open" if one.get("articulation") == "open" else "hat_closed"
    return str(one["class"])


def tenth_s(slice_: np.ndarray, rate: int) -> float:
    """Return when a slice passes 10 % of the peak of its first 30 ms: no part of stemfx."""
    level = np.abs(slice_).max(axis=0)
    return int(np.argmax(level >= 0.1 * level[: round(0.03 * rate)].max())) / rate
