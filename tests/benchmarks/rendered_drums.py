"""Songs of drums whose every hit is known: random kits play random patterns through random rooms.

Kits come from a folder `KIT/CLASS/DRUM/LAYER.wav` (classes of `stemfx.hits`, `ride` and `other`;
layers from soft to hard), and from formulas with random constants. What is made is music to a
classifier, not to people: all that may vary in records varies here, from tuning to bleed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.ndimage import median_filter, uniform_filter
from scipy.signal import butter, fftconvolve, istft, lfilter, sosfilt, stft

from stemfx.audio import Audio
from stemfx.dsp.resample import Resampled

RATE = 44_100
LOUDNESS_DB = {  # mean and deviation of the peak, relative to the kick
    "kick": (0, 0),
    "snare": (-2, 4),
    "hat_closed": (-14, 6),
    "hat_open": (-14, 6),
    "tom": (-4, 4),
    "crash": (-7, 5),
    "ride": (-15, 5),
    "clap": (-4, 4),
    "other": (-12, 5),
}
SECONDS = dict(zip(LOUDNESS_DB, (0.9, 0.7, 0.3, 1.2, 1.2, 3.5, 3.0, 0.6, 0.5), strict=True))
DROPPED = {  # how often a song has none
    "kick": 0.05,
    "snare": 0.06,
    "hat_closed": 0.08,
    "hat_open": 0.1,
    "tom": 0.25,
    "crash": 0.15,
    "ride": 0.1,
    "clap": 0.1,
}


@dataclass(frozen=True)
class Played:
    """One hit: `drum_class` as in `stemfx.hits`, or `other` for what has no class."""

    time_s: float
    drum_class: str
    velocity: float
    is_ghost: bool


# --- random drums ------------------------------------------------------------------------


def band(x, low_hz, high_hz, order=2):
    sos = butter(order, (low_hz, min(high_hz, 21_000)), "bandpass", fs=RATE, output="sos")
    return sosfilt(sos, x)


def fall(t, seconds):
    return np.exp(-t / seconds)


def sweep(t, start_hz, end_hz, seconds):
    return np.sin(2 * np.pi * (end_hz * t + (start_hz - end_hz) * seconds * (1 - fall(t, seconds))))


def metal(t, scale, rng):
    hz = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0]) * scale * rng.uniform(0.9, 1.1, 6)
    return np.sign(np.sin(2 * np.pi * np.outer(hz, t))).sum(axis=0)


def drawn(drum, rng):
    """Return one hit of a drum that nobody has heard before, peak 1."""
    t = np.arange(int(RATE * SECONDS[drum])) / RATE
    x = DRAWINGS[drum](t, rng.standard_normal(t.size), rng, rng.uniform, _log_uniform(rng))
    x[-1000:] *= np.linspace(1, 0, 1000)
    x /= np.abs(x).max()
    return x[: np.flatnonzero(np.abs(x) > 1e-3)[-1] + 100].astype(np.float32)


def _log_uniform(rng):
    return lambda low, high: np.exp(rng.uniform(np.log(low), np.log(high)))


def _kick(t, noise, rng, u, lu):
    hz = lu(38, 75)
    x = np.tanh(u(0.5, 3) * sweep(t, hz * lu(1.5, 6), hz, lu(0.01, 0.06)) * fall(t, lu(0.05, 0.45)))
    x += lu(0.03, 1) * band(noise, lu(500, 3_000), lu(4_000, 12_000)) * fall(t, lu(0.001, 0.008))
    if rng.random() < 0.4:
        x += lu(0.1, 0.6) * sweep(t, lu(200, 500), lu(90, 150), 0.01) * fall(t, lu(0.01, 0.04))
    if rng.random() < 0.3:
        x += lu(0.01, 0.08) * band(noise, 150, 6_000) * fall(t, lu(0.03, 0.12))
    return x


def _snare(t, noise, rng, u, lu):
    hz = lu(140, 330)
    head = sweep(t, hz * u(1, 1.6), hz, 0.012)
    head += u(0.2, 0.8) * sweep(t, hz * 1.59 * u(1, 1.4), hz * 1.59, 0.012)
    wires = fall(t, lu(0.03, 0.16)) + u(0, 0.4) * fall(t, lu(0.1, 0.35))
    x = lu(0.12, 3.5) * head * fall(t, lu(0.02, 0.16))
    x += u(0.4, 1.4) * band(noise, lu(400, 2_500), lu(6_000, 17_000)) * wires
    x += u(0, 0.9) * band(noise, 2_000, 14_000) * fall(t, lu(0.002, 0.01))
    return np.tanh(u(0.5, 2) * x)


def _hat(t, noise, rng, u, lu, *, seconds):
    sizzle = u(0, 0.6) * metal(t, lu(0.6, 1.8), rng) + u(0.2, 1) * noise
    x = band(sizzle, lu(3_000, 8_500), lu(12_000, 20_000), int(rng.integers(1, 3)))
    return x * fall(t, seconds) + u(0, 0.8) * band(noise, 2_500, 9_000) * fall(t, 0.004)


def _tom(t, noise, rng, u, lu):
    hz = lu(65, 260)
    x = sweep(t, hz * u(1.05, 2), hz, lu(0.02, 0.09)) * fall(t, lu(0.09, 0.5))
    x += u(0.05, 0.5) * sweep(t, 2.07 * hz, 1.59 * hz, 0.05) * fall(t, lu(0.03, 0.12))
    stick = band(noise, lu(500, 1_500), 6_000) * fall(t, lu(0.003, 0.03))
    return np.tanh(u(0.5, 2) * x) + u(0.02, 0.5) * stick


def _crash(t, noise, rng, u, lu):
    clang = u(0, 0.4) * metal(t, lu(0.8, 1.8), rng) + noise
    x = u(0.1, 0.7) * band(clang, lu(500, 1_500), 3_500) * fall(t, lu(0.4, 1.2))
    x -= band(clang, 3_500, 8_000) * fall(t, lu(0.3, 1.0))
    x += u(0.4, 1.3) * band(clang, 8_000, lu(13_000, 20_000)) * fall(t, lu(0.2, 0.8))
    return x + u(0, 1) * band(noise, 2_000, 14_000) * fall(t, 0.03)


def _ride(t, noise, rng, u, lu):
    partials = np.array([1, 1.47, 2.09, 2.56, 3.4, 4.5, 6.1, 7.7]) * rng.uniform(0.95, 1.05, 8)
    lowest_hz = lu(300, 1_200)
    x = sum(
        0.3 * u(0.1, 1) * np.sin(2 * np.pi * lowest_hz * k * t) * fall(t, lu(0.2, 0.9))
        for k in partials
    )
    wash = fall(t, lu(0.01, 0.05)) + u(0.05, 0.3) * fall(t, lu(0.4, 1.2))
    return x + u(0.3, 1) * band(noise, 3_000, lu(10_000, 18_000)) * wash


def _clap(t, noise, rng, u, lu):
    def burst(late_s, seconds):
        return np.where(t >= late_s, fall(np.maximum(t - late_s, 0), seconds), 0)

    apart_s, n = lu(0.007, 0.014), int(rng.integers(2, 5))
    hands = sum(u(0.6, 1.3) * burst(k * apart_s, 0.005) for k in range(n))
    room = burst(n * apart_s, lu(0.04, 0.16))
    palms = band(noise, lu(600, 1_100), lu(1_500, 3_500)) * (hands + u(0.3, 1) * room)
    snap = band(noise, 1_900, lu(6_000, 14_000)) * (hands + u(0, 0.5) * room)
    return palms + u(0.1, 0.6) * snap


def _other(t, noise, rng, u, lu):
    if rng.random() < 0.6:  # a wood block, a cowbell
        hz = lu(400, 3_000)
        x = np.sin(2 * np.pi * hz * t) + u(0, 0.8) * np.sin(2 * np.pi * 1.48 * hz * t)
        return x * fall(t, lu(0.02, 0.12))
    swell = np.minimum(1, t / lu(0.002, 0.02))  # a shaker
    return band(noise, lu(2_000, 6_000), 14_000) * fall(t, lu(0.02, 0.08)) * swell


DRAWINGS = {
    "kick": _kick,
    "snare": _snare,
    "hat_closed": lambda *a: _hat(*a, seconds=a[4](0.012, 0.06)),
    "hat_open": lambda *a: _hat(*a, seconds=a[4](0.11, 0.5)),
    "tom": _tom,
    "crash": _crash,
    "ride": _ride,
    "clap": _clap,
    "other": _other,
}


# --- kits --------------------------------------------------------------------------------


class Pool:
    """All recorded drums: `by_class[drum][kit]` is a list of drums, each a list of layers."""

    def __init__(self, folder: Path | None) -> None:
        self.by_class = defaultdict(lambda: defaultdict(list))
        for drum in sorted(folder.glob("*/*/*")) if folder else ():
            layers = [_one_shot(path) for path in sorted(drum.glob("*.wav"))]
            self.by_class[drum.parts[-2]][drum.parts[-3]].append(layers)


def _one_shot(path):
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = Audio(x.mean(axis=1)[None], rate)
    x = Resampled(mono, RATE).read()[0] if rate != RATE else mono.samples[0]
    x = x[max(0, np.argmax(np.abs(x) > 0.03 * np.abs(x).max()) - 22) :][: 4 * RATE].copy()
    x[-400:] *= np.linspace(1, 0, x[-400:].size)
    return x / np.abs(x).max()


class RandomKit:
    """One kit: mostly drums of one recorded kit, some of others, some drawn; retuned, filtered."""

    def __init__(self, pool: Pool, rng, drawn_share: float) -> None:
        self._pool, self._rng, self._drawn_share = pool, rng, drawn_share
        kits = sorted({kit for drum in ("kick", "snare") for kit in pool.by_class[drum]})
        at_home = kits and rng.random() < 0.65
        self._home = kits[rng.integers(len(kits))] if at_home else None
        self._layers, self._gain_db = {}, {}
        for drum, (mean_db, deviation_db) in LOUDNESS_DB.items():
            loud_db = rng.normal(mean_db, deviation_db)
            if drum == "hat_open":
                loud_db = self._gain_db["hat_closed"] + rng.normal(0, 2.5)
            for name in {"tom": ("tom0", "tom1", "tom2")}.get(drum, (drum,)):
                self._layers[name] = self._pick(drum)
                self._gain_db[name] = loud_db + (rng.normal(0, 1) if drum == "tom" else 0)
        for second, first in (("snare2", "snare"), ("crash2", "crash")):
            self._layers[second] = self._pick(first)
            self._gain_db[second] = self._gain_db[first] - (first == "snare") * rng.normal(4, 4)
        self._power = rng.uniform(0.7, 1.7)
        self._darkens = rng.random() < 0.6

    def _pick(self, drum):
        rng, kits = self._rng, self._pool.by_class[drum]
        if not kits or rng.random() < self._drawn_share:
            return _changed([drawn(drum, rng)], drum, rng)
        drums = kits.get(self._home) or kits[sorted(kits)[rng.integers(len(kits))]]
        return _changed(drums[rng.integers(len(drums))], drum, rng)

    def sound(self, name, velocity):
        layers = self._layers[name]
        x = layers[min(len(layers) - 1, int(velocity * len(layers)))]
        if len(layers) == 1 and self._darkens and velocity < 0.95:
            corner_hz = 3_000 ** (1 - velocity) * 18_000**velocity
            x = sosfilt(butter(1, corner_hz, fs=RATE, output="sos"), x)
        gain_db = self._gain_db[name] + self._rng.normal(0, 0.4)
        return np.asarray(x, np.float64) * 10 ** (gain_db / 20) * velocity**self._power


def _changed(layers, drum, rng):
    """Retune, shorten, filter and saturate all layers of a drum alike."""
    lu = _log_uniform(rng)
    ratio = 2 ** ((rng.normal(0, 1.5) if rng.random() < 0.6 else 0) / 12)
    is_short = rng.random() < 0.25 and drum not in ("crash", "ride", "hat_open")
    seconds = lu(0.05, 0.6) if is_short else np.inf
    bells = [
        (lu(60, 12_000), rng.normal(0, 4), rng.uniform(0.5, 2)) for _ in range(rng.integers(0, 3))
    ]
    tilt_db, drive = rng.normal(0, 2.5), rng.uniform(0.5, 3) if rng.random() < 0.2 else 0
    changed = []
    for layer in layers:
        n = int(len(layer) / ratio)
        x = np.interp(np.arange(n) * ratio, np.arange(len(layer)), layer)
        x = x * np.exp(-np.arange(n) / RATE / seconds)
        for bell in bells:
            x = _bell(x, *bell)
        x = tilted(x, tilt_db)
        x = np.tanh(drive * x) if drive else x
        changed.append((x / np.abs(x).max()).astype(np.float32))
    return changed


def _bell(x, hz, gain_db, q):
    a, w = 10 ** (gain_db / 40), 2 * np.pi * hz / RATE
    alpha = np.sin(w) / (2 * q)
    top = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a]
    return lfilter(top, [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a], x)


def tilted(x, db):
    low = sosfilt(butter(1, 1_500, fs=RATE, output="sos"), x)
    return low + 10 ** (db / 20) * (x - low)


# --- patterns ----------------------------------------------------------------------------

HATS = ("eighths", "sixteenths", "off beats", "ride", "open", "mixed", "none")
HATS_SHARE = (0.27, 0.17, 0.14, 0.11, 0.1, 0.16, 0.05)
STYLES = ("rock", "four", "break", "half", "trap", "random", "latin", "sparse")
STYLES_SHARE = (0.28, 0.2, 0.14, 0.1, 0.1, 0.08, 0.05, 0.05)


def pattern(rng, seconds):  # noqa: C901, PLR0912 - a drummer decides a lot at every sixteenth
    """Return (time, sound, velocity, is ghost) of a random piece of drumming in 4/4."""
    u = rng.uniform
    step = 60 / u(65, 175) / 4
    swing = u(0.5, 0.62) if rng.random() < 0.35 else 0.5
    style, hats = rng.choice(STYLES, p=STYLES_SHARE), rng.choice(HATS, p=HATS_SHARE)
    hat_velocity, accent = u(0.55, 1), u(0.4, 1)
    open_share, jitter = rng.choice([0, 0.08, 0.2, 0.4]), _log_uniform(rng)(0.0005, 0.006)
    snare = "snare" if rng.random() < 0.9 else "snare2"
    claps = rng.choice(["no", "layer", "alone"], p=[0.62, 0.2, 0.18])
    ghosts = rng.choice([0, 0.1, 0.35], p=[0.45, 0.3, 0.25])
    has_other, off_s = rng.random() < 0.12, u(0.05, 0.6)
    back_beats = {"half": [8], "trap": [8], "latin": [3, 6, 10, 13]}.get(style, [4, 12])
    if style == "random":
        back_beats = np.flatnonzero(rng.random(16) < 0.2)
    kicks, played = _kicks(style, rng), []
    for bar in range(int(seconds / (16 * step)) + 1):
        if rng.random() < 0.2:
            kicks = _kicks(style, rng)
        fill_from = 16
        if (bar % 4 == 3 and rng.random() < 0.65) or rng.random() < 0.1:
            fill_from = 8 if rng.random() < 0.3 else 12
        is_roll, no_hats = rng.random() < 0.25, rng.random() < 0.07
        for i in range(16):
            t = off_s + (bar * 16 + i + (2 * swing - 1) * (i % 2)) * step
            if i >= fill_from:
                if rng.random() < 0.8:
                    drum = snare if is_roll else rng.choice(["tom0", "tom1", "tom2", snare])
                    played.append((t, str(drum), u(0.5, 1), False))
                if rng.random() < 0.3:
                    played.append((t, "kick", u(0.7, 1), False))
                if rng.random() < 0.75:
                    continue
            elif kicks[i]:
                played.append((t, "kick", u(0.65, 1), False))
            if i in back_beats and i < fill_from and rng.random() < 0.95:
                velocity = u(0.75, 1)
                if claps != "alone":
                    played.append((t, snare, velocity, False))
                if claps != "no":
                    played.append((t + rng.normal(0, 0.002), "clap", velocity, False))
            elif i < fill_from and rng.random() < ghosts * (0.6 if i % 2 else 0.25):
                played.append((t, snare, u(0.12, 0.45), True))
            strength = 1 if i % 4 == 0 else accent if i % 2 else (1 + accent) / 2
            velocity = max(0.15, hat_velocity * strength * u(0.85, 1))
            if _plays(hats, i, rng) and not no_hats:
                drum = _cymbal(hats, i, open_share, rng)
                played.append((t, drum, velocity, False))
                if style == "trap" and rng.random() < 0.12:
                    roll = [t + k * step / 3 for k in range(1, rng.integers(2, 4))]
                    played += [(late, "hat_closed", 0.8 * velocity, False) for late in roll]
            if has_other and rng.random() < 0.15:
                played.append((t, "other", u(0.4, 1), False))
            if i == 0 and ((bar % 4 == 0 and rng.random() < 0.65) or rng.random() < 0.14):
                crash = "crash" if rng.random() < 0.8 else "crash2"
                played.append((t, crash, u(0.7, 1), False))
    played = [(t + rng.normal(0, jitter), *rest) for t, *rest in played]
    return sorted(hit for hit in played if 0 < hit[0] < seconds - 0.2)


def _kicks(style, rng):
    kicks = np.zeros(16, bool)
    at = {"four": [0, 4, 8, 12], "rock": [0, 8], "break": [0, 10], "latin": [0, 6, 8, 14]}
    kicks[at.get(style, [0])] = True
    more = {"rock": (0, 4), "break": (0, 3), "half": (1, 4), "trap": (1, 4)}.get(style)
    if more:
        kicks[rng.choice([2, 3, 6, 7, 10, 11, 14], rng.integers(*more), replace=False)] = True
    return rng.random(16) < 0.3 if style == "random" else kicks


def _plays(hats, i, rng):
    if hats in ("mixed", "none"):
        return rng.random() < (0.6 if hats == "mixed" else 0.05)
    return {"sixteenths": True, "off beats": i % 4 == 2}.get(hats, i % 2 == 0)


def _cymbal(hats, i, open_share, rng):
    if hats == "ride":
        return "ride" if rng.random() < 0.9 else "hat_closed"
    is_open = hats == "open" or (
        i % 4 == 2 and (open_share > 0.05 if hats == "off beats" else rng.random() < open_share)
    )
    return "hat_open" if is_open else "hat_closed"


# --- songs -------------------------------------------------------------------------------


def rendered_song(seed, pool, backgrounds, drawn_share=0.3):
    """Return `(samples, hits)` of a song: mono, and what is played in it.

    Args:
        seed: of everything.
        pool: of recorded drums.
        backgrounds: other music, `(n,)` each, for bleed.
        drawn_share: of drums that are formulas.
    """
    rng = np.random.default_rng(seed)
    seconds = rng.choice([20, 20, 12, 7])
    kit, played = RandomKit(pool, rng, drawn_share), []
    while len(played) < 9:
        played = pattern(rng, seconds)
    if rng.random() < 0.85:
        dropped = {drum for drum, share in DROPPED.items() if rng.random() < share}
        played = [hit for hit in played if hit[1].rstrip("012") not in dropped]
    if rng.random() < 0.1:
        played = [hit for hit in played if rng.random() < 0.4]
    if len(played) < 6:
        return rendered_song(seed + 7_777_777, pool, backgrounds, drawn_share)
    samples, hits = np.zeros(int((seconds + 5) * RATE)), []
    for k, (time_s, name, velocity, is_ghost) in enumerate(played):
        x, at, drum = kit.sound(name, velocity), round(time_s * RATE), name.rstrip("012")
        if drum == "hat_open":  # the next hat silences it
            later = (hit[0] for hit in played[k + 1 :] if hit[1].startswith("hat"))
            until = min(x.size, round((next(later, seconds + 5) - time_s) * RATE))
            x = x[: until + 250].copy()
            x[until:] *= np.linspace(1, 0, 250)[: x[until:].size]
        samples[at : at + x.size] += x[: samples.size - at]
        hits.append(Played(time_s, "crash" if drum == "ride" else drum, velocity, is_ghost))
    return _mastered(samples[: seconds * RATE], backgrounds, rng), hits


def _mastered(x, backgrounds, rng):
    lu, u = _log_uniform(rng), rng.uniform
    if rng.random() < 0.3:
        seconds = lu(0.15, 0.9)
        t = np.arange(int(seconds * RATE)) / RATE
        room = rng.standard_normal(t.size) * 10 ** (-3 * t / seconds)
        x = x + 10 ** (u(-26, -9) / 20) * fftconvolve(x, room / np.linalg.norm(room))[: x.size]
    x = tilted(x, rng.normal(0, 2.5))
    x /= np.abs(x).max()
    if rng.random() < 0.5:
        x = np.tanh(lu(0.7, 4) * x)
    what = rng.random()
    if what < 0.62 and backgrounds:
        music = backgrounds[rng.integers(len(backgrounds))]
        start = rng.integers(0, max(1, music.size - x.size))
        music = np.resize(music[start : start + x.size], x.size)
        music = music * np.sqrt(np.mean(x**2) / (np.mean(music**2) + 1e-12))
        if what < 0.25:
            x = x + music * 10 ** (u(-40, -14) / 20)
        elif what < 0.42:
            x = _masked(x, music * 10 ** (u(-8, 6) / 20), rng)
        else:
            x = _medians(x + music * 10 ** (u(-14, 4) / 20))
    if rng.random() < 0.2:
        x = sosfilt(butter(8, lu(10_500, 17_500), fs=RATE, output="sos"), x)
    return (x / np.abs(x).max() * u(0.2, 0.9)).astype(np.float32)


def _masked(drums, music, rng):
    """Separate as a mask of a network does: a blurred Wiener filter."""
    (_, _, D), (_, _, M) = (stft(x, RATE, nperseg=2048, noverlap=1536) for x in (drums, music))
    blur = tuple(rng.integers(1, 6, 2))
    kept, lost = (uniform_filter(np.abs(X) ** 2, blur) for X in (D, M))
    _, x = istft((D + M) * kept / (kept + lost + 1e-12), RATE, nperseg=2048, noverlap=1536)
    return x[: drums.size]


def _medians(mixture):
    """Separate as the embedded model does: by medians (see `stemfx.separators.dsp_split`)."""
    hz, _, X = stft(mixture, RATE, nperseg=4096, noverlap=3072)
    size = np.abs(X).astype(np.float32)
    note = median_filter(size[:, ::2], (1, 9)).repeat(2, axis=1)[:, : size.shape[1]]
    stroke = median_filter(size, (9, 1))
    stroke *= (1 + 1 / (1 + (5_000 / np.maximum(hz, 1)) ** 4))[:, None]
    share = stroke**2 / (stroke**2 + note**2 + 1e-12)
    share *= 1 - 0.5 / (1 + (hz / 250) ** 8)[:, None] * (1 - share)
    _, x = istft(X * share, RATE, nperseg=4096, noverlap=3072)
    return np.resize(x, mixture.size)
