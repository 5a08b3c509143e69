"""The meters against the EBU's tables, at every rate, and against others for speed.

    python tests/benchmarks/bench_meters.py [--corpus FOLDER] [--seconds 180] [--all]

Tables: every synthesisable case of Tech 3341 and 3342 (of 20 equal ones the worst; --all shows
each), the calibration and one sound at eleven rates, and sines at all rates for the true peak.
Speed: CPU seconds of one thread for a stereo song (the demo song; with --corpus the corpus songs,
as they are and clipped by 12 dB), best of five by turns: pyloudnorm's integrated loudness, scipy's
bare K-weighting, soxr to 8x with a maximum, and what of it the true-peak meter leaves out.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import ebu_cases
import numpy as np
import soundfile
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.k_weighting import k_weighting
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LoudnessMeter, measure
from stemfx.dsp.resample import Resampler
from stemfx.dsp.true_peak import TruePeakMeter

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
ROUNDS = 5


# --- the standards' tables ---------------------------------------------------------------


def tables(*, every: bool) -> None:
    print(f"{'case':16} {'expected':>9} {'read':>9} {'error':>8}   allowed")
    groups = (
        *(ebu_cases.steady, ebu_cases.gated, ebu_cases.short_term, ebu_cases.momentary),
        *(ebu_cases.true_peak, ebu_cases.loudness_range),
    )
    n_cases, n_passed = 0, 0
    for cases in groups:
        for number, same in groupby(cases(), lambda case: case.name.partition("-")[0]):
            told = list(same)
            n_cases += len(told)
            n_passed += sum(case.low <= case.error <= case.high for case in told)
            if number in ("10", "11", "13", "14") and not every:
                worst = max(told, key=lambda case: abs(case.error))
                told = [worst._replace(name=f"{number}, worst of 20")]
            for case in told:
                print(
                    f"{case.name:16} {case.expected:9.2f} {case.read:9.3f} {case.error:+8.3f}"
                    f"   {case.low:+.1f} {case.high:+.1f}"
                )
    print(f"{n_passed} of {n_cases} readings within what the EBU allows\n")


def rates() -> None:
    def chord(rate: int) -> Audio:
        at = np.arange(4 * rate) / rate
        tones = sum(np.sin(2 * np.pi * f * at) for f in (40, 100, 400, 997, 1500, 2100, 3400))
        return Audio(np.tile(np.where(at % 1.5 < 1, 0.05, 0.01) * tones, (2, 1)), rate)

    expected = measure(chord(48_000)).lufs or 0
    print("rate, Hz   997 Hz one side   -18 dBFS   tones, LU from 48 kHz   sines, true peak, dB")
    for rate in RATES:
        side = ebu_cases.tone((2, 0), rate=rate, freq_hz=997).samples.copy()
        side[1] = 0
        line_up = measure(ebu_cases.tone((2, -18), rate=rate)).lufs
        low, high = sines(rate)
        print(
            f"{rate:8} {measure(Audio(side, rate)).lufs:17.3f} {line_up:10.3f} "
            f"{(measure(chord(rate)).lufs or 0) - expected:+23.4f}   {low:+.3f} to {high:+.3f}"
        )
    print()


def sines(rate: int) -> tuple[float, float]:
    """Return the lowest and the highest reading of sines of 0 dBTP, 100 Hz to 0.44 of the rate."""
    found = []
    for freq_hz in (*np.geomspace(100, 0.44 * rate, 12), rate / 4, rate / 6, rate / 8, rate / 3):
        for phase in np.linspace(0, np.pi / 2, 12):
            at = np.arange(4_000)
            fade = np.hanning(len(at)) ** 0.1
            meter = TruePeakMeter(1)
            x = np.sin(2 * np.pi * freq_hz / rate * (at - len(at) / 2) + phase) * fade
            meter.add(x[None].astype(np.float32))
            found.append(meter.true_peak_dbtp or 0.0)
    return min(found), max(found)


# --- speed -------------------------------------------------------------------------------


def songs(corpus: Path | None, seconds: float) -> Iterator[tuple[str, Audio]]:
    def long(samples: NDArray[np.float32], rate: int) -> Audio:
        n_samples = round(seconds * rate)
        return Audio(np.tile(samples, (1, -(-n_samples // samples.shape[1])))[:, :n_samples], rate)

    if corpus is None:
        stems = demo_song()
        mix = np.sum([stem.samples for stem in stems.values()], axis=0, dtype=np.float32)
        yield "demo", long(mix, next(iter(stems.values())).sample_rate)
        return
    for path in sorted(corpus.glob("songs/*/mix.flac")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        yield path.parent.name, long(samples.T, rate)
        yield f"{path.parent.name} +12 dB", long(np.clip(4 * samples.T, -0.9, 0.9), rate)


def work_on(song: Audio) -> dict[str, Callable[[], object]]:
    import pyloudnorm
    from scipy.signal import sosfilt

    rate, sections = song.sample_rate, k_weighting(song.sample_rate)
    frames = song.samples.T.astype(np.float64)

    def fed(meter: LoudnessMeter | TruePeakMeter) -> None:
        for block in song.blocks(METER_BLOCK_SAMPLES):
            meter.add(block)

    def weighted() -> None:
        state = np.zeros((2, 2, 2))
        for block in song.blocks(METER_BLOCK_SAMPLES):
            _, state = sosfilt(sections, block, axis=-1, zi=state)

    def all_points() -> None:
        fine = Resampler(1, 8, 2)
        for block in song.blocks(METER_BLOCK_SAMPLES):
            points = fine(block)
            max(points.max(initial=0), -points.min(initial=0))

    def peaks(rate: int | None = None) -> float:
        meter = TruePeakMeter(2, sample_rate=rate)
        fed(meter)
        return meter.true_peak

    return {
        "loudness": lambda: fed(LoudnessMeter(rate, 2)),
        "  scipy's sosfilt alone": weighted,
        "  pyloudnorm, integrated": lambda: pyloudnorm.Meter(rate).integrated_loudness(frames),
        "true peak": peaks,
        "true peak per 100 ms": lambda: peaks(rate),
        "  soxr 8x, all points": all_points,
        "measure(): all readings": lambda: measure(song),
    }


def speed(corpus: Path | None, seconds: float) -> None:
    print(f"CPU seconds for {seconds:.0f} s of stereo")
    for name, song in songs(corpus, seconds):
        taken = best(work_on(song))
        print(name)
        for what, each in taken.items():
            print(f"  {what:26} {each:6.3f} s {seconds / each:7.0f} x real time")
        faster = taken["  pyloudnorm, integrated"] / taken["loudness"]
        left_out = taken["  soxr 8x, all points"] / taken["true peak"]
        print(f"  loudness {faster:.1f} x pyloudnorm's speed, true peak {left_out:.1f} x soxr's")


def best(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    taken = dict.fromkeys(work, np.inf)
    for _ in range(ROUNDS):
        for name, run in work.items():
            began = time.process_time()
            run()
            taken[name] = min(taken[name], time.process_time() - began)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    tables(every=asked.all)
    rates()
    speed(asked.corpus, asked.seconds)


if __name__ == "__main__":
    main()
