"""Plays patterns on the built-in kit, which no classifier was taught."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from stemfx.audio import Audio
from stemfx.hits import Hit
from stemfx.kits.synth import SynthKit

RATE = 44_100
QUIETER_DB = {"hat_closed": -10, "hat_open": -10, "crash": -6, "clap": -3}


def played(hits: Iterable[Hit], seconds: float, channels: int = 1) -> Audio:
    """Return a song of the synth kit; an open hat is silenced by the next hat."""
    samples = np.zeros((channels, round((seconds + 4) * RATE)), np.float32)
    hits = sorted(hits)
    for k, hit in enumerate(hits):
        sound = SynthKit().sample(hit.drum_class, hit.velocity, RATE).samples.copy()
        if hit.drum_class == "hat_open":
            later = (h.time_s for h in hits[k + 1 :] if h.drum_class.startswith("hat"))
            until = round((next(later, seconds + 4) - hit.time_s) * RATE)
            sound[:, until:] = 0
        at = round(hit.time_s * RATE)
        sound *= 0.5 * 10 ** (QUIETER_DB.get(hit.drum_class, 0) / 20)
        samples[:, at : at + sound.shape[1]] += sound[:, : samples.shape[1] - at]
    return Audio(samples[:, : round(seconds * RATE)], RATE)


def rock(bars: int, bpm: float = 110) -> list[Hit]:
    """Return eighths on the hat (the last one open), kick, snare, a crash, and a fill on toms."""
    eighth, hits = 60 / bpm / 2, []
    for bar in range(bars):
        for i in range(8):
            t = 0.3 + (8 * bar + i) * eighth
            if bar % 4 == 3 and i >= 6:
                hits += [Hit(t + k * eighth / 2, "tom", 0.9 - 0.1 * k) for k in range(2)]
                continue
            if i in (0, 3, 4):
                hits.append(Hit(t, "kick", 1.0 if i == 0 else 0.85))
            if i in (2, 6):
                hits.append(Hit(t, "snare", 0.95))
            crashes = i == 0 and bar % 4 == 0
            cymbal = "crash" if crashes else "hat_open" if i == 7 else "hat_closed"
            hits.append(Hit(t, cymbal, 0.9 if i % 2 == 0 else 0.6))
    return sorted(hits)


def f_measure(truth: Sequence[float], heard: Sequence[float], within_s: float = 0.05) -> float:
    """Return the F-measure of two sorted lists of times, each matched once."""
    i = j = matched = 0
    while i < len(truth) and j < len(heard):
        if abs(truth[i] - heard[j]) <= within_s:
            i, j, matched = i + 1, j + 1, matched + 1
        elif truth[i] < heard[j]:
            i += 1
        else:
            j += 1
    return 2 * matched / max(1, len(truth) + len(heard))


def class_f(truth: Iterable[Hit], heard: Iterable[Hit], *classes: str) -> float:
    """Return the F-measure of the hits of some classes, taken as one."""
    times = [[h.time_s for h in hits if h.drum_class in classes] for hits in (truth, heard)]
    return f_measure(*times)


def written(path: Path) -> tuple[list[Hit], list[float]]:
    """Return the true hits of a song of the corpus, ghost notes left out, and those."""
    hits, ghosts = [], []
    for told in json.loads(path.read_text(encoding="utf-8"))["drums"]:
        drum, how = told["class"], told.get("articulation")
        if drum == "hat":
            drum = "hat_open" if how == "open" else "hat_closed"
        elif how == "clap":
            drum = "clap"
        if told.get("ghost"):
            ghosts.append(told["t"])
        else:
            hits.append(Hit(told["t"], drum, told["vel"] / 127))
    return sorted(hits), sorted(ghosts)
