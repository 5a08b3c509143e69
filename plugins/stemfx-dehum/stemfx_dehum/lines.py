"""The lines of a hum: how strong each multiple of the fundamental is, and at which phase.

The signal is brought down to about 4 kHz and looked at in short frames, so that the gaps between
notes are seen. In each frame every line is one complex number: hum, which hardly changes for
half a minute, plus whatever music sounds there at that moment, which comes and goes. So the hum
is the value that most frames agree on, however loud the others are: a weighted mean over half a
minute in which a frame counts by 1 / (its squared distance from the mean + the power beside the
line), over and over (iteratively reweighted least squares with Cauchy's weights).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from stemfx.audio import Block, Signal
from stemfx.dsp.framing import Framer
from stemfx.dsp.resample import Resampler
from stemfx_dehum.track import Floats, Track

Complexes = NDArray[np.complex128]

RATE_HZ = 4000.0
"""Of what is looked at, at least: 24 multiples of 70 Hz lie below 0.9 times half of it."""

HOP_S = 0.25
FRAME_S = 0.5
_BESIDE_HZ = (-7.0, -5.0, 5.0, 7.0)  # a Hann frame of 0.5 s has its first zeros at 4 Hz
_ROUNDS = 8
_FLOOR = 1e-14  # -140 dBFS
_SURE = 0.003  # no frame is nearer to the mean than -25 dB: one alone must not decide
_MUTED = 1e30  # "power beside" of a frame that is to count for nothing


def decimated(signal: Signal) -> tuple[Iterator[Block], float]:
    """Return the blocks of a signal at 4 to 8 kHz, and that rate."""
    factor = max(1, int(signal.sample_rate / RATE_HZ))
    return _decimated(signal, factor), signal.sample_rate / factor


def _decimated(signal: Signal, factor: int) -> Iterator[Block]:
    if factor == 1:
        yield from signal.blocks()
        return
    resampler = Resampler(factor, 1, signal.channels)
    for block in signal.blocks():
        yield resampler(block)
    yield resampler.flush()


@dataclass(frozen=True, eq=False)
class Lines:
    """What is at each multiple of a track's frequency, frame by frame.

    Args:
        times_s: `(n_frames,)`, the middle of each frame.
        heard: `(n_frames, channels, n_lines)`; a hum a cos(2 pi k cycles + p) reads a e^(jp).
        beside: powers close to the line, of the same shape.
    """

    times_s: Floats
    heard: Complexes
    beside: Floats

    @classmethod
    def of(
        cls,
        signal: Signal,
        track: Track,
        n_lines: int,
        *,
        frame_s: float = FRAME_S,
        hop_s: float = HOP_S,
    ) -> Lines:
        """Look at a signal along a track."""
        blocks, rate = decimated(signal)
        hop, length = round(hop_s * rate), round(frame_s * rate)
        framer = Framer(signal.channels, length, hop)
        since_s = np.arange(length) / rate
        window = np.hanning(length + 1)[:-1]
        window *= 2.0 / window.sum()
        turns = np.exp(2j * np.pi * np.outer((0.0, *_BESIDE_HZ), since_s))
        probes = window * turns
        heard: list[Complexes] = []
        beside: list[Floats] = []
        for block in blocks:
            frames = framer(block)
            for i in range(frames.shape[1]):
                times_s = len(heard) * hop / rate + since_s
                seen = _seen(
                    frames[:, i], np.exp(-2j * np.pi * track.cycles(times_s)), probes, n_lines
                )
                heard.append(seen[0])
                beside.append((np.abs(seen[1:]) ** 2).mean(axis=0))
                quiet = np.count_nonzero(frames[:, i], axis=1) < 0.9 * length
                beside[-1][quiet] = _MUTED
        shape = (len(heard), signal.channels, n_lines)
        return cls(
            np.asarray((np.arange(len(heard)) * hop + length / 2) / rate, np.float64),
            np.reshape(heard, shape).astype(np.complex128),
            np.reshape(beside, shape).astype(np.float64) + _FLOOR,
        )

    @property
    def is_muted(self) -> NDArray[np.bool_]:
        """Where there is digital silence, of the shape of `beside`."""
        return np.asarray(self.beside >= _MUTED)

    @property
    def powers(self) -> Floats:
        """What is at the line and beside it."""
        return np.abs(self.heard) ** 2 + self.beside

    def turned(self, cycles: Floats, n_lines: int) -> Lines:
        """Return the first lines as a track sees them that is ahead by some cycles a frame."""
        k = np.arange(1, n_lines + 1)
        back = np.exp(-2j * np.pi * k * cycles[:, np.newaxis, np.newaxis])
        return Lines(self.times_s, self.heard[..., :n_lines] * back, self.beside[..., :n_lines])


def _seen(frame: Block, turn: Complexes, probes: Complexes, n_lines: int) -> Complexes:
    """Return `(n_probes, channels, n_lines)`: each line and what is beside it."""
    seen = np.empty((len(probes), len(frame), n_lines), np.complex128)
    turning = np.ones_like(turn)
    for k in range(n_lines):
        turning = turning * turn
        seen[:, :, k] = probes @ (frame * turning).T
    return seen


def weighted_mean(values: Complexes, weights: Floats, reach: int, spared: int = 0) -> Complexes:
    """Average over `reach` frames on either side, without the nearest ones that are `spared`."""
    kernel = np.hanning(2 * reach + 3)[1:-1]
    if spared:
        kernel[reach - spared + 1 : reach + spared] = 0.0

    def summed(x: Floats) -> Floats:
        return np.asarray(convolve1d(x, kernel, axis=0, mode="constant"))

    weighted = values * weights
    total = np.maximum(summed(weights), 1e-300)
    return np.asarray((summed(weighted.real) + 1j * summed(weighted.imag)) / total)


def steady(
    lines: Lines, reach: int, start: Complexes | None = None, rounds: int = _ROUNDS, spared: int = 0
) -> tuple[Complexes, Floats]:
    """Return what of the lines is steady over `reach` frames, and how far each frame is trusted."""
    mean = weighted_mean(lines.heard, lines.powers**-2, reach, spared) if start is None else start
    weights = np.ones_like(lines.beside)
    for _ in range(rounds):
        distance = np.abs(lines.heard - mean) ** 2 + lines.beside
        weights = 1.0 / np.maximum(distance, _SURE * np.abs(mean) ** 2)
        mean = weighted_mean(lines.heard, weights, reach, spared)
    return mean, weights


def evidence(lines: Lines, foretold: Complexes) -> Floats:
    """Return what the steady part explains, `(channels, n_lines)`, in nats a frame.

    The gain in log-likelihood of Cauchy's distribution against no hum at all. With a mean that
    was `spared` the frame itself, noise has none: it cannot be foretold.
    """
    left = np.abs(lines.heard - foretold) ** 2 + lines.beside
    return np.asarray(np.log(lines.powers / left).mean(axis=0))
