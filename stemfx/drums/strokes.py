"""What a stroke sounds like: levels of bands in short spectra around its attack."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.windows import read_windows

Floats = NDArray[np.float32]

BEFORE_S, AFTER_S = 0.105, 0.335
"""What is looked at around an attack."""

SHORT_S = 0.0232
SHORT_CENTRES_S = (
    *(-0.045, -0.013, 0.008, 0.018, 0.030, 0.045),
    *(0.065, 0.095, 0.140, 0.200, 0.260, 0.320),
)
SHORT_EDGES_HZ = (
    *(20, 65, 108, 151, 194, 237, 300, 380, 480, 620, 800, 1_000, 1_300, 1_700, 2_200),
    *(2_900, 3_700, 4_800, 6_200, 8_000, 10_000, 12_500, 16_000),
)
LONG_S = 0.0929
LONG_CENTRES_S = (-0.055, 0.050, 0.150)
LONG_EDGES_HZ = tuple(28.0 * 2 ** (k / 4) for k in range(17))
N_SHORT = len(SHORT_CENTRES_S), len(SHORT_EDGES_HZ) - 1
N_LONG = len(LONG_CENTRES_S), len(LONG_EDGES_HZ) - 1

FLOOR_DB = -75.0
"""Relative to the loudest strokes of the song."""

_ROWS = 128


def cut(signal: Signal, times_s: Sequence[float]) -> Iterator[Block]:
    """Yield what is around each attack, `(channels, n)`, in one pass; zeros beyond the ends.

    Args:
        signal: any length; only some blocks of it are held.
        times_s: in ascending order.
    """
    rate = signal.sample_rate
    before, length = round(BEFORE_S * rate), round((BEFORE_S + AFTER_S) * rate)
    starts = [round(time * rate) - before for time in times_s]
    return read_windows(signal, [(start, start + length) for start in starts])


def stroke_levels(signal: Signal, times_s: Sequence[float]) -> tuple[Floats, Floats]:
    """Return the levels of the strokes in dB, relative to the loudest ones of the song.

    Shapes: `(strokes, *N_SHORT)` and `(strokes, *N_LONG)`. A level is that of the mean power of
    the channels in a band.
    """
    rate = signal.sample_rate
    short = _Frames(SHORT_S, SHORT_CENTRES_S, SHORT_EDGES_HZ, rate)
    long = _Frames(LONG_S, LONG_CENTRES_S, LONG_EDGES_HZ, rate)
    powers: tuple[list[Floats], list[Floats]] = ([], [])
    pending: list[Block] = []

    def flush() -> None:
        if pending:
            segments = np.stack(pending)
            powers[0].append(short(segments))
            powers[1].append(long(segments))
            pending.clear()

    for segment in cut(signal, times_s):
        pending.append(segment)
        if len(pending) == _ROWS:
            flush()
    flush()
    short_power = np.concatenate(powers[0]) if powers[0] else np.zeros((0, *N_SHORT), np.float32)
    long_power = np.concatenate(powers[1]) if powers[1] else np.zeros((0, *N_LONG), np.float32)
    loudest = short_power.sum(axis=2).max(axis=1)
    reference = max(float(np.quantile(loudest, 0.9)), 1e-20) if loudest.size else 1.0
    return _decibels(short_power, reference), _decibels(long_power, reference)


def _decibels(power: Floats, reference: float) -> Floats:
    levels: Floats = (10 * np.log10(power / reference + 10 ** (FLOOR_DB / 10))).astype(np.float32)
    return levels


class _Frames:
    """Powers of bands in frames at fixed places of a segment."""

    def __init__(
        self, seconds: float, centres_s: Sequence[float], edges_hz: Sequence[float], rate: int
    ) -> None:
        self._n = n = 2 * round(seconds * rate / 2)
        self._starts = [round((BEFORE_S + centre) * rate) - n // 2 for centre in centres_s]
        window = np.hanning(n + 1)[:-1]
        self._window = (window / np.sqrt((window**2).sum() * n)).astype(np.float32)
        hz = np.arange(n // 2 + 1) * rate / n
        self._shares = np.stack(
            [(hz >= low) & (hz < high) for low, high in itertools.pairwise(edges_hz)],
            axis=1,
        ).astype(np.float32)

    def __call__(self, segments: Floats) -> Floats:
        """Return `(segments, frames, bands)` of `(segments, channels, samples)`."""
        import scipy.fft

        frames = np.stack([segments[..., s : s + self._n] for s in self._starts], axis=1)
        spectra = scipy.fft.rfft(frames * self._window)
        power = (np.square(spectra.real) + np.square(spectra.imag)).mean(axis=2)
        found: Floats = (power @ self._shares).astype(np.float32)
        return found
