"""What transposition does to voices, with their formants moved and kept.

`python tests/benchmarks/bench_formants.py [VOCALS...]`: first vowels of known formants (a tenor's,
Csound manual, appendix "Formant Values") under pitches with vibrato. Their formants are found
again by fitting the same model to the levels of the harmonics (those from the third on, which lie
close, on one scale); formants below the lowest harmonic are left out. The rows of 0 semitones tell
how exact that is. Then files of vocals, against themselves before the transposition: their spectral
envelope (mean square over 150 Hz to 8 kHz, level apart), sibilants (5 to 10 kHz), and pauses, by
how far the highest bin stands out, as a chirp would.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.optimize import minimize

from stemfx.audio import Audio
from stemfx.dsp.formants import formants_kept
from stemfx.dsp.stretch import Stretched, joined
from stemfx.dsp.time_map import stretched_spans

RATE = 44_100
VOWELS_HZ = {
    "a": (650, 1080, 2650, 2900, 3250),
    "e": (400, 1700, 2600, 3200, 3580),
    "i": (290, 1870, 2800, 3250, 3540),
    "o": (400, 800, 2600, 2800, 3000),
    "u": (350, 600, 2700, 2900, 3300),
}
WIDTHS_HZ = (80, 90, 120, 130, 140)
PITCHES_HZ = (100, 160, 250, 400)
SEMITONES = (-5, -2, 2, 5)
TILT = 1.0  # 12 dB less an octave from the glottis, 6 dB more from the lips
DURATION_S = 1.5


def tract(hz, formants_hz):
    response = np.ones(np.shape(hz), complex)
    for centre, width in zip(formants_hz, WIDTHS_HZ, strict=True):
        response *= centre**2 / (centre**2 - hz**2 + 1j * width * hz)
    for centre in range(4500, 10_000, 1000):
        response *= centre**2 / (centre**2 - hz**2 + 400j * hz)
    return response


def pitch_hz(f0_hz, n):
    return f0_hz * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 5.5 * np.arange(n) / RATE))


def vowel(name, f0_hz):
    n = round(DURATION_S * RATE)
    pitch = pitch_hz(f0_hz, n)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = 1e-4 * np.random.default_rng(1).standard_normal(n)
    for k in range(1, int(10_000 / pitch.max())):
        filtered = tract(k * pitch[::64], VOWELS_HZ[name])
        level = np.interp(np.arange(n), np.arange(n)[::64], np.abs(filtered))
        turn = np.interp(np.arange(n), np.arange(n)[::64], np.unwrap(np.angle(filtered)))
        wave += (k * pitch / 100) ** -TILT * level * np.cos(k * phase + turn)
    return (0.3 * wave / np.abs(wave).max())[np.newaxis].astype(np.float32)


def transposed(samples, semitones):
    anchors = np.array([0.0, samples.shape[1]])
    spans = stretched_spans(anchors, anchors, tolerance=88, longest=40 * RATE, is_bar=[True] * 2)
    return np.concatenate([*joined(Audio(samples, RATE), spans, Stretched(semitones))], axis=1)


def kept(samples, semitones):
    blocks = formants_kept([samples], semitones, RATE, samples.shape[1])
    return np.concatenate(list(blocks), axis=1)


def formant_errors(samples, name, f0_hz, ratio):
    """Percent by which F1, F2 and those above are off; NaN below the lowest harmonic."""
    n, known = 2048, np.array(VOWELS_HZ[name], float)
    pitch, window, bin_hz = pitch_hz(f0_hz, samples.shape[1]) * ratio, np.hanning(n), RATE / n / 4
    found_hz, found_db = [], []
    for start in range(8192, samples.shape[1] - 8192, 512):
        levels = np.abs(np.fft.rfft(samples[0, start : start + n] * window, 4 * n))
        f0 = pitch[start + n // 2]
        for k in range(1, int(4000 / f0) + 1):
            reach = round(0.3 * f0 / bin_hz)
            low = round(k * f0 / bin_hz) - reach
            found_hz.append(k * f0)
            found_db.append(20 * np.log10(levels[low : low + 2 * reach].max() + 1e-9))
    hz, db = np.array(found_hz), np.array(found_db)
    weight = np.clip((db - db.max() + 50) / 30, 0, 1)

    def cost(guess):
        formants_hz = known * np.exp(np.clip([guess[0], guess[1], *[guess[2]] * 3], -1, 1))
        miss = db - 20 * np.log10(np.abs(tract(hz, formants_hz))) + guess[3] * 20 * np.log10(hz)
        miss -= np.sum(miss * weight) / weight.sum()
        return np.sum(weight * np.minimum(np.abs(miss), 12)) / weight.sum()

    fits = [
        minimize(
            cost,
            [*np.log([scale] * 3), TILT],
            method="Nelder-Mead",
            options={"maxfev": 400, "xatol": 1e-3, "fatol": 1e-3},
        )
        for scale in {1.0, ratio}
    ]
    best = min(fits, key=lambda fit: fit.fun)
    errors = 100 * np.abs(np.exp(np.clip(best.x[:3], -1, 1)) - 1)
    return np.where(known[:3] < f0_hz * ratio, np.nan, errors)


def cents_off(samples, f0_hz, ratio):
    """How far the strongest of the first five harmonics is from its place."""
    phase = 2 * np.pi * np.cumsum(pitch_hz(f0_hz, samples.shape[1]) * ratio) / RATE
    found = []
    for k in range(1, 6):
        beat = samples[0] * np.exp(-1j * k * phase)
        slow = (uniform_filter1d(beat.real, 2205) + 1j * uniform_filter1d(beat.imag, 2205))[
            8192:-8192
        ]
        slope = np.polyfit(np.arange(slow.size), np.unwrap(np.angle(slow)), 1)[0]
        cents = 1200 * np.log2(1 + slope * RATE / (2 * np.pi) / (k * f0_hz * ratio))
        found.append((np.abs(slow).mean(), cents))
    return max(found)[1]


def spectra(samples):
    n = 2048
    frames = np.lib.stride_tricks.sliding_window_view(samples.mean(axis=0), n)[:: n // 2]
    return np.abs(np.fft.rfft(frames * np.hanning(n).astype(np.float32))) ** 2 * 16 / (3 * n * n)


def compared(before, after):
    """Envelope's distance, sibilants' change and how much more a bin stands out in pauses, dB."""
    old, new = spectra(before), spectra(after)
    hz = np.arange(old.shape[1]) * RATE / 2048
    level_db = 10 * np.log10(old.sum(axis=1) + 1e-20)
    smooth = [10 * np.log10(gaussian_filter1d(p, 10, axis=1) + 1e-11) for p in (old, new)]
    miss = (smooth[1] - smooth[0])[level_db > -45][:, (hz > 150) & (hz < 8000)]
    miss -= miss.mean(axis=1, keepdims=True)
    high = (hz > 5000) & (hz < 10_000)
    hissed = (old[:, high].sum(axis=1) > 0.6 * old.sum(axis=1)) & (level_db > -55)
    sibilants = 10 * np.log10(new[hissed][:, high].sum() / old[hissed][:, high].sum())
    pauses = (level_db < -65) & (level_db > -95)
    crests = [
        np.max(10 * np.log10((p + 1e-14) / (uniform_filter1d(p, 31, axis=1) + 1e-14)), axis=1)
        for p in (old[pauses], new[pauses])
    ]
    return np.sqrt((miss**2).mean(axis=1)).mean(), sibilants, (crests[1] - crests[0]).mean()


def bench_vowels():
    print("vowels       F1, F2, above: % off, moved, then kept  median  pitch off, cents")
    for semitones in (0, *SEMITONES):
        ratio = 2 ** (semitones / 12)
        rows, cents = [], []
        for f0_hz in PITCHES_HZ:
            for name in VOWELS_HZ:
                plain = vowel(name, f0_hz)
                moved = transposed(plain, semitones) if semitones else plain
                back = kept(moved, semitones)
                rows.append([formant_errors(x, name, f0_hz, ratio) for x in (moved, back)])
                cents.append([cents_off(x, f0_hz, ratio) for x in (moved, back)])
        both = np.array(rows).reshape(len(PITCHES_HZ), -1, 2, 3)
        for f0_hz, errors in zip((*PITCHES_HZ, "all"), (*both, np.concatenate(both)), strict=True):
            means = " ".join(f"{e:5.1f}" for e in np.nanmean(errors, axis=0).ravel())
            median = np.nanmedian(errors[:, 1])
            print(f"{semitones:+3} {f0_hz:>4} Hz  {means}  {median:6.2f}", end="")
            print(f"  {np.abs(cents).mean(axis=0).round(2)}" if f0_hz == "all" else "")


def bench_vocals(paths):
    print("vocals  semitones  envelope, dB   sibilants, dB   pauses, dB   x real time")
    for path in paths:
        samples = soundfile.read(path, dtype="float32", always_2d=True)[0].T
        for semitones in SEMITONES:
            moved = transposed(samples, semitones)
            began = time.process_time()
            back = kept(moved, semitones)
            speed = samples.shape[1] / RATE / (time.process_time() - began)
            pairs = zip(compared(samples, moved), compared(samples, back), strict=True)
            numbers = "   ".join(f"{a:5.2f} {b:5.2f}" for a, b in pairs)
            print(f"{path.parent.name:16} {semitones:+3}   {numbers}   {speed:4.0f}")


if __name__ == "__main__":
    bench_vowels()
    bench_vocals([Path(name) for name in sys.argv[1:]])
