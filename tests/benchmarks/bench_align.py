"""How well stems keep to the map that brings them onto a timeline, and what that costs.

    python tests/benchmarks/bench_align.py attacks --corpus FOLDER [--seconds 60] [--peer]
    python tests/benchmarks/bench_align.py together
    python tests/benchmarks/bench_align.py cost [MINUTES ...]

attacks: strokes of the corpus's drum stems, as `find_onsets` hears them before and after, against
where the map puts them: the median, 5 % and 95 % of their lag, the medians of three thirds of the
song (a drift), and how many are found within 30 ms. Drums by themselves, with all stems of their
song, and beside stems that are transposed. --peer: pedalboard.time_stretch.
together: bursts of noise and clicks in two stems of one song: how late the second is against the
first, by the centres of their energies. Of the same pitch, and drums beside a transposed stem.
cost: four stereo stems of noise, each length in a process of its own: times real time, memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile

from stemfx.alignment.render import rendered
from stemfx.alignment.timeline import Piece, SourceMap
from stemfx.audio import BLOCK_SAMPLES, Audio, Block, Signal
from stemfx.dsp.onsets import find_onsets
from stemfx.stage import Notes

RATE = 44_100
STEMS = ("vocals", "drums", "bass", "other")
RATIOS = (0.92, 0.96, 0.98, 1.02, 1.04, 1.08)
NEAR_S = 0.03


def straight(n_samples: int, ratio: float, semitones: float = 0.0) -> tuple[SourceMap, int]:
    n_out = round(n_samples * ratio)
    piece = Piece((0.0, n_out / RATE), (0.0, n_samples / RATE))
    return SourceMap((piece,), semitones=semitones), n_out


def play(
    stems: Mapping[str, Signal], ratio: float, semitones: float = 0.0
) -> tuple[dict[str, Block], Notes]:
    source_map, n_out = straight(max(s.n_samples for s in stems.values()), ratio, semitones)
    notes = Notes()
    blocks = rendered(stems, source_map, n_out, drums={"drums"}, voices={"vocals"}, notes=notes)
    out = np.concatenate(list(blocks), axis=2)
    return dict(zip(stems, out, strict=True)), notes


def lags_ms(out: Block, expected_s: np.ndarray) -> np.ndarray:
    """Return the lag of each stroke, NaN where none is near."""
    found = find_onsets(Audio(out, RATE))
    if not found.size:
        return np.full(len(expected_s), np.nan)
    after = np.clip(np.searchsorted(found, expected_s), 1, len(found) - 1)
    nearest = np.where(
        expected_s - found[after - 1] < found[after] - expected_s, found[after - 1], found[after]
    )
    lag = nearest - expected_s
    return np.where(np.abs(lag) < NEAR_S, 1e3 * lag, np.nan)


def attacks(corpus: Path, seconds: float, *, peer: bool) -> None:
    import pedalboard

    print("song            ratio  played            median    p5   p95  thirds (ms)        found")
    for folder in sorted(p for p in (corpus / "songs").iterdir() if p.is_dir()):
        stems = {
            name: Audio(
                soundfile.read(
                    folder / f"{name}.flac", round(seconds * RATE), dtype="float32", always_2d=True
                )[0].T,
                RATE,
            )
            for name in STEMS
        }
        drums = {"drums": stems["drums"]}
        strokes_s = find_onsets(stems["drums"])
        for ratio in RATIOS:
            ways = {
                "alone": play(drums, ratio)[0]["drums"],
                "with all stems": play(stems, ratio)[0]["drums"],
                "others +2 st": play(stems, ratio, 2.0)[0]["drums"],
            }
            if peer:
                ways["pedalboard"] = pedalboard.time_stretch(
                    stems["drums"].samples, RATE, 1.0 / ratio
                )
            for way, out in ways.items():
                lag = lags_ms(out, strokes_s * ratio)
                thirds = [
                    np.nan if np.isnan(part).all() else np.nanmedian(part)
                    for part in np.array_split(lag, 3)
                ]
                print(
                    f"{folder.name:15} {ratio:5.2f}  {way:15}  {np.nanmedian(lag):7.2f}"
                    f" {np.nanpercentile(lag, 5):6.2f} {np.nanpercentile(lag, 95):5.2f}"
                    f"  {' '.join(f'{x:5.2f}' for x in thirds)}"
                    f"   {np.mean(~np.isnan(lag)):6.0%}"
                )


def struck(kind: str, at_s: np.ndarray, seconds: float) -> Block:
    out = np.zeros((1, round(seconds * RATE)), np.float32)
    rng = np.random.default_rng(4)
    n = round(0.03 * RATE)
    for at in at_s:
        start = round(at * RATE)
        if kind == "clicks":
            out[0, start] = 0.8
        else:
            decay = np.exp(-np.arange(n) / (0.006 * RATE))
            out[0, start : start + n] = 0.3 * rng.standard_normal(n) * decay
    return out


def centres_s(samples: Block, at_s: np.ndarray) -> np.ndarray:
    centres = []
    for at in at_s:
        start = round((at - 0.05) * RATE)
        power = samples[0, start : start + round(0.13 * RATE)].astype(np.float64) ** 2
        centres.append((start + np.sum(power * np.arange(power.size)) / power.sum()) / RATE)
    return np.array(centres)


def together() -> None:
    seconds = 40.0
    rng = np.random.default_rng(2)
    at_s = np.arange(0.5, seconds - 0.5, 0.4) + rng.uniform(0, 0.15, 98)
    print("kind    ratio  semitones   second stem late by, ms: median   5 %   95 %")
    for kind in ("clicks", "bursts"):
        stem = Audio(struck(kind, at_s, seconds), RATE)
        for ratio in (0.92, 0.96, 1.0, 1.04, 1.08):
            for semitones in (0.0, -3.0, -1.0, 1.0, 2.0, 4.0):
                out, _ = play({"drums": stem, "other": stem}, ratio, semitones)
                first, second = (centres_s(out[n], at_s * ratio) for n in ("drums", "other"))
                late = 1e3 * (second - first)
                print(
                    f"{kind:7} {ratio:5.2f} {semitones:7.0f} {np.median(late):31.3f}"
                    f" {np.percentile(late, 5):7.3f} {np.percentile(late, 95):6.3f}"
                )


@dataclass(frozen=True)
class Noise:
    """Stereo noise of any length that is made anew whenever it is read."""

    seed: int
    n_samples: int
    sample_rate: int = RATE
    channels: int = 2

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        start = max(0, start)
        second = np.random.default_rng(self.seed).standard_normal((2, RATE)).astype(np.float32)
        return 0.1 * second[:, np.arange(start, max(start, stop)) % RATE]


def cost_of(minutes: float, semitones: float) -> None:
    stems = {n: Noise(k, round(minutes * 60 * RATE)) for k, n in enumerate(STEMS)}
    source_map, n_out = straight(round(minutes * 60 * RATE), 1.04, semitones)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    for _ in rendered(stems, source_map, n_out, drums={"drums"}, voices={"vocals"}, notes=Notes()):
        pass
    spent = time.process_time() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{minutes:5.0f} min, {semitones:+.0f} st: {60 * minutes / spent:5.1f} x real time "
        f"(one core), {peak_mb - before_mb:4.0f} MB over {before_mb:.0f} MB at the start"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("attacks", "together", "cost", "cost-of"))
    parser.add_argument("numbers", nargs="*", type=float)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--peer", action="store_true")
    asked = parser.parse_args()
    if asked.what == "attacks":
        attacks(asked.corpus, asked.seconds, peer=asked.peer)
    elif asked.what == "together":
        together()
    elif asked.what == "cost":
        for minutes in asked.numbers or [3.0, 12.0]:
            for semitones in ("0", "2"):
                command = [sys.executable, __file__, "cost-of", str(minutes), semitones]
                subprocess.run(command, check=True)
    else:
        cost_of(*asked.numbers)


if __name__ == "__main__":
    main()
