"""What a repair costs, for every strength at which it could be mixed in, from one measuring pass.

A repair turns the signal x into r. Heard at the wet amount w it is

    out = x + w d,    d = r - x,    0 <= w <= 1

and every energy of it, in a band, of the mid, or just after an attack, is a parabola in w:

    |out|^2 = |x|^2 + 2 w <x, d> + w^2 |d|^2.

So three sums for each place that is looked at tell what *every* wet amount costs; the signal need
not be repaired again to find the one that costs little enough. What is looked at:

- bands of about an octave from 20 Hz up (below lies no music, so an offset may go): no band that
  carries sound may lose or gain much. Bands 40 dB under the loudest carry none;
- attacks: how much less they rise, and how much more than the rest they are lowered;
- the fold-down: how much more the mono sum loses than it did;
- the null: how much was changed at all.

Everything is counted in fixed stretches from the start of the signal, so the block size is never
seen in the result; memory grows by a few numbers an attack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.units import FLOOR_DB, Float64s, power_to_db

BAND_EDGES_HZ = (20, 60, 120, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
"""Lower edges; the last band goes up to half the sample rate."""

GATE_DB = 40.0
"""Bands this far under the loudest one hold nothing that is heard; what changes there is free."""

STEPS = 100
"""Wet amounts are whole hundredths: finer is not heard, and rounding cannot tip one over."""

WINDOW_S = 0.093  # 11 Hz a bin: bass bands have some bins, attacks are measured elsewhere
CHUNK_FRAMES = 32

ATTACK_HOP_MS = 1.5
AFTER_HOPS = 7  # 10.5 ms and 19.5 ms, as in `stemfx.dsp.attacks`
BEFORE_HOPS = 13
APART_HOPS = 20
ATTACK_DB = 9.0
ATTACK_FLOOR_DB = -30.0  # under the mean power: below that noise has attacks
_TINY = 1e-12


@dataclass(frozen=True)
class Limits:
    """What a repair may cost at most, in dB. `inf` where it is meant to change something.

    Args:
        band_loss_db: energy of any band that carries sound. 1 dB is about the smallest change of
            level that is noticed in music; the loss that users judged "terrible" was 5 to 9 dB.
        band_gain_db: the same for what appears in a band: repairs take away or put right.
        attack_loss_db: mean over all attacks, of their rise or of their level against the rest.
        mono_loss_db: how much more the mono fold-down may lose than before.
        change_db: level of everything that was changed, relative to the signal.
    """

    band_loss_db: float = 1.0
    band_gain_db: float = 1.0
    attack_loss_db: float = 1.0
    mono_loss_db: float = 0.5
    change_db: float = float("inf")


@dataclass(frozen=True)
class Costs:
    """What one wet amount costs, in dB; 0 is nothing. Gains and losses are never negative.

    Args:
        band_loss_db: of the band that loses most, among those that carry sound.
        loss_band_hz: that band, from and to.
        band_gain_db: of the band that gains most.
        gain_band_hz: that band.
        attack_loss_db: mean over the attacks.
        mono_loss_change_db: how much more the fold-down loses; negative where it loses less.
        change_db: energy of the change over that of the signal; `FLOOR_DB` when there is none.
    """

    band_loss_db: float
    loss_band_hz: tuple[float, float]
    band_gain_db: float
    gain_band_hz: tuple[float, float]
    attack_loss_db: float
    mono_loss_change_db: float
    change_db: float

    def over(self, limits: Limits) -> dict[str, tuple[float, float]]:
        """Return (cost, limit) by name for every limit that is not met."""
        pairs = {
            "band_loss_db": (self.band_loss_db, limits.band_loss_db),
            "band_gain_db": (self.band_gain_db, limits.band_gain_db),
            "attack_loss_db": (self.attack_loss_db, limits.attack_loss_db),
            "mono_loss_db": (self.mono_loss_change_db, limits.mono_loss_db),
            "change_db": (self.change_db, limits.change_db),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] > pair[1]}


Sums = NDArray[np.float64]
"""`(3, ...)`: |x|^2, <x, d> and |d|^2 of each place that is looked at."""


def _energy(sums: Sums, wet: float) -> Float64s:
    energy: Float64s = sums[0] + 2 * wet * sums[1] + wet * wet * sums[2]
    return np.maximum(energy, 0.0)  # rounding may leave -1e-16 of what cancels


@dataclass(frozen=True, eq=False)
class Harm:
    """The sums of one repair; see the module.

    Args:
        total: `(3,)`, over all samples and channels.
        bands: `(3, 1 or 2, n_bands)`, of the mid and (in stereo) the side, in the same units.
        edges_hz: `(n_bands + 1,)`.
        attacks: `(3, 2, n)`: mean energy a frame before and after each attack.
        attack_floor: `(n,)`: energies below this are silence.
        unwanted: `(n_bands,)`: energy of what the repair is to take; no band loses by that.
        unwanted_gain: how much of its amplitude all of the repair leaves.
    """

    total: Sums
    bands: Sums
    edges_hz: tuple[float, ...]
    attacks: Sums
    attack_floor: Float64s
    unwanted: Float64s | None = None
    unwanted_gain: float = 1.0

    @property
    def is_nothing(self) -> bool:
        """Whether the repair left every sample as it was."""
        return not self.total[2]

    def setting_aside(self, unwanted: Float64s, gain: float) -> Harm:
        """Return the same, with bands judged by what is left when `unwanted` is set aside.

        For noise, unrelated to the rest: its energies add. Bands in which the rest is not at least
        6 dB above it are not judged, since what is left is an estimate.
        """
        return replace(self, unwanted=unwanted, unwanted_gain=gain)

    def costs(self, wet: float) -> Costs:
        """Return what the repair costs at `wet`, 0 to 1."""
        changes_db, where = self._band_changes_db(wet)
        lowest, highest = (
            (int(np.argmin(changes_db)), int(np.argmax(changes_db))) if where.size else (0, 0)
        )
        band = [(self.edges_hz[i], self.edges_hz[i + 1]) for i in where] or [(0.0, 0.0)]
        return Costs(
            band_loss_db=max(0.0, -float(changes_db[lowest])),
            loss_band_hz=band[lowest],
            band_gain_db=max(0.0, float(changes_db[highest])),
            gain_band_hz=band[highest],
            attack_loss_db=self._attack_loss_db(wet),
            mono_loss_change_db=self._mono_loss_db(wet) - self._mono_loss_db(0.0),
            change_db=_ratio_db(wet * wet * self.total[2], self.total[0]),
        )

    def allowed_wet(self, limits: Limits) -> float:
        """Return the largest wet amount, in hundredths, that meets `limits`; 0 if none does."""
        wets = (step / STEPS for step in range(STEPS, 0, -1))
        return next((wet for wet in wets if not self.costs(wet).over(limits)), 0.0)

    def cut_db(self, wet: float = 1.0) -> float:
        """Return how much of all energy is gone at `wet`, in dB, 0 or more."""
        return round(max(0.0, -_ratio_db(float(_energy(self.total, wet)), self.total[0])), 2)

    def band_cuts_db(self, wet: float = 1.0) -> dict[str, float]:
        """Return the same by bands: `cut_60_120_hz_db` and so on."""
        before, after = self.bands[0].sum(axis=0), _energy(self.bands, wet).sum(axis=0)
        edges = [round(hz) for hz in self.edges_hz]
        return {
            f"cut_{low}_{high}_hz_db": round(max(0.0, -_ratio_db(b, a)) if a else 0.0, 2)
            for low, high, a, b in zip(edges[:-1], edges[1:], before, after, strict=True)
        }

    def _band_changes_db(self, wet: float) -> tuple[Float64s, NDArray[np.intp]]:
        before = self.bands[0].sum(axis=0)
        after = _energy(self.bands, wet).sum(axis=0)
        carries = before > before.max(initial=0.0) * 10 ** (-GATE_DB / 10)
        if self.unwanted is not None:
            before = before - self.unwanted
            after = after - self.unwanted * (1 - wet * (1 - self.unwanted_gain)) ** 2
            carries &= before > 4 * self.unwanted
        where = np.flatnonzero(carries)
        if not where.size:
            return np.zeros(1), where
        return power_to_db(np.maximum(after[where], 0.0) / before[where]), where

    def _mono_loss_db(self, wet: float) -> float:
        """Return the loss of the fold-down, 10 log10((|M|^2 + |S|^2) / |M|^2)."""
        energy = _energy(self.bands, wet).sum(axis=1)
        return _ratio_db(float(energy.sum()), float(energy[0])) if energy.any() else 0.0

    def _attack_loss_db(self, wet: float) -> float:
        if not self.attacks.shape[2]:
            return 0.0
        # What is turned down as a whole loses no attack, and its silence lies lower.
        overall_db = min(0.0, _ratio_db(float(_energy(self.total, wet)), self.total[0]))
        floor_wet = self.attack_floor * 10 ** (overall_db / 10)
        before, after = power_to_db(np.maximum(self.attacks[0], self.attack_floor))
        before_wet, after_wet = power_to_db(np.maximum(_energy(self.attacks, wet), floor_wet))
        lowered_db = after_wet - after - overall_db
        flatter_db = (after_wet - before_wet) - (after - before)
        return float(np.maximum(np.maximum(-lowered_db, -flatter_db), 0.0).mean())


def _ratio_db(over: float, under: float) -> float:
    if not over:
        return FLOOR_DB
    return float(power_to_db(over / under)) if under else -FLOOR_DB


class HarmMeter:
    """Measure a repair, block by block: `add(before, after)` for the whole signal, then `result`.

    Args:
        channels: 1 or 2.
        sample_rate: in Hz.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._channels = channels
        self._n_fft = max(64, 1 << round(np.log2(WINDOW_S * sample_rate)))
        self._hop = self._n_fft // 2
        self._chunk = CHUNK_FRAMES * self._hop
        # Periodic Hann: a constant reaches bins 0 and 1 only, so an offset is in no band.
        angle = 2 * np.pi * np.arange(self._n_fft) / self._n_fft
        self._window = (0.5 - 0.5 * np.cos(angle)).astype(np.float32)
        edges_hz = [hz for hz in BAND_EDGES_HZ if hz < sample_rate / 2]
        self._edges = np.ceil(np.array(edges_hz) * self._n_fft / sample_rate).astype(int)
        self._edges_hz = (*map(float, edges_hz), sample_rate / 2)
        self._parts: list[Block] = []
        self._waiting = 0
        self._context = np.zeros((2 * channels, self._hop), np.float32)
        self._total = np.zeros(3)
        self._bands = np.zeros((3, channels, len(edges_hz)))
        self._attacks = _AttackSums(max(1, round(ATTACK_HOP_MS * sample_rate / 1000)), channels)

    def add(self, before: Block, after: Block) -> None:
        """Take the next stretch, `(channels, n_samples)`, as it was and as the repair left it."""
        rows = np.concatenate((before, after - before))
        if self._channels == 2:
            half = np.float32(0.5)
            rows = half * np.stack(
                (rows[0] + rows[1], rows[0] - rows[1], rows[2] + rows[3], rows[2] - rows[3])
            )
        self._parts.append(rows)
        self._waiting += rows.shape[1]
        while self._waiting >= self._chunk:
            joined = np.concatenate(self._parts, axis=1)
            self._take(joined[:, : self._chunk])
            self._parts = [joined[:, self._chunk :]]
            self._waiting -= self._chunk

    def result(self) -> Harm:
        """Return the sums; the signal is over."""
        rest = np.concatenate([self._context[:, :0], *self._parts], axis=1)
        missing = self._n_fft - rest.shape[1] % self._hop
        self._take(np.pad(rest, ((0, 0), (0, missing))))
        attacks, floor = self._attacks.result()
        # Twice for the mirrored bins; a Hann window has a mean square of 3/8, twice over.
        unit = self._channels * 2 / (self._n_fft * 3 / 4)
        return Harm(self._total, self._bands * unit, self._edges_hz, attacks, floor)

    def _take(self, rows: Block) -> None:
        x, d = rows[: self._channels], rows[self._channels :]
        is_same = not d.any()
        scale = self._channels  # L^2 + R^2 = 2 (M^2 + S^2)
        self._total[0] += scale * float(np.square(x).sum(dtype=np.float64))
        if not is_same:
            self._total[1] += scale * float((x * d).sum(dtype=np.float64))
            self._total[2] += scale * float(np.square(d).sum(dtype=np.float64))
        self._attacks.add(x, None if is_same else d)
        joined = np.concatenate((self._context, rows), axis=1)
        self._context = joined[:, joined.shape[1] - self._hop :]
        X = self._spectrum(joined[: self._channels])
        self._add_bands(0, X, X)
        if joined[self._channels :].any():
            D = self._spectrum(joined[self._channels :])
            self._add_bands(1, X, D)
            self._add_bands(2, D, D)

    def _spectrum(self, rows: Block) -> Block:
        """Return real and imaginary parts, `(rows, frames, 2 bins)` float32."""
        import scipy.fft

        frames = np.lib.stride_tricks.sliding_window_view(rows, self._n_fft, axis=1)
        spectrum: NDArray[np.complex64] = scipy.fft.rfft(frames[:, :: self._hop] * self._window)
        return spectrum.view(np.float32)

    def _add_bands(self, kind: int, one: Block, other: Block) -> None:
        bins = np.einsum("cfk,cfk->ck", one, other).astype(np.float64)
        bins = bins.reshape(self._channels, -1, 2).sum(axis=2)
        self._bands[kind] += np.add.reduceat(bins, self._edges, axis=1)


class _AttackSums:
    """The sums before and after each attack, in two bands: steep (treble) and slow (bass).

    Energies of frames of `hop` samples: of the first difference, which tilts the spectrum up by
    6 dB an octave, and of the difference of the frames' means, in which the bass alone is left.
    An attack counts in each band in which it rises by `ATTACK_DB`.
    """

    def __init__(self, hop: int, channels: int) -> None:
        self._hop = hop
        self._rest = [np.zeros((channels, 1), np.float32) for _ in range(2)]
        self._last_mean = np.zeros((2, channels, 1), np.float32)
        self._pending = np.zeros((3, 2, BEFORE_HOPS + APART_HOPS))
        self._found: list[Sums] = []
        self._bands: list[NDArray[np.intp]] = []
        self._sum = np.zeros(2)
        self._n_frames = 0

    def add(self, x: Block, d: Block | None) -> None:
        """Take the next stretch of the signal, and of what the repair adds (None: nothing)."""
        change = np.zeros_like(x) if d is None else d
        rows = [np.concatenate(pair, axis=1) for pair in zip(self._rest, (x, change), strict=True)]
        n = (rows[0].shape[1] - 1) // self._hop
        # The sample before a stretch is kept for the difference.
        self._rest = [row[:, n * self._hop :] for row in rows]
        rows = [row[:, : n * self._hop + 1] for row in rows]
        shape = (x.shape[0], n, self._hop)
        steep = [np.diff(row).reshape(shape) for row in rows]
        means = np.stack([row[:, 1:].reshape(shape).mean(axis=2) for row in rows])
        joined = np.concatenate((self._last_mean, means), axis=2)
        self._last_mean = joined[:, :, -1:]
        slow = np.diff(joined).astype(np.float64)
        energies = np.zeros((3, 2, n))
        for kind, (i, j) in enumerate(((0, 0), (0, 1), (1, 1))):
            if j and d is None and not rows[1].any():
                continue
            energies[kind, 0] = np.einsum("cfk,cfk->f", steep[i], steep[j])
            energies[kind, 1] = np.einsum("cf,cf->f", slow[i], slow[j])
        self._sum += energies[0].sum(axis=1)
        self._n_frames += n
        self._judge(energies)

    def result(self) -> tuple[Sums, Float64s]:
        """Return `(3, 2, n)`: mean energies a frame before and after; and `(n,)`: the floors."""
        self._judge(np.zeros((3, 2, AFTER_HOPS + APART_HOPS)))
        if not self._found:
            return np.zeros((3, 2, 0)), np.zeros(0)
        found, bands = np.concatenate(self._found, axis=2), np.concatenate(self._bands)
        floors = self._sum / max(1, self._n_frames) * 10 ** (ATTACK_FLOOR_DB / 10)
        floor = np.maximum(floors[bands], _TINY)
        before, after = np.maximum(found[0], floor)
        counts = power_to_db(after / before) >= ATTACK_DB
        return found[:, :, counts], floor[counts]

    def _judge(self, energies: Sums) -> None:
        pending = np.concatenate((self._pending, energies), axis=2)
        n_rises = pending.shape[2] - BEFORE_HOPS - AFTER_HOPS + 1
        if n_rises <= 2 * APART_HOPS:
            self._pending = pending
            return
        sums = np.concatenate((np.zeros((3, 2, 1)), np.cumsum(pending, axis=2)), axis=2)
        middle = sums[:, :, BEFORE_HOPS : BEFORE_HOPS + n_rises]
        before = (middle - sums[:, :, :n_rises]) / BEFORE_HOPS
        after = (sums[:, :, BEFORE_HOPS + AFTER_HOPS :] - middle) / AFTER_HOPS
        rises = power_to_db(np.maximum(after[0], _TINY) / np.maximum(before[0], _TINY))
        strength = np.maximum(rises, 0.0).sum(axis=0)
        windows = np.lib.stride_tricks.sliding_window_view(strength, 2 * APART_HOPS + 1)
        is_first = strength[APART_HOPS:-APART_HOPS] > windows[:, :APART_HOPS].max(axis=1)
        is_peak = is_first & (windows[:, APART_HOPS] >= windows[:, APART_HOPS + 1 :].max(axis=1))
        at = np.flatnonzero(is_peak) + APART_HOPS
        for band in range(2):
            attacks = at[rises[band, at] >= ATTACK_DB]
            if attacks.size:
                both = np.stack((before[:, band, attacks], after[:, band, attacks]), axis=1)
                self._found.append(both)
                self._bands.append(np.full(attacks.size, band))
        self._pending = pending[:, :, n_rises - 2 * APART_HOPS :]
