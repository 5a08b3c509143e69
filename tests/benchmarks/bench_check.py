"""What `stemfx check` costs and finds.

    python tests/benchmarks/bench_check.py [--corpus FOLDER] [--memory] [--seconds 180]

Speed: a stereo FLAC of three minutes at 44.1 kHz, read and examined, against pyloudnorm's
integrated loudness of the same file; one thread, process CPU time, best of three by turns.
Faults: forty made ones on clean material (the demo song's mix and stems; with --corpus the corpus
songs too, and a table of its defects). A fault that a stem cannot show (treble cut off a bass) is
counted as missed. --memory: the highest resident size of a process that examines noise.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Audio, Block
from stemfx.demo_song import demo_song
from stemfx.health import FileFacts, FileHealth, examine
from stemfx.io import FileSignal, probe

RATE, ROUNDS = 44_100, 3
Wave = NDArray[np.float64]


# --- speed and memory --------------------------------------------------------------------


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def speed(seconds: float) -> None:
    import pyloudnorm

    mix = np.sum([stem.samples for stem in demo_song().values()], axis=0)
    n_samples = round(seconds * RATE)
    song = np.tile(mix, (1, -(-n_samples // mix.shape[1])))[:, :n_samples]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.flac"
        soundfile.write(path, song.T, RATE)

        def peer() -> None:
            samples, rate = soundfile.read(path)
            pyloudnorm.Meter(rate).integrated_loudness(samples)

        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(cpu_seconds(lambda: checked(path)))
            theirs.append(cpu_seconds(peer))
    print(
        f"{seconds:.0f} s of stereo FLAC: {min(ours):.2f} s, {seconds / min(ours):.0f} x real time"
    )
    print(f"  {min(ours) / min(theirs):.2f} x pyloudnorm's loudness alone ({min(theirs):.2f} s)")


class Noise:
    """Noise of any length that takes no memory."""

    sample_rate, channels = RATE, 2

    def __init__(self, minutes: float) -> None:
        self.n_samples = round(60 * minutes * RATE)
        self._second = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) / 10

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        stop = min(self.n_samples if stop is None else stop, self.n_samples)
        return self._second[:, np.arange(start, stop) % RATE]


def memory() -> None:
    for minutes in (1, 10, 60):
        command = [sys.executable, __file__, "--noise", str(minutes)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"{minutes} min of noise: {told.strip()} MB resident at most")


# --- faults ------------------------------------------------------------------------------


def checked(path: Path) -> FileHealth:
    info = probe(path, min_duration_s=0)
    return examine(
        FileSignal(info, fold=True), FileFacts(info.bit_depth is None, info.channels, info.format)
    )


def late(x: Wave, n: int, channel: int) -> Wave:
    out = x.copy()
    out[channel, n:], out[channel, :n] = x[channel, :-n], 0
    return out


def copied(x: Wave, delay_ms: float, gain: float) -> Wave:
    n = round(delay_ms * RATE / 1000)
    out = 0.5 * x
    out[:, n:] += 0.5 * gain * x[:, :-n]
    return out


def holed(x: Wave, length_ms: float, rng: np.random.Generator, *, holds: bool) -> Wave:
    out, n = x.copy(), round(length_ms * RATE / 1000)
    for start in rng.integers(RATE, x.shape[1] - RATE, 12):
        out[:, start : start + n] = out[:, start - 1 : start] if holds else 0
    return out


def clicked(x: Wave, height: float, rng: np.random.Generator) -> Wave:
    out = x.copy()
    out[:, rng.integers(RATE, x.shape[1] - RATE, 20)] += height
    return out


def hummed(x: Wave, mains_hz: float, level_dbfs: float) -> Wave:
    t = np.arange(x.shape[1]) / RATE
    hum = sum(0.6**k * np.sin(2 * np.pi * 1.0008 * mains_hz * (k + 1) * t + k) for k in range(6))
    return x + hum * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(np.square(hum)))


def coded(x: Wave, level: float) -> Wave:
    buffer = io.BytesIO()
    options = {"format": "MP3", "compression_level": level, "bitrate_mode": "CONSTANT"}
    soundfile.write(buffer, x.T, RATE, **options)
    buffer.seek(0)
    return soundfile.read(buffer)[0].T


def through(x: Wave, rate_hz: int) -> Wave:
    return soxr.resample(soxr.resample(x.T, RATE, rate_hz), rate_hz, RATE).T


def faults(x: Wave) -> Iterator[tuple[str, str, Wave]]:
    """Yield what was done, the code that should tell it, and the result."""
    rng = np.random.default_rng(0)
    peak = np.abs(x).max()
    left, right = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    for over_db in (3, 6, 9):
        hot = x / peak * 10 ** (over_db / 20)
        yield f"clipped by {over_db} dB", "clipping", np.clip(hot, -1, 1)
        yield f"... then -7 dB, {over_db}", "clipping", 0.45 * np.clip(hot, -1, 1)
    yield "clipped from above", "clipping", np.minimum(x, 0.4 * peak)
    for offset in (0.002, -0.02):
        yield f"DC {offset:+g}", "dc_offset", x + offset
        yield f"DC {offset:+g} on the left", "dc_offset", x + offset * left
    yield "right inverted", "polarity_inverted", x * (left - right)
    yield "left inverted", "polarity_inverted", x * (right - left)
    for n, channel in ((5, 1), (10, 0), (44, 1), (200, 0), (441, 1), (800, 1)):
        yield f"{1000 * n / RATE:.2f} ms late", "inter_channel_delay", late(x, n, channel)
    for delay_ms, gain in ((0.6, 0.8), (2.0, 0.7), (7.0, 0.9), (12.0, -0.8)):
        yield f"copy {delay_ms:g} ms, {gain:g}", "comb_filter", copied(x, delay_ms, gain)
    yield "right silent", "silent_channel", x * left
    yield "left at -80 dB", "silent_channel", x * (1e-4 * left + right)
    yield "right at -14 dB", "unbalanced_channels", x * (left + 0.2 * right)
    yield "both the same", "dual_mono", np.repeat(x.mean(axis=0, keepdims=True), 2, axis=0)
    yield "mono", "mono_file", x.mean(axis=0, keepdims=True)
    for rate_hz in (16_000, 22_050, 32_000):
        yield f"through {rate_hz} Hz", "bandwidth_limited", through(x, rate_hz)
    yield "MP3, 128 kbit/s or so", "bandwidth_limited", coded(0.5 * x / peak, 0.7)
    for mains_hz, level_dbfs in ((50, -40), (60, -40), (50, -32), (60, -32)):
        yield f"hum {mains_hz} Hz {level_dbfs} dBFS", "hum", hummed(x, mains_hz, level_dbfs)
    yield "20 clicks of 0.5", "clicks", clicked(x, 0.5, rng)
    yield "20 clicks of 0.1", "clicks", clicked(x, 0.1, rng)
    for length_ms, holds in ((3, False), (20, False), (20, True), (100, False)):
        what = f"12 {'holds' if holds else 'gaps'} of {length_ms} ms"
        yield what, "dropouts", holed(x, length_ms, rng, holds=holds)
    yield "8 bit", "bit_depth", np.round(128 * x) / 128
    yield "12 bit", "bit_depth", np.round(2048 * x) / 2048
    yield "over full scale", "float_over_full_scale", 1.5 * x / peak


def material(corpus: Path | None) -> Iterator[tuple[str, Wave]]:
    """Yield 12 s of clean music each."""
    stems = {name: stem.samples.astype(np.float64) for name, stem in demo_song().items()}
    stems["mix"] = np.sum(list(stems.values()), axis=0)
    for name, stem in stems.items():
        yield f"demo/{name}", stem[:, 4 * RATE : 16 * RATE]
    for path in sorted(corpus.glob("songs/*/*.flac")) if corpus else ():
        samples, _ = soundfile.read(path, start=20 * RATE, frames=12 * RATE, always_2d=True)
        yield f"{path.parent.name}/{path.stem}", samples.T


def made_faults(corpus: Path | None) -> None:
    found: Counter[str] = Counter()
    count: Counter[str] = Counter()
    missed: dict[str, list[str]] = {}
    false, n_clean, extra = [], 0, Counter[str]()
    for name, clean in material(corpus):
        n_clean += 1
        own = codes(clean)
        false += [f"{name}: {code}" for code in own]
        for what, code, samples in faults(clean):
            told = codes(samples, "info") if code in {"dual_mono", "mono_file"} else codes(samples)
            count[what] += 1
            found[what] += code in told
            extra.update(told - own - {code})
            if code not in told:
                missed.setdefault(what, []).append(name)
    print(f"\nmade faults on {n_clean} clean pieces of music: found / made")
    for what, n_made in count.items():
        where = ", ".join(missed.get(what, [])[:4])
        print(f"  {what:28} {found[what]:3} / {n_made}   {where and 'missed: ' + where}")
    print(f"  in all {found.total()} of {count.total()}")
    print(f"  warned of on the clean ones: {', '.join(false) or 'nothing'}")
    print(f"  told beside the fault that was made: {dict(extra) or 'nothing'}")


def codes(samples: Wave, *more: str) -> set[str]:
    health = examine(Audio(samples.astype(np.float32), RATE))
    return {f.code for f in health.findings if f.level in {"warn", "error", *more}}


def defects(corpus: Path) -> None:
    print("\ndefects of the corpus")
    for item in json.loads((corpus / "defects" / "truth.json").read_text())["items"]:
        if item.get("is_set"):
            continue
        try:
            health = checked(corpus / "defects" / item["file"])
            told = ", ".join(f"{f.level} {f.code}" for f in health.findings)
        except Exception as error:  # noqa: BLE001 - the sentence is what the table shows
            told = f"unreadable: {str(error).partition(': ')[2][:60]}"
        print(f"  {item['file'][:36]:36} {item['defect']:26} {told or '-'}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--noise", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.noise:
        examine(Noise(asked.noise))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    if asked.memory:  # first: a child begins with the size of its parent
        memory()
    speed(asked.seconds)
    made_faults(asked.corpus)
    if asked.corpus:
        defects(asked.corpus)


if __name__ == "__main__":
    main()
