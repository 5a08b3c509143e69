"""How well the strokes and drums of drum stems are heard, song by song, and what it costs.

    python tests/benchmarks/bench_hits.py SONG...

SONG: a folder with `drums.flac`, `mix.flac` and `song.json` (`drums`: hits with `t` in seconds), or
a mix with its truth beside it (`A.flac` and `A.json`), which is heard separated only. Each song as
its true drum stem, with the rest of the song at -20 dB against the stem (`bleed`), and as the
embedded model separates its drums from the mix (`separated`).
Truth: hits within 30 ms are one stroke, at the time of its first. F at 50 and 10 ms by mir_eval;
errors of the strokes matched within 50 ms. Cost: processor seconds for 3 minutes of stem.
Then the classes as `find_hits` hears them: F-measure of each at 50 ms, `-` where the song has none
and none is heard. `snare` is without ghost notes: those found count neither way; `ghost` is the
share of them that is found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mir_eval
import numpy as np
import soundfile

from stemfx.audio import Audio
from stemfx.drums.find import find_hits
from stemfx.dsp.onsets import APART_S, find_onsets
from stemfx.hits import Hit
from stemfx.separator import SeparationContext
from stemfx.separators.embedded import Embedded

BLEED_DB = -20.0
CLASSES = {
    "kick": ("kick",),
    "snare": ("snare",),
    "hats": ("hat_closed", "hat_open"),
    "closed": ("hat_closed",),
    "open": ("hat_open",),
    "tom": ("tom",),
    "crash": ("crash",),
    "clap": ("clap",),
}
CLASS_HEADER = f"{'song':16} {'stem':10}" + "".join(f"{c:>8}" for c in (*CLASSES, "ghost"))
HEADER = f"{'song':16} {'stem':10} strokes    F50   P50   R50   F10  median ms   95 % ms"


@dataclass(frozen=True)
class Case:
    """One drum stem whose hits are known."""

    song: str
    stem: str
    drums: Audio
    hits: list[dict]


def cases(path: Path) -> Iterator[Case]:
    """Yield a song's drum stems: true, with bleed, separated."""
    truth = path / "song.json" if path.is_dir() else path.with_suffix(".json")
    hits = json.loads(truth.read_text("utf-8"))["drums"]
    mix, rate = soundfile.read(
        path / "mix.flac" if path.is_dir() else path, dtype="float32", always_2d=True
    )
    if path.is_dir():
        drums = soundfile.read(path / "drums.flac", dtype="float32", always_2d=True)[0]
        rest = mix - drums
        rest *= 10 ** (BLEED_DB / 20) * np.sqrt(np.mean(drums**2) / np.mean(rest**2))
        yield Case(path.stem, "true", Audio(drums.T, rate), hits)
        yield Case(path.stem, "bleed", Audio((drums + rest).T, rate), hits)
    names = Embedded.card.stems
    blocks = Embedded().separate(Audio(mix.T, rate), names, SeparationContext())
    separated = np.concatenate(list(blocks), axis=-1)[names.index("drums")]
    yield Case(path.stem, "separated", Audio(separated, rate), hits)


def strokes_s(hits: list[dict]) -> np.ndarray:
    """Return the first of the hits of each stroke, in seconds."""
    strokes: list[float] = []
    for at_s in sorted(hit["t"] for hit in hits):
        if not strokes or at_s - strokes[-1] > APART_S:
            strokes.append(at_s)
    return np.array(strokes)


def onset_scores(truth_s: np.ndarray, found_s: np.ndarray) -> tuple[float, ...]:
    """Return F, precision and recall at 50 ms, F at 10 ms, and the errors' median and 95 %."""
    f50, precision, recall = mir_eval.onset.f_measure(truth_s, found_s, window=0.05)
    f10 = mir_eval.onset.f_measure(truth_s, found_s, window=0.01)[0]
    pairs = mir_eval.util.match_events(truth_s, found_s, 0.05)
    errors_ms = 1000 * np.array([found_s[j] - truth_s[i] for i, j in pairs] or [np.nan])
    spread_ms = np.percentile(np.abs(errors_ms), 95)
    return f50, precision, recall, f10, float(np.median(errors_ms)), float(spread_ms)


def drum_of(hit: dict) -> str:
    """Return the class that a hit of a `song.json` has in stemfx."""
    if hit["class"] == "hat":
        return "hat_open" if hit.get("articulation") == "open" else "hat_closed"
    return "clap" if hit.get("articulation") == "clap" else hit["class"]


def class_scores(hits: list[dict], found: tuple[Hit, ...]) -> dict[str, float]:
    """Return F of each class, and the share of ghost notes that is found; NaN where none are."""
    scores = {}
    for name, classes in CLASSES.items():
        true = [hit for hit in hits if drum_of(hit) in classes]
        main_s = np.array(sorted(hit["t"] for hit in true if not hit.get("ghost")))
        ghost_s = np.array(sorted(hit["t"] for hit in true if hit.get("ghost")))
        found_s = np.array([hit.time_s for hit in found if hit.drum_class in classes])
        matched = mir_eval.util.match_events(main_s, found_s, 0.05)
        rest_s = np.delete(found_s, [j for _, j in matched])
        ghosts = len(mir_eval.util.match_events(ghost_s, rest_s, 0.05))
        both = main_s.size + found_s.size - ghosts
        scores[name] = 2 * len(matched) / both if both else np.nan
        if name == "snare":
            scores["ghost"] = ghosts / ghost_s.size if ghost_s.size else np.nan
    return scores


def class_row(name: str, stem: str, scores: dict[str, float]) -> str:
    told = ("-" if np.isnan(scores[c]) else f"{scores[c]:.3f}" for c in (*CLASSES, "ghost"))
    return f"{name:16} {stem:10}" + "".join(f"{one:>8}" for one in told)


def class_means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean over the songs that have a class."""
    known = {c: [r[c] for r in rows if not np.isnan(r[c])] for c in rows[0]}
    return {c: float(np.mean(values)) if values else np.nan for c, values in known.items()}


def row(name: str, stem: str, n: int, scores: tuple[float, ...]) -> str:
    f50, precision, recall, f10, median_ms, spread_ms = scores
    return (
        f"{name:16} {stem:10} {n:7}  {f50:.3f} {precision:.3f} {recall:.3f} {f10:.3f}"
        f"  {median_ms:+9.2f} {spread_ms:9.2f}"
    )


def main() -> None:
    scores: dict[str, list[tuple[float, ...]]] = {}
    drums: dict[str, list[dict[str, float]]] = {}
    told = []
    cpu_s = all_cpu_s = seconds = 0.0
    print(HEADER)
    for path in map(Path, sys.argv[1:]):
        for case in cases(path):
            began = time.process_time()
            found_s = find_onsets(case.drums)
            heard = time.process_time()
            found = find_hits(case.drums)
            cpu_s += heard - began
            all_cpu_s += time.process_time() - heard
            seconds += case.drums.duration_s
            truth_s = strokes_s(case.hits)
            scores.setdefault(case.stem, []).append(onset_scores(truth_s, found_s))
            print(row(case.song, case.stem, truth_s.size, scores[case.stem][-1]))
            drums.setdefault(case.stem, []).append(class_scores(case.hits, found))
            told.append(class_row(case.song, case.stem, drums[case.stem][-1]))
    for stem, rows in scores.items():
        print(row("mean", stem, len(rows), tuple(np.mean(rows, axis=0))))
    print(CLASS_HEADER, *told, sep="\n")
    for stem, drum_rows in drums.items():
        print(class_row("mean", stem, class_means(drum_rows)))
    if seconds:
        print(f"onsets: {180 * cpu_s / seconds:.2f} processor seconds for 3 minutes")
        print(f"hits, onsets included: {180 * all_cpu_s / seconds:.2f}")


if __name__ == "__main__":
    main()
