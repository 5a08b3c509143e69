"""The side signal by bands: how strong it is beside the mid, and how it is turned down.

Mid is (L + R) / 2 and side (L - R) / 2, so the mono fold-down is the mid: no gain on the side ever
changes it. What it loses beside the stereo signal is a matter of energies alone,

    loss_db = 10 log10((|M|^2 + |S|^2) / |M|^2),

and so is the largest gain of the side that keeps to a limit:

    g = min(1, sqrt(|M|^2 / |S|^2 (10^(limit_db / 10) - 1))).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.filters import Owing, filtered
from stemfx.dsp.units import Float64s, power_to_db

BAND_EDGES_HZ = (20.0, 120.0, 500.0, 2_000.0, 6_000.0, 20_000.0)
"""Bass, low mids, mids, presence, air: the bands in which fold-down losses are judged."""

GATE_DB = 40.0
"""A band this far under the loudest one is not heard, whatever its side does."""

ACTIVE_DBFS = -60.0
WINDOW_S = 0.4  # as correlation meters show it
TRANSITION_OCTAVES = 0.5
_HALF = np.float32(0.5)
_FRAME_S = 0.19  # 5 Hz a bin, so a bass note lies within few, and four frames to a window


def sum_and_difference(block: Block) -> Block:
    """Return twice mid and side of left and right; of mid and side, left and right."""
    return np.stack((block[0] + block[1], block[0] - block[1]))


def filtered_mid_side(blocks: Iterable[Block], running: Owing) -> Iterator[Block]:
    """Yield stereo whose mid and side went through the two channels of a filter."""
    halves = (_HALF * sum_and_difference(block) for block in blocks)
    return map(sum_and_difference, filtered(halves, running))


def fold_down_loss_db(mid: float, side: float) -> float:
    """Return the loss of the fold-down for energies of mid and side, 0 dB and up to 100 dB.

    >>> round(fold_down_loss_db(1.0, 1.0), 2), fold_down_loss_db(0.0, 0.0)
    (3.01, 0.0)
    """
    if side <= 0:
        return 0.0
    return min(100.0, power_to_db(mid + side) - power_to_db(mid))


@dataclass(frozen=True, eq=False)
class MidSide:
    """Energies of mid and side in each band, over the song and in each of its 400 ms.

    Args:
        edges_hz: of the bands, `(n_bands + 1,)`.
        energy: `(2, n_bands)`: mid, side.
        windows: `(2, n_bands, n_windows)`, those above `ACTIVE_DBFS`.
    """

    edges_hz: tuple[float, ...]
    energy: Float64s
    windows: Float64s

    @property
    def is_audible(self) -> NDArray[np.bool_]:
        """Which bands are within `GATE_DB` of the loudest, `(n_bands,)`."""
        both = self.energy.sum(axis=0)
        audible: NDArray[np.bool_] = both > both.max(initial=0.0) * 10 ** (-GATE_DB / 10)
        return audible

    def losses_db(self, gains: Float64s) -> Float64s:
        """Return the fold-down loss of each band after `gains` on its side; 0 if not audible."""
        mid, side = self.energy[0], gains**2 * self.energy[1]
        losses = [fold_down_loss_db(m, s) for m, s in zip(mid, side, strict=True)]
        return np.where(self.is_audible, losses, 0.0)

    def loss_db(self, gains: Float64s) -> float:
        """Return the fold-down loss of all bands together."""
        mid, side = self.energy[0].sum(), (gains**2 * self.energy[1]).sum()
        return fold_down_loss_db(float(mid), float(side))

    def opposed_share(self, gains: Float64s) -> float:
        """Return the part of the active time in which left and right are opposed, 0 to 1.

        Their correlation is negative where the side is louder than the mid.
        """
        mid, side = self.windows[0], gains[:, None] ** 2 * self.windows[1]
        if not mid.shape[1]:
            return 0.0
        return float(np.mean(side.sum(axis=0) > mid.sum(axis=0)))


def least_narrowing(
    measured: MidSide, limits_db: Sequence[float], max_opposed_share: float
) -> Float64s:
    """Return the largest gains of the side, each 0 to 1, `(n_bands,)`, that meet all limits.

    First each band by itself, then all together, until no more than `max_opposed_share` of the
    active time has left and right opposed.
    """
    mid, side = measured.energy
    room = 10 ** (np.asarray(limits_db) / 10) - 1
    ratio = np.divide(mid * room, side, out=np.ones_like(mid), where=side > 0)
    gains: Float64s = np.where(measured.is_audible, np.sqrt(np.minimum(ratio, 1.0)), 1.0)
    if measured.opposed_share(gains) > max_opposed_share:
        windows = (
            measured.windows[0].sum(axis=0),
            (gains[:, None] ** 2 * measured.windows[1]).sum(axis=0),
        )
        shares = np.divide(*windows, out=np.full_like(windows[0], np.inf), where=windows[1] > 0)
        gains = gains * np.sqrt(np.quantile(shares, max_opposed_share, method="lower"))
    return gains


class MidSideMeter:
    """Measure `MidSide`, block by block.

    Args:
        sample_rate: in Hz; bands above half of it are left out.
        edges_hz: of the bands.
    """

    def __init__(self, sample_rate: int, edges_hz: Sequence[float] = BAND_EDGES_HZ) -> None:
        nyquist_hz = sample_rate / 2
        lower = [hz for hz in edges_hz[:-1] if hz < nyquist_hz]
        self._edges_hz = (*lower, min(edges_hz[len(lower)], nyquist_hz))
        self._n_fft = max(64, 1 << round(np.log2(_FRAME_S * sample_rate)))
        self._hop = self._n_fft // 2
        angle = 2 * np.pi * np.arange(self._n_fft) / self._n_fft
        self._window = (0.5 - 0.5 * np.cos(angle)).astype(np.float32)
        bins = np.ceil(np.array(self._edges_hz) * self._n_fft / sample_rate).astype(int)
        self._bins = np.minimum(bins, self._hop)
        self._rest = np.zeros((2, self._hop), np.float32)
        self._frames: list[NDArray[np.float32]] = []
        self._span = max(1, round(WINDOW_S * sample_rate / self._hop))

    def add(self, block: Block) -> None:
        """Take the next block, `(2, n_samples)`."""
        import scipy.fft

        rows = _HALF * sum_and_difference(block)
        rows = np.concatenate((self._rest, rows), axis=1)
        n = max(0, rows.shape[1] // self._hop - 1)
        self._rest = rows[:, n * self._hop :]
        if not n:
            return
        frames = np.lib.stride_tricks.sliding_window_view(rows, self._n_fft, axis=1)
        spectra = scipy.fft.rfft(frames[:, :: self._hop][:, :n] * self._window)
        power = np.square(spectra.real) + np.square(spectra.imag)
        # A last zero, since the last band may end with the spectrum.
        power = np.concatenate((power, np.zeros((2, n, 1), np.float32)), axis=2)
        self._frames.append(np.add.reduceat(power, self._bins, axis=2)[:, :, :-1])

    def result(self) -> MidSide:
        """Return what was measured; the signal is over."""
        self.add(np.zeros((2, self._n_fft), np.float32))
        frames = np.concatenate(self._frames, axis=1).astype(np.float64).transpose(0, 2, 1)
        windows = frames
        if frames.shape[2] >= self._span:
            views = np.lib.stride_tricks.sliding_window_view(frames, self._span, axis=2)
            windows = views.mean(axis=3)
        # The spectrum of x at |x|^2 = 1 has n/2 sum(window^2) in bins 0 to n/2.
        unit = self._n_fft / 2 * float(np.square(self._window, dtype=np.float64).sum())
        active = windows.sum(axis=(0, 1)) > unit * 10 ** (ACTIVE_DBFS / 10)
        return MidSide(self._edges_hz, frames.sum(axis=2), windows[:, :, active])


def band_gain_taps(
    sample_rate: int,
    edges_hz: Sequence[float],
    gains: Sequence[float],
    *,
    guard_octaves: float = 0.0,
) -> NDArray[np.float64]:
    """Design linear-phase taps with a gain for each band, for `fir_beside`.

    From one band to the next the gain moves, as a raised cosine over half an octave, inside the
    band with the larger gain: a band is never louder than its gain says.

    Args:
        sample_rate: in Hz.
        edges_hz: between the bands, rising, `(n_bands - 1,)`; those at or above half the sample
            rate, and the bands beyond them, are left out.
        gains: factors, `(n_bands,)`.
        guard_octaves: how far beyond the edge the gain begins to move: a meter's window spreads a
            tone near the edge over both bands.

    Returns:
        an odd number of symmetric taps with their middle at time zero.
    """
    edges = [hz for hz in edges_hz if hz < sample_rate / 2]
    steps = [
        (hz, below, above)
        for hz, below, above in zip(edges, gains, gains[1:], strict=False)
        if below != above
    ]
    if not steps:
        return np.array([gains[0]], np.float64)
    # The narrowest transition is well resolved by a window of four times its inverse.
    width_hz = steps[0][0] * (1 - 2**-TRANSITION_OCTAVES) * 2**-guard_octaves
    half = int(np.ceil(2 * sample_rate / width_hz))
    n_fft = 1 << (8 * half).bit_length()
    freq_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    octave = np.log2(np.maximum(freq_hz, freq_hz[1] / 2))
    response = np.full(len(freq_hz), float(gains[0]))
    for hz, below, above in steps:
        start = np.log2(hz) + guard_octaves
        if below > above:
            start = np.log2(hz) - guard_octaves - TRANSITION_OCTAVES
        place = np.clip((octave - start) / TRANSITION_OCTAVES, 0.0, 1.0)
        response += (above - below) * (0.5 - 0.5 * np.cos(np.pi * place))
    taps = np.fft.irfft(response, n_fft)
    window = np.hanning(2 * half + 3)[1:-1]
    windowed: NDArray[np.float64] = np.concatenate((taps[-half:], taps[: half + 1])) * window
    return windowed
