"""Filters that keep their state, so that a song can pass through them block by block.

Recursive filters are lists of second-order sections, `(n_sections, 6)` float64, as scipy
has them; `SosFilter` runs them. `FirFilter` runs taps, mostly an odd number of symmetric ones
(linear phase), and takes their latency out. Both give the same bits however the signal is cut
into blocks. Bells and shelves: `stemfx.dsp.equaliser`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block

Sections = NDArray[np.float64]
"""`(n_sections, 6)`: b0 b1 b2 a0 a1 a2 of each second-order section, a0 = 1."""

_DENORMAL = 1e-60  # far under the smallest float32 (1.4e-45), far over the smallest float64


# ---------------------------------------------------------------------------- designs


def _check_frequency(frequency_hz: float, sample_rate: int) -> None:
    if not 0 < frequency_hz < sample_rate / 2:
        nyquist_hz = sample_rate / 2
        msg = f"{frequency_hz:g} Hz is not between 0 and half the sample rate, {nyquist_hz:g} Hz"
        raise ValueError(msg)


def high_pass(sample_rate: int, cutoff_hz: float, slope_db_per_octave: int) -> Sections:
    """Design a Butterworth high-pass: -3.01 dB at `cutoff_hz`, order = slope / 6.

    Raises:
        ValueError: `cutoff_hz` is not below half the sample rate.
    """
    return _butterworth("highpass", sample_rate, cutoff_hz, slope_db_per_octave)


def low_pass(sample_rate: int, cutoff_hz: float, slope_db_per_octave: int) -> Sections:
    """Design a Butterworth low-pass: -3.01 dB at `cutoff_hz`, order = slope / 6.

    Raises:
        ValueError: `cutoff_hz` is not below half the sample rate.
    """
    return _butterworth("lowpass", sample_rate, cutoff_hz, slope_db_per_octave)


def _butterworth(
    kind: str, sample_rate: int, cutoff_hz: float, slope_db_per_octave: int
) -> Sections:
    from scipy.signal import butter

    _check_frequency(cutoff_hz, sample_rate)
    order, rest = divmod(slope_db_per_octave, 6)
    if order < 1 or rest:
        msg = f"slope_db_per_octave must be a multiple of 6; got {slope_db_per_octave}"
        raise ValueError(msg)
    sections: Sections = butter(order, cutoff_hz, kind, fs=sample_rate, output="sos")
    return sections


def linkwitz_riley_low_pass(sample_rate: int, cutoff_hz: float) -> NDArray[np.float64]:
    """Design linear-phase taps with the magnitude of a 24 dB/octave Linkwitz-Riley low-pass.

    The magnitude 1 / (1 + (f/cutoff)^4) is -6.02 dB at the cutoff. Unlike the recursive
    filter it turns no phase, so the signal minus the low-pass *is* the matching high-pass,
    (f/cutoff)^4 / (1 + (f/cutoff)^4): -24.6 dB one octave below the cutoff.

    The taps are the closed-form inverse Fourier transform of that magnitude,
        h(t) = a/2 e^(-a|t|) (cos at + sin a|t|),  a = 2 pi cutoff / sqrt 2,
    cut where the envelope is down 120 dB, with a sum of one so that 0 Hz passes exactly.
    Sampling it folds the skirt over: good while the cutoff is below sample_rate / 8.

    Returns:
        an odd number of taps, about 6.2 sample_rate / cutoff_hz, with their middle at time zero.

    Raises:
        ValueError: `cutoff_hz` is not below half the sample rate.
    """
    _check_frequency(cutoff_hz, sample_rate)
    decay = math.sqrt(2.0) * math.pi * cutoff_hz / sample_rate  # a, per sample
    half = math.ceil(math.log(1e6) / decay)
    phase = decay * np.abs(np.arange(-half, half + 1))
    taps: NDArray[np.float64] = np.exp(-phase) * (np.cos(phase) + np.sin(phase))
    taps /= taps.sum()
    return taps


def linkwitz_riley_band(
    sample_rate: int, low_hz: float | None, high_hz: float | None
) -> NDArray[np.float64]:
    """Design linear-phase taps that keep what lies between two edges, 24 dB/octave on each side.

    The difference of two `linkwitz_riley_low_pass`, scaled so that the middle of the band passes
    at 0 dB however narrow it is (an edge is then a little above -6 dB). An edge of None is open:
    without `low_hz` a low-pass, without `high_hz` its complement, with neither a single one.

    Returns:
        an odd number of taps with their middle at time zero.

    Raises:
        ValueError: an edge is not below half the sample rate, or the edges are out of order.
    """
    if low_hz is not None and high_hz is not None and low_hz >= high_hz:
        msg = f"the band's low edge, {low_hz:g} Hz, is not below its high edge, {high_hz:g} Hz"
        raise ValueError(msg)
    below = np.zeros(1) if low_hz is None else linkwitz_riley_low_pass(sample_rate, low_hz)
    up_to = np.ones(1) if high_hz is None else linkwitz_riley_low_pass(sample_rate, high_hz)
    half = max(len(below), len(up_to)) // 2
    taps: NDArray[np.float64] = np.zeros(2 * half + 1)
    for sign, part in ((1.0, up_to), (-1.0, below)):
        taps[half - len(part) // 2 : half + len(part) // 2 + 1] += sign * part
    if low_hz is not None and high_hz is not None:
        middle = 2.0 * math.pi * math.sqrt(low_hz * high_hz) / sample_rate
        taps /= float(taps @ np.cos(middle * np.arange(-half, half + 1)))
    return taps


def response(sections: Sections, freq_hz: Any, sample_rate: int) -> NDArray[np.complex128]:
    """Return the complex frequency response of `sections` at each of `freq_hz`."""
    z = np.exp(-2j * np.pi * np.asarray(freq_hz, dtype=np.float64) / sample_rate)
    powers = np.stack((np.ones_like(z), z, z * z))
    total: NDArray[np.complex128] = np.ones_like(z)
    for section in sections:
        total = total * (
            np.tensordot(section[:3], powers, 1) / np.tensordot(section[3:], powers, 1)
        )
    return total


# ---------------------------------------------------------------------------- running


class SosFilter:
    """Second-order sections with state: `filtered = f(block)`, block after block.

    Works in float64, since a float32 recursion at 20 Hz is only good to about -60 dB.

    Args:
        sections: `(n_sections, 6)`; none at all passes the signal as it is.
        channels: of the blocks to come.
    """

    def __init__(self, sections: Sections, channels: int) -> None:
        self._sections = sections
        self._state = np.zeros((len(sections), channels, 2))

    def __call__(self, block: Block) -> Block:
        """Filter the next block: `(channels, n_samples)` float32 in and out."""
        from scipy.signal import sosfilt

        if not len(self._sections):
            return block
        filtered, self._state = sosfilt(self._sections, block, axis=-1, zi=self._state)
        # A tail that fades into denormal numbers makes silence forty times slower than sound.
        self._state[np.abs(self._state) < _DENORMAL] = 0.0
        out: Block = filtered.astype(np.float32)
        return out


class FirFilter:
    """A FIR with its latency taken out: sample n out belongs to sample n in.

    It therefore owes the last `centre` samples, and works in hops, so a call may
    return fewer samples than it was given, even none; `flush` returns the rest. Overlap-save
    by FFT in float64, always cut at the same places, so the block size cannot be heard.

    Args:
        taps: `(n_taps,)`, or `(channels, n_taps)` with taps for each channel.
        channels: of the blocks to come.
        centre: which tap is at time zero; unsaid, the middle one of an odd number, as of
            symmetric taps (linear phase). 0 for minimum phase.

    Raises:
        ValueError: the number of taps is even and there is no `centre`: the latency of symmetric
            ones would be half a sample.
    """

    def __init__(self, taps: NDArray[np.float64], channels: int, centre: int | None = None) -> None:
        n_taps = taps.shape[-1]
        if centre is None and n_taps % 2 == 0:
            msg = f"an even number of taps, {n_taps}, would delay by half a sample; use an odd one"
            raise ValueError(msg)
        self._overlap = n_taps - 1
        self._n_fft = 1 << max(10, (4 * n_taps).bit_length())
        self._hop = self._n_fft - self._overlap
        self._spectrum = np.fft.rfft(taps, self._n_fft)
        self._waiting: Block = np.zeros((channels, self._overlap), np.float32)
        # The latency: as many samples are dropped at the start.
        self._skip = self._overlap // 2 if centre is None else centre
        self._owed = 0

    def __call__(self, block: Block) -> Block:
        """Take the next block, `(channels, n_samples)` float32; return what is ready."""
        self._owed += block.shape[1]
        self._waiting = np.concatenate((self._waiting, block), axis=1)
        n_hops = (self._waiting.shape[1] - self._overlap) // self._hop
        hops = [self._convolve(i * self._hop) for i in range(n_hops)]
        self._waiting = self._waiting[:, n_hops * self._hop :]
        ready = np.concatenate(hops, axis=1) if hops else self._waiting[:, :0]
        ready, self._skip = ready[:, self._skip :], self._skip if not hops else 0
        self._owed -= ready.shape[1]
        return ready

    def flush(self) -> Block:
        """Return the samples still owed; the signal is over."""
        owed = self._owed
        silence = np.zeros((len(self._waiting), self._hop + self._overlap), np.float32)
        return self(silence)[:, :owed]

    def _convolve(self, start: int) -> Block:
        spectrum = np.fft.rfft(self._waiting[:, start : start + self._n_fft].astype(np.float64))
        # The first `overlap` samples of a circular convolution are wrapped round: not output.
        out: Block = np.fft.irfft(spectrum * self._spectrum, self._n_fft)[
            :, self._overlap :
        ].astype(np.float32)
        return out


class Owing(Protocol):
    """A filter that may owe samples: a call returns what is ready, `flush` the rest."""

    def __call__(self, block: Block) -> Block:
        """Take the next block."""

    def flush(self) -> Block:
        """Return what is still owed."""


def filtered(blocks: Iterable[Block], running: Owing) -> Iterator[Block]:
    """Yield all of a stream filtered, contiguous, as many samples as came in; no block is empty."""
    for block in blocks:
        if (ready := running(block)).shape[1]:
            yield np.ascontiguousarray(ready)
    if (rest := running.flush()).shape[1]:
        yield np.ascontiguousarray(rest)


def fir_beside(
    blocks: Iterable[Block],
    taps: NDArray[np.float64],
    source: Callable[[Block], Block] = lambda block: block,
) -> Iterator[tuple[Block, Block]]:
    """Yield stretches of the signal, each beside the filtered `source` of the same stretch.

    What splits a signal in two (`block - low`) needs both halves at the same time.

    Args:
        blocks: the signal.
        taps: symmetric, an odd number of them.
        source: picks what is filtered of a block, such as its side channel; itself by default.
    """
    fir: FirFilter | None = None
    waiting: Block | None = None
    for block in blocks:
        chosen = source(block)
        fir = fir or FirFilter(taps, len(chosen))
        waiting = block if waiting is None else np.concatenate((waiting, block), axis=1)
        filtered = fir(chosen)
        ready = filtered.shape[1]
        if ready:
            yield waiting[:, :ready], filtered
            waiting = waiting[:, ready:]
    if fir is not None and waiting is not None and waiting.shape[1]:
        yield waiting, fir.flush()
