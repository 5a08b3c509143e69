"""Follow a hum's phase, so that its lines stand still for half a minute."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from stemfx.audio import Signal
from stemfx_dehum.lines import HOP_S, Lines, steady
from stemfx_dehum.track import Floats, Track

_SHORT_S = 4.0
_MOST_COHERENT = 0.995
_NEAR_HZ = np.arange(-0.05, 0.051, 0.002)
_BENDS = 0.02 * np.arange(-4, 5)  # Hz a second
_STAGES = ((4, 8), (8, 8), (8, 16), (16, 16), (16, 32), (24, 64))  # lines, reach in frames
_TURNS = 12
_WANDERS = 0.001  # cycles that the phase bends by from one frame to the next, rms


def locked(signal: Signal, track: Track, n_lines: int) -> Track:
    """Return the track with its phase put right, so that lines stand still."""
    lines = Lines.of(signal, track, min(n_lines, 16))
    track = _refined(track, lines)
    lines = Lines.of(signal, track, n_lines)
    return track.moved(np.gradient(_phase(lines), HOP_S), lines.times_s)


def _refined(track: Track, lines: Lines) -> Track:
    """Move the track to where stretches of 4 s are most coherent: they bear a faster drift."""
    n_frames = round(_SHORT_S / HOP_S)
    tau_s = (np.arange(n_frames) - (n_frames - 1) / 2) * HOP_S
    kernel = np.hanning(n_frames + 2)[1:-1, np.newaxis]
    weights = 1.0 / lines.powers
    k = np.arange(1, lines.heard.shape[2] + 1)
    back = np.exp(-2j * np.pi * k[:, None, None] * np.outer(tau_s, _NEAR_HZ))
    bent = np.exp(-1j * np.pi * k[:, None, None] * np.outer(_BENDS, tau_s**2))
    found, times_s = [], []
    for start in range(0, len(weights) - n_frames + 1, 2):
        part = slice(start, start + n_frames)
        total = np.zeros((len(_BENDS), len(_NEAR_HZ)))
        for channel in range(lines.heard.shape[1]):
            w = kernel * weights[part, channel]
            x = lines.heard[part, channel]
            power = w.sum(axis=0) * (w * np.abs(x) ** 2).sum(axis=0)
            sums = bent @ ((w * x).T[:, :, np.newaxis] * back)
            coherent = np.abs(sums) ** 2 / np.maximum(power, 1e-300)[:, None, None]
            total -= np.log1p(-np.minimum(coherent, _MOST_COHERENT)).sum(axis=0)
        found.append(_NEAR_HZ[np.unravel_index(total.argmax(), total.shape)[1]])
        times_s.append(lines.times_s[start] + tau_s[-1])
    return track.moved(np.array(found), np.array(times_s)) if found else track


def _phase(lines: Lines) -> Floats:
    """Return how far the hum is ahead of the track, `(n_frames,)` in cycles of the fundamental.

    Alternates between what is steady once the lines are turned back by the phase, and the phase
    that turns them to what is steady: a phase-locked loop on all lines at once, first on few of
    them over 2 s, at last on all over 16 s. Frames count by how far they are trusted, so the phase
    runs on smoothly (least squares with a penalty on its bends, Whittaker 1923) through loud music.
    """
    cycles = np.zeros(len(lines.times_s))
    if len(cycles) < 3:
        return cycles
    for most_lines, reach in _STAGES:
        n_lines = min(most_lines, lines.heard.shape[2])
        k = np.arange(1, n_lines + 1)
        mean = None
        for _ in range(_TURNS):
            turned = lines.turned(cycles, n_lines)
            mean, weights = steady(turned, reach, start=mean, rounds=4)
            pull = (weights * k * (turned.heard * mean.conj()).imag).sum(axis=(1, 2))
            sure = 2 * np.pi * (weights * (k * np.abs(mean)) ** 2).sum(axis=(1, 2))
            cycles = _smoothed(4 * np.pi * (pull + sure * cycles), 4 * np.pi * sure)
    return cycles


def _smoothed(pull: Floats, sure: Floats) -> Floats:
    """Return the x that minimises sum (sure x^2 / 2 - pull x) + sum bend^2 / (2 _WANDERS^2)."""
    n = len(pull)
    penalty = 1.0 / _WANDERS**2
    banded = np.zeros((3, n))
    banded[2] = penalty * np.convolve(np.ones(n - 2), (1, 4, 1))
    banded[1, 1:] = penalty * np.convolve(np.ones(n - 2), (-2, -2))
    banded[0, 2:] = penalty
    banded[2] += sure + 1e-9 * penalty
    return np.asarray(solveh_banded(banded, pull))
