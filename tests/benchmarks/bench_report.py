"""What a point of the report page costs, and how near its listening copy is.

    python tests/benchmarks/bench_report.py FILE... [--seconds 60] [--kbps 64 96 128]

Pictures: CPU seconds of one thread for a minute of each file (played round and round), best of
three by turns, beside what others need for less: matplotlib's specgram or librosa's mel
spectrogram of the same frames, with pyloudnorm's integrated loudness; neither has true peaks,
levels over time, waveform or stereo. Copies: size over its estimate, and speed; also of white
noise, where what Opus leaves out is most.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile

from stemfx.audio import Audio
from stemfx.dsp.frame_spectra import FRAMES_PER_S, frame_length
from stemfx.dsp.pictures import PictureGrid, picture_of
from stemfx.dsp.receipt import null_receipt
from stemfx.io.opus import copy_bytes, listening_copy

ROUNDS = 3


def read(path: Path) -> Audio:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Audio(samples.T, rate)


def looped(audio: Audio, seconds: float) -> Audio:
    n_samples = round(seconds * audio.sample_rate)
    times = -(-n_samples // audio.n_samples)
    return Audio(np.tile(audio.samples, (1, times))[:, :n_samples], audio.sample_rate)


def white_noise(seconds: float) -> Audio:
    rng = np.random.default_rng(0)
    return Audio(0.1 * rng.standard_normal((2, round(48_000 * seconds))), 48_000)


def best(work: dict[str, Callable[[], object]]) -> dict[str, float]:
    taken = dict.fromkeys(work, np.inf)
    for _ in range(ROUNDS):
        for name, run in work.items():
            began = time.process_time()
            run()
            taken[name] = min(taken[name], time.process_time() - began)
    return taken


def pictures(audio: Audio) -> dict[str, Callable[[], object]]:
    import librosa
    import pyloudnorm
    from matplotlib import mlab

    rate, frame = audio.sample_rate, frame_length(audio.sample_rate)
    hop = rate // FRAMES_PER_S

    def loudness() -> None:
        pyloudnorm.Meter(rate).integrated_loudness(audio.samples.T.astype(np.float64))

    def matplotlib() -> None:
        for channel in audio.samples:
            mlab.specgram(channel, NFFT=frame, Fs=rate, noverlap=frame - hop)
        loudness()

    def mel() -> None:
        librosa.feature.melspectrogram(
            y=audio.samples, sr=rate, n_fft=frame, hop_length=hop, n_mels=96, fmin=30, fmax=20_000
        )
        loudness()

    grid = PictureGrid.of(audio.duration_s)
    return {
        "picture_of": lambda: picture_of(audio, grid),
        "specgram + pyloudnorm": matplotlib,
        "librosa + pyloudnorm": mel,
        "null_receipt, 4 stems": lambda: null_receipt(audio, [audio] * 4),
    }


def copies(name: str, audio: Audio, rates_kbps: list[int]) -> None:
    for kbps in rates_kbps:
        began = time.process_time()
        segments = list(listening_copy(audio, kbps))
        taken = time.process_time() - began
        in_base64 = sum(-(-len(segment) // 3) * 4 for segment in segments)
        print(
            f"{name:26} {kbps:4} kbit/s {in_base64 / copy_bytes(audio.duration_s, kbps):8.3f} of "
            f"the estimate {audio.duration_s / taken:6.0f} x real time"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kbps", nargs="+", type=int, default=[64, 96, 128])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")

    song = looped(read(asked.files[0]), asked.seconds)
    point = picture_of(song, PictureGrid.of(asked.seconds))
    print(
        f"CPU seconds for {asked.seconds:.0f} s of {asked.files[0].name}, {song.channels} channels"
    )
    for what, taken in best(pictures(song)).items():
        print(f"  {what:24} {taken:6.3f}")
    print(f"  one point's JSON is {len(json.dumps(point)):,} bytes\n")

    print("Copies")
    for path in asked.files:
        copies(f"{path.parent.name}/{path.name}", read(path), asked.kbps)
    copies("white noise, 10 s", white_noise(10), asked.kbps)


if __name__ == "__main__":
    main()
