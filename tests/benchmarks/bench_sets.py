"""How well delays, leaks and the faults of a set of stems are found, on the corpus and the demo.

    python tests/benchmarks/bench_sets.py [CORPUS]

Prints the largest errors of made delays, false alarms between unrelated stems and on true stereo
channels, leaks that were made and found, set faults named exactly (nothing else named), and time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.delay import DelayEstimate, estimate_channel_delay, estimate_delay, gather
from stemfx.dsp.linear_leaks import linear_leaks
from stemfx.health.stem_set import examine_set
from stemfx.io import probe, read_blocks

RATE = 44_100
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SONGS = ("songs/harbour_lights", "songs/iron_tide", "songs/neon_parade", "real/potassium")
DELAYS = (0.0, 0.13, -0.5, 7.25, -33.7, 222.4, 441.0, -881.6)  # the negative ones are inverted
EXCERPT_S = (4.0, 16.0)

Wave = NDArray[np.float64]
Stems = dict[str, Wave]


def audio(samples: Wave, rate: int = RATE) -> Audio:
    return Audio(np.ascontiguousarray(samples, np.float32), rate)


def later(wave: Wave, samples: float) -> Wave:
    n = wave.shape[1]
    padded = n + 8192
    ramp = np.exp(-2j * np.pi * np.fft.rfftfreq(padded) * samples)
    return np.fft.irfft(np.fft.rfft(wave, padded) * ramp, padded)[:, :n]


def songs(corpus: Path) -> Iterator[tuple[str, Stems]]:
    first, last = (round(at * RATE) for at in EXCERPT_S)
    for song in SONGS:
        paths = [path for path in sorted((corpus / song).glob("*.flac")) if path.stem != "mix"]
        whole = {p.stem: np.concatenate(list(read_blocks(probe(p))), axis=1) for p in paths}
        if whole:
            yield song, {name: one[:, first:last].astype(float) for name, one in whole.items()}
    made = demo_song()
    yield "demo", {name: one.samples[:, first:last].astype(float) for name, one in made.items()}


# --------------------------------------------------------------------------- delays


def references(stems: Stems, name: str, moved: Wave) -> Iterator[tuple[str, Wave, Wave]]:
    """Yield what a moved stem is compared with: title, the stem as heard, the reference."""
    rng, mixture = np.random.default_rng(0), np.sum(list(stems.values()), axis=0)
    rms = np.sqrt(np.mean(moved**2))
    yield "its copy", moved, stems[name]
    for snr_db in (0, -6):
        noise = rms * 10 ** (-snr_db / 20) * rng.standard_normal(moved.shape)
        yield f"its copy, noise at {snr_db:+d} dB SNR", moved + noise, stems[name]
    yield "the whole mixture", moved, mixture
    other = next(one for one in stems if one != name)
    rest = mixture - sum(
        later(wave, 220.0) if one == other else wave for one, wave in stems.items() if one != name
    )
    yield "mixture minus others, one of them late", moved, rest


def bench_delays(song: str, stems: Stems, worst: dict[str, list[float]]) -> None:
    for name, stem in stems.items():
        for delay in DELAYS:
            sign = -1 if delay < 0 else 1
            for title, heard, reference in references(stems, name, sign * later(stem, delay)):
                found = estimate_delay(audio(heard), audio(reference))
                kind = f"{title} ({'bass' if name == 'bass' else 'not bass'})"
                sums = worst.setdefault(kind, [0.0, 0.0, 0.0, 0.0])
                sums[0] += 1
                if not found.has_common_source:
                    sums[1] += 1
                    continue
                sums[2] += found.polarity != sign
                sums[3] = max(sums[3], abs(found.delay_samples - delay))


def bench_unrelated(song: str, stems: Stems) -> tuple[list[DelayEstimate], list[DelayEstimate]]:
    pairs, channels = [], []
    for seconds in (4, 8, 12):
        parts = [audio(stem[:, : seconds * RATE]) for stem in stems.values()]
        spectra, unit = gather(parts), np.eye(len(parts))
        pairs += [spectra.delay(unit[i], unit[j]) for i, j in combinations(range(len(parts)), 2)]
        channels += [estimate_channel_delay(part) for part in parts]
    return pairs, channels


# --------------------------------------------------------------------------- leaks


def bench_leaks(stems: Stems) -> None:
    waves = np.stack(list(stems.values()))
    n = len(waves)
    off = ~np.eye(n, dtype=bool)
    for leak in (0.0, 0.01, 0.03, 0.1):
        mixing = np.eye(n) + leak * off
        leaky = np.tensordot(mixing, waves, 1)
        found = linear_leaks(gather([audio(one) for one in leaky]), range(n))
        clean = np.tensordot(np.linalg.inv(found.gains), leaky, 1)
        before, after = (
            np.mean([si_sdr(a, b) for a, b in zip(waves, x, strict=True)]) for x in (leaky, clean)
        )
        scores = np.abs(found.scores[off])
        print(
            f"    leak {100 * leak:4.0f} %: coefficients within "
            f"{np.abs(found.gains - mixing)[off].max():.4f}, scores {scores.min():.1f} to "
            f"{scores.max():.1f}, mean SI-SDR {before:.1f} -> {after:.1f} dB"
        )


def si_sdr(reference: Wave, estimate: Wave) -> float:
    target = np.sum(reference * estimate) / np.sum(reference**2) * reference
    error = np.sum((target - estimate) ** 2)
    return float(min(200.0, 10 * np.log10(np.sum(target**2) / max(error, 1e-30))))


# --------------------------------------------------------------------------- faults

Told = set[tuple[str | None, str]]
Fault = tuple[str, Mapping[str, Wave | Audio], Wave, Told]


def sped(wave: Wave, speed: float) -> Wave:
    return soxr.resample(wave.T, RATE * speed, RATE, "VHQ").T


def faults(stems: Stems) -> Iterator[Fault]:
    mixture = np.sum(list(stems.values()), axis=0)
    drums, vocals, other = (stems[name] for name in ("drums", "vocals", "other"))
    n = drums.shape[1]
    yield "clean", stems, mixture, set()
    for samples in (20.5, -100, 441, -3000.3):
        code = "stem_late" if samples > 0 else "stem_early"
        faulty = stems | {"drums": later(drums, samples)}
        yield f"drums moved by {samples}", faulty, mixture, {("drums", code)}
    for name, stem in stems.items():
        yield f"{name} inverted", stems | {name: -stem}, mixture, {(name, "stem_inverted")}
        rest = {one: wave for one, wave in stems.items() if one != name}
        yield f"{name} missing", rest, mixture, {(None, "stem_missing")}
    for gain_db in (-1, 3, -8):
        code = "stem_too_loud" if gain_db > 0 else "stem_too_quiet"
        faulty = stems | {"vocals": vocals * 10 ** (gain_db / 20)}
        yield f"vocals {gain_db:+d} dB", faulty, mixture, {("vocals", code)}
    yield (
        "late, inverted and loud: one each",
        stems | {"drums": later(drums, 50.5), "vocals": -vocals, "other": 1.26 * other},
        mixture,
        {("drums", "stem_late"), ("vocals", "stem_inverted"), ("other", "stem_too_loud")},
    )
    yield (
        "late, inverted and quiet: one stem",
        stems | {"other": -0.5 * later(other, 220)},
        mixture,
        {("other", "stem_late"), ("other", "stem_inverted"), ("other", "stem_too_quiet")},
    )
    for speed in (1.01, 0.99, 1.0001):
        code = "stem_wrong_speed" if abs(speed - 1) > 5e-4 else "stem_drifts"
        yield f"speed {speed}", stems | {"drums": sped(drums, speed)}, mixture, {("drums", code)}
    wrong = {("vocals", "stem_wrong_rate")}
    yield "48k as 44.1k", stems | {"vocals": sped(vocals, 44_100 / 48_000)}, mixture, wrong
    yield "44.1k as 48k", stems | {"vocals": audio(vocals, 48_000)}, mixture, wrong
    cut = {("drums", "stem_cut_off")}
    yield "drums break off", stems | {"drums": drums[:, : int(0.7 * n)]}, mixture, cut
    silent_end = np.where(np.arange(n) < 0.7 * n, drums, 0)
    yield "drums fall silent", stems | {"drums": silent_end}, mixture, cut
    trimmed = stems | {"drums": drums[:, 3 * RATE :]}
    yield "start trimmed by 3 s", trimmed, mixture, {("drums", "stem_early")}
    yield (
        "start trimmed, 1 % fast",
        trimmed | {"drums": sped(trimmed["drums"], 1.01)},
        mixture,
        {
            ("drums", "stem_early"),
            ("drums", "stem_wrong_speed"),
        },
    )
    second = max("drums", "other", key=list(stems).index)
    yield (
        "drums are a copy of other",
        stems | {"drums": other},
        mixture,
        {(second, "stem_duplicate"), (None, "stem_missing")},
    )
    lost = {("vocals", "stem_not_in_mixture"), (None, "stem_missing")}
    yield "another take", stems | {"vocals": vocals[:, ::-1]}, mixture, lost
    yield "mixture -6 dB", stems, 0.5 * mixture, {(None, "mixture_level")}
    yield "mixture 1105 late", stems, later(mixture, 1105), {(None, "mixture_shifted")}
    for leak in (0.03, 0.1):
        leaky = vocals + leak * (mixture - vocals)
        yield f"leak {leak}", stems | {"vocals": leaky}, mixture, {("vocals", "stem_leak")}
    everywhere = {name: stem + 0.1 * (mixture - stem) for name, stem in stems.items()}
    yield "leak everywhere", everywhere, mixture, {(name, "stem_leak") for name in stems}


def bench_faults(stems: Stems) -> tuple[int, int, float]:
    good = total = 0
    spent = 0.0
    for title, faulty, mixture, expected in faults(stems):
        given = {k: v if isinstance(v, Audio) else audio(v) for k, v in faulty.items()}
        start = time.perf_counter()
        health = examine_set(given, audio(mixture))
        spent += time.perf_counter() - start
        told = {(each.stem, each.finding.code) for each in health.findings}
        total += 1
        good += told == expected
        if told != expected:
            print(
                f"    {title}: expected {sorted(map(str, expected))}, told {sorted(map(str, told))}"
            )
    return good, total, spent


def main() -> None:
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS
    worst: dict[str, list[float]] = {}
    for song, stems in songs(corpus):
        print(song)
        bench_delays(song, stems, worst)
        pairs, channels = bench_unrelated(song, stems)
        print(
            f"    {sum(found.has_common_source for found in pairs)} of {len(pairs)} unrelated "
            f"pairs taken for one source (alignment up to "
            f"{max(found.alignment for found in pairs):.2f}, coherence up to "
            f"{max(found.coherence for found in pairs):.3f}); "
            f"{sum(found.is_same_source and abs(found.delay_ms) > 0.2 for found in channels)} of "
            f"{len(channels)} stereo stems with a channel 0.2 ms late"
        )
        bench_leaks(stems)
        good, total, spent = bench_faults(stems)
        print(f"    {good} of {total} sets named exactly, {spent / total:.1f} s each")
        mixture = audio(np.sum(list(stems.values()), axis=0))
        start = time.perf_counter()
        examine_set({name: audio(stem) for name, stem in stems.items()}, mixture)
        took = time.perf_counter() - start
        print(f"    a set that adds up: {mixture.duration_s / took:.0f} times real time")
    print("delays of", *DELAYS, "samples")
    for title, (count, missed, wrong, error) in sorted(worst.items()):
        print(
            f"    {title}: {count:.0f} made, {missed:.0f} not found, {wrong:.0f} of wrong "
            f"polarity, error up to {error:.3f} samples"
        )


if __name__ == "__main__":
    main()
