"""Spectra of a stream 20 times a second, and the power that lies in bands of them.

Frame k is centred on the middle of the k-th twentieth of a second, so how the stream comes in
blocks changes no bit, and two signals of one rate have the same frames. A frame is about 0.18 s
long (Hann): 5.4 to 7.8 Hz a bin. Each is scaled so that |X|^2 is the power (mean square) in
that bin; what is not there, before the start and after the end, does not count as silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.resample import rechunk

FRAMES_PER_S = 20
_LENGTH_S = 0.18

Spectra = NDArray[np.complex64]
"""`(channels, n_frames, n_bins)`: bins from 0 to half the sample rate."""

Powers = NDArray[np.float64]


def frame_length(sample_rate: int) -> int:
    """Return the length of a frame in samples, a power of two."""
    return int(2 ** round(np.log2(_LENGTH_S * sample_rate)))


def n_frames(n_samples: int, sample_rate: int) -> int:
    """Count the frames of a signal: its last twentieth of a second may be shorter."""
    return -(-n_samples * FRAMES_PER_S // sample_rate)


def frame_spectra(blocks: Iterable[Block], sample_rate: int) -> Iterator[Spectra]:
    """Yield the spectra of every second's 20 frames; the last second may have fewer.

    Args:
        blocks: `(channels, n)`, of any lengths.
        sample_rate: in Hz.
    """
    meter = FrameSpectra(sample_rate)
    for second in rechunk(blocks, sample_rate):
        yield from meter(second)
    yield from meter.flush()


class FrameSpectra:
    """What `frame_spectra` does, second by second: `meter(second)`, at its end `flush()`."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._length = frame_length(sample_rate)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._length) / self._length)
        self._window = window.astype(np.float32)
        self._energy = np.concatenate(([0.0], np.cumsum(window**2)))
        # Of the frames in a second's samples with half a frame on either side of them.
        self._starts = (2 * np.arange(FRAMES_PER_S) + 1) * sample_rate // (2 * FRAMES_PER_S)
        self._waiting: Block | None = None  # from half a frame before the second to come
        self._first = 0  # sample at which that second begins
        self._n_samples = 0

    def __call__(self, second: Block) -> Iterator[Spectra]:
        """Take `(channels, n)`, one second long, the last one shorter; yield what is ready."""
        if self._waiting is None:
            self._waiting = np.zeros((len(second), self._length // 2), np.float32)
        self._waiting = np.concatenate((self._waiting, second), axis=1)
        self._n_samples += second.shape[1]
        if self._waiting.shape[1] >= self._rate + self._length:
            yield self._next_second()

    def flush(self) -> Iterator[Spectra]:
        """Yield what is left; ends the stream."""
        while self._waiting is not None and self._first < self._n_samples:
            n_short = self._rate + self._length - self._waiting.shape[1]
            self._waiting = np.pad(self._waiting, ((0, 0), (0, max(0, n_short))))
            yield self._next_second()

    def _next_second(self) -> Spectra:
        assert self._waiting is not None  # noqa: S101 - both callers have looked
        left = n_frames(self._n_samples - self._first, self._rate)
        starts = self._starts[:left]
        windows = np.lib.stride_tricks.sliding_window_view(self._waiting, self._length, axis=1)
        frames = windows[:, starts] * self._window
        spectra: Spectra = scipy.fft.rfft(frames, overwrite_x=True)
        begins = starts + self._first - self._length // 2
        inside = np.clip(self._n_samples - begins, 0, self._length)
        energy = self._energy[inside] - self._energy[np.clip(-begins, 0, self._length)]
        spectra *= np.sqrt(2 / (self._length * energy)).astype(np.float32)[:, np.newaxis]
        self._waiting = self._waiting[:, self._rate :]
        self._first += self._rate
        return spectra


def powers_of(spectra: Spectra) -> NDArray[np.float32]:
    """Return |X|^2."""
    powers: NDArray[np.float32] = np.square(spectra.real) + np.square(spectra.imag)
    return powers


def band_powers(powers: NDArray[np.float32], edges_hz: Powers, sample_rate: int) -> Powers:
    """Add up the bins between each two edges; a bin on an edge goes to both in proportion.

    The law: the bands add up to the power from the first edge to the last.

    Args:
        powers: `(..., n_bins)`, bins from 0 to half the sample rate.
        edges_hz: `(n_bands + 1,)`, rising.
        sample_rate: in Hz.

    Returns:
        `(..., n_bands)`.
    """
    n_bins = powers.shape[-1]
    below = np.zeros((*powers.shape[:-1], n_bins + 1))
    np.cumsum(powers, axis=-1, dtype=np.float64, out=below[..., 1:])
    # Bin k reaches from k - 1/2 to k + 1/2.
    place = np.clip(edges_hz * (2 * (n_bins - 1) / sample_rate) + 0.5, 0, n_bins)
    whole = np.minimum(place.astype(np.int64), n_bins - 1)
    at = below[..., whole]
    at += (place - whole) * (below[..., whole + 1] - at)
    return np.diff(at, axis=-1)
