"""What the embedded model's stems are worth on songs whose true stems are known, and its cost.

    python tests/benchmarks/bench_embedded.py [NAME ...]      # default: every song

Songs: those of the music corpus, the real excerpt in it (no bass stem: bass and other are
scored as one), three mixes of stems of different songs at other speeds, and the demo song.
Per stem: SDR (MDX definition, whole song) and, in brackets, the mixture taken as the estimate;
SI-SDR; `noise`, the log ratio of the spectrogram's kurtosis to the truth's (musical noise is
above zero). For drums also the correlation of 10 ms envelopes (do strokes stay strokes?), for
vocals the SDR above 11 kHz, where the networks do not see.
Cost: processor seconds per second of song, all threads, loading included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp import stft
from stemfx.separator import SeparationContext
from stemfx.separators.embedded import Embedded

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
STEMS = Embedded.card.stems
SONGS = ("harbour_lights", "iron_tide", "neon_parade")
SPEEDS = (0.9, 1.12, 1.06)  # of the drums; the bass runs as much slower as they run faster
NET_BINS = 1024

Stems = dict[str, np.ndarray]


def read(folder: Path) -> Stems:
    """Read true stems, `(2, n)` each."""
    files = {stem: folder / f"{stem}.flac" for stem in STEMS}
    return {
        stem: np.ascontiguousarray(soundfile.read(file, dtype="float32")[0].T)
        for stem, file in files.items()
        if file.is_file()
    }


def faster(samples: np.ndarray, ratio: float) -> np.ndarray:
    """Play faster and as much higher."""
    return np.ascontiguousarray(soxr.resample(samples.T, ratio * 44_100, 44_100).T)


def songs() -> Iterator[tuple[str, Stems]]:
    if CORPUS.is_dir():
        own = [read(CORPUS / "songs" / name) for name in SONGS]
        yield from zip(SONGS, own, strict=True)
        yield "potassium", read(CORPUS / "real" / "potassium")
        for k, speed in enumerate(SPEEDS):
            a, b, c = (own[(k + shift) % 3] for shift in range(3))
            swap = {
                "vocals": a["vocals"],
                "drums": faster(b["drums"], speed),
                "bass": faster(c["bass"], 1 / speed),
                "other": own[(2 * k + 1) % 3]["other"],
            }
            shortest = min(stem.shape[1] for stem in swap.values())
            yield f"swap_{k}", {stem: part[:, :shortest] for stem, part in swap.items()}
    yield "demo_song", {name: audio.samples for name, audio in demo_song().items()}


def sdr_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Return the MDX challenges' SDR in dB."""
    noise = np.square(truth - estimate, dtype=np.float64).sum()
    return float(10 * np.log10((np.square(truth, dtype=np.float64).sum() + 1e-7) / (noise + 1e-7)))


def si_sdr_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    scale = np.vdot(truth, estimate) / (np.vdot(truth, truth) + 1e-12)
    return sdr_db(scale * truth, estimate)


def spectrum(samples: np.ndarray) -> np.ndarray:
    audio = Audio(np.ascontiguousarray(samples), 44_100)
    return stft.forward(audio, 0, stft.n_frames(audio.n_samples))


def noise(truth: np.ndarray, estimate: np.ndarray) -> float:
    def kurtosis(samples: np.ndarray) -> float:
        power = np.abs(spectrum(samples)).astype(np.float64) ** 2
        return float((power**2).mean() / power.mean() ** 2)

    return float(np.log(kurtosis(estimate) / kurtosis(truth)))


def envelope_correlation(truth: np.ndarray, estimate: np.ndarray) -> float:
    def envelope(samples: np.ndarray) -> np.ndarray:
        whole = samples[:, : samples.shape[1] // 441 * 441]
        return np.sqrt((whole.reshape(2, -1, 441) ** 2).mean(axis=(0, 2)))

    return float(np.corrcoef(envelope(truth), envelope(estimate))[0, 1])


def main() -> None:
    wanted = set(sys.argv[1:])
    rows, seconds, cpu_s = [], 0.0, 0.0
    for name, truth in songs():
        if wanted and name not in wanted:
            continue
        mixture = np.asarray(sum(truth.values()), np.float32)
        began = time.process_time()
        blocks = Embedded().separate(Audio(mixture, 44_100), STEMS, SeparationContext())
        stems = dict(zip(STEMS, np.concatenate(list(blocks), axis=-1), strict=True))
        cpu_s += time.process_time() - began
        seconds += mixture.shape[1] / 44_100
        residual = mixture - np.asarray(sum(stems.values()))
        residual_db = 20 * np.log10(np.linalg.norm(residual) / np.linalg.norm(mixture))
        if "bass" not in truth:
            stems["other"] = stems["other"] + stems.pop("bass")
        print(f"{name}: stems - mixture {residual_db:.0f} dB")
        for stem, true in truth.items():
            row = (sdr_db(true, stems[stem]), sdr_db(true, mixture), si_sdr_db(true, stems[stem]))
            line = f"  {stem:7} {row[0]:6.2f} ({row[1]:6.2f})  SI {row[2]:6.2f}"
            line += f"  noise {noise(true, stems[stem]):+.2f}"
            if stem == "drums":
                line += f"  envelope {envelope_correlation(true, stems[stem]):.3f}"
            if stem == "vocals":
                high = [spectrum(x)[..., NET_BINS:] for x in (true, stems[stem])]
                line += f"  above 11 kHz {sdr_db(np.abs(high[0]), np.abs(high[1])):.2f}"
            print(line)
            if name in SONGS:
                rows.append((stem, *row))
    for stem in STEMS if rows else ():
        sdr, mix, si = np.mean([row[1:] for row in rows if row[0] == stem], axis=0)
        print(f"mean of the corpus songs: {stem:7} {sdr:6.2f} ({mix:6.2f})  SI {si:6.2f}")
    print(f"{cpu_s / seconds:.4f} processor seconds per second of song")


if __name__ == "__main__":
    main()
