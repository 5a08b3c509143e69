"""What each repair gains against the truth, and what it costs on clean music.

    python tests/benchmarks/bench_repairs.py CORPUS [REPAIR ...]

CORPUS is a folder with songs/NAME/{vocals,drums,bass,other,mix}.flac and defects/. Gains are in
dB towards the clean twin; a cost of "same bits" means that clean music came out untouched. Times
are process CPU time on one thread, the measuring of harm included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from stemfx.audio import Audio, Block
from stemfx.dsp.harm import HarmMeter
from stemfx.dsp.side import MidSideMeter
from stemfx.stage import Stage, StageContext
from stemfx.stages.dc_remove import dc_remove
from stemfx.stages.declip import declip
from stemfx.stages.denoise import denoise
from stemfx.stages.mono_safe import mono_safe
from stemfx.testing import apply, null_db

SECONDS = 10
STEMS = ("vocals", "drums", "bass", "other", "mix")


def load(path: Path, start_s: float = 0, seconds: float | None = SECONDS) -> Audio:
    rate = sf.info(path).samplerate
    frames = -1 if seconds is None else round(seconds * rate)
    samples, rate = sf.read(
        path, dtype="float32", always_2d=True, start=round(start_s * rate), frames=frames
    )
    return Audio(np.ascontiguousarray(samples.T), rate)


def run(stage: Stage, audio: Audio, **params: Any) -> tuple[Audio, StageContext, float]:
    began = time.process_time()
    out, context = apply(stage, audio, **params)
    return out, context, audio.duration_s / max(1e-3, time.process_time() - began)


def clean_files(corpus: Path) -> Iterator[Path]:
    yield from sorted(corpus.glob("songs/*/*.flac"))
    yield from sorted(corpus.glob("real/*/*.flac"))
    yield from sorted(corpus.glob("defects/clean_*.flac"))


def cost_on_clean(stage: Stage, corpus: Path) -> None:
    same, changed = 0, []
    for path in clean_files(corpus):
        audio = load(path, seconds=None)
        out, context, _ = run(stage, audio)
        if np.array_equal(out.samples, audio.samples):
            same += 1
        else:
            loss_db = context.measurements["max_band_loss_db"]
            where = f"{path.parent.name}/{path.stem}"
            changed.append(f"{where} {null_db(audio, out):.0f} dB (band loss {loss_db} dB)")
    print(f"  clean music: same bits {same} times; changed: {', '.join(changed) or 'none'}")


def harm(corpus: Path) -> None:
    x = np.tile(load(corpus / "songs/iron_tide/mix.flac", seconds=30).samples, (1, 6))
    for name, r in (("no change", x), ("a change", np.float32(0.9) * x)):
        began = time.process_time()
        meter = HarmMeter(2, 44_100)
        for start in range(0, x.shape[1], 65_536):
            meter.add(x[:, start : start + 65_536], r[:, start : start + 65_536])
        meter.result()
        print(f"  {name}: {time.process_time() - began:.2f} s for 180 s of stereo")


def bench_mono_safe(corpus: Path) -> None:
    def losses_db(audio: Audio) -> Block:
        meter = MidSideMeter(audio.sample_rate)
        meter.add(audio.samples)
        measured = meter.result()
        return measured.losses_db(np.ones(len(measured.edges_hz) - 1))

    cases = [(p, load(p, seconds=None)) for p in (corpus / "defects").glob("bass_out_of*.flac")]
    for path in sorted(corpus.glob("songs/*/other.flac")):
        audio = load(path, 10)
        wide = audio.samples + np.array([[1], [-1]], np.float32) * (
            audio.samples[:1] - audio.samples[1:]
        )
        cases.append((path, Audio(wide, audio.sample_rate)))
    for path, audio in cases:
        out, context, speed = run(mono_safe, audio)
        print(
            f"  {path.parent.name}/{path.stem}: loss by band {np.round(losses_db(audio), 1)} -> "
            f"{np.round(losses_db(out), 1)}, wet {context.measurements['wet']}, "
            f"change {context.measurements['change_db']} dB, {speed:.0f} x real time"
        )


def bench_dc_remove(corpus: Path) -> None:
    broken = load(corpus / "defects/dc_offset_plus005.flac")
    clean = load(corpus / "defects/clean_harbour.flac")
    out, context, speed = run(dc_remove, broken)
    truth = np.float32(0.9) * clean.samples
    rest = out.samples - truth
    print(
        f"  +0.05: {context.measurements['dc_before_dbfs']} dBFS before; "
        f"what is left beside the clean twin {20 * np.log10(np.std(rest)):.1f} dBFS rms, "
        f"mean {20 * np.log10(np.abs(rest.mean(axis=1)).max()):.1f} dBFS, {speed:.0f} x real time"
    )


def sdr_db(truth: Block, samples: Block, where: Any) -> float:
    r, e = truth[where].astype(np.float64), (truth - samples)[where].astype(np.float64)
    return float(10 * np.log10(np.sum(r**2) / np.sum(e**2)))


def bench_declip(corpus: Path) -> None:
    clean = load(corpus / "defects/clean_iron.flac")
    for name, scale in (("clipped_0dbfs", 1.0), ("clipped_then_minus6db", 0.5)):
        broken = load(corpus / f"defects/{name}.flac")
        where = np.abs(broken.samples) >= 0.9999 * scale
        x, y = clean.samples[~where], broken.samples[~where]
        truth = np.float32(np.dot(x, y) / np.dot(x, x)) * clean.samples
        _declip(name, truth, broken, where)
    for path in sorted(corpus.glob("songs/*/*.flac")) + sorted(corpus.glob("real/*/mix.flac")):
        if path.stem not in {"mix", "vocals", "drums"}:
            continue
        truth = load(path, 5, 4).samples
        for over_db in (3, 6, 10):
            level = np.float32(np.abs(truth).max() * 10 ** (-over_db / 20))
            broken = Audio(np.clip(truth, -level, level), 44_100)
            name = f"{path.parent.name}/{path.stem} by {over_db} dB"
            _declip(name, truth, broken, np.abs(truth) >= level)


def _declip(name: str, truth: Block, broken: Audio, where: Any) -> None:
    out, _, speed = run(declip, broken)
    before, after = (sdr_db(truth, x, where) for x in (broken.samples, out.samples))
    kept = np.array_equal(out.samples[~where], broken.samples[~where])
    print(
        f"  {name}: {100 * where.mean():.2f} % clipped, SDR there {before:.1f} -> {after:.1f} "
        f"({after - before:+.1f}), rest {'same bits' if kept else 'changed'}, "
        f"{speed:.1f} x real time"
    )


def noise(n_samples: int, kind: str, dbfs: float) -> Block:
    white = np.random.default_rng(0).standard_normal((2, n_samples))
    if kind == "pink":
        bins = np.maximum(np.arange(n_samples // 2 + 1), 20 * n_samples // 44_100)
        white = np.fft.irfft(np.fft.rfft(white) / np.sqrt(bins), n_samples)
    return (10 ** (dbfs / 20) * white / white.std()).astype(np.float32)


def bench_denoise(corpus: Path) -> None:
    for path in sorted(corpus.glob("songs/*/*.flac")):
        if path.stem not in {"vocals", "bass", "mix"}:
            continue
        clean = load(path, seconds=None)
        for kind, dbfs in (("white", -50), ("white", -70), ("pink", -50), ("pink", -60)):
            y = Audio(clean.samples + noise(clean.n_samples, kind, dbfs), 44_100)
            out, context, speed = run(denoise, y)
            gain_db = null_db(clean, y) - null_db(clean, out)
            spectra = [np.fft.rfft(a.samples.astype(np.float64)) for a in (clean, out)]
            freq_hz = np.fft.rfftfreq(clean.n_samples, 1 / 44_100)
            own, left = (s[:, (freq_hz > 500) & (freq_hz < 10_000)] for s in spectra)
            kept = np.sum(left * own.conj()).real / np.sum(np.abs(own) ** 2)
            print(
                f"  {path.parent.name}/{path.stem} {kind} {dbfs}: SNR {gain_db:+.1f} dB, "
                f"presence {20 * np.log10(kept):+.2f} dB, "
                f"attacks -{context.measurements.get('attack_loss_db', 0)} dB, "
                f"found {context.measurements.get('noise_dbfs', 'nothing')}, "
                f"{speed:.0f} x real time"
            )


BENCHES = {
    "mono_safe": (mono_safe, bench_mono_safe),
    "dc_remove": (dc_remove, bench_dc_remove),
    "declip": (declip, bench_declip),
    "denoise": (denoise, bench_denoise),
}


def main() -> None:
    corpus = Path(sys.argv[1])
    print("measuring harm")
    harm(corpus)
    for name in sys.argv[2:] or BENCHES:
        stage, bench = BENCHES[name]
        print(name)
        bench(corpus)
        cost_on_clean(stage, corpus)


if __name__ == "__main__":
    main()
