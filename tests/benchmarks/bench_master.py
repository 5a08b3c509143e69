"""How a master comes out of `loudness`, against the limiters of matchering and pedalboard.

    python tests/benchmarks/bench_master.py CORPUS [accuracy | residual | sound | speed]

CORPUS is a folder with songs/*/mix.flac, generations/*.flac and real/*/mix.flac; beside them play
songs that were not tuned on: made by formulas, at other rates and levels, mono, a voice alone.
A peer is driven to the same loudness and the same ceiling by its input gain and its threshold.
What every number means is said where it is measured. Needs matchering for its column.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from scipy.signal import butter, fftconvolve, sosfilt, welch

from stemfx.audio import Audio, Block
from stemfx.dsp.attacks import attack_change_db
from stemfx.dsp.loudness import LoudnessMeter
from stemfx.stages.compress import compress
from stemfx.stages.eq import eq
from stemfx.stages.glue import glue
from stemfx.stages.high_pass import high_pass
from stemfx.stages.loudness import loudness
from stemfx.stages.multiband import multiband
from stemfx.stages.saturate import saturate
from stemfx.testing import apply

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_songs import GROOVES, made_song

CEILING_DBTP = -1.0
SECONDS = 15.0
Process = Callable[[Block, int, float, float], Block]
"""`(samples, sample_rate, gain_db, threshold_db)` to the limited samples."""


# ------------------------------------------------------------------------ what is mastered


def load(path: Path, seconds: float | None = SECONDS) -> Audio:
    """Read a file, or `seconds` out of its middle."""
    samples, rate = sf.read(path, dtype="float32", always_2d=True)
    n = samples.shape[0] if seconds is None else round(seconds * rate)
    start = max(0, (samples.shape[0] - n) // 2)
    return Audio(samples.T[:, start : start + n], rate)


def corpus_songs(corpus: Path) -> dict[str, Audio]:
    paths = [
        *sorted(corpus.glob("songs/*/mix.flac")),
        *sorted(corpus.glob("generations/*.flac")),
        *sorted(corpus.glob("real/*/mix.flac")),
    ]
    return {path.parent.name if path.stem == "mix" else path.stem: load(path) for path in paths}


def held_out(corpus: Path) -> dict[str, Audio]:
    songs = {}
    for bpm, groove in zip((96, 124, 174, 72), GROOVES, strict=False):
        mono = made_song(groove, bpm, bars=6).mixture.samples[:, : round(SECONDS * 44_100)]
        side = np.concatenate([np.zeros((1, 300), np.float32), mono[:, :-300]], axis=1)
        songs[groove] = Audio(np.concatenate([mono, 0.8 * mono + 0.2 * side]), 44_100)
    for name, gain, rate in (("neon_parade", 4.0, 48_000), ("iron_tide", 0.1, 96_000)):
        song = load(corpus / "songs" / name / "mix.flac", 8)
        samples = soxr.resample(song.samples.T, 44_100, rate, "VHQ").T
        songs[f"{name} {rate} x{gain:g}"] = Audio(gain * samples, rate)
    harbour = load(corpus / "songs" / "harbour_lights" / "mix.flac", 10)
    songs["harbour mono"] = Audio(harbour.samples.mean(axis=0, keepdims=True), 44_100)
    for stem in ("vocals", "drums", "bass"):
        songs[f"iron {stem}"] = load(corpus / "songs" / "iron_tide" / f"{stem}.flac", 10)
    return songs


# ------------------------------------------------------------------------ measures


def lufs_of(samples: Block, rate: int) -> float:
    meter = LoudnessMeter(rate, samples.shape[0])
    meter.add(samples)
    lufs = meter.lufs()
    return -70.0 if lufs is None else lufs


def true_peak_dbtp(samples: Block) -> float:
    """Return the peak at 8x by one pass of soxr's best filter over the whole signal."""
    fine = soxr.resample(samples.T, 1, 8, "VHQ")
    return float(20 * np.log10(max(np.abs(fine).max(), np.abs(samples).max(), 1e-9)))


def residual_db(before: Block, after: Block) -> float:
    """Return what is left of the output without the best gain of the input, in dB of the output."""
    x, y = before.astype(np.float64).ravel(), after.astype(np.float64).ravel()
    left = y - (x @ y) / (x @ x) * x
    return float(10 * np.log10((left @ left + 1e-30) / (y @ y)))


def without_riding(before: Block, after: Block, rate: int) -> tuple[Block, Block]:
    """Return the output and what is left of it without a gain that rides in windows of 20 ms."""
    window = np.hanning(round(0.04 * rate))
    x, y = before.astype(np.float64), after.astype(np.float64)
    both = fftconvolve((x * y).sum(axis=0), window, "same")
    own = fftconvolve((x * x).sum(axis=0), window, "same") + 1e-9
    return y, y - both / own * x


def distortion_db(before: Block, after: Block, rate: int) -> float:
    """Return the part of the residual that no slow gain explains: bent waves, not pumping."""
    y, rest = without_riding(before, after, rate)
    return float(10 * np.log10(np.mean(rest**2) / np.mean(y**2) + 1e-30))


def treble_distortion_db(before: Block, after: Block, rate: int) -> float:
    """Return that distortion above 5 kHz in dB of the output there: crackle is heard there."""
    y, rest = without_riding(before, after, rate)
    high = butter(4, 5000, "high", fs=rate, output="sos")
    y, rest = sosfilt(high, y), sosfilt(high, rest)
    return float(10 * np.log10(np.mean(rest**2) / np.mean(y**2) + 1e-30))


def pumping_db(before: Block, after: Block, rate: int) -> tuple[float, float]:
    """Return how much the gain moves, in dB rms, below 20 Hz and from 20 to 200 Hz.

    The gain in windows of 4 ms; where next to nothing sounds it is taken as unmoved.
    """
    hop = rate // 1000
    window = np.hanning(4 * hop)
    x, y = before.astype(np.float64), after.astype(np.float64)
    gain = (x * y).sum() / (x * x).sum()
    floor = 1e-3 * (x * x).sum(axis=0).mean() * window.sum()
    both = fftconvolve((x * y).sum(axis=0), window, "same")[::hop]
    own = fftconvolve((x * x).sum(axis=0), window, "same")[::hop]
    curve = 20 * np.log10(np.maximum((both / gain + floor) / (own + floor), 1e-3))
    freq, power = welch(curve, 1000, nperseg=min(1024, len(curve)))
    slow, fast = freq < 20, (freq >= 20) & (freq <= 200)
    step = freq[1]
    return float(np.sqrt(power[slow].sum() * step)), float(np.sqrt(power[fast].sum() * step))


def bass_with_hats(rate: int = 44_100, seconds: float = 8.0) -> Block:
    """Make a bass note of 55 Hz under hits that lie above 4 kHz: what else is low, was bent."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * rate)) / rate
    high = butter(8, 5000, "high", fs=rate, output="sos")
    hits = sosfilt(high, rng.standard_normal(t.size) * np.exp(-40 * (t % 0.25)))
    mono = np.sin(2 * np.pi * 55 * t) + 0.9 * hits
    return np.tile(0.2 * mono, (2, 1)).astype(np.float32)


def bass_harmonics_db(after: Block, rate: int) -> float:
    """Return what is between 85 and 1500 Hz, where a note of 55 Hz has nothing, in dB of it."""
    spectrum = np.abs(np.fft.rfft(after[0] * np.hanning(after.shape[1]))) ** 2
    freq = np.fft.rfftfreq(after.shape[1], 1 / rate)
    bent = spectrum[(freq > 85) & (freq < 1500)].sum()
    return float(10 * np.log10(bent / spectrum[(freq > 30) & (freq < 85)].sum() + 1e-30))


# ------------------------------------------------------------------------ the peers


def ours(audio: Audio, target_lufs: float) -> Block:
    return apply(loudness, audio, target_lufs=target_lufs, ceiling_dbtp=CEILING_DBTP)[0].samples


def matchering_limiter(samples: Block, rate: int, gain_db: float, threshold_db: float) -> Block:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matchering
        from matchering.limiter import limit

        config = matchering.Config(internal_sample_rate=rate)
    config.threshold = 10 ** (threshold_db / 20)
    return limit(samples.T.astype(np.float64) * 10 ** (gain_db / 20), config).T.astype(np.float32)


def pedalboard_limiter(samples: Block, rate: int, gain_db: float, threshold_db: float) -> Block:
    """JUCE's maximizer: it raises its threshold to full scale; that make-up is taken back."""
    import pedalboard

    loud = pedalboard.Limiter(-6.0)(samples * np.float32(10 ** (gain_db / 20)), rate)
    return loud * np.float32(10 ** (threshold_db / 20))


def brickwall(samples: Block, rate: int, gain_db: float, threshold_db: float) -> Block:
    import pedalboard

    plugin = pedalboard.BrickwallLimiter(ceiling_db=threshold_db, true_peak=True)
    loud = samples * np.float32(10 ** (gain_db / 20))
    return plugin(np.ascontiguousarray(loud), rate)


PEERS: dict[str, tuple[Process, Callable[[Block], float]]] = {
    "matchering": (matchering_limiter, true_peak_dbtp),
    "matchering, sample peak": (
        matchering_limiter,
        lambda y: float(20 * np.log10(np.abs(y).max())),
    ),
    "pedalboard.Limiter": (pedalboard_limiter, true_peak_dbtp),
    "pedalboard.Brickwall": (brickwall, true_peak_dbtp),
}


def driven(peer: str, audio: Audio, like: Block) -> Block | None:
    """Bring a peer to the loudness and the true peak of `like`; None where it does not get there.

    Where next to nothing is to be limited, a few hundredths of a dB would decide who is better.
    """
    process, peak_db = PEERS[peer]
    x, rate = audio.samples, audio.sample_rate
    target_lufs, ceiling_dbtp = lufs_of(like, rate), true_peak_dbtp(like)
    gain_db, threshold_db = target_lufs - lufs_of(x, rate), ceiling_dbtp
    for _ in range(25):
        if gain_db > 60:
            return None
        y = process(x, rate, gain_db, threshold_db)
        missing, over = target_lufs - lufs_of(y, rate), peak_db(y) - ceiling_dbtp
        if abs(missing) < 0.01 and abs(over) < 0.01:
            return y
        gain_db += 1.3 * missing + over
        threshold_db -= over
    return None


# ------------------------------------------------------------------------ tables


def accuracy(corpus: Path) -> None:
    print(f"{'song':24}" + "".join(f"{t:>9} LUFS  dBTP" for t in (-16, -14, -11, -9)))
    worst, highest = 0.0, -99.0
    for name, audio in (corpus_songs(corpus) | held_out(corpus)).items():
        cells = []
        for target in (-16.0, -14.0, -11.0, -9.0):
            out, context = apply(loudness, audio, target_lufs=target, ceiling_dbtp=CEILING_DBTP)
            off = lufs_of(out.samples, audio.sample_rate) - target
            peak = true_peak_dbtp(out.samples)
            said = "!" if any(f.code == "loudness_target_missed" for f in context.findings) else " "
            cells.append(f"{off:+12.3f}{said}{peak:7.3f}")
            worst = worst if said == "!" else max(worst, abs(off))
            highest = max(highest, peak)
        print(f"{name:24}" + "".join(cells))
    print(f"largest error {worst:.3f} LU (! = said to be out of reach), highest {highest:.3f} dBTP")


MEASURES: dict[str, Callable[[Block, Block, int], Any]] = {
    "residual": lambda x, y, _: residual_db(x, y),
    "bent": distortion_db,
    "treble": treble_distortion_db,
    "slow": lambda x, y, rate: pumping_db(x, y, rate)[0],
    "fast": lambda x, y, rate: pumping_db(x, y, rate)[1],
    "attacks": lambda x, y, rate: attack_change_db(x, y, rate) or 0.0,
}


def measured(audio: Audio, target_lufs: float) -> dict[str, list[float]] | None:
    """Return every measure of ours and of the peers that get there; None if there is no need."""
    rows = {"ours": ours(audio, target_lufs)}
    if residual_db(audio.samples, rows["ours"]) < -120:
        return None
    for peer in PEERS:
        if (y := driven(peer, audio, rows["ours"])) is not None:
            rows[peer] = y
    return {
        who: [m(audio.samples, y, audio.sample_rate) for m in MEASURES.values()]
        for who, y in rows.items()
    }


def residual(corpus: Path) -> None:
    """Print every measure for ours and the peers, and on how many songs ours is ahead."""
    ahead: dict[str, list[bool]] = {peer: [] for peer in PEERS}
    for kind, songs in (("corpus", corpus_songs(corpus)), ("held out", held_out(corpus))):
        for target in (-14.0, -9.0):
            print(f"\n{kind}, {target:g} LUFS{'':22}" + "".join(f"{m:>10}" for m in MEASURES))
            for name, audio in songs.items():
                values = measured(audio, target)
                if values is None:
                    print(f"{name}: needs no limiter")
                    continue
                for who in ("ours", *PEERS):
                    cells = "".join(f"{v:10.2f}" for v in values.get(who, []))
                    print(f"{name if who == 'ours' else '':20} {who:24}{cells or '   not reached'}")
                for peer, wins in ahead.items():
                    wins.append(peer not in values or values["ours"][0] <= values[peer][0])
    print()
    for peer, wins in ahead.items():
        print(f"residual no higher than that of {peer} on {sum(wins)} of {len(wins)}")


def sound(_: Path) -> None:
    x = bass_with_hats()
    audio = Audio(x, 44_100)
    print("a bass note of 55 Hz under hats: what lies between 85 and 1500 Hz, dB of the note")
    for target in (-14.0, -11.0, -9.0):
        cells = {"ours": ours(audio, target)}
        for peer in PEERS:
            if (y := driven(peer, audio, cells["ours"])) is not None:
                cells[peer] = y
        said = ", ".join(f"{peer} {bass_harmonics_db(y, 44_100):.1f}" for peer, y in cells.items())
        print(f"{target:6g} LUFS: {said}")


def chain(audio: Audio, target_lufs: float, kind: str) -> Iterator[tuple[str, float]]:
    """Yield each stage of a chain with its seconds: a plain one, the recipe `master`, or all."""
    bands = [
        {"type": "low_shelf", "freq_hz": 80.0, "gain_db": 1.0},
        {"type": "bell", "freq_hz": 300.0, "gain_db": -1.5},
        {"type": "high_shelf", "freq_hz": 9000.0, "gain_db": 1.0},
    ]
    high, end = (high_pass, {"cutoff_hz": 20.0}), (loudness, {"target_lufs": target_lufs})
    bus, tape = [(multiband, {}), (glue, {})], (saturate, {"kind": "tape", "drive_db": 3.0})
    chains = {
        "plain": [high, (eq, {"bands": bands}), (compress, {}), end],
        "master": [high, *bus, end],
        "all": [high, (eq, {"bands": bands}), *bus, tape, end],
    }
    for stage, params in chains[kind]:
        began = time.process_time()
        audio, _ = apply(stage, audio, **params)
        yield stage.name, time.process_time() - began


def speed(corpus: Path) -> None:
    print("180 s of stereo at 44.1 kHz, CPU seconds (OMP_NUM_THREADS=1 for one core)")
    for name in sorted(path.parent.name for path in corpus.glob("songs/*/mix.flac")):
        song = load(corpus / "songs" / name / "mix.flac", None).samples
        n = 180 * 44_100
        audio = Audio(np.tile(song, (1, -(-n // song.shape[1])))[:, :n], 44_100)
        for kind, target in (("plain", -14.0), ("plain", -9.0), ("master", -9.0), ("all", -9.0)):
            times = dict(chain(audio, target, kind))
            said = ", ".join(f"{stage} {s:.2f}" for stage, s in times.items())
            speed_x = 180 / sum(times.values())
            print(f"{name} {target:g} LUFS, {kind}: {speed_x:.0f}x real time ({said})")


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    parts = {"accuracy": accuracy, "residual": residual, "sound": sound, "speed": speed}
    for name in sys.argv[2:] or parts:
        print(f"\n== {name}")
        parts[name](Path(sys.argv[1]))


if __name__ == "__main__":
    main()
