"""How well sections are found and the bars of two takes of one song are matched.

    python tests/benchmarks/bench_form.py [--ideas 20] [--first 1001] [--corpus FOLDER]
                                          [--rearranged 12]

Made songs (`tests/made_forms.py`, fluidsynth and a soundfont needed): from each idea a take A, a
take B of the same form, a take C of another form, and D, A's and another's form with other chords.
--corpus: its songs and generations with their true sections; and its generations with whole bars
cut out, doubled or put in, --rearranged times each pair. All are read (beats too), as a mixture
and with the true stems where there are any.

Borders: share of found ones that are true (P), of true ones that are found (R), within 0.3 and
within 1.3 bars; the song's start and what follows its last bar are no borders. Labels: pairs of
bars of one label, against pairs of bars of one kind of section. Matching: share of the reference's
bars that have a counterpart and got it (the same bar of the same kind of section), or got another;
gaps: bars without a counterpart that got none. The two-song line matches songs of different ideas.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
from made_forms import made_idea, made_take, other_form, unlike

from stemfx.audio import Audio
from stemfx.music import read_music
from stemfx.music.beat_map import read_beats
from stemfx.music.form import Matching, match_bars, read_form
from stemfx.music.listen import listen
from stemfx.music_reading import MusicReading

NEAR_BARS = 0.3
KINDS = ("mixture", "stems")


class Truth(NamedTuple):
    """Where bars begin (and the last one ends), and of each its section's kind, number, place."""

    bars_s: np.ndarray
    bars: tuple[tuple[str, int, int], ...]
    bpm: float

    @property
    def starts(self) -> list[int]:
        return [i for i, bar in enumerate(self.bars) if bar[2] == 0]


def made_truth(take) -> Truth:
    bars = [(part.kind, part.nth, k) for part, _ in take.parts for k in range(part.n_bars)]
    return Truth(take.bars_s, tuple(bars), take.bpm)


def corpus_truth(song: dict[str, Any]) -> Truth:
    bar_s = 240 / song["bpm"]
    bars = [(s["name"], 1, k) for s in song["sections"] for k in range(s["bars"])]
    return Truth(
        song["sections"][0]["start"] + bar_s * np.arange(len(bars) + 1), tuple(bars), song["bpm"]
    )


def near_bars(truth: Truth, reading: MusicReading) -> np.ndarray:
    """Return the true bar that each read one is, or -1."""
    starts, true = np.array(reading.downbeats_s), truth.bars_s[:-1]
    if not starts.size:
        return np.zeros(0, int)
    at = np.abs(starts[:, np.newaxis] - true).argmin(axis=1)
    bar_s = min(np.median(np.diff(true)), np.median(np.diff(starts)) if starts.size > 1 else 9.0)
    return np.where(np.abs(true[at] - starts) < NEAR_BARS * bar_s, at, -1)


def section_counts(truth: Truth, reading: MusicReading) -> dict[str, tuple[float, ...]]:
    """Return hits, found and true borders for each tolerance; shares of pairs of alike bars."""
    bar_s = float(np.median(np.diff(truth.bars_s)))
    true = truth.bars_s[truth.starts][1:]
    found = np.array([s.start_s for s in reading.sections][1:])
    found = found[found < truth.bars_s[-1] - 0.5 * bar_s]
    counts = {}
    for name, bars in (("0", NEAR_BARS), ("1", 1 + NEAR_BARS)):
        free, hits = list(found), 0
        for t in true:
            close = [f for f in free if abs(f - t) < bars * bar_s]
            if close:
                free.remove(min(close, key=lambda f: abs(f - t)))
                hits += 1
        counts[name] = (hits, len(found), len(true))
    middles = truth.bars_s[:-1] + 0.5 * bar_s
    own = np.array([bar[0] for bar in truth.bars])
    begins = np.array([s.start_s for s in reading.sections])
    labels = np.array(["-", *(s.label for s in reading.sections)])
    got = labels[np.searchsorted(begins, middles)]
    pairs = np.triu_indices(len(own), 1)
    same, said = (own[:, None] == own)[pairs], (got[:, None] == got)[pairs]
    both = float((same & said).sum())
    counts["labels"] = (both / max(1, said.sum()), both / max(1, same.sum()))
    return counts


def counterparts(one: Truth, two: Truth) -> set[int]:
    """Return the bars of one that have a counterpart, both songs in order (longest sequence)."""
    a, b = [(k, p) for k, _, p in one.bars], [(k, p) for k, _, p in two.bars]
    long = np.zeros((len(a) + 1, len(b) + 1), int)
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            long[i, j] = max(long[i + 1, j], long[i, j + 1], long[i + 1, j + 1] + (a[i] == b[j]))
    i = j = 0
    found = set()
    while i < len(a) and j < len(b):
        if a[i] == b[j] and long[i, j] == long[i + 1, j + 1] + 1:
            found.add(i)
            i, j = i + 1, j + 1
        elif long[i + 1, j] >= long[i, j + 1]:
            i += 1
        else:
            j += 1
    return found


def match_counts(one: Truth, two: Truth, a: MusicReading, b: MusicReading, octave: float):
    """Return bars right, wrong, bar-on-bar right, all; gaps kept, all; whether bar on bar."""
    matching: Matching = match_bars(a, b, octave=octave)
    at, at_other, due = near_bars(one, a), near_bars(two, b), counterparts(one, two)
    laid = {
        m.first_bar - 1 + k: m.first_bar_of_other - 1 + k / octave
        for m in matching.matches
        for k in range(m.n_bars)
    }
    right = wrong = straight = gaps = n_due = n_gaps = 0
    for i, bar in enumerate(at):
        if bar < 0:
            continue
        fits = [
            int(j) == j and int(j) < len(at_other) and at_other[int(j)] >= 0
            and one.bars[bar][::2] == two.bars[at_other[int(j)]][::2]
            for j in (laid.get(i, -0.5), i / octave)
        ]  # fmt: skip
        if i in laid and octave > 1 and laid[i] % 1:  # the second half of a longer bar
            continue
        if bar in due:
            n_due += 1
            right += fits[0]
            wrong += i in laid and not fits[0]
            straight += fits[1]
        else:
            n_gaps += 1
            gaps += i not in laid
    first = matching.matches[0] if matching.matches else None
    is_straight = (
        first is not None
        and len(matching.matches) == 1
        and (first.first_bar == first.first_bar_of_other == 1)
    )
    return (right, wrong, straight, n_due, gaps, n_gaps, is_straight), matching.confidence


class Table:
    def __init__(self) -> None:
        self.sections: dict[str, list[dict[str, tuple[float, ...]]]] = defaultdict(list)
        self.matches: dict[str, list[tuple[tuple[float, ...], float]]] = defaultdict(list)

    def print(self) -> None:
        for name, rows in sorted(self.sections.items()):
            text = []
            for key in ("0", "1"):
                hits, found, true = np.sum([row[key] for row in rows], axis=0)
                text.append(
                    f"+-{key} bars P {hits / max(1, found):.3f} R {hits / max(1, true):.3f} "
                    f"F {2 * hits / max(1, found + true):.3f}"
                )
            p, r = np.mean([row["labels"] for row in rows], axis=0)
            f = np.mean([2 * a * b / max(a + b, 1e-9) for a, b in (row["labels"] for row in rows)])
            print(
                f"{name:34} ({len(rows)}): {', '.join(text)}; labels P {p:.3f} R {r:.3f} F {f:.3f}"
            )
        for name, rows in sorted(self.matches.items()):
            right, wrong, straight, due, gaps, n_gaps, n_straight = np.sum(
                [r for r, _ in rows], axis=0
            )
            sure = [c for _, c in rows]
            print(
                f"{name:34} ({len(rows)}): bars right {right / max(1, due):.3f}, wrong "
                f"{wrong / max(1, due):.3f} (bar on bar {straight / max(1, due):.3f}); gaps kept "
                f"{gaps:.0f} of {n_gaps:.0f}; bar on bar {n_straight:.0f}; confidence "
                f"{np.percentile(sure, 5):.2f} to {np.percentile(sure, 95):.2f}"
            )


def octave_between(a: MusicReading, b: MusicReading, one: Truth, two: Truth) -> float:
    """Return how many beats of a go with one of b, known from the true tempi."""
    if not a.bpm or not b.bpm:
        return 1.0
    ratio = (a.bpm / one.bpm) / (b.bpm / two.bpm)
    return 2.0 if ratio > 1.6 else 0.5 if ratio < 0.6 else 1.0


def made(table: Table, seeds: range) -> None:
    before: dict[str, tuple[Truth, MusicReading]] = {}
    for seed in seeds:
        idea = made_idea(seed)
        takes = {
            "A": (idea, 1),
            "B": (idea, 2),
            "C": (other_form(idea, seed), 3),
            "D": (other_form(unlike(idea, seed + 50_000), seed + 7), 4),
        }
        read: dict[tuple[str, str], tuple[Truth, MusicReading]] = {}
        for name, (form, n) in takes.items():
            take = made_take(form, 100 * seed + n)
            for kind in KINDS:
                reading = read_music(take.mixture, take.stems if kind == "stems" else {})
                read[name, kind] = made_truth(take), reading
                table.sections[f"made songs, {kind}"].append(section_counts(*read[name, kind]))
        for kind in KINDS:
            one, a = read["A", kind]
            others = {f"made A-{name}, {kind}": read[name, kind] for name in "BCD"}
            if kind in before:
                others[f"two songs, {kind}"] = before[kind]
            for name, (two, b) in others.items():
                octave = 1.0 if name.startswith("two") else octave_between(a, b, one, two)
                table.matches[name].append(match_counts(one, two, a, b, octave))
            before[kind] = read["C", kind]


def rearranged(audio: Audio, truth: Truth, rng: np.random.Generator) -> tuple[Audio, Truth]:
    """Cut whole bars out, double them, or put an intro before them; crossfades of 10 ms."""
    order = list(range(len(truth.bars)))
    starts = [*truth.starts, len(order)]
    change = rng.choice(["intro", "drop", "double", "bar"])
    k = int(rng.integers(1, len(starts) - 2))
    section = order[starts[k] : starts[k + 1]]
    if change == "drop":
        order = [i for i in order if i not in section]
    elif change == "double":
        order[starts[k + 1] : starts[k + 1]] = section
    elif change == "bar":
        order.insert(starts[k], order[starts[k] - 1])
    else:
        order[:0] = order[: 2 * int(rng.integers(1, 3))]
    rate, fade = audio.sample_rate, round(0.01 * audio.sample_rate)
    edges = np.round(truth.bars_s * rate).astype(int)
    pieces = [audio.samples[:, : edges[0]]]
    for at, i in enumerate(order):
        stop = audio.n_samples if at == len(order) - 1 else edges[i + 1]
        pieces.append(audio.samples[:, edges[i] : stop])
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    out = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        faded = piece.copy()
        if before is not None and before.shape[1] >= fade and piece.shape[1] >= fade:
            faded[:, :fade] *= ramp
            out[-1][:, -fade:] *= 1 - ramp
        out.append(faded)
    bar_s = float(truth.bars_s[1] - truth.bars_s[0])
    kinds = tuple(truth.bars[i] for i in order)
    return (
        Audio(np.concatenate(out, axis=1), rate),
        Truth(truth.bars_s[0] + bar_s * np.arange(len(order) + 1), kinds, truth.bpm),
    )


def load(path: Path) -> Audio:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Audio(np.ascontiguousarray(samples.T), rate)


def corpus(table: Table, root: Path, times: int) -> None:
    for path in sorted(root.glob("songs/*/song.json")):
        truth = corpus_truth(json.loads(path.read_text()))
        names = ("vocals", "drums", "bass", "other")
        stems = {name: load(path.parent / f"{name}.flac") for name in names}
        mixture = load(path.parent / "mix.flac")
        for kind in KINDS:
            reading = read_music(mixture, stems if kind == "stems" else {})
            table.sections[f"corpus songs, {kind}"].append(section_counts(truth, reading))
            print(
                path.parent.name, kind, [(s.label, s.first_bar, s.n_bars) for s in reading.sections]
            )
    takes, rng = {}, np.random.default_rng(0)
    for name in "ABC":
        folder = root / "generations"
        truth = corpus_truth(json.loads((folder / f"{name}.json").read_text()))
        audio = load(folder / f"{name}.flac")
        takes[name] = (audio, truth, read_music(audio, {}))
        table.sections["corpus generations, mixture"].append(section_counts(truth, takes[name][2]))
        print(name, [(s.label, s.first_bar, s.n_bars) for s in takes[name][2].sections])
    for (_, one, reading), (audio, truth, other) in permutations(takes.values(), 2):
        straight = match_counts(one, truth, reading, other, 1.0)
        table.matches["corpus takes as they are"].append(straight)
        for _ in range(times):
            cut, two = rearranged(audio, truth, rng)
            result = match_counts(one, two, reading, read_music(cut, {}), 1.0)
            table.matches["corpus takes, rearranged"].append(result)


def cost(seed: int) -> None:
    take = made_take(made_idea(seed), seed)
    heard = listen(take.mixture, take.stems)
    beats = read_beats(heard)
    read_form(heard, beats)
    began = time.process_time()
    read_form(heard, beats)
    took = time.process_time() - began
    reading = read_music(take.mixture, take.stems)
    began = time.process_time()
    match_bars(reading, reading)
    print(
        f"cost of {take.mixture.n_samples / 44_100:.0f} s, {len(reading.bars)} bars: "
        f"form {took:.3f} s CPU, "
        f"match {time.process_time() - began:.3f} s CPU"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ideas", type=int, default=20)
    parser.add_argument("--first", type=int, default=1001, help="1 to 40 were learned from")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--rearranged", type=int, default=12)
    options = parser.parse_args()
    table = Table()
    if options.corpus:
        corpus(table, options.corpus, options.rearranged)
    if options.ideas:
        made(table, range(options.first, options.first + options.ideas))
        cost(options.first)
    table.print()


if __name__ == "__main__":
    main()
