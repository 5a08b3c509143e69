"""How often `stemfx rank` puts a clean take before its damaged twin, and names the damage first.

    python tests/benchmarks/bench_rank.py [--corpus FOLDER] [--seconds 180] [--held-out]

Damage by known amounts on made songs, the demo song and (with --corpus) the corpus songs. The clean
take is given second, so that a tie is lost. `first`: the clean one came first. `named`: the worst
fault of the damaged one is that damage. `false`: faults of the clean ones that cost half a point.
With --held-out the songs are others than those at which the weights were set: made in other keys
and tempi, and the corpus songs without their vocals.
Speed: a three-minute FLAC, read, its music read, measured; process CPU time, one thread.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pedalboard
import scipy.signal
import soundfile
from made_songs import made_song
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.io import FileSignal, probe
from stemfx.music.read import read_music
from stemfx.ranking.measure import measure_take
from stemfx.ranking.order import faults_of, ranked
from stemfx.weight_files import read_weights

RATE = 44_100
Wave = NDArray[np.float64]
Damage = Callable[[Wave], Wave]


# --- material ----------------------------------------------------------------------------


def wide(song: object, seed: int) -> Wave:
    """Play a made song's stems in stereo with a line of its own over them."""
    rng = np.random.default_rng(seed)
    stems = {name: stem.samples[0].astype(np.float64) for name, stem in song.stems.items()}
    n = stems["drums"].size
    voice = np.zeros(n)
    t = np.arange(n) / RATE
    beats = song.beats_s
    for i in range(0, len(beats) - 2, 2):
        if rng.random() < 0.25:
            continue
        start, stop = (round(at * RATE) for at in (beats[i], beats[i + 1] + 0.3))
        hz = 220 * 2 ** (rng.choice([0, 3, 5, 7, 10, 12]) / 12)
        bend = 0.01 * np.sin(2 * np.pi * 5.5 * t[start:stop])
        phase = 2 * np.pi * hz * np.cumsum(1 + bend) / RATE
        tone = sum(np.sin(k * phase) / k**1.5 for k in range(1, 12))
        fade = np.minimum(
            1, np.minimum(np.arange(stop - start), np.arange(stop - start)[::-1]) / 2000
        )
        voice[start:stop] += rng.uniform(0.06, 0.1) * tone * fade
    other, far = stems["other"], np.roll(stems["other"], 700)
    left = stems["drums"] + stems["bass"] + voice + 1.2 * other + 0.4 * far
    right = 0.97 * stems["drums"] + stems["bass"] + voice + 0.5 * other - 0.6 * far
    # A room, so that what is struck dies away as records do.
    tail = np.exp(-np.arange(RATE) / (0.18 * RATE)) * rng.standard_normal(RATE) * 0.004
    room = [scipy.signal.fftconvolve(x, np.roll(tail, k))[:n] for k, x in ((0, left), (97, right))]
    out = np.stack([left + room[0], right + room[1]])
    out = np.concatenate([out, np.zeros((2, RATE // 2))], axis=1)
    out[:, -RATE:] *= np.linspace(1, 0, RATE) ** 2
    return 0.7 * out / np.abs(out).max()


KINDS = (
    *(("rock", 118.0), ("four on the floor", 124.0)),
    *(("drum and bass", 172.0), ("swing ballad", 88.0)),
)
HELD_OUT = (
    *(("rock", 97.0), ("rock", 143.0), ("four on the floor", 131.0)),
    *(("drum and bass", 166.0), ("swing ballad", 76.0), ("four on the floor", 109.0)),
)


def made(kinds: Sequence[tuple[str, float]], first_seed: int) -> Iterator[tuple[str, Wave]]:
    for seed, (groove, bpm) in enumerate(kinds, first_seed):
        mode = ("minor", "major")[seed % 2]
        song = made_song(groove, bpm, tonic=2 + 3 * seed, mode=mode, bars=16)
        yield f"made/{groove} {bpm:g}", wide(song, seed)


def held_out(corpus: Path | None) -> Iterator[tuple[str, Wave]]:
    yield from made(HELD_OUT, 10)
    for folder in sorted(corpus.glob("songs/*")) if corpus else ():
        stems = [soundfile.read(folder / f"{name}.flac")[0] for name in ("drums", "bass", "other")]
        yield f"{folder.name} without vocals", np.sum(stems, axis=0).T


def material(corpus: Path | None) -> Iterator[tuple[str, Wave]]:
    yield from made(KINDS, 0)
    demo = np.sum([stem.samples for stem in demo_song().values()], axis=0, dtype=np.float64)
    yield "demo", 0.8 * demo / np.abs(demo).max()
    paths = sorted(corpus.glob("songs/*/mix.flac")) if corpus else []
    paths += (
        [corpus / "generations" / "C.flac", corpus / "real/potassium/mix.flac"] if corpus else []
    )
    for path in paths:
        samples, _ = soundfile.read(path, always_2d=True)
        yield f"{path.parent.name}/{path.stem}", samples.T


# --- damage ------------------------------------------------------------------------------


def clipped(over_db: float, gain: float) -> Damage:
    return lambda x: gain * np.clip(x / np.abs(x).max() * 10 ** (over_db / 20), -1, 1)


def low_passed(cutoff_hz: float) -> Damage:
    taps = scipy.signal.firwin(1023, cutoff_hz, fs=RATE, window=("kaiser", 10.0))
    return lambda x: scipy.signal.fftconvolve(x, taps[np.newaxis], mode="same", axes=1)


def coded(kbps: int) -> Damage:
    def work(x: Wave) -> Wave:
        # soundfile's scale from 0 (320 kbit/s) to 1 (32).
        level = {64: 0.89, 96: 0.78, 128: 0.67}[kbps]
        buffer = io.BytesIO()
        options = {"format": "MP3", "compression_level": level, "bitrate_mode": "CONSTANT"}
        soundfile.write(buffer, np.clip(x, -1, 1).T, RATE, **options)
        buffer.seek(0)
        return soundfile.read(buffer)[0].T

    return work


def lame(vbr_quality: float) -> Damage:
    board = pedalboard.Pedalboard([pedalboard.MP3Compressor(vbr_quality=vbr_quality)])
    return lambda x: board(x.astype(np.float32), RATE).astype(np.float64)


def noisy(level_db: float) -> Damage:
    def work(x: Wave) -> Wave:
        rms = np.sqrt(np.mean(x**2))
        noise = np.random.default_rng(0).standard_normal(x.shape)
        return x + noise * rms * 10 ** (level_db / 20)

    return work


def hummed(level_db: float) -> Damage:
    def work(x: Wave) -> Wave:
        t = np.arange(x.shape[1]) / RATE
        hum = sum(0.6**k * np.sin(2 * np.pi * 50.02 * (k + 1) * t + k) for k in range(6))
        rms = np.sqrt(np.mean(x**2))
        return x + hum / np.sqrt(np.mean(hum**2)) * rms * 10 ** (level_db / 20)

    return work


def wow(percent: float) -> Damage:
    def work(x: Wave) -> Wave:
        n = x.shape[1]
        t = np.arange(n) / RATE
        bend = percent / 100 * 12 / (2 * np.pi) * (1 - np.cos(2 * np.pi * t / 12))
        return np.stack([np.interp(t + bend, t, side) for side in x])

    return work


def detuned(cents: float) -> Damage:
    def work(x: Wave) -> Wave:
        ratio = 2 ** (cents / 1200)
        t = np.arange(round(x.shape[1] / ratio)) * ratio
        return np.stack([np.interp(t, np.arange(x.shape[1]), side) for side in x])

    return work


def looped(n_bars: int) -> Damage:
    """Play the first `n_bars` bars after the first four again and again."""

    def work(x: Wave) -> Wave:
        reading = read_music(Audio(x.astype(np.float32), RATE), {})
        downs = [round(at * RATE) for at in reading.downbeats_s]
        k = min(2, len(downs) - n_bars - 1)
        head, loop = x[:, : downs[k]], x[:, downs[k] : downs[k + n_bars]]
        rounds = max(1, (x.shape[1] - downs[k]) // loop.shape[1])
        return np.concatenate([head, np.tile(loop, (1, rounds)), x[:, -RATE // 2 :]], axis=1)

    return work


def usual(x: Wave) -> int:
    """Return a sample around which 30 ms are as loud as most are: no gap, no climax."""
    power = np.convolve((x**2).mean(axis=0), np.ones(1323), mode="same")
    middle = np.median(power[power > 0.01 * power.max()])
    return int(np.argmin(np.abs(power - middle)))


def cut_ending(x: Wave) -> Wave:
    first = 2 * x.shape[1] // 3
    return x[:, : first + usual(x[:, first : -2 * RATE])]


def cut_start(x: Wave) -> Wave:
    return x[:, RATE + usual(x[:, RATE : x.shape[1] // 3]) :]


def damages() -> Iterator[tuple[str, str, set[str], Damage]]:
    """Yield kind, amount, the faults that name it, and how it is done."""
    for over_db in (3, 6, 9, 12):
        for gain, what in ((1.0, ""), (0.35, ", turned down 9 dB")):
            yield "clipping", f"{over_db} dB{what}", {"clipping"}, clipped(over_db, gain)
    for khz in (10, 12, 14, 16, 17, 18):
        yield "low-pass", f"{khz} kHz", {"cutoff"}, low_passed(1000.0 * khz)
    for kbps in (64, 96, 128):
        yield "MP3", f"{kbps} kbit/s", {"cutoff", "codec_holes"}, coded(kbps)
    for quality in (2.0, 6.0, 9.0):
        yield "MP3 VBR", f"V{quality:.0f}", {"cutoff", "codec_holes"}, lame(quality)
    yield from more_damages()


def more_damages() -> Iterator[tuple[str, str, set[str], Damage]]:
    for level_db in (-30, -40, -50):
        yield "noise", f"{level_db} dB", {"noise"}, noisy(level_db)
    for level_db in (-20, -30, -40):
        yield "hum", f"{level_db} dB", {"hum"}, hummed(level_db)
    for offset in (0.005, 0.05):
        yield "DC", f"{offset:g}", {"dc_offset"}, lambda x, o=offset: x + o
    yield "mono", "both sides alike", {"mono"}, lambda x: np.repeat(x.mean(axis=0)[None], 2, 0)
    yield "mono", "mono file", {"mono"}, lambda x: x.mean(axis=0)[None]
    yield "polarity", "right inverted", {"mono_loss"}, lambda x: x * [[1.0], [-1.0]]
    yield "balance", "right -12 dB", {"one_sided"}, lambda x: x * [[1.0], [0.25]]
    yield "ending", "cut", {"cut_ending"}, cut_ending
    yield "start", "cut", {"cut_start"}, cut_start
    for n_bars in (1, 2, 4):
        yield "loops", f"{n_bars} bars", {"copied_bars"}, looped(n_bars)
    yield "detuned", "+30 cents", {"tuning"}, detuned(30)
    for percent in (2, 4):
        yield "wow", f"{percent} %", {"tempo", "tuning_wander"}, wow(percent)


# --- telling -----------------------------------------------------------------------------


def measured(x: Wave) -> dict[str, float | None]:
    signal = Audio(np.asarray(x, np.float32), RATE)
    return dict(measure_take(signal, read_music(signal, {})))


def table(songs: Iterator[tuple[str, Wave]], only: str) -> None:
    faults = read_weights().take
    first: Counter[tuple[str, str]] = Counter()
    named: Counter[tuple[str, str]] = Counter()
    n = 0
    missed: dict[tuple[str, str], list[str]] = defaultdict(list)
    false: list[str] = []
    for name, clean in songs:
        n += 1
        own = measured(clean)
        false += [
            f"{name}: {f.reason} ({f.points:.1f})"
            for f in faults_of(own, faults)
            if f.points >= 0.5
        ]
        for kind, amount, codes, damage in damages():
            if only and only != kind:
                continue
            other = measured(damage(clean))
            order = ranked({"damaged": other, "clean": own}, faults)
            told = next(one for one in order if one.name == "damaged")
            first[kind, amount] += order[0].name == "clean"
            worst = told.faults[0].name if told.reasons else "nothing"
            named[kind, amount] += worst in codes
            if worst not in codes:
                missed[kind, amount].append(f"{name}: {worst}")
    print(f"{n} songs; clean first / damage named first")
    for key in first:
        where = "; ".join(missed[key][:3])
        print(f"  {key[0]:9} {key[1]:24} {first[key]:2} / {named[key]:2}   {where}")
    print(f"  in all {first.total()} and {named.total()} of {n * len(first)}")
    print(f"false faults of the clean ones: {len(false)}")
    for one in false:
        print(f"  {one}")


def speed(seconds: float) -> None:
    name, song = next(made(KINDS, 0))
    song = np.tile(song, (1, int(seconds * RATE / song.shape[1]) + 1))[:, : round(seconds * RATE)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.flac"
        soundfile.write(path, song.T, RATE)
        began = time.process_time()
        signal = FileSignal(probe(path))
        reading = read_music(signal, {})
        read = time.process_time()
        measure_take(signal, reading)
        ended = time.process_time()
    print(
        f"{seconds:.0f} s ({name}): music read {read - began:.2f} s, measured {ended - read:.2f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--only", default="", help="one kind of damage")
    parser.add_argument("--held-out", action="store_true", help="songs not tuned on")
    given = parser.parse_args()
    speed(given.seconds)
    songs = held_out if given.held_out else material
    table(songs(given.corpus), given.only)
