"""`match_reference` at amount 1 against matchering 2.0.6, both without a limiter.

    python tests/benchmarks/bench_match.py [SONG ...]

Known truth: the reference is the song itself through a filter, a width, a gain, so the one right
answer is known; also with 20 s of quiet, dull intro before the song, and with the reference's
treble cut off at 16 kHz. Then every song against every other. Printed for each:

- distance: rms over thirds of an octave from 30 Hz to 16 kHz of what separates both spectra (mid
  and side together, mean over all of each song), equally loud;
- EQ error: rms of what the mid gained, less what it should have, 40 Hz to 15 kHz, mean taken off;
- side error: the same for the side, relative to the mid (so it tells the width);
- LUFS error; attack loss (`stemfx.dsp.harm`) against the one right answer, or else against the
  song; times real time, CPU, one thread.

SONGs are files; left out, three songs that formulas play.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import csd, firwin, sosfilt, sosfreqz, welch

from stemfx.audio import Audio
from stemfx.dsp.harm import HarmMeter
from stemfx.dsp.loudness import measure
from stemfx.registry import build_registry
from stemfx.testing import apply

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from made_songs import made_song

STAGE = build_registry().stages["match_reference"]
RATE, N = 44_100, 16_384
HZ = np.fft.rfftfreq(N, 1 / RATE)
Floats = NDArray[np.float64]


def mid_side(audio: Audio) -> Floats:
    left, right = audio.samples.astype(float)
    return np.stack((left + right, left - right)) / 2


def stereo(mid: Floats, side: Floats) -> Audio:
    return Audio(np.stack((mid + side, mid - side)).astype(np.float32), RATE)


# ---------------------------------------------------------------------------- truths


def rbj(kind: str, hz: float, gain_db: float, q: float = 0.7) -> Floats:
    """Design a filter by the Audio EQ Cookbook: no code of stemfx."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * hz / RATE
    alpha, cos = np.sin(w) / (2 * q), np.cos(w)
    if kind == "bell":
        b, c = (1 + alpha * a, -2 * cos, 1 - alpha * a), (1 + alpha / a, -2 * cos, 1 - alpha / a)
    else:
        s, r = (1 if kind == "low" else -1), 2 * np.sqrt(a) * alpha
        b = (
            a * ((a + 1) - s * (a - 1) * cos + r),
            s * 2 * a * ((a - 1) - s * (a + 1) * cos),
            a * ((a + 1) - s * (a - 1) * cos - r),
        )
        c = (
            (a + 1) + s * (a - 1) * cos + r,
            -s * 2 * ((a - 1) + s * (a + 1) * cos),
            (a + 1) + s * (a - 1) * cos - r,
        )
    return np.array([*b, *c]) / c[0]


CURVE = np.stack((rbj("low", 110, 3), rbj("bell", 450, -4, 1.0), rbj("high", 7000, 4)))
PRESENCE = np.stack((rbj("bell", 60, -3, 1.4), rbj("bell", 2500, 5, 1.4)))
WIDE = np.stack((rbj("high", 1500, 3.5),))
NONE = np.zeros((0, 6))


class Truth:
    """A song through known filters of mid and side, and a gain."""

    def __init__(self, mid: Floats, side: Floats, gain_db: float, top_hz: float = 0) -> None:
        self.mid, self.side, self.gain_db, self.top_hz = mid, side, gain_db, top_hz

    def __call__(self, song: Audio) -> Audio:
        gain = 10 ** (self.gain_db / 20)
        rows = [
            gain * (sosfilt(sos, row) if len(sos) else row)
            for sos, row in zip((self.mid, self.side), mid_side(song), strict=True)
        ]
        if self.top_hz:
            taps = firwin(1023, self.top_hz, fs=RATE)
            rows = [np.convolve(row, taps, "same") for row in rows]
        return stereo(*rows)

    def db(self) -> Floats:
        """Return the gains of mid and side, `(2, bins)`."""
        both = [
            np.abs(sosfreqz(sos, HZ, fs=RATE)[1]) if len(sos) else np.ones_like(HZ)
            for sos in (self.mid, self.side)
        ]
        return 20 * np.log10(np.maximum(both, 1e-9))


TRUTHS = {
    "itself, 5 dB louder": Truth(NONE, NONE, 5),
    "shelves and a bell": Truth(CURVE, CURVE, 0),
    "presence, 60 Hz cut": Truth(PRESENCE, PRESENCE, -3),
    "wider above 1.5 kHz": Truth(NONE, WIDE, 0),
    "curve and width": Truth(CURVE, np.concatenate((CURVE, WIDE)), 4),
    "curve, MP3's 16 kHz": Truth(CURVE, CURVE, 0, 16_000),
}


def with_intro(song: Audio) -> Audio:
    """Put 20 s of its own beginning before a song, 15 dB quieter and without treble."""
    intro = np.tile(song.samples, 4)[:, : 20 * RATE].astype(float)
    dull = sosfilt(rbj("high", 1500, -12)[None], intro) * 10 ** (-15 / 20)
    return Audio(np.concatenate((dull, song.samples), axis=1).astype(np.float32), RATE)


# ---------------------------------------------------------------------------- readings


def thirds(power: Floats) -> Floats:
    centres = 31.5 * 2 ** (np.arange(28) / 3)
    edges = np.searchsorted(HZ, [centres * 2 ** (-1 / 6), centres * 2 ** (1 / 6)])
    return np.array([power[low : max(high, low + 1)].sum() for low, high in edges.T])


def distance_db(one: Audio, other: Audio) -> float:
    """Rms over thirds within 65 dB of the loudest of both."""
    spectra = [
        thirds(welch(mid_side(audio), RATE, nperseg=N)[1].sum(axis=0)) for audio in (one, other)
    ]
    there = np.logical_and(*(s > s.max() * 10**-6.5 for s in spectra))
    difference = 10 * np.log10(spectra[1][there] / spectra[0][there])
    return float(np.std(difference))


def gained_db(song: Audio, out: Audio) -> Floats:
    """Return what mid and side gained in each bin, by their cross spectra."""
    before, after = mid_side(song), mid_side(out)
    cross = csd(before, after, RATE, nperseg=N)[1]
    own = welch(before, RATE, nperseg=N)[1]
    return 20 * np.log10(np.maximum(np.abs(cross) / np.maximum(own, 1e-20), 1e-9))


def errors_db(song: Audio, out: Audio, truth: Truth) -> tuple[float, float]:
    points = np.geomspace(40, 15_000, 100)
    at = np.searchsorted(HZ, points)
    near = [slice(max(1, i - i // 24), i + i // 24 + 1) for i in at]  # a twelfth of an octave
    power = welch(mid_side(song), RATE, nperseg=N)[1]
    error = gained_db(song, out) - truth.db()
    # Weighted by power: between notes there is nothing to read.
    mid, side = (
        np.array([np.average(e[n], weights=p[n] + 1e-20) for n in near])
        for e, p in zip(error, power, strict=True)
    )
    apart = side - mid
    return float(np.std(mid)), float(np.sqrt(np.mean(apart**2)))


def attack_loss_db(ideal: Audio, out: Audio) -> float:
    """Return the loss at equal loudness."""
    gain_db = (measure(ideal).lufs or 0) - (measure(out).lufs or 0)
    meter = HarmMeter(2, RATE)
    meter.add(ideal.samples, out.samples * np.float32(10 ** (gain_db / 20)))
    return meter.result().costs(1.0).attack_loss_db


# ---------------------------------------------------------------------------- both


def ours(song: Audio, reference: Audio) -> Audio:
    return apply(STAGE, song, sounds={"file": reference}, file="reference.wav", amount=1.0)[0]


def matchering(song: Audio, reference: Audio) -> Audio:
    from matchering import Config
    from matchering.stages import main as match

    out = match(
        song.samples.T.astype(float),
        reference.samples.T.astype(float),
        Config(),
        need_default=False,
        need_no_limiter=True,
    )[1]
    # It brings the reference to full scale first, and takes that back only after its limiter.
    level = min(1.0, float(np.abs(reference.samples).max()) / Config().threshold)
    return Audio(np.ascontiguousarray(level * out.T, np.float32), RATE)


PEERS: dict[str, Callable[[Audio, Audio], Audio]] = {"ours": ours, "matchering": matchering}


def compare(title: str, song: Audio, reference: Audio, truth: Truth | None) -> None:
    before = distance_db(song, reference)
    print(f"{title:44} before {before:5.2f}")
    for name, process in PEERS.items():
        began = time.process_time()
        out = process(song, reference)
        fast = song.n_samples / RATE / (time.process_time() - began)
        lufs = (measure(out).lufs or -70) - (measure(reference).lufs or -70)
        loss_db = attack_loss_db(truth(song) if truth else song, out)
        errors = "                       "
        if truth:
            mid, side = errors_db(song, out, truth)
            errors = f"EQ {mid:4.2f}  side {side:5.2f} dB "
        print(
            f"  {name:12} distance {distance_db(out, reference):5.2f}  {errors}"
            f"LUFS {lufs:+5.2f}  attacks -{loss_db:4.2f} dB  {fast:4.0f} x"
        )


def panned(stems: dict[str, Audio]) -> Audio:
    """Mix mono stems, each in a place of its own."""
    places = np.linspace(-0.5, 0.5, len(stems))
    rows = [
        np.stack((1 - place, 1 + place))[:, np.newaxis] * stem.samples
        for place, stem in zip(places, stems.values(), strict=True)
    ]
    mix = np.sum(rows, axis=0)
    return Audio((0.5 / np.abs(mix).max() * mix).astype(np.float32), RATE)


def songs() -> dict[str, Audio]:
    if not sys.argv[1:]:
        made = {
            "rock": ("rock", 112, 4),
            "house": ("four on the floor", 124, 9),
            "ballad": ("swing ballad", 76, 2),
        }
        return {
            name: panned(made_song(groove, bpm, tonic=tonic, bars=12).stems)
            for name, (groove, bpm, tonic) in made.items()
        }
    import soundfile

    found = {}
    for name in sys.argv[1:]:
        samples, rate = soundfile.read(name, dtype="float32", always_2d=True)
        if rate != RATE or samples.shape[1] != 2:
            sys.exit(f"{name}: stereo at {RATE} Hz, please")
        path = Path(name)
        label = path.parent.name if path.stem == "mix" else path.stem
        found[label] = Audio(np.ascontiguousarray(samples.T), RATE)
    return found


def main() -> None:
    found = songs()
    for label, song in found.items():
        for name, truth in TRUTHS.items():
            compare(f"{label}: {name}", song, truth(song), truth)
        truth = TRUTHS["shelves and a bell"]
        compare(f"{label}: quiet intro, curve", with_intro(song), truth(song), truth)
    for label, song in found.items():
        for other, reference in found.items():
            if other != label:
                compare(f"{label} to {other}", song, reference, None)


if __name__ == "__main__":
    main()
