"""Turn a signal down in time and frequency, gently: cuts over the frames and bins of `stft`.

A cut is a positive number of dB for every second frame and each bin, the same for all channels, so
that the stereo image stays. It is smoothed over time by `Ballistics` and applied by `cut`;
`CutMeter` tells what it did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp import stft
from stemfx.dsp.units import Float64s, power_to_db

CHUNK_FRAMES = 32
"""Frames at a time: some arrays of them stay in cache."""

EVERY = 2
"""Cuts are computed for every second frame: windows that overlap by half miss nothing."""

MEMORY_BYTES = 1 << 25
"""Cuts kept for a second run: 12 minutes of them at 44.1 kHz."""

Cuts = NDArray[np.float32]
"""`(n_frames, N_BINS)` of every second frame, in dB, 0 or more."""

Powers = NDArray[np.float32]
"""`(n_frames, N_BINS)`, summed over the channels."""

BAND_EDGES_HZ = (20, 60, 120, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)

_DB_TO_LOG = math.log(10.0) / 20.0

Aim = Callable[[int, Powers], Cuts]
"""Tell how much to cut from every second frame from a first one on; the powers are those of the
signal that is cut, in these frames."""


def powers(spectrum: stft.Spectrum) -> Powers:
    """Return the power in each frame and bin, summed over the channels."""
    power: Powers = np.square(spectrum[0].real)
    power += np.square(spectrum[0].imag)
    for channel in spectrum[1:]:
        power += np.square(channel.real)
        power += np.square(channel.imag)
    return power


def powers_of(signal: Signal, start: int, n_frames: int) -> Powers:
    """Return the power of every second frame from `start` on, `n_frames` of them, at least one."""
    return powers(stft.forward(signal, start, start + EVERY * n_frames, EVERY))


class Ballistics:
    """Let cuts go fast and come slowly, frame by frame, in dB.

    So no attack of the stem itself is cut for longer than `attack_ms`, and no cut flickers.

    Args:
        sample_rate: in Hz.
        attack_ms: time constant with which a cut opens, like a gate.
        release_ms: time constant with which it closes.
        n_bins: of each frame.
    """

    def __init__(
        self, sample_rate: int, *, attack_ms: float, release_ms: float, n_bins: int
    ) -> None:
        frame_ms = 1000.0 * EVERY * stft.HOP / sample_rate
        self._open, self._close = (
            np.float32(-math.expm1(-frame_ms / ms) if ms > 0 else 1.0)
            for ms in (attack_ms, release_ms)
        )
        self._state = np.zeros(n_bins, np.float32)

    def __call__(self, cuts_db: Cuts) -> Cuts:
        """Smooth the next frames."""
        smooth = np.empty_like(cuts_db)
        state = self._state
        for frame, aim in enumerate(cuts_db):
            way = aim - state
            state = state + np.where(way < 0, self._open, self._close) * way
            smooth[frame] = state
        self._state = state
        return smooth


def gains(cuts_db: Cuts) -> Cuts:
    """Return the factors, at most 1; no cut at all is exactly 1."""
    factors: Cuts = np.exp(np.float32(-_DB_TO_LOG) * cuts_db)
    return factors


def cut(signal: Signal, aim: Aim, memory: Memory) -> Iterator[Block]:
    """Yield the signal, cut as `aim` says, asked for chunk after chunk unless `memory` knows.

    A frame between two for which the cuts are known is cut like the one that loses less: what
    begins in it is heard from its first sample on.
    """
    for block in stft.inverse(_cut_spectra(signal, aim, memory), signal.n_samples):
        yield np.ascontiguousarray(block)


class Memory:
    """Keep cuts for a second run over a signal, if they are not too many: a byte a bin.

    Args:
        n_samples: length of the signal.
        max_cut_db: the highest cut; a byte counts 1/255 of it, 0.03 dB of 6 dB or less.
    """

    def __init__(self, n_samples: int, max_cut_db: float) -> None:
        self._step_db = np.float32(max(max_cut_db, 1e-3) / 255)
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._fits = stft.n_frames(n_samples) // EVERY * stft.N_BINS <= MEMORY_BYTES

    def keep(self, start: int, cuts_db: Cuts) -> None:
        """Keep the cuts of the frames from `start` on."""
        if self._fits:
            self._kept[start] = np.rint(cuts_db / self._step_db).astype(np.uint8)

    def recall(self, start: int) -> Cuts | None:
        """Return the cuts that were kept."""
        kept = self._kept.get(start)
        return None if kept is None else kept * self._step_db


def _cut_spectra(signal: Signal, aim: Aim, memory: Memory) -> Iterator[stft.Spectrum]:
    n_frames = stft.n_frames(signal.n_samples)
    held: stft.Spectrum | None = None  # the frame before, which waits for the cuts of the next
    before: Cuts | None = None
    for start in range(0, n_frames, CHUNK_FRAMES):
        stop = min(start + CHUNK_FRAMES, n_frames)
        spectra = stft.forward(signal, start, stop)
        cuts_db = memory.recall(start)
        if cuts_db is None:
            cuts_db = aim(start, powers(spectra[:, ::EVERY]))
            memory.keep(start, cuts_db)
        factors = gains(cuts_db)
        if held is not None and before is not None:
            yield held * np.maximum(before, factors[:1])
        between = np.maximum(factors[:-1], factors[1:])
        spectra[:, 1 : 2 * len(between) : EVERY] *= between
        spectra[:, ::EVERY] *= factors
        held = before = None
        if spectra.shape[1] % EVERY == 0:
            held, before = spectra[:, -1:].copy(), factors[-1:]
            spectra = spectra[:, :-1]
        yield spectra
    if held is not None and before is not None:
        yield held * before


class CutMeter:
    """Sum up what was cut from one kind of power: of all, or of what leaked from one stem.

    The sums are those of p, g p and g^2 p in each bin, so that they tell what is left at every
    wet amount w, when the factor is 1 + w (g - 1).
    """

    def __init__(self) -> None:
        self._sums = np.zeros((3, stft.N_BINS))

    def add(self, power: Powers, factors: Cuts) -> None:
        """Take in the next frames."""
        once = power * factors
        self._sums[0] += power.sum(axis=0)
        self._sums[1] += once.sum(axis=0)
        self._sums[2] += np.einsum("nf,nf->f", once, factors)

    @property
    def before(self) -> float:
        """Power before the cut."""
        return float(self._sums[0].sum())

    def after(self, wet: float = 1.0) -> float:
        """Power after the cut."""
        return float(self._after(wet).sum())

    def _after(self, wet: float) -> Float64s:
        dry = 1.0 - wet
        left: Float64s = np.array([dry * dry, 2 * wet * dry, wet * wet]) @ self._sums
        return left

    def cut_db(self, wet: float = 1.0) -> float:
        """Return how much of the power was cut, in dB, 0 or more."""
        return _cut_db(self.before, self.after(wet))

    def band_cuts_db(self, sample_rate: int, wet: float = 1.0) -> dict[str, float]:
        """Return the same by octave-wide bands: `cut_60_120_hz_db` and so on."""
        found = {}
        after = self._after(wet)
        edges_hz = [hz for hz in BAND_EDGES_HZ if hz < sample_rate / 2]
        for low_hz, high_hz in zip(edges_hz, [*edges_hz[1:], round(sample_rate / 2)], strict=True):
            bins = slice(*(math.ceil(hz * stft.N_FFT / sample_rate) for hz in (low_hz, high_hz)))
            cut_db = _cut_db(float(self._sums[0, bins].sum()), float(after[bins].sum()))
            found[f"cut_{low_hz}_{high_hz}_hz_db"] = round(cut_db, 2)
        return found


def _cut_db(before: float, after: float) -> float:
    return max(0.0, power_to_db(before) - power_to_db(after)) if before > 0 else 0.0
