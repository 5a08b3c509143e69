"""Fit the weights of `stemfx.music.form_weights` to made songs, and print them.

    python tests/benchmarks/learn_form.py [--loops 40] [--through 30]

Ideas of loops (seeds from 1 on, four takes each) and of short songs that go on without repeating
(seeds from 5001 on, one take), each read as a mixture and with its stems; of every take also cuts
of two to five sections, so that songs without repetition count. Logistic regression with a small
penalty. Takes about 20 minutes; `bench_form.py` measures on other seeds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from bench_form import KINDS, Truth, made_truth, near_bars
from made_forms import Take, made_idea, made_take, other_form
from scipy.optimize import minimize

from stemfx.music.bar_features import Bars, read_bars
from stemfx.music.bar_pairs import pair_cues
from stemfx.music.beat_map import read_beats
from stemfx.music.borders import border_cues, distances
from stemfx.music.listen import listen
from stemfx.music.read import read
from stemfx.music.sections import likeness
from stemfx.music_reading import MusicReading

THROUGH_WEIGHT = 6  # there are fewer of them
Row = tuple[np.ndarray, bool]


def fitted(rows: list[Row], penalty: float) -> np.ndarray:
    x = np.array([[*cues, 1.0] for cues, _ in rows])
    y = np.array([is_so for _, is_so in rows], float)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z, shrunk = x @ w, np.append(w[:-1], 0.0)
        slope = x.T @ (1 / (1 + np.exp(-np.clip(z, -50, 50))) - y) + 2 * penalty * shrunk
        return float(np.logaddexp(0, z).sum() - z @ y + penalty * shrunk @ shrunk), slope

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x


def cut(bars: Bars, first: int, end: int) -> Bars:
    edges = np.append(bars.starts_s, bars.end_s)
    names = ("chords", "sound", "rhythm", "levels", "onsets")
    parts = {name: getattr(bars, name)[first:end] for name in names}
    return replace(bars, starts_s=edges[first:end], end_s=float(edges[end]), **parts)


def cuts(bars: Bars, edges: list[int], kinds: list[str], rng, n: int) -> Iterator[tuple]:
    yield bars, edges, kinds
    for size in rng.integers(2, 6, n):
        if size < len(kinds):
            i = int(rng.integers(len(kinds) - size + 1))
            first, end = edges[i], edges[i + size]
            inner = [edge - first for edge in edges[i : i + size + 1]]
            yield cut(bars, first, end), inner, kinds[i : i + size]


def form_rows(take: Take, heard, rng, n_cuts: int) -> tuple[list[Row], list[Row]]:
    """Return cues of bar lines that are borders or not, and of sections that are alike or not."""
    beats = read_beats(heard)
    if beats.downbeats_s.size < 4:
        return [], []
    bars = read_bars(heard, beats.downbeats_s, float(np.median(np.diff(beats.downbeats_s))))
    begins = take.bars_s[[*(first for _, first in take.parts), -1]]
    ends = np.append(bars.starts_s, bars.end_s)
    edges = [int(np.abs(ends - t).argmin()) for t in begins]
    borders, pairs = [], []
    if min(np.diff(edges)) < 1:
        return [], []
    for part, inner, kinds in cuts(bars, edges, [p.kind for p, _ in take.parts], rng, n_cuts):
        if len(part.starts_s) < 4:
            continue
        apart = distances(part)
        borders += [(cue, k in inner) for k, cue in enumerate(border_cues(apart)) if k]
        spans = list(zip(inner, inner[1:], kinds, strict=False))
        pairs += [(likeness(apart, a[:2], b[:2]), a[2] == b[2]) for a, b in combinations(spans, 2)]
    return borders, pairs


def arrays(reading: MusicReading) -> tuple[np.ndarray, np.ndarray]:
    begins = np.zeros(len(reading.bars))
    begins[[section.first_bar - 1 for section in reading.sections]] = 1
    return np.array(reading.bars), begins


def match_rows(one: Truth, two: Truth, a: MusicReading, b: MusicReading, rng) -> list[Row]:
    """Return cues of bars that mean one another, and of three times as many that do not."""
    (rows, begins), (other, begins_other) = arrays(a), arrays(b)
    cues = pair_cues(rows, other, begins, begins_other)
    at, at_other = near_bars(one, a), near_bars(two, b)
    place = {two.bars[bar]: j for j, bar in enumerate(at_other) if bar >= 0}
    right = [(i, place.get(one.bars[bar], -1)) for i, bar in enumerate(at) if bar >= 0]
    right = [(i, j) for i, j in right if j >= 0]
    if len(right) < 4:
        return []
    t = int(np.argmax([np.mean([cues[t, i, j, 0] for i, j in right]) for t in range(12)]))
    found = [(cues[t, i, j], True) for i, j in right]
    for i, right_j in right:
        bar = two.bars[at_other[right_j]][::2]
        strangers = [j for j in rng.integers(len(other), size=3) if at_other[j] >= 0]
        found += [(cues[t, i, j], False) for j in strangers if two.bars[at_other[j]][::2] != bar]
        found.append((cues[(t + rng.integers(1, 12)) % 12, i, rng.integers(len(other))], False))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=40)
    parser.add_argument("--through", type=int, default=30)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    borders: list[Row] = []
    pairs: list[Row] = []
    matched: list[Row] = []
    for seed in range(1, options.loops + 1):
        idea, readings = made_idea(seed), {}
        for n, form in enumerate((idea, idea, other_form(idea, seed)), 1):
            take = made_take(form, 100 * seed + n)
            for kind in KINDS:
                heard = listen(take.mixture, take.stems if kind == "stems" else {})
                readings[n, kind] = made_truth(take), read(heard)
                more, more_pairs = form_rows(take, heard, rng, 4)
                borders, pairs = borders + more, pairs + more_pairs
        for kind in KINDS:
            for n in (2, 3):
                (one, a), (two, b) = readings[1, kind], readings[n, kind]
                matched += match_rows(one, two, a, b, rng)
    for seed in range(5_001, 5_001 + options.through):
        take = made_take(made_idea(seed, "through"), 100 * seed)
        for kind in KINDS:
            heard = listen(take.mixture, take.stems if kind == "stems" else {})
            more, more_pairs = form_rows(take, heard, rng, 1)
            borders, pairs = borders + THROUGH_WEIGHT * more, pairs + THROUGH_WEIGHT * more_pairs
    for name, rows, penalty in (
        *(("BORDER_WEIGHTS", borders, 3.0), ("ALIKE_WEIGHTS", pairs, 1.0)),
        ("PAIR_WEIGHTS", matched, 1.0),
    ):
        if rows:
            print(name, "=", np.round(fitted(rows, penalty), 3).tolist())


if __name__ == "__main__":
    main()
