"""debleed and gap_expander against the truth: what they gain, harm and cost.

    python tests/benchmarks/bench_debleed.py [SONG...] [--seconds 20] [--pictures DIR]

Songs are those of the music corpus beside the project, each a folder of true stems; `demo`, the
one that the code plays; and `mash0` to `mash2`, in which every stem is from another song of the
corpus, so that they share neither key nor rhythm. For each:

- every stem with 10, 3 and 1 % of all others, and with 10 % through a short room for each pair:
  `eq` turns that down, `cancel` takes it out, `auto` has to choose;
- the true stems: any change at all is harm;
- what the embedded separator makes of their sum, with debleed, gap_expander, and one behind the
  other.

SI-SDR in dB: before (mean over stems), gain (mean and worst stem). `noise` is log-kurtosis, a
measure of musical noise (Uemura et al., IWAENC 2008): kurtosis of the power in each bin over
time, weighted with it, of the output over that of the true stem (of a separator's stems: over the
input, since no gain makes a true stem of them); `pauses` the same of what is left
where the true stem is silent, over what was there; 0 is none, and below is smoother. `gap` is the
change of level in those pauses, for stems that have some while others play. `x` is seconds of song
for each second of processor time, for all stems together, analysis and do-no-harm gate included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp import stft
from stemfx.dsp.separation_metrics import si_sdr_db
from stemfx.stage import Song, Stage, StageContext
from stemfx.stages.debleed import debleed
from stemfx.stages.gap_expander import gap_expander
from stemfx.testing import analysed

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
NAMES = ("vocals", "drums", "bass", "other")
RATE = 44_100
PAUSE_SAMPLES = 2048
FLOOR = 1e-12

Stems = NDArray[np.float32]
"""`(n_stems, channels, n_samples)`"""


# --- songs ------------------------------------------------------------------------------------


def songs(wanted: list[str], seconds: float) -> Iterator[tuple[str, tuple[str, ...], Stems]]:
    folders = [*sorted(CORPUS.glob("songs/*")), *sorted(CORPUS.glob("real/*"))]
    read = {folder.name: read_stems(folder) for folder in folders}
    read["demo"] = (NAMES, np.stack([demo_song()[name].samples for name in NAMES]))
    full = [stems for names, stems in read.values() if names == NAMES and len(names) == 4][:3]
    n = min(stems.shape[2] for stems in full)
    for turn in range(3 if len(full) == 3 else 0):
        mixed = [full[(turn + k) % 3][k, :, :n] for k in range(4)]
        read[f"mash{turn}"] = (NAMES, np.stack(mixed))
    for name, (names, stems) in read.items():
        if not wanted or name in wanted:
            yield name, names, stems[:, :, : round(seconds * RATE)]


def read_stems(folder: Path) -> tuple[tuple[str, ...], Stems]:
    names = tuple(name for name in NAMES if (folder / f"{name}.flac").exists())
    return names, np.stack([read(folder / f"{name}.flac") for name in names])


def read(path: Path) -> NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        msg = f"{path} is at {rate} Hz"
        raise ValueError(msg)
    return np.ascontiguousarray(samples.T)


def leaked(stems: Stems, amount: float) -> Stems:
    return ((1 - amount) * stems + amount * stems.sum(axis=0)).astype(np.float32)


def leaked_through_rooms(stems: Stems, amount: float) -> Stems:
    """30 ms of decaying noise (6 ms to 1/e) up to 5 ms late, another one for every pair."""
    rng, n = np.random.default_rng(0), round(0.03 * RATE)
    out = stems.astype(np.float64)
    for j in range(len(stems)):
        for k in range(len(stems)):
            if j != k:
                room = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.006 * RATE))
                room *= amount / np.sqrt(np.sum(room**2))
                late = np.concatenate((np.zeros(round(rng.uniform(0, 0.005) * RATE)), room))
                out[j] += fftconvolve(stems[k], late[np.newaxis], axes=1)[:, : stems.shape[2]]
    return out.astype(np.float32)


def separated(names: tuple[str, ...], stems: Stems) -> Stems:
    """Return the embedded separator's stems; a stem that the song lacks counts as `other`."""
    with tempfile.TemporaryDirectory() as folder:
        mix = Path(folder) / "mix.wav"
        soundfile.write(mix, stems.sum(axis=0).T, RATE, subtype="FLOAT")
        command = ["separate", str(mix), "-o", folder, "--model", "embedded", "--no-cache"]
        subprocess.run([sys.executable, "-m", "stemfx", *command], check=True, capture_output=True)
        found = {name: read(Path(folder) / f"{name}.wav") for name in NAMES}
    rest = [found[name] for name in NAMES if name not in names]
    return np.stack([found[name] + sum(rest) if name == "other" else found[name] for name in names])


# --- running ----------------------------------------------------------------------------------


def run(
    stage: Stage, names: tuple[str, ...], stems: Stems, mixture: NDArray[np.float32], **params: Any
) -> tuple[Stems, float]:
    """Return what the stage makes of all stems, and the processor time that it takes."""
    start = time.process_time()
    settings = stage.params.model_validate(params)
    signals = {name: Audio(stem, RATE) for name, stem in zip(names, stems, strict=True)}
    song = analysed(stage, settings, Song(signals, "", Audio(mixture, RATE)))
    out = []
    for name, signal in signals.items():
        context = StageContext(song=replace(song, own=name))
        out.append(Audio.from_blocks(stage.process(signal, settings, context), RATE).samples)
    return np.stack(out), time.process_time() - start


# --- measures ---------------------------------------------------------------------------------


def si_sdrs_db(true: Stems, stems: Stems) -> NDArray[np.float64]:
    return np.array([si_sdr_db(r, e) or 0.0 for r, e in zip(true, stems, strict=True)])


def bin_powers(stem: NDArray[np.float32]) -> NDArray[np.float64]:
    spectrum = stft.forward(Audio(stem, RATE), 0, stft.n_frames(stem.shape[1]))
    return np.square(np.abs(spectrum)).sum(axis=0, dtype=np.float64)


def kurtosis(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.mean(power**2, axis=0) / np.maximum(np.mean(power, axis=0) ** 2, 1e-30)


def log_kurtosis(
    power: NDArray[np.float64], over: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    ratio = np.log(np.maximum(kurtosis(power), FLOOR) / np.maximum(kurtosis(over), FLOOR))
    mean = weight.mean(axis=0)
    return float(np.sum(ratio * mean) / max(float(np.sum(mean)), FLOOR))


@dataclass(frozen=True)
class Pauses:
    """Where a true stem is silent, 60 dB under its active level, and the mixture is not."""

    frames: NDArray[np.bool_]
    active: NDArray[np.bool_]

    @classmethod
    def of(cls, true: NDArray[np.float32], mixture: NDArray[np.float32]) -> Pauses:
        power, whole = energies(true), energies(mixture)
        active = power > 0.01 * power.mean()
        silent = (power < 1e-6 * power[active].mean()) & (whole > 1e-4 * whole.mean())
        return cls(silent & np.roll(silent, 1) & np.roll(silent, -1), active)

    def level_db(self, stem: NDArray[np.float32]) -> float | None:
        """Level in the pauses relative to that of the active stem; None without pauses."""
        if np.count_nonzero(self.frames) < 8:
            return None
        power = energies(stem)
        return float(10 * np.log10(power[self.frames].mean() / power[self.active].mean() + FLOOR))


def energies(stem: NDArray[np.float32]) -> NDArray[np.float64]:
    n = stem.shape[1] // PAUSE_SAMPLES
    cut = stem[:, : n * PAUSE_SAMPLES].astype(np.float64)
    return np.square(cut.reshape(stem.shape[0], n, PAUSE_SAMPLES)).sum(axis=(0, 2))


def tell(label: str, true: Stems, before: Stems, after: Stems, seconds: float) -> None:
    is_separated = label.startswith("separator")
    was, now = si_sdrs_db(true, before), si_sdrs_db(true, after)
    noises, in_pauses, gaps = [], [], []
    mixture = true.sum(axis=0)
    for r, e, y in zip(true, before, after, strict=True):
        pr, pe, py = bin_powers(r), bin_powers(e), bin_powers(y)
        noises.append(log_kurtosis(py, pe if is_separated else pr, pe))
        pauses = Pauses.of(r, mixture)
        levels = pauses.level_db(e), pauses.level_db(y)
        if levels[0] is not None and levels[1] is not None:
            gaps.append(levels[1] - levels[0])
            at = np.repeat(pauses.frames, PAUSE_SAMPLES // stft.HOP)[: len(pr)]
            quiet = np.flatnonzero(np.pad(at, (0, len(pr) - len(at))))
            in_pauses.append(log_kurtosis(py[quiet], pe[quiet], pe[quiet]))
    gain = now - was
    print(
        f"  {label:26} before {was.mean():6.2f}  gain {gain.mean():+6.2f}"
        f"  worst {gain.min():+6.2f}  noise {max(noises):+5.2f} (mean {np.mean(noises):+5.2f})"
        + (f"  pauses {np.mean(in_pauses):+5.2f}" if in_pauses else "")
        + (
            f"  gap {np.mean(gaps):+5.1f} dB (" + " ".join(f"{g:+.1f}" for g in gaps) + ")"
            if gaps
            else ""
        )
        + f"  {true.shape[2] / RATE / seconds:4.0f} x",
        flush=True,
    )


def picture(folder: Path, title: str, panels: dict[str, NDArray[np.float32]]) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("pictures need matplotlib, which is not here", file=sys.stderr)
        return
    figure = Figure(figsize=(16, 4 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    top = max(float(bin_powers(panel).max()) for panel in panels.values())
    for axis, (label, panel) in zip(axes, panels.items(), strict=True):
        level_db = 10 * np.log10(bin_powers(panel)[:, 1:] / top + 1e-10)
        hz = np.arange(1, stft.N_BINS) * RATE / stft.N_FFT
        seconds = np.arange(len(level_db)) * stft.HOP / RATE
        axis.pcolormesh(seconds, hz, level_db.T, vmin=-90, vmax=-10, cmap="magma", rasterized=True)
        axis.set_yscale("log")
        axis.set(ylim=(40, 16_000), ylabel="Hz", title=f"{title}: {label}")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{title.replace(' %', '').replace(' ', '_')}.png", dpi=70)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("songs", nargs="*")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    for name, names, true in songs(options.songs, options.seconds):
        print(f"{name} ({', '.join(names)}; {true.shape[2] / RATE:.0f} s)", flush=True)
        mixture = true.sum(axis=0)
        leaks = {
            "10 % of all others": leaked(true, 0.1),
            "3 %": leaked(true, 0.03),
            "1 %": leaked(true, 0.01),
            "10 % through rooms": leaked_through_rooms(true, 0.1),
        }
        for (label, stems), mode in product(leaks.items(), ("eq", "cancel", "auto")):
            out, seconds = run(debleed, names, stems, stems.sum(axis=0), mode=mode)
            tell(f"{mode}: {label}", true, stems, out, seconds)
            if options.pictures and label.startswith("10 %") and mode != "auto":
                for j in (0, 2) if len(names) == 4 else (0,):
                    panels = {"with bleed": stems[j], f"debleed {mode}": out[j], "true": true[j]}
                    picture(options.pictures, f"{name} {names[j]} {mode} {label}", panels)
        out, seconds = run(debleed, names, true, mixture)
        worst_db = max(
            10 * np.log10(np.sum((y - r) ** 2) / np.sum(r**2) + 1e-20)
            for y, r in zip(out, true, strict=True)
        )
        print(f"  {'auto: true stems':26} changed at {worst_db:.0f} dB", flush=True)
        made = separated(names, true)
        eased, seconds = run(debleed, names, made, mixture)
        tell("separator: debleed", true, made, eased, seconds)
        expanded, seconds = run(gap_expander, names, made, mixture)
        tell("separator: gaps", true, made, expanded, seconds)
        both, seconds = run(gap_expander, names, eased, mixture)
        tell("separator: both", true, made, both, seconds)
        if options.pictures:
            panels = {"separated": made[0], "debleed and gap_expander": both[0], "true": true[0]}
            picture(options.pictures, f"{name} {names[0]} separated", panels)


if __name__ == "__main__":
    main()
