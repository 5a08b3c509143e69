"""Put one sound on top of another in time and in phase: a new drum on the hits of an old one.

Both are aligned by their attacks first. Then all hits together tell the one small shift, polarity
and tuning with which the low ends add up best, from their cross-spectra in a band:

    gain = E(old + new) / (E(old) + E(new)) = 1 + 2 C / (E(old) + E(new))

with C their correlation at that shift. One setting for all hits keeps the feel of the timing. Only
where the new sound *is* the old one is each hit placed by itself, to a fraction of a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.band_split import EDGES_HZ
from stemfx.dsp.units import Float64s
from stemfx.dsp.windows import read_windows

BEFORE_S = 0.01
"""How much of an excerpt lies before the attack."""

AFTER_S = 0.3
"""How much lies after it: what a kick's low end has faded in."""

_GRID_MS = 0.02
_MATCH_S = 0.06  # what tells whether two sounds are the same
_MATCH_MS = 8.0  # how far apart they may be: more than a hit is mistimed by
_ALIKE = 0.8  # correlation of a band in which little else sounds
_FAINT = 1e-4  # of the power of a sound: bands below are not looked at
_FINE = 16  # points of the correlation per sample


def excerpts(signal: Signal, starts: Sequence[int], n_samples: int) -> Iterator[Block]:
    """Yield `n_samples` from each of `starts`, which rise; beyond the signal there is silence.

    The signal runs once, from its start: many signals can do no other.
    """
    return read_windows(signal, [(start, start + n_samples) for start in starts])


@dataclass(frozen=True)
class Placement:
    """How a new sound is laid over all hits of an old one.

    Args:
        shift_s: later than the attack, in seconds.
        polarity: 1 or -1.
        gain_db: power of the sum over the sum of the powers, in the band, as measured.
    """

    shift_s: float = 0.0
    polarity: int = 1
    gain_db: float = 0.0


@dataclass
class HitSpectra:
    """Sum up how two sounds go together in a band, hit by hit.

    Args:
        sample_rate: in Hz.
        low_hz: of the band.
        high_hz: of the band.
        n_samples: of each excerpt.
    """

    sample_rate: int
    low_hz: float
    high_hz: float
    n_samples: int
    _cross: NDArray[np.complex128] = field(init=False)
    _power: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._n_fft = 1 << (2 * self.n_samples - 1).bit_length()
        spacing_hz = self.sample_rate / self._n_fft
        first = max(1, math.ceil(self.low_hz / spacing_hz))
        last = min(math.floor(self.high_hz / spacing_hz), self._n_fft // 2 - 1)
        self._bins = slice(first, last + 1)
        self.freq_hz = spacing_hz * np.arange(first, last + 1, dtype=np.float64)
        self._cross = np.zeros(self.freq_hz.size, np.complex128)

    def band(self, samples: NDArray[np.floating]) -> NDArray[np.complex128]:
        """Return the spectrum of `(n_samples,)` in the band."""
        spectrum: NDArray[np.complex128] = np.fft.rfft(samples, self._n_fft)[self._bins]
        return spectrum.copy()  # a view would keep the whole spectrum

    def empty(self) -> HitSpectra:
        """Return one of the same band that has taken in no hit."""
        return HitSpectra(self.sample_rate, self.low_hz, self.high_hz, self.n_samples)

    def add(self, old: NDArray[np.complex128], new: NDArray[np.complex128]) -> None:
        """Take in one hit: both sounds as `band` returns them, their attacks at one place."""
        self._cross += old * new.conj()
        self._power += float(np.sum(np.abs(old) ** 2) + np.sum(np.abs(new) ** 2))

    def gains(self, shifts_s: Float64s) -> Float64s:
        """Return 2 C / (E(old) + E(new)) when the new sound comes later by each of `shifts_s`."""
        if not self._power:
            return np.zeros(len(shifts_s))
        turns = np.exp(2j * np.pi * np.outer(shifts_s, self.freq_hz))
        together: Float64s = 2.0 * (turns @ self._cross).real / self._power
        return together

    def placement(self, max_shift_s: float, cost_db_per_ms: float = 0.0) -> Placement:
        """Return the shift and polarity with the strongest sum, a wider shift only if it pays."""
        n = round(1000 * max_shift_s / _GRID_MS)
        shifts_s = (_GRID_MS / 1000) * np.arange(-n, n + 1, dtype=np.float64)
        together = self.gains(shifts_s)
        gain_db = 10.0 * np.log10(1.0 + np.minimum(np.abs(together), 1.0))
        best = int(np.argmax(gain_db - cost_db_per_ms * np.abs(shifts_s) * 1000))
        polarity = 1 if together[best] >= 0.0 else -1
        return Placement(float(shifts_s[best]), polarity, float(gain_db[best]))


@dataclass(frozen=True)
class Match:
    """How one hit is like the new sound.

    Args:
        likeness: 0 to 1; the third highest of the normalised correlations in the bands of a drum
            kit that the new sound has. Different kicks may well be alike in one band or two,
            and other drums may drown some; only one and the same sound is alike in three.
        shift_s: where the new sound lies best, from where the attacks meet.
        gain: of the new sound that makes it the old one (least squares in the bands where they
            are alike); negative inverts.
    """

    likeness: float
    shift_s: float
    gain: float


def match(
    old: Block, new: Block, attack: int, sample_rate: int, band_hz: tuple[float, float]
) -> Match:
    """Compare a hit with a new sound over the 60 ms from the attack on.

    Args:
        old: `(channels, n_samples)` of the stem.
        new: of the same shape, its attack where the old one's is.
        attack: sample at which both have their attack.
        sample_rate: in Hz.
        band_hz: where the drum is to be looked for.
    """
    reach = round(_MATCH_MS / 1000 * sample_rate)
    stretch = slice(max(0, attack - 2 * reach), attack + round(_MATCH_S * sample_rate))
    # What a shift would bring in from beyond the stretch is little: both fade in and out.
    n = len(range(*stretch.indices(old.shape[1])))
    fade = np.minimum(1.0, np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / (reach + 1))
    n_fft = 1 << (n + 2 * reach).bit_length()
    spectra = [np.fft.rfft(x[:, stretch] * fade, n_fft) for x in (old, new)]
    freq_hz = (sample_rate / n_fft) * np.arange(n_fft // 2 + 1, dtype=np.float64)
    cross = (spectra[0] * spectra[1].conj()).sum(axis=0)
    inside = (freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1])
    # Upsampled by zeros above the spectrum: the correlation between its samples.
    between = np.roll(np.fft.irfft(cross * inside, n_fft * _FINE), reach * _FINE)
    between = np.abs(between[: 2 * reach * _FINE + 1])
    best = int(np.argmax(between))
    shift = (best + _vertex(between, best)) / _FINE - reach
    cross *= np.exp(2j * np.pi * shift / sample_rate * freq_hz)
    old_power, new_power = ((np.abs(spectrum) ** 2).sum(axis=0) for spectrum in spectra)
    sums = [np.diff(np.cumsum(x)[_band_edges(freq_hz)]) for x in (cross.real, old_power, new_power)]
    norms = np.sqrt(sums[1] * sums[2])
    alike = np.abs(np.divide(sums[0], norms, out=np.zeros_like(norms), where=norms > 0))
    ranked = np.sort(alike[sums[2] > _FAINT * sums[2].sum()])[::-1][:3]
    # A sound of two bands has to be the more alike in them, one of one band still more.
    likeness = float(ranked[-1]) ** 2 ** (3 - ranked.size) if ranked.size else 0.0
    best_bands = alike >= min(_ALIKE, float(alike.max()))
    power = float(sums[2][best_bands].sum())
    gain = float(sums[0][best_bands].sum()) / power if power else 0.0
    return Match(likeness, shift / sample_rate, gain)


def _band_edges(freq_hz: Float64s) -> NDArray[np.intp]:
    """Return the bins between which the bands of a kit lie, from 20 Hz up."""
    edges = np.searchsorted(freq_hz, [20.0, *EDGES_HZ, 18_000.0])
    return np.unique(np.minimum(edges, freq_hz.size - 1))


def _vertex(values: Float64s, best: int) -> float:
    """Return where the parabola through a maximum and its neighbours has its top."""
    if not 0 < best < values.size - 1:
        return 0.0
    left, middle, right = values[best - 1 : best + 2]
    curve = left - 2.0 * middle + right
    return float(0.5 * (left - right) / curve) if curve else 0.0
