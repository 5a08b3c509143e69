"""How well the strokes of drum stems are heard, song by song, and what it costs.

    python tests/benchmarks/bench_hits.py SONG...

SONG: a folder with `drums.flac`, `mix.flac` and `song.json` (`drums`: hits with `t` in seconds), or
a mix with its truth beside it (`A.flac` and `A.json`), which is heard separated only. Each song as
its true drum stem, with the rest of the song at -20 dB against the stem (`bleed`), and as the
embedded model separates its drums from the mix (`separated`).
Truth: hits within 30 ms are one stroke, at the time of its first. F at 50 and 10 ms by mir_eval;
errors of the strokes matched within 50 ms. Cost: processor seconds for 3 minutes of stem.
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
from stemfx.dsp.onsets import APART_S, find_onsets
from stemfx.separator import SeparationContext
from stemfx.separators.embedded import Embedded

BLEED_DB = -20.0
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


def row(name: str, stem: str, n: int, scores: tuple[float, ...]) -> str:
    f50, precision, recall, f10, median_ms, spread_ms = scores
    return (
        f"{name:16} {stem:10} {n:7}  {f50:.3f} {precision:.3f} {recall:.3f} {f10:.3f}"
        f"  {median_ms:+9.2f} {spread_ms:9.2f}"
    )


def main() -> None:
    scores: dict[str, list[tuple[float, ...]]] = {}
    cpu_s = seconds = 0.0
    print(HEADER)
    for path in map(Path, sys.argv[1:]):
        for case in cases(path):
            began = time.process_time()
            found_s = find_onsets(case.drums)
            cpu_s += time.process_time() - began
            seconds += case.drums.duration_s
            truth_s = strokes_s(case.hits)
            scores.setdefault(case.stem, []).append(onset_scores(truth_s, found_s))
            print(row(case.song, case.stem, truth_s.size, scores[case.stem][-1]))
    for stem, rows in scores.items():
        print(row("mean", stem, len(rows), tuple(np.mean(rows, axis=0))))
    if seconds:
        print(f"onsets: {180 * cpu_s / seconds:.2f} processor seconds for 3 minutes")


if __name__ == "__main__":
    main()
