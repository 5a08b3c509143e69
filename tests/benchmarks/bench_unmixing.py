"""What unmixing gains on true stems that leak, what it leaves alone, and what it costs.

    python tests/benchmarks/bench_unmixing.py [--seconds 20] [--start 5] [--networks] [FOLDER ...]

Each folder holds the true stems of a song, one audio file each (files named mix are left out);
without one it is the demo song. Leaks are put on the stems, which are then rounded to 16 bits as
files are. Gains are of SI-SDR over the leaked stems: the mean of the stems, and the worst one. Of
clean stems and masks (made on the true stems; with --networks also the embedded model's) it is
told what was changed. The peer for linear leaks is scikit-learn's FastICA (logcosh) on STFT
coefficients, if it is installed. One thread, process CPU time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp import stft
from stemfx.dsp.separation_metrics import si_sdr_db
from stemfx.dsp.unmixed import Unmixed
from stemfx.dsp.unmixing import estimate
from stemfx.io import probe, read_blocks
from stemfx.separator import SeparationContext

Stems = NDArray[np.float32]  # (n_stems, channels, n_samples)

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".m4a"}
ICA_BINS = 300_000


# --- songs -------------------------------------------------------------------------------


def read(folder: Path, start_s: float, seconds: float) -> tuple[Stems, int]:
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES and f.stem != "mix")
    rate = probe(files[0]).sample_rate
    whole = slice(round(start_s * rate), round((start_s + seconds) * rate))
    parts = [np.concatenate([*read_blocks(probe(f))], axis=1)[:, whole] for f in files]
    n = min(part.shape[1] for part in parts)
    return np.stack([part[:, :n] for part in parts]), rate


# --- leaks and masks ---------------------------------------------------------------------


def linear(stems: Stems, gain: float) -> Stems:
    mixing = np.full((len(stems), len(stems)), gain)
    np.fill_diagonal(mixing, 1)
    return np.einsum("jk,kcn->jcn", mixing, stems)


def unequal(stems: Stems, gain: float) -> Stems:
    """Leak with gains of 0.3 to 1.5 times `gain`, of either sign, in about half of the pairs."""
    rng = np.random.default_rng(0)
    shape = (len(stems), len(stems))
    mixing = gain * rng.uniform(0.3, 1.5, shape) * rng.choice([-1, 0, 0, 1], shape)
    np.fill_diagonal(mixing, 1)
    return np.einsum("jk,kcn->jcn", mixing, stems)


def rooms(
    stems: Stems, rate: int, gain: float, ms: float, *, delay_ms: float = 0, sides: int = 1
) -> Stems:
    """Leak through a room a pair: decaying noise, -60 dB after `ms`, of energy `gain`²."""
    out = stems.astype(np.float64)
    n, delay = round(ms * rate / 1000), round(delay_ms * rate / 1000)
    for j in range(len(stems)):
        for k in set(range(len(stems))) - {j}:
            taps = np.random.default_rng([j, k]).standard_normal((sides, n))
            taps *= 10 ** (-3 * np.arange(n) / n)
            taps[:, 0] = np.abs(taps).max(axis=1)
            taps *= gain / np.sqrt(np.sum(taps**2, axis=1, keepdims=True))
            taps = np.broadcast_to(taps, (stems.shape[1], n)) if sides == 1 else taps
            out[j, :, delay:] += fftconvolve(stems[k], taps, axes=1)[:, : stems.shape[2] - delay]
    return out.astype(np.float32)


def masked(stems: Stems, rate: int, exponent: float) -> Stems:
    n = stems.shape[-1]
    spectra = np.stack([stft.forward(Audio(s, rate), 0, stft.n_frames(n)) for s in stems])
    shares = np.abs(spectra) ** exponent + 1e-20
    given = (shares / shares.sum(axis=0) * spectra.sum(axis=0)).astype(np.complex64)
    return np.concatenate([*stft.inverse([given], n)], axis=-1)


def separated(stems: Stems, rate: int) -> Stems:
    from stemfx.separators.embedded import Embedded

    mixture = Audio(stems.sum(axis=0), rate)
    blocks = Embedded().separate(mixture, Embedded.card.stems, SeparationContext())
    return np.concatenate([*blocks], axis=-1)


# --- unmixing, ours and the peer's -------------------------------------------------------


def ours(given: Stems, rate: int) -> tuple[Stems, str]:
    stems = [Audio(stem, rate) for stem in given]
    mixing = estimate(stems)
    result = [Unmixed(j, stems, mixing).read() for j in range(len(stems))]
    return np.stack(result), mixing.regime


def fast_ica(given: Stems, rate: int) -> tuple[Stems, str]:
    """Unmix as methods of the field's toolbox would: FastICA on normalised STFT coefficients."""
    from scipy.optimize import linear_sum_assignment
    from scipy.signal import stft as transform
    from sklearn.decomposition import FastICA

    spectra = transform(given, nperseg=2048, noverlap=1024)[2]
    spectra /= np.sqrt(np.mean(np.abs(spectra) ** 2, axis=(0, 1, 3), keepdims=True)) + 1e-12
    flat = spectra.reshape(len(given), -1)
    chosen = np.random.default_rng(0).choice(flat.shape[1], min(ICA_BINS, flat.shape[1]))
    samples = np.concatenate([flat[:, chosen].real, flat[:, chosen].imag], axis=1)
    ica = FastICA(fun="logcosh", whiten="unit-variance", random_state=0, max_iter=1000)
    mixing = ica.fit(samples.T).mixing_
    share = np.abs(mixing) / np.linalg.norm(mixing, axis=0)
    mixing = mixing[:, linear_sum_assignment(-share)[1]]
    mixing /= np.diag(mixing)
    return np.einsum("jk,kcn->jcn", np.linalg.inv(mixing), given).astype(np.float32), "ica"


def has_ica() -> bool:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True


# --- the table ---------------------------------------------------------------------------


def cases(true: Stems, rate: int, *, networks: bool) -> Iterator[tuple[str, Stems]]:
    yield "clean", true
    for percent in (10, 3, 1):
        yield f"linear {percent} %", linear(true, percent / 100)
    yield "linear 3 %, unequal, some", unequal(true, 0.03)
    for ms in (5, 20, 50):
        yield f"room {ms} ms 10 %", rooms(true, rate, 0.1, ms)
    yield "room 20 ms 10 %, 2 sides, late", rooms(true, rate, 0.1, 20, delay_ms=5, sides=2)
    yield "room 20 ms 3 %", rooms(true, rate, 0.03, 20)
    for name, exponent in (("soft", 1.0), ("Wiener", 2.0), ("hard", 12.0)):
        yield f"masks, {name}", masked(true, rate, exponent)
    if networks:
        yield "masks, embedded model", separated(true, rate)


Unmix = Callable[[Stems, int], tuple[Stems, str]]


def line(what: str, true: Stems, given: Stems, rate: int, unmix_all: Unmix) -> None:
    seconds = given.shape[-1] / rate
    began = time.process_time()
    result, regime = unmix_all(given, rate)
    cost = time.process_time() - began
    if np.array_equal(result, given):
        told = "the same bits"
    elif "mask" in what or what == "clean":
        change = np.mean((result - given) ** 2) / np.mean(given**2)
        told = f"changed by {10 * np.log10(change):.1f} dB"
    else:
        gains = [
            si_sdr_db(t, r) - si_sdr_db(t, g) for t, g, r in zip(true, given, result, strict=True)
        ]
        told = f"{np.mean(gains):+6.1f} dB, worst {min(gains):+6.1f}"
    print(f"  {what:31} {regime:12} {told:28} {cost:5.2f} s  {seconds / cost:5.0f} x real time")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--start", type=float, default=5)
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    songs = {f.name: read(f, options.start, options.seconds) for f in options.folders}
    if not songs:
        demo = demo_song()
        rate = next(iter(demo.values())).sample_rate
        songs["demo song"] = np.stack([stem.samples for stem in demo.values()]), rate
    for name, (true, rate) in songs.items():
        print(f"{name}: {len(true)} stems, {true.shape[-1] / rate:.1f} s at {rate} Hz")
        for what, leaking in cases(true, rate, networks=options.networks):
            given = (np.round(leaking * 2.0**15) / 2.0**15).astype(np.float32)
            line(what, true, given, rate, ours)
            if what.startswith("linear") and has_ica():
                line("  FastICA", true, given, rate, fast_ica)


if __name__ == "__main__":
    main()
