"""Loops fitted to songs: how near their attacks are to where they belong.

python tests/benchmarks/bench_layers.py CORPUS [FOLDER_OF_LOOPS]

Every loop of a folder (wav, flac) is fitted to a made-up song 7 % faster than it reads; its attacks
are compared with those of the loop, moved to where they belong. Four bars of every drum stem of the
corpus are fitted to the other songs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from stemfx.audio import Audio, Signal
from stemfx.dsp.onsets import find_onsets
from stemfx.errors import StageError
from stemfx.io import FileSignal, probe
from stemfx.music.loop import read_loop
from stemfx.music_reading import MusicReading
from stemfx.stages.fit import fit
from stemfx.testing import apply

NEAR_S = 0.025


def song(bpm: float, key: str, first_s: float = 0.2, duration_s: float = 24.0) -> MusicReading:
    """Return a song of one tempo."""
    beats = tuple(np.arange(first_s, duration_s, 60 / bpm))
    return MusicReading(bpm, 1.0, beats, beats[::4], key, 1.0, "", 0.0, duration_s)


def compare(name: str, loop: Signal, to: MusicReading, method: str) -> None:
    """Fit a loop and print how far its attacks are from where they belong."""
    try:
        out, context = apply(fit, loop, readings={"to": to}, to="song", method=method, key=False)
    except StageError as error:
        print(f"{name:48s} refused: {str(error)[:70]}")
        return
    found, reading = context.measurements, read_loop(loop)
    ratio = 1 + float(found["stretch_percent"]) / 100
    strokes, heard = find_onsets(loop)[1:], find_onsets(out)
    rounds = int((to.duration_s - to.beats_s[0]) // (reading.period_s * ratio))
    start_s = to.downbeats_s[0] - reading.first_s * ratio
    wanted = start_s + ratio * (reading.period_s * np.arange(rounds)[:, None] + strokes).ravel()
    late = (
        np.array([heard[np.argmin(np.abs(heard - t))] - t for t in wanted])
        if len(heard)
        else wanted
    )
    near = 1000 * late[np.abs(late) < NEAR_S]
    what = f"{found['loop_bpm']:7.2f} BPM {found['stretch_percent']:6.1f} % {found['method']:8s}"
    if near.size:
        p95 = np.percentile(np.abs(near), 95)
        what += f"attacks {near.size}/{late.size} median {np.median(near):5.2f} p95 {p95:5.2f} ms"
    print(f"{name:48s} {what} drift {found.get('drift_ms', '-')} ms")


def main(corpus: Path, loops: Path | None) -> None:
    """Print both tables."""
    folders = sorted(p.parent for p in corpus.glob("songs/*/song.json"))
    truth = {folder: json.loads((folder / "song.json").read_text()) for folder in folders}
    for own in folders:
        beat_s = 60 / truth[own]["bpm"]
        start = round((truth[own]["first_downbeat_s"] + 16 * beat_s) * 44_100)
        stem = FileSignal(probe(own / "drums.flac"))
        loop = Audio(stem.read(start, start + round(16 * beat_s * 44_100)), 44_100)
        for other in folders:
            to = song(truth[other]["bpm"], truth[other]["key"]["label"])
            for method in ("auto", "stretch"):
                compare(f"{own.name} to {other.name} ({method})", loop, to, method)
    for path in sorted([*loops.glob("*.wav"), *loops.glob("*.flac")]) if loops else []:
        signal = FileSignal(probe(path))
        loop = Audio(signal.read(), signal.sample_rate)
        to = song((read_loop(loop).bpm or 100.0) * 1.07, "C minor")
        for method in ("auto", "stretch"):
            compare(f"{path.stem} ({method})", loop, to, method)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
