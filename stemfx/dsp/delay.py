"""Delay and polarity between signals that share a source: coherence-weighted GCC.

The generalized cross-correlation of Knapp and Carter (IEEE TASSP 24(4), 1976) with the weight of
Hannan and Thomson, g2 / (1 - g2), g2 the magnitude-squared coherence: the maximum-likelihood
delay of one source in two signals with other sound in each. Plain phase weighting (PHAT) counts
a bin of noise as much as one of music and locks on what separators and codecs leave at lag zero.

Spectra are Welch averages, gathered block by block, so an hour costs the memory of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal

MAX_MS = 20.0
"""How far apart two signals are looked for, by default."""

MIN_COHERENCE = 0.3
"""Mean coherence above which two signals are one source in the main: safe to shift one by."""

MIN_ALIGNMENT = 0.8
"""A stem in its own mixture has 0.94 at least; unrelated stems of the corpus reach 0.72, those of
the synthesised demo song 0.89. Chosen on the corpus: alone it is a hint, and whatever moves a stem
by it has to ask for coherence too, or prove that the result is better."""

MIN_SCORE = 2.5
"""Two tones of one pitch align at any lag, and score 2; a bass in its mixture has 2.9 at least.
Unrelated stems reach 9: it only keeps single tones out."""

_FRAME_S = 16_384 / 44_100  # long beside the delay, short beside a note's drift
_MIN_FRAMES = 16  # fewer, and chance alone makes coherence: its bias is 1 / frames
_MIN_FRAME = 1024
_HANN_OVERLAP = 0.9  # independent frames in one frame of a Hann window at 50 % overlap
_HANN_BINS = 2.0  # neighbouring bins of a Hann window that tell the same
_FLOOR = 1e-6  # -60 dB: bins below hold a codec's or a converter's noise
_MAX_COHERENCE = 0.999  # one clean bin is not to outweigh all others
_INTERPOLATION = 4
_NEAR = 0.75
_MAX_HILLS = 24

Spectrum = NDArray[np.complex128]
Power = NDArray[np.float64]


@dataclass(frozen=True)
class DelayEstimate:
    """How one signal's copy of a source lies in time and polarity beside another's.

    Args:
        delay_samples: how much later the signal is than the reference; fractional.
        polarity: +1, or -1 when the copy is inverted.
        coherence: mean magnitude-squared coherence, weighted by energy, 0 to 1: how much of the
            two signals is the same sound.
        alignment: share of the weighted spectrum that agrees on this delay, 0 to 1.
        score: that alignment in standard deviations of what no common source would give.
        uncertainty_samples: standard error of the delay; large for a bass, which has no edges.
        gain: amplitude of the reference's sound in the signal, by least squares, >= 0.
        sample_rate: in Hz.
    """

    delay_samples: float
    polarity: int
    coherence: float
    alignment: float
    score: float
    uncertainty_samples: float
    gain: float
    sample_rate: int

    @property
    def delay_ms(self) -> float:
        """The delay in milliseconds."""
        return 1e3 * self.delay_samples / self.sample_rate

    @property
    def has_common_source(self) -> bool:
        """Both hold one source at this delay, though it may be a small part of either."""
        return self.alignment >= MIN_ALIGNMENT and self.score >= MIN_SCORE

    @property
    def is_same_source(self) -> bool:
        """Both are one source in the main: moving one onto the other makes sense."""
        return self.has_common_source and self.coherence >= MIN_COHERENCE

    @property
    def is_late_or_early(self) -> bool:
        """The delay is one: beyond what the estimate's own error explains."""
        return abs(self.delay_samples) > 0.1 + 4.0 * self.uncertainty_samples


NOTHING_IN_COMMON = DelayEstimate(0.0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 1)


class CrossSpectra:
    """Welch power and cross spectra of several signals, and of their weighted sums.

    Hann frames of 16384 samples at 44.1 kHz (as many milliseconds at other rates), hop one half;
    shorter for short signals, so that at least 16 frames are averaged. Channels are summed: the
    left of one with the left of the other.

    Args:
        sample_rate: of all signals, in Hz.
        n_signals: how many there are.
        n_samples: their length; what is added beyond is used too.
    """

    def __init__(self, sample_rate: int, n_signals: int, n_samples: int) -> None:
        longest = 2 ** round(np.log2(_FRAME_S * sample_rate))
        fitting = 2 ** int(np.log2(max(1.0, 2 * n_samples / (_MIN_FRAMES + 1))))
        self.sample_rate = sample_rate
        self.frame = int(max(_MIN_FRAME, min(longest, fitting)))
        self.hop = self.frame // 2
        self.n_frames = 0
        n_bins = self.hop + 1
        self.matrix = np.zeros((n_signals, n_signals, n_bins), np.complex128)
        self._window = np.hanning(self.frame + 1)[:-1].astype(np.float32)
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._batch = max(1, 2**18 // self.frame)

    def add(self, blocks: Sequence[Block]) -> None:
        """Take the next stretch of every signal: arrays `(channels, n)` of one shape."""
        self._waiting.append(np.stack(blocks))
        self._n_waiting += blocks[0].shape[1]
        wanted = (self._batch + 1) * self.hop
        while self._n_waiting >= wanted:
            joined = np.concatenate(self._waiting, axis=2)
            self._transform(joined[..., :wanted], self._batch)
            self._keep(joined[..., self._batch * self.hop :])

    def finish(self) -> None:
        """Use the whole frames that still wait, or pad the only one there is with silence."""
        if not self._waiting:
            return
        joined = np.concatenate(self._waiting, axis=2)
        if not self.n_frames and joined.shape[2] < self.frame:
            joined = np.pad(joined, ((0, 0), (0, 0), (0, self.frame - joined.shape[2])))
        self._transform(joined, (joined.shape[2] - self.frame) // self.hop + 1)
        self._waiting, self._n_waiting = [], 0

    def _keep(self, rest: NDArray[np.float32]) -> None:
        self._waiting, self._n_waiting = [rest], rest.shape[2]

    def _transform(self, samples: NDArray[np.float32], count: int) -> None:
        if count <= 0:
            return
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.frame, axis=2)
        frames = windows[:, :, : (count - 1) * self.hop + 1 : self.hop] * self._window
        spectra = np.fft.rfft(frames).reshape(len(samples), -1, self.hop + 1)
        conjugates = spectra.conj()
        for i, row in enumerate(spectra):
            for j in range(i + 1):
                cross = np.einsum("kf,kf->f", row, conjugates[j])
                self.matrix[i, j] += cross
                if i != j:
                    self.matrix[j, i] += cross.conj()
        self.n_frames += count

    def power(self, weights: ArrayLike) -> Power:
        """Return the power spectrum of the sum of all signals, each times its weight."""
        power: Power = np.maximum(self.cross(weights, weights).real, 0.0)
        return power

    def cross(self, signal: ArrayLike, reference: ArrayLike) -> Spectrum:
        """Return the cross spectrum of two weighted sums; real or `(n_signals, n_bins)` weights."""
        left, right = (np.asarray(one).reshape(len(self.matrix), -1) for one in (signal, reference))
        columns = np.sum(self.matrix * right.conj(), axis=1)
        spectrum: Spectrum = np.sum(left * columns, axis=0)
        return spectrum

    def delay(
        self, signal: ArrayLike, reference: ArrayLike, max_ms: float = MAX_MS
    ) -> DelayEstimate:
        """Estimate how much later one weighted sum of the signals is than another.

        Args:
            signal: a weight for every signal: `(1, 0, 0)` is the first one.
            reference: likewise; `(0, 1, -1)` is the second one minus the third.
            max_ms: the delay is looked for up to this, both ways.
        """
        return estimate(
            self.power(signal),
            self.power(reference),
            self.cross(signal, reference),
            self.n_frames,
            sample_rate=self.sample_rate,
            max_ms=max_ms,
        )


def estimate(
    power: Power,
    reference_power: Power,
    cross: Spectrum,
    n_frames: int,
    *,
    sample_rate: int,
    max_ms: float = MAX_MS,
) -> DelayEstimate:
    """Estimate a delay from Welch spectra over `n_frames` Hann frames at 50 % overlap.

    Shape: all spectra `(n_bins,)`; `cross` is the signal times the conjugate of the reference.
    """
    independent = _HANN_OVERLAP * n_frames
    active = (power > _FLOOR * power.max(initial=0.0)) & (
        reference_power > _FLOOR * reference_power.max(initial=0.0)
    )
    active[:2] = False  # DC, which the window spreads over two bins, has no delay
    if independent <= 2 or not active.any():
        return NOTHING_IN_COMMON
    product = np.where(active, power * reference_power, 1.0)
    raw = np.where(active, np.abs(cross) ** 2 / product, 0.0)
    bias = 1.0 / independent
    coherence = np.clip((raw - bias) / (1.0 - bias), 0.0, _MAX_COHERENCE)
    energy = np.sqrt(product) * active
    mean_coherence = float(np.sum(energy * coherence) / np.sum(energy))
    weight = coherence / (1.0 - coherence)
    total = float(weight.sum())
    if total <= 0.0:
        return NOTHING_IN_COMMON
    phase = np.angle(cross)
    frame = 2 * (len(cross) - 1)
    omega = 2.0 * np.pi * np.arange(len(cross)) / frame
    delay, peak = _peak(weight, phase, omega, max_ms * 1e-3 * sample_rate)

    off = phase + omega * delay + (np.pi if peak < 0 else 0.0)
    curvature = float(np.sum(weight * omega**2 * np.cos(off)))
    spread = float(np.sum((weight * omega * np.sin(off)) ** 2))
    uncertainty = np.sqrt(_HANN_BINS * spread) / curvature if curvature > 0 else np.inf
    alignment = abs(peak) / total
    n_bins = total**2 / float(np.sum(weight**2)) / _HANN_BINS
    in_phase = float(np.sum((cross * np.exp(1j * omega * delay)).real))
    energy_there = float(reference_power.sum())
    return DelayEstimate(
        delay_samples=float(delay),
        polarity=-1 if peak < 0 else 1,
        coherence=mean_coherence,
        alignment=float(alignment),
        score=float(alignment * np.sqrt(2.0 * n_bins)),
        uncertainty_samples=float(min(uncertainty, 1e6)),
        gain=abs(in_phase) / energy_there if energy_there else 0.0,
        sample_rate=sample_rate,
    )


def _peak(weight: Power, phase: Power, omega: Power, max_samples: float) -> tuple[float, float]:
    """Return where |sum of weight cos(phase + omega d)| is highest, and its signed value there.

    An interpolated inverse transform finds the hills and Newton's method their tops. Where the
    weight is at 20 kHz, the next hill is one sample away and almost as high, so that the grid
    alone would mistake one for the other: all that come near the highest are climbed.
    """
    frame = 2 * (len(weight) - 1)
    correlation = np.abs(np.fft.irfft(weight * np.exp(1j * phase), _INTERPOLATION * frame))
    reach = int(min(max_samples, frame / 2 - 1) * _INTERPOLATION)
    heights = correlation[np.arange(-reach, reach + 1)]
    padded = np.pad(heights, 1)
    is_hill = (heights >= padded[:-2]) & (heights >= padded[2:])
    hills = np.flatnonzero(is_hill & (heights >= _NEAR * heights.max()))
    hills = hills[np.argsort(-heights[hills], kind="stable")[:_MAX_HILLS]]
    tops = [_climb(weight, phase, omega, (hill - reach) / _INTERPOLATION) for hill in hills]
    return max(tops, key=lambda top: abs(top[1]))


def _climb(weight: Power, phase: Power, omega: Power, start: float) -> tuple[float, float]:
    """Find the top of the hill at `start`, less than a step of the grid away."""
    step = 1.0 / _INTERPOLATION
    delay = start
    for _ in range(8):
        angle = phase + omega * delay
        slope = -np.sum(weight * omega * np.sin(angle))
        bend = -np.sum(weight * omega**2 * np.cos(angle))
        if bend == 0:
            break
        refined = float(np.clip(delay - slope / bend, start - step, start + step))
        moved, delay = abs(refined - delay), refined
        if moved < 1e-5:
            break
    return delay, float(np.sum(weight * np.cos(phase + omega * delay)))


def beside(signals: Sequence[Signal], n_samples: int = BLOCK_SAMPLES) -> Iterator[list[Block]]:
    """Read several signals side by side: all `(channels, n)` of one shape.

    Silence follows the end of a shorter one; mono stands on every channel.
    """
    channels = max(signal.channels for signal in signals)
    for blocks in zip_longest(*(signal.blocks(n_samples) for signal in signals)):
        length = max(block.shape[1] for block in blocks if block is not None)
        row = []
        for block in blocks:
            full = np.zeros((channels, length), np.float32)
            if block is not None:
                full[:, : block.shape[1]] = block
            row.append(full)
        yield row


def gather(signals: Sequence[Signal]) -> CrossSpectra:
    """Read signals of one sample rate once, and return their spectra."""
    rate = signals[0].sample_rate
    spectra = CrossSpectra(rate, len(signals), min(signal.n_samples for signal in signals))
    for blocks in beside(signals):
        spectra.add(blocks)
    spectra.finish()
    return spectra


def estimate_delay(signal: Signal, reference: Signal, max_ms: float = MAX_MS) -> DelayEstimate:
    """Estimate delay and polarity of `signal` beside `reference`, two signals of one rate.

    Positive: `signal` is later. An error of 0.1 sample is usual where both hold a source with
    edges in common; `uncertainty_samples` says what to expect here.
    """
    return gather([signal, reference]).delay((1.0, 0.0), (0.0, 1.0), max_ms)


def estimate_channel_delay(signal: Signal, max_ms: float = MAX_MS) -> DelayEstimate:
    """Estimate delay and polarity of the right channel beside the left of a stereo signal."""
    spectra = CrossSpectra(signal.sample_rate, 2, signal.n_samples)
    for block in signal.blocks(BLOCK_SAMPLES):
        spectra.add((block[1:2], block[:1]))
    spectra.finish()
    return spectra.delay((1.0, 0.0), (0.0, 1.0), max_ms)
