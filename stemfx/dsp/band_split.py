"""Split a stream into bands that add up to it: linear phase, so nothing moves in time.

The bands lie between low-passes with the magnitude of a 24 dB/octave Linkwitz-Riley filter,
1 / (1 + (f/edge)^4). A band is the difference of two neighbours, so whatever the edges are,

    low_passes[0] + (low_passes[1] - low_passes[0]) + ... + (signal - low_passes[-1]) == signal

and a signal whose bands are all left alone stays as it is, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.units import Float64s

FRAME_MS = 2.9
"""About how long a frame is: 128 samples at 44.1 kHz."""

EDGES_HZ = (160.0, 400.0, 1_200.0, 4_000.0, 9_000.0)
"""Between the bands of a drum kit: boom, body, box, crack, sizzle, air."""

_TAIL = 1e-4  # where the taps of a low-pass are cut, of their envelope: -80 dB
_HIGHEST = 0.45  # of the sample rate: edges above are left out

Powers = NDArray[np.float32]
"""`(n_bands, n_frames)`: mean square in each frame, summed over the channels."""


class BandSplit:
    """The low-passes for one sample rate, and the frames in which their output is counted.

    Args:
        sample_rate: in Hz.
        edges_hz: between the bands, rising; those above 0.45 of the sample rate are left out.
        frame_ms: about how long a frame is.
    """

    def __init__(
        self, sample_rate: int, edges_hz: Iterable[float] = EDGES_HZ, frame_ms: float = FRAME_MS
    ) -> None:
        self.sample_rate = sample_rate
        self.edges_hz = tuple(hz for hz in edges_hz if hz < _HIGHEST * sample_rate)
        self.frame = max(1, round(frame_ms * sample_rate / 1000))
        # h(t) falls like e^(-a|t|) with a = 2 pi edge / sqrt 2: see linkwitz_riley_low_pass
        lowest_hz = min(self.edges_hz, default=sample_rate / 4)
        decay = math.sqrt(2.0) * math.pi * lowest_hz / sample_rate
        self._half = math.ceil(-math.log(_TAIL) / decay)
        self._n_fft = 1 << (8 * self._half).bit_length()
        self._hop = (self._n_fft - 2 * self._half) // self.frame * self.frame
        spectra = [self._low_pass(hz) for hz in self.edges_hz]
        self._spectra = np.array(spectra).reshape(len(spectra), self._n_fft // 2 + 1)

    @property
    def n_bands(self) -> int:
        """How many bands there are: one more than edges."""
        return len(self.edges_hz) + 1

    def low_passes(self, blocks: Iterable[Block], channels: int) -> Iterator[tuple[Block, Block]]:
        """Yield stretches `(channels, n)` of a stream beside their low-passes.

        The low-passes are `(n_edges, channels, n)`. A stretch is a whole number of frames, but for
        the last, and always the same however the stream is cut.
        """
        import scipy.fft

        half, hop = self._half, self._hop
        window = np.zeros((channels, half), np.float32)
        owed = 0
        silence = np.zeros((channels, half + hop), np.float32)
        for block, is_last in _last(blocks):
            owed += block.shape[1]
            parts = [window, block, silence] if is_last else [window, block]
            window = np.concatenate(parts, axis=1)
            while window.shape[1] >= hop + 2 * half and owed > 0:
                n = min(hop, owed)
                padded = window[:, : hop + 2 * half]
                spectrum = scipy.fft.rfft(padded, self._n_fft)
                if self.edges_hz:
                    low = scipy.fft.irfft(spectrum * self._spectra[:, np.newaxis], self._n_fft)
                    low = low[..., half : half + n]
                else:
                    low = np.zeros((0, channels, n), np.float32)
                yield np.ascontiguousarray(window[:, half : half + n]), low
                window = window[:, hop:]
                owed -= n

    def powers(self, blocks: Iterable[Block], channels: int) -> Powers:
        """Return the power of each band in each frame; the last frame may be shorter."""
        counted = [np.zeros((self.n_bands, 0), np.float32)]
        for stretch, low in self.low_passes(blocks, channels):
            missing = -stretch.shape[1] % self.frame
            powers = []
            for upper, lower in zip([*low, stretch], [None, *low], strict=True):
                band = upper if lower is None else upper - lower
                squares = np.einsum("cn,cn->n", band, band)
                framed = np.pad(squares, (0, missing)).reshape(-1, self.frame)
                powers.append(framed.mean(axis=1))
            counted.append(np.stack(powers).astype(np.float32))
        return np.concatenate(counted, axis=1)

    def _low_pass(self, edge_hz: float) -> NDArray[np.complex64]:
        import scipy.fft

        n = self._n_fft
        freq_hz = np.arange(n // 2 + 1) * (self.sample_rate / n)
        taps: Float64s = scipy.fft.irfft(1.0 / (1.0 + (freq_hz / edge_hz) ** 4), n)
        taps[self._half + 1 : n - self._half] = 0.0
        taps /= taps.sum()
        spectrum: NDArray[np.complex64] = scipy.fft.rfft(taps).astype(np.complex64)
        return spectrum


def change_bands(stretch: Block, low: Block, gains: NDArray[np.float32]) -> Block:
    """Return a stretch with its bands multiplied by `gains`, `(n_bands, n)`.

    Gains of one change no bit: sum of gain x band = signal + sum of (gain - 1) x band.
    """
    changed: Block = (gains[-1] - np.float32(1)) * stretch
    for i, filtered in enumerate(low):
        changed += (gains[i] - gains[i + 1]) * filtered
    changed += stretch
    return changed


def ramps(
    gains: NDArray[np.float32], first: int, frame: int, n_samples: int
) -> NDArray[np.float32] | None:
    """Return a gain for each sample, `(n_bands, n_samples)`; None where all of them are one.

    A frame's gain is reached at its end, in a straight line from that of the frame before.

    Args:
        gains: `(n_bands, n_frames)` of the whole signal.
        first: frame at which the stretch begins.
        frame: its length in samples.
        n_samples: of the stretch.
    """
    n = -(-n_samples // frame)
    ends = gains[:, first : first + n]
    before = gains[:, first - 1 : first] if first else ends[:, :1]
    starts = np.concatenate((before, ends[:, :-1]), axis=1)
    if (starts == 1).all() and (ends == 1).all():
        return None
    rise = (np.arange(1, frame + 1) / frame).astype(np.float32)
    curve = starts[..., np.newaxis] + (ends - starts)[..., np.newaxis] * rise
    return curve.reshape(len(gains), -1)[:, :n_samples]


def _last(blocks: Iterable[Block]) -> Iterator[tuple[Block, bool]]:
    """Yield each block, and whether it is the last one."""
    before: Block | None = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    if before is not None:
        yield before, True
