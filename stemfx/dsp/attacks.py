"""How much of a stem's attacks an estimate keeps, in dB: 0 is all of it.

An attack is what the ear takes for the start of a note: the level rises within some
milliseconds. Energy ratios hardly see it, since an attack is short: a stem may lose it and keep
its SDR. So it is measured by itself, on levels, which no gain changes:

    level of a band over a span = 10 log10 of its mean energy there, all channels together
    rise(t) = level over the 10 ms from t on - level over the 20 ms that end just before t

both from short spectra (6 ms, a new one every 1.5 ms) in four bands, so that a hi-hat over a
ringing kick counts. Attacks of the reference are where the sum of its positive rises peaks (the
energy-based onset function of Klapuri 1999, Bello et al. 2005, in dB a band) and a band rises by
9 dB or more. For every such (attack, band)

    loss = min(0, rise of the estimate, at least 0, - rise of the reference)

and the measure is their mean. Smearing moves energy from after t to before t, or away from the
10 ms after it; bleed and reverberation fill the 20 ms before it; a late attack misses t: all of
them lower it, and it ends where no rise is left. An attack that is sharper than the true one gains
nothing back, or sharpening some would hide the loss of others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.units import Float64s

HOP_MS = 1.5
WINDOW_HOPS = 4
AFTER_HOPS = 4  # spectra from the attack on: with their own length 10.5 ms
BEFORE_HOPS = 10  # spectra that end before it: 19.5 ms
APART_HOPS = 20  # 30 ms: no two attacks of one instrument are closer
BAND_EDGES_HZ = (0, 300, 1_200, 4_800)  # the last one goes up to Nyquist

ATTACK_DB = 9.0
"""Smallest rise that counts: the level of stationary noise seldom strays so far in 10 ms."""

MAX_RISE_DB = 30.0
"""A larger rise counts as this one: behind it, what is before an attack is not heard."""

FLOOR_DB = -30.0
"""Relative to the mean power of a stem: what lies below is silence, so noise has no attacks."""


_FIRST_HOP = BEFORE_HOPS + WINDOW_HOPS - 1  # of a buffer that has all that a rise looks at


class Attacks:
    """Compare the attacks of two streams of equal rate and length.

    Args:
        channels: of both.
        sample_rate: of both, in Hz.
        reference_power: mean square of the reference over its whole length.
        estimate_power: the same of the estimate; for silence no attack is left.
    """

    def __init__(
        self, channels: int, sample_rate: int, reference_power: float, estimate_power: float
    ) -> None:
        self._energies = [_BandEnergies(channels, sample_rate) for _ in range(2)]
        self._floors = [
            channels * power * 10 ** (FLOOR_DB / 10) for power in (reference_power, estimate_power)
        ]
        silence = np.zeros((len(BAND_EDGES_HZ), _FIRST_HOP + APART_HOPS))
        self._pending = [silence, silence]
        self._losses = [np.zeros(0)]
        self.n_attacks = 0

    def add(self, reference: Block, estimate: Block, *, last: bool = False) -> None:
        """Take the next blocks; `last` at the end."""
        for i, block in enumerate((reference, estimate)):
            parts = [self._pending[i], self._energies[i](block)]
            if last:
                parts.append(np.zeros((len(BAND_EDGES_HZ), AFTER_HOPS + APART_HOPS)))
            self._pending[i] = np.concatenate(parts, axis=1)
        n_judged = self._pending[0].shape[1] - _FIRST_HOP - AFTER_HOPS + 1 - 2 * APART_HOPS
        if n_judged < 1:
            return
        true, kept = (
            _rises_db(energies, floor)
            for energies, floor in zip(self._pending, self._floors, strict=True)
        )
        attacks = _peaks(np.maximum(true, 0).sum(axis=0))
        counts = true[:, attacks] >= ATTACK_DB
        loss = np.minimum(np.maximum(kept[:, attacks], 0) - true[:, attacks], 0)
        self._losses.append(loss[counts])
        self.n_attacks += int(counts.any(axis=0).sum())
        self._pending = [energies[:, n_judged:] for energies in self._pending]

    @property
    def change_db(self) -> float | None:
        """Mean change of the attacks, -`MAX_RISE_DB` to 0 dB; None if there are no attacks."""
        losses = np.concatenate(self._losses)
        return float(losses.mean()) if losses.size else None


def attack_change_db(reference: Block, estimate: Block, sample_rate: int) -> float | None:
    """Return how much lower the attacks of `estimate` rise, in dB; 0 is ideal.

    Args:
        reference: `(channels, n_samples)`.
        estimate: of the same shape.
        sample_rate: of both, in Hz.
    """
    powers = [float(np.mean(np.square(x, dtype=np.float64))) for x in (reference, estimate)]
    measure = Attacks(reference.shape[0], sample_rate, *powers)
    measure.add(reference, estimate, last=True)
    return measure.change_db


class _BandEnergies:
    """Energies of short Hann spectra, `(bands, frames)`, summed over channels.

    Scaled so that the bands of a stationary signal add up to its mean square times channels.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._hop = max(1, round(HOP_MS * sample_rate / 1000))
        length = WINDOW_HOPS * self._hop
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        self._window = window.astype(np.float32)
        self._scale = 2 / (length * float(np.sum(window**2)))
        edges = np.ceil(np.array(BAND_EDGES_HZ) * length / sample_rate).astype(int)
        self._edges = np.minimum(edges, length // 2)
        self._pending = np.zeros((channels, 0), np.float32)

    def __call__(self, block: Block) -> Float64s:
        import scipy.fft

        samples = np.concatenate([self._pending, block], axis=1)
        length = self._window.size
        n_frames = max(0, (samples.shape[1] - length) // self._hop + 1)
        self._pending = samples[:, n_frames * self._hop :]
        if not n_frames:
            return np.zeros((len(self._edges), 0))
        frames = np.lib.stride_tricks.sliding_window_view(samples, length, axis=1)
        frames = frames[:, :: self._hop][:, :n_frames]
        spectra = scipy.fft.rfft(frames * self._window)
        power = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0, dtype=np.float64)
        energies: Float64s = np.add.reduceat(power, self._edges, axis=1).T * self._scale
        return energies


def _rises_db(energies: Float64s, floor: float) -> Float64s:
    """Return the rise of each band at every frame that has all its neighbours."""
    sums = np.concatenate([np.zeros((len(energies), 1)), np.cumsum(energies, axis=1)], axis=1)
    n = energies.shape[1] - _FIRST_HOP - AFTER_HOPS + 1
    after = sums[:, _FIRST_HOP + AFTER_HOPS :] - sums[:, _FIRST_HOP : _FIRST_HOP + n]
    before = sums[:, BEFORE_HOPS : BEFORE_HOPS + n] - sums[:, :n]
    least = max(floor, np.finfo(np.float64).tiny)
    ratio = np.maximum(after / AFTER_HOPS, least) / np.maximum(before / BEFORE_HOPS, least)
    rises: Float64s = np.minimum(10 * np.log10(ratio), MAX_RISE_DB)
    return rises


def _peaks(strength: Float64s) -> NDArray[np.intp]:
    """Return where `strength` is the (first) largest value of `APART_HOPS` to either side."""
    windows = np.lib.stride_tricks.sliding_window_view(strength, 2 * APART_HOPS + 1)
    centre = windows[:, APART_HOPS]
    is_peak = (centre > windows[:, :APART_HOPS].max(axis=1)) & (
        centre >= windows[:, APART_HOPS + 1 :].max(axis=1)
    )
    return np.flatnonzero(is_peak) + APART_HOPS
