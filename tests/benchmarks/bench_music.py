"""How well tempo, beats, bars and key are read, and what that costs.

    python tests/benchmarks/bench_music.py --corpus FOLDER [--speeds 0.8,1,1.25] [--peer] [--quick]
                                           [--told]
    python tests/benchmarks/bench_music.py --songs FOLDER

Songs: those of the corpus (`songs`, `generations`, `real`), or of any FOLDER with a folder a song
(`song.json` with bpm, key, beats_s and downbeats_s, and `mix.flac` or stems). --speeds plays each
at other speeds too (resampled: tempo and pitch change by a known factor), which makes songs that
nobody tuned on. Each is read with its stems and as a mixture. Measures: tempo octave-free within
0.1 %, beat and downbeat F-measure (mir_eval: 70 ms, the first 5 s left out), median error of the
beats, key. --told: tempo (1 % off), a downbeat (30 ms off) and key are told. --peer: librosa's
beat tracker beside it. Cost: a corpus song repeated to three minutes, process CPU time on one
thread, after a first reading.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mir_eval
import numpy as np
import soundfile
import soxr

from stemfx.audio import Audio
from stemfx.dsp.key import NAMES
from stemfx.music import read_music
from stemfx.music_reading import MusicReading, Told

FLATS = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb"}
OCTAVES = (0.25, 0.5, 1.0, 2.0, 4.0)


class Song(NamedTuple):
    name: str
    mixture: Audio
    stems: dict[str, Audio]
    bpm: float
    beats_s: np.ndarray
    downbeats_s: np.ndarray
    key: tuple[int, str]


class Score(NamedTuple):
    octave_free: bool
    octave: bool
    beat_f: float
    downbeat_f: float
    error_ms: float
    key: str


def load(path: Path, speed: float) -> Audio:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if speed != 1:
        samples = soxr.resample(samples, rate * speed, rate, quality="HQ")
    return Audio(np.ascontiguousarray(samples.T), rate)


def key_of(name: str, semitones: int = 0) -> tuple[int, str]:
    tonic, mode = name.split()
    return (NAMES.index(FLATS.get(tonic, tonic)) + semitones) % 12, mode


def song(folder: Path, truth: dict[str, Any], speed: float, mixture: Path | None) -> Song:
    names = ("vocals", "drums", "bass", "other")
    stems = {
        n: load(folder / f"{n}.flac", speed)
        for n in names
        if mixture is None and (folder / f"{n}.flac").exists()
    }
    path = mixture or folder / "mix.flac"
    whole = (
        load(path, speed)
        if path.exists()
        else Audio(np.sum([s.samples for s in stems.values()], axis=0), 44_100)
    )
    key = truth["key"] if isinstance(truth["key"], str) else truth["key"]["label"]
    return Song(
        f"{(mixture or folder).stem} x{speed:g}",
        whole,
        stems,
        truth["bpm"] * speed,
        np.array(truth["beats_s"]) / speed,
        np.array(truth["downbeats_s"]) / speed,
        key_of(key, round(12 * np.log2(speed))),
    )


def songs(root: Path, speeds: list[float]) -> Iterator[Song]:
    for truth_path in sorted(root.rglob("song.json")):
        truth = json.loads(truth_path.read_text(encoding="utf-8"))
        for speed in speeds:
            yield song(truth_path.parent, truth, speed, None)
    for path in sorted((root / "generations").glob("?.flac")):
        truth = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        for speed in speeds:
            yield song(path.parent, truth, speed, path)


def relation(found: str, true: tuple[int, str]) -> str:
    if not found:
        return "none"
    tonic, mode = key_of(found)
    if (tonic, mode) == true:
        return "exact"
    if tonic == true[0]:
        return "parallel"
    if mode != true[1] and (tonic - true[0]) % 12 == (9 if true[1] == "major" else 3):
        return "relative"
    return "other"


def score(song: Song, reading: MusicReading) -> Score:
    beats, downbeats = np.array(reading.beats_s), np.array(reading.downbeats_s)
    ratio = reading.bpm / song.bpm
    nearest = [float(np.abs(song.beats_s - beat).min()) for beat in beats]
    return Score(
        min(abs(ratio / octave - 1) for octave in OCTAVES) < 1e-3,
        abs(ratio - 1) < 0.03,
        mir_eval.beat.f_measure(song.beats_s, beats) if beats.size else 0.0,
        mir_eval.beat.f_measure(song.downbeats_s, downbeats) if downbeats.size else 0.0,
        1000 * float(np.median(nearest)) if nearest else 999.0,
        relation(reading.key, song.key),
    )


def hints(song: Song) -> Told:
    """Return what a producer might tell of a song, by ear."""
    downbeats = song.downbeats_s
    key = f"{NAMES[song.key[0]]} {song.key[1]}"
    return Told(1.01 * song.bpm, float(downbeats[len(downbeats) // 2]) + 0.03, key)


def peer_f(song: Song) -> tuple[float, float]:
    """Return librosa's tempo over the true one, and its beat F-measure."""
    import librosa

    mono = song.mixture.samples.mean(axis=0)
    tempo, beats = librosa.beat.beat_track(y=mono, sr=song.mixture.sample_rate, units="time")
    return float(np.atleast_1d(tempo)[0]) / song.bpm, mir_eval.beat.f_measure(song.beats_s, beats)


def print_means(name: str, scores: list[Score]) -> None:
    share = [np.mean([s[i] for s in scores]) for i in range(4)]
    keys = [s.key for s in scores]
    print(
        f"{name} ({len(scores)}): octave-free within 0.1 % {share[0]:.3f}, octave {share[1]:.3f}, "
        f"beat F {share[2]:.3f}, downbeat F {share[3]:.3f}, "
        f"median error {np.median([s.error_ms for s in scores]):.2f} ms, "
        f"key exact {keys.count('exact') / len(keys):.3f}, relative {keys.count('relative')}, "
        f"parallel {keys.count('parallel')}, other {keys.count('other') + keys.count('none')}"
    )


def cost(song: Song, seconds: float = 180.0) -> None:
    def tiled(audio: Audio) -> Audio:
        n = round(seconds * audio.sample_rate)
        times = -(-n // audio.n_samples)
        return Audio(np.tile(audio.samples, (1, times))[:, :n], audio.sample_rate)

    mixture, stems = tiled(song.mixture), {n: tiled(s) for n, s in song.stems.items()}
    read_music(song.mixture, {})  # imports
    for name, given in (("stems", stems), ("mixture", {})):
        began, began_cpu = time.perf_counter(), time.process_time()
        read_music(mixture, given)
        took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(f"cost of {seconds:g} s with {name}: {cpu:.2f} s CPU, {took:.2f} s by the clock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--speeds", default="1")
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--quick", action="store_true", help="only the means")
    options = parser.parse_args()
    scores: dict[str, list[Score]] = {"with stems": [], "mixture": []}
    last: Song | None = None
    root = options.corpus or options.songs
    if root is None:
        parser.error("give --corpus FOLDER or --songs FOLDER")
    for made in songs(root, [float(s) for s in options.speeds.split(",")]):
        for kind, stems in (("with stems", made.stems), ("mixture", {})):
            if kind == "with stems" and not stems:
                continue
            told = hints(made) if options.told else Told()
            reading = read_music(made.mixture, stems, told=told)
            result = score(made, reading)
            scores[kind].append(result)
            if not options.quick:
                print(
                    f"{made.name:26} {kind:10} {reading.bpm:8.3f} / {made.bpm:.2f} "
                    f"({reading.bpm_confidence:.2f}) F {result.beat_f:.3f} "
                    f"downbeat {result.downbeat_f:.3f} {result.error_ms:.2f} ms "
                    f"{reading.key} ({result.key}; then {reading.key_runner_up})"
                )
        if options.peer:
            ratio, f = peer_f(made)
            print(f"{made.name:26} librosa: tempo x{ratio:.3f}, F {f:.3f}")
        last = made if made.stems else last
    for kind, found in scores.items():
        if found:
            print_means(kind, found)
    if last:
        cost(last)


if __name__ == "__main__":
    main()
