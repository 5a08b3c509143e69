"""How fast a master is delivered: encoded, tagged, decoded and measured; and what that finds.

    python tests/benchmarks/bench_delivery.py [SONG]

Three minutes of stereo (or SONG, first brought to -9 LUFS). The peer is soundfile alone: it
encodes, with no dither, check or tags, and leaves what it decodes to unseen.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from stemfx.audio import Audio
from stemfx.delivery.deliver import deliver
from stemfx.dsp.dither import Dither, Grid, quantised
from stemfx.dsp.loudness import measure
from stemfx.io import Encoding, FileSignal, probe
from stemfx.stage import Notes, StageContext
from stemfx.stages.loudness import loudness
from stemfx.tags import Tags

SECONDS, RATE, CEILING_DBTP, ROUNDS = 180, 44_100, -1.0, 2
ENCODINGS = {
    "wav 16 tpdf": (Encoding("wav", 16), "PCM_16", "tpdf"),
    "wav 16 shaped": (Encoding("wav", 16), "PCM_16", "shaped"),
    "wav 24": (Encoding("wav", 24), "PCM_24", "tpdf"),
    "flac 24": (Encoding("flac", 24), "PCM_24", "tpdf"),
    "mp3 320": (Encoding("mp3", None), "MPEG_LAYER_III", "tpdf"),
    "mp3 192": (Encoding("mp3", None, 192), "MPEG_LAYER_III", "tpdf"),
    "mp3 128": (Encoding("mp3", None, 128), "MPEG_LAYER_III", "tpdf"),
    "ogg 9": (Encoding("ogg", None), "VORBIS", "tpdf"),
    "ogg 5": (Encoding("ogg", None, quality=5), "VORBIS", "tpdf"),
}


def song() -> Audio:
    if len(sys.argv) > 1:
        file = FileSignal(probe(Path(sys.argv[1])), fold=True)
        return Audio(file.read(), file.sample_rate)
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * hz * t) / k for k, hz in enumerate((55, 220, 277, 330, 660), 1))
    noise = lfilter([0.4], [1, -0.8], rng.standard_normal((2, t.size))) * np.exp(-12 * (t % 0.25))
    return Audio((0.2 * tones + noise).astype(np.float32), RATE)


def best_of(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def main() -> None:
    source = song()
    blocks = loudness.process(
        source, loudness.params(target_lufs=-9, ceiling_dbtp=CEILING_DBTP), StageContext()
    )
    master = Audio.from_blocks(blocks, source.sample_rate, source.channels)
    duration_s = master.duration_s
    print(f"{duration_s:.0f} s, {measure(master).lufs:.2f} LUFS; x real time, one thread")
    for dither in ("none", "tpdf", "shaped"):
        speed = duration_s / best_of(partial(quantise, master, dither))
        print(f"  quantise {dither:8} {speed:6.0f}")
    header = ("", "ours", "soundfile", "tries", "LUFS", "dBTP", "soundfile's dBTP", "lowered dB")
    print("  {:14}{:>7}{:>11}{:>7}{:>8}{:>8}{:>18}{:>12}".format(*header))
    with tempfile.TemporaryDirectory() as folder:
        path, plain = Path(folder) / "a", Path(folder) / "b"
        for name, (encoding, subtype, dither) in ENCODINGS.items():
            done = []
            ours = best_of(
                lambda: done.append(  # noqa: B023
                    deliver(
                        path,
                        master,
                        encoding,  # noqa: B023
                        ceiling_dbtp=CEILING_DBTP,
                        tags=Tags(title="Bench", artist="stemfx"),
                        dither=dither,  # noqa: B023
                        notes=Notes(),
                    )
                )
            )
            peer = best_of(lambda: encode(plain, master, encoding, subtype))  # noqa: B023
            alone = measure(FileSignal(probe(plain)))
            made = done[0]
            print(
                f"  {name:14}{duration_s / ours:7.0f}{duration_s / peer:11.0f}{made.tries:7}"
                f"{made.lufs:8.2f}{made.true_peak_dbtp:8.2f}{alone.true_peak_dbtp:18.2f}"
                f"{made.limited_db - made.gain_db:12.2f}"
            )


def quantise(master: Audio, dither: Dither) -> None:
    grid = Grid(16, master.channels, master.sample_rate)
    for _ in quantised(master.blocks(), grid, dither):
        pass


def encode(path: Path, master: Audio, encoding: Encoding, subtype: str) -> None:
    options = {}
    if encoding.format == "mp3":
        level = (320 - (encoding.bitrate_kbps or 320)) / 288
        options = {"compression_level": level, "bitrate_mode": "CONSTANT"}
    elif encoding.format == "ogg":
        options = {"compression_level": 1 - (encoding.quality or 9) / 10}
    with soundfile.SoundFile(
        path,
        "w",
        master.sample_rate,
        master.channels,
        subtype,
        format=encoding.format.upper(),
        **options,
    ) as file:
        for block in master.blocks():  # a whole song at once overflows libvorbis' stack
            file.write(block.T)


if __name__ == "__main__":
    main()
