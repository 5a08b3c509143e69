"""Where a stroke may be in a drum stem, and what speaks for it: levels, rises, neighbours.

Levels are read every 5 ms in `GROUPS` of bands as wide as the ear's. The low ones need a window
longer than a period of a kick, or they would rise with each of its waves; the others a short
one, so that a roll's strokes stay apart. All is relative to the stem itself: no gain changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.bands import erb_rate
from stemfx.dsp.framing import Framer

Floats = NDArray[np.float32]

HOP_S = 0.005
LONG_S, SHORT_S = 0.046, 0.0145
GROUPS = (
    # (from Hz, to Hz, bands, window)
    (30, 120, 3, LONG_S),
    (120, 300, 3, LONG_S),
    (300, 800, 4, SHORT_S),
    (800, 2_000, 4, SHORT_S),
    (2_000, 5_000, 4, SHORT_S),
    (5_000, 9_000, 3, SHORT_S),
    (9_000, 14_500, 3, SHORT_S),
    (14_500, 20_500, 4, SHORT_S),  # where a soft hat stands clear of a snare's tail
)
N_GROUPS = len(GROUPS)
LAGS = {LONG_S: 4, SHORT_S: 2}  # hops: about the half of a window, which holds the attack
OWN_FLOOR_DB, FLOOR_DB = -50.0, -80.0  # below a band's, and below the stem's loud level: silence
SILENCE = 1e-14  # -140 dBFS, mean square

MIN_RISE_DB = np.array([4.0, 4.0] + [3.0] * (N_GROUPS - 2), np.float32)
MAX_RISE_DB = 25.0
REACH, APART = 3, 4  # hops: rises of one stroke; no two candidates are as close

EVIDENCE = 5 * N_GROUPS + 7
_ROWS, _CHUNK = 64, 16_384


@dataclass(frozen=True)
class Candidates:
    """Moments that may be strokes, `times_s` `(n,)`, and their `evidence` `(n, EVIDENCE)`."""

    times_s: NDArray[np.float64]
    evidence: NDArray[np.float64]


NOTHING = Candidates(np.zeros(0), np.zeros((0, EVIDENCE)))


def candidates(signal: Signal) -> Candidates:
    """Return every moment at which some group of bands rises."""
    hop = round(HOP_S * signal.sample_rate)
    power = _band_powers(signal, hop)
    loud = np.percentile(power.sum(axis=1), 98) if len(power) else 0.0
    if loud <= SILENCE:
        return NOTHING
    levels, rises = _levels_and_rises(power, float(loud))
    rises = np.maximum(rises - _restlessness(rises), 0)
    frames = _rising(rises)
    evidence = _evidence(levels, rises, frames)
    # A file may begin within a sound: there, only what decays was struck.
    struck = np.flatnonzero((frames > 4) | _decays(levels, frames))
    times_s = frames[struck] * (hop / signal.sample_rate)
    return Candidates(times_s.astype(np.float64), evidence[struck])


def _band_powers(signal: Signal, hop: int) -> Floats:
    """Return the mean power of the channels, `(frames, bands)`; frame k is centred on k hops."""
    parts = [_Powers(signal, window_s, hop) for window_s in (LONG_S, SHORT_S)]
    for block in signal.blocks():
        for part in parts:
            part(block)
    n_frames = signal.n_samples // hop + 1 if signal.n_samples else 0
    return np.concatenate([part.close(n_frames) for part in parts], axis=1)


class _Powers:
    def __init__(self, signal: Signal, window_s: float, hop: int) -> None:
        from scipy.fft import next_fast_len

        self._length = 2 * round(window_s * signal.sample_rate / 2)
        self._n_fft = next_fast_len(self._length, real=True)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._length) / self._length)
        self._window = (window / window.sum()).astype(np.float32)
        groups = [group[:3] for group in GROUPS if group[3] == window_s]
        hz = np.arange(self._n_fft // 2 + 1) * (signal.sample_rate / self._n_fft)
        self._shares = np.concatenate([_triangles(hz, *group) for group in groups]).T
        self._framer = Framer(signal.channels, self._length, hop)
        self._rows: list[Floats] = []
        self._silence = np.zeros((signal.channels, self._length), np.float32)
        self(self._silence[:, : self._length // 2])

    def __call__(self, block: Block) -> None:
        from scipy.fft import rfft

        frames = self._framer(block)
        for row in range(0, frames.shape[1], _ROWS):
            spectra = rfft(frames[:, row : row + _ROWS] * self._window, self._n_fft)
            power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
            self._rows.append(power @ self._shares)

    def close(self, n_frames: int) -> Floats:
        self(self._silence)
        rows = np.concatenate(self._rows)[:n_frames]
        self._rows = []
        return rows


def _triangles(hz: NDArray[np.float64], low_hz: float, high_hz: float, n_bands: int) -> Floats:
    """Return `n_bands` triangles of equal width on the ERB scale; zero where there is nothing."""
    bands = np.zeros((n_bands, hz.size))
    top_hz = 0.98 * hz[-1]
    if low_hz < top_hz:
        low, high = erb_rate(np.array([low_hz, min(high_hz, top_hz)]))
        edges = np.linspace(low, high, n_bands + 2)
        centres = edges[1:-1, np.newaxis]
        bands = np.maximum(0.0, 1.0 - np.abs(erb_rate(hz) - centres) / (edges[1] - edges[0]))
        for k in np.flatnonzero(~bands.any(axis=1)):  # narrower than a bin
            bands[k, np.argmin(np.abs(erb_rate(hz) - centres[k]))] = 1.0
    return np.asarray(bands, np.float32)


def _levels_and_rises(power: Floats, loud: float) -> tuple[Floats, Floats]:
    """Return the level of each group and how far its bands rise, in dB, `(frames, N_GROUPS)`.

    A band rises over the louder of its neighbours, or vibrato would be a stroke (Böck and
    Widmer, Maximum filter vibrato suppression for onset detection, DAFx 2013).
    """
    from scipy.ndimage import maximum_filter1d

    own = np.percentile(power, 98, axis=0) * 10 ** (OWN_FLOOR_DB / 10)
    floor = np.maximum(own, loud * 10 ** (FLOOR_DB / 10)).astype(np.float32)
    levels = np.empty((len(power), N_GROUPS), np.float32)
    rises = np.empty_like(levels)
    stop = 0
    for group, (_, _, n_bands, window_s) in enumerate(GROUPS):
        bands = slice(stop, stop + n_bands)
        stop, lag = stop + n_bands, LAGS[window_s]
        before = np.log10(np.broadcast_to(floor[bands], (lag, n_bands)))
        for row in range(0, len(power), _CHUNK):
            sounding = power[row : row + _CHUNK, bands] + floor[bands]
            levels[row : row + _CHUNK, group] = 10 * np.log10(sounding.sum(axis=1))
            bels = np.concatenate((before, np.log10(sounding)))
            rise = 10 * (bels[lag:] - maximum_filter1d(bels, 3, axis=1)[:-lag])
            rises[row : row + _CHUNK, group] = np.clip(rise, 0, MAX_RISE_DB).mean(axis=1)
            before = bels[-lag:]
    return levels, rises


def _restlessness(rises: Floats) -> Floats:
    """Return how far each group rises without a stroke: what four fifths of a second stay below."""
    span = round(1 / HOP_S)
    starts = np.arange(0, max(1, len(rises) - span // 2), span // 2)
    usual = np.stack([np.percentile(rises[k : k + span], 80, axis=0) for k in starts])
    frames = np.arange(len(rises))
    return np.stack(
        [np.interp(frames, starts + span // 2, group) for group in usual.T], axis=1
    ).astype(np.float32)


def _rising(rises: Floats) -> NDArray[np.intp]:
    """Return the frames of the candidates: where groups rise most, together."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    peaks = (rises == maximum_filter1d(rises, 2 * REACH + 1, axis=0)) & (rises > MIN_RISE_DB)
    frames = np.flatnonzero(peaks.any(axis=1))
    together = uniform_filter1d(rises.sum(axis=1), 3)
    near = np.clip(frames[:, np.newaxis] + np.arange(-REACH, REACH + 1), 0, len(rises) - 1)
    moved = np.unique(near[np.arange(len(frames)), np.argmax(together[near], axis=1)])
    taken = np.zeros(len(rises), bool)
    for frame in moved[np.argsort(-together[moved], kind="stable")]:
        taken[frame] = not taken[max(0, frame - APART) : frame + APART + 1].any()
    return np.flatnonzero(taken)


def _around(
    values: Floats, frames: NDArray[np.intp], first: int, last: int, how: Callable[..., Any]
) -> NDArray[np.float64]:
    """Return `how` (a mean, a maximum) of frames `first` to `last` relative to each frame."""
    near = np.clip(frames[:, np.newaxis] + np.arange(first, last + 1), 0, len(values) - 1)
    return np.asarray(how(values[near].astype(np.float64), axis=1))


def _decays(levels: Floats, frames: NDArray[np.intp]) -> NDArray[np.bool_]:
    struck = _around(levels, frames, 0, 3, np.max) - _around(levels, frames, 12, 20, np.mean)
    return np.asarray(struck.max(axis=1) > 6.0)


def _evidence(levels: Floats, rises: Floats, frames: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return what speaks for each candidate; the weights are in `onset_weights`."""
    rise = _around(rises, frames, -2, 2, np.max)
    after = _around(levels, frames, 0, 3, np.max)
    before = _around(levels, frames, -10, -4, np.mean)
    later = _around(levels, frames, 4, 12, np.max)
    added = 10 ** (after / 10) - 10 ** (_around(levels, frames, -6, -4, np.mean) / 10)
    added_db = 10 * np.log10(np.maximum(added, 1e-3 * 10 ** (after / 10)))
    total_db = 10 * np.log10((10 ** (after / 10)).sum(axis=1))
    if len(frames):  # against the loud strokes of the same stem, if they are loud in it
        usual = np.percentile(added_db, 90, axis=0)
        added_db -= np.maximum(usual, np.percentile(levels, 98, axis=0) - 20)
        total_db -= np.percentile(total_db, 90)
    added_db = np.clip(added_db, -60, 10)
    clear = rise * np.clip((added_db + 35) / 25, 0, 1)
    highest = np.minimum(-np.sort(-rise, axis=1)[:, :4], 6)
    together = rises.sum(axis=1)
    overshadowed = _around(together, frames, -14, -5, np.max) - together[frames]
    return np.column_stack(
        (
            rise,
            added_db,
            np.clip(after - before, -10, 40),
            np.clip(after - later, -40, 20),
            clear,
            highest,
            np.clip(-24 - added_db.max(axis=1), 0, 6),
            np.clip(total_db, -60, 10),
            np.clip(overshadowed, 0, 60),
        )
    )
