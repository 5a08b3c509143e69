"""Find what has to be done to each stem so that the set adds up to its mixture.

What stem j should be is the mixture minus the other stems. Where one stem is wrong that is exact;
where several are, the true stem is still in it. So the stem that is explained best is put right
first, its like is looked for again, and so on; then everything is read anew with these moves made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp.delay import CrossSpectra, DelayEstimate
from stemfx.dsp.shift import Shifted
from stemfx.dsp.speed import Slowed, find_drift, find_speed
from stemfx.health.stem_reading import SEGMENT_S, SetReading, Weighted, read_set

MAX_MS = 120.0
"""Delays up to this are looked for in the spectra; longer ones in the rhythm."""

_GOOD_ENOUGH = 1e-5  # -50 dB: what is left then is rounding
_WORTH_IT = 0.2  # of what is left: 1 dB
_WORTH_IT_OF_STEM = 0.05
_SIMPLER = 1.12  # 0.5 dB more left, for one number less
_MAX_PASSES = 5
_IN_STEP = 1e-4  # -40 dB
_COHERENT = 0.95
_SAME_SPEED = 2e-6
_IN_TIME_S = 1e-4  # out of step at the end by less than this is not heard
_SAME_GAIN = 0.02  # 0.17 dB
_CHANCE = 0.05  # correlation that unrelated sounds have over a few seconds
_LOST_GAIN = 0.3
_SILENT = 1e-8  # -80 dB beside the mixture

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """How a stem lies beside the copy of it that is in the mixture.

    Args:
        delay_samples: how much later it is.
        gain: what it has to be multiplied by; negative when it is inverted.
        speed: how fast it runs; 1.01 is one percent fast.
        is_lost: nothing of it was found in the mixture.
        coherence: with the mixture minus the other stems, once it was moved.
    """

    delay_samples: float = 0.0
    gain: float = 1.0
    speed: float = 1.0
    is_lost: bool = False
    coherence: float = 0.0

    def made(self, stem: Signal, n_samples: int) -> Signal:
        """Return the stem put right; when it is moved at all, it gets `n_samples`."""
        right = stem if self.speed == 1.0 else Slowed(stem, self.speed)
        if self.delay_samples or self.gain != 1.0:
            right = Shifted(right, -self.delay_samples, self.gain, n_samples)
        return right


@dataclass(frozen=True)
class Solution:
    """The moves that make a set add up, and what is left then.

    Args:
        moves: one a stem.
        common: the one move that all stems share, if they do.
        reading: of the stems put right, and the mixture.
        aligned: of the stems with only delays, speeds and polarities put right.
        unreached: the segments that are to be left out: a moved stem no longer covers them.
    """

    moves: tuple[Move, ...]
    common: Move | None
    reading: SetReading
    aligned: SetReading
    unreached: NDArray[np.bool_]

    @property
    def residual_energy(self) -> float:
        """Of the mixture minus the stems put right, where all are there."""
        return float(self.reading.energies[~self.unreached, -1].sum())


def solve(stems: Sequence[Signal], mixture: Signal, reading: SetReading) -> Solution:
    """Find the moves.

    Args:
        stems: of the mixture's rate.
        mixture: what they should add up to.
        reading: of both, as they are.
    """
    solver = _Solver(stems, mixture, reading)
    solver.align()
    solver.find_speeds()
    return solver.solution()


@dataclass(frozen=True)
class _Fit:
    """One possible step: which stem (None: all), by how much, and the energy it takes away."""

    stem: int | None
    delay_samples: float
    gain: float
    saved: float
    own_energy: float
    estimate: DelayEstimate


class _Solver:
    def __init__(self, stems: Sequence[Signal], mixture: Signal, reading: SetReading) -> None:
        self.stems, self.mixture = list(stems), mixture
        self.reading = reading
        self.moves = [Move() for _ in stems]
        self.common = Move()
        loud = _SILENT * reading.mixture_energy
        self._energies = np.diag(reading.gram)[:-1]
        self.usable = [j for j, own in enumerate(self._energies) if own > loud]

    def align(self) -> None:
        """Step by step, then with everything read anew, until nothing is gained."""
        for _ in range(_MAX_PASSES):
            if not self._steps():
                return
            self._read()

    def _current(self) -> list[Signal]:
        return [
            self._with_common(move).made(stem, self.mixture.n_samples)
            for move, stem in zip(self.moves, self.stems, strict=True)
        ]

    def _with_common(self, move: Move) -> Move:
        return replace(
            move,
            delay_samples=move.delay_samples + self.common.delay_samples,
            gain=move.gain * self.common.gain,
        )

    def _read(self) -> None:
        self.reading = read_set(self._current(), self.mixture)

    def _steps(self) -> bool:
        spectra = self.reading.spectra
        sums = _Sums(spectra, self.usable)
        moved = False
        for _ in range(3 * len(self.stems) + 3):
            left = sums.residual()
            if left <= _GOOD_ENOUGH * sums.mixture_energy:
                break
            fits = [self._fit(sums, j) for j in self.usable]
            if len(self.usable) > 1:
                fits.append(self._fit(sums, None))
            worth = [
                fit
                for fit in fits
                if fit.saved > min(_WORTH_IT * left, _WORTH_IT_OF_STEM * fit.own_energy)
            ]
            if not worth:
                break
            best = max(worth, key=lambda fit: fit.saved)
            sums.move(best.stem, best.delay_samples, best.gain)
            self._note(best)
            moved = True
        return moved

    def _note(self, fit: _Fit) -> None:
        old = self.common if fit.stem is None else self.moves[fit.stem]
        new = replace(
            old,
            delay_samples=old.delay_samples + fit.delay_samples,
            gain=old.gain * fit.gain,
            coherence=fit.estimate.coherence,
        )
        if fit.stem is None:
            self.common = new
        else:
            self.moves[fit.stem] = new

    def _fit(self, sums: _Sums, stem: int | None) -> _Fit:
        own, reference = sums.own(stem), sums.should_be(stem)
        estimate = sums.spectra.delay(own, reference, MAX_MS)
        power = float(sums.spectra.power(own).sum())
        cross = sums.spectra.cross(own, reference)
        before = power - 2.0 * float(cross.real.sum())  # energy left, but for the reference's own
        best = (0.0, *_gain(cross, sums.omega, 0.0, power))
        if estimate.has_common_source and estimate.is_late_or_early:
            late = (
                estimate.delay_samples,
                *_gain(cross, sums.omega, estimate.delay_samples, power),
            )
            left = sums.residual() - before
            if (left + best[2]) > _SIMPLER * (left + late[2]):
                best = late
        delay, gain, after = best
        return _Fit(stem, delay, gain, before - after, power, estimate)

    def find_speeds(self) -> None:
        """Where a stem is out of step all along: does it run at another speed, or start later?"""
        tried: set[int] = set()
        for _ in range(len(self.usable)):
            lost, loose = self._out_of_step()
            for j in lost or loose:
                if j not in tried and self._find_speed(j, lost):
                    self.align()
                    break
                tried.add(j)
            else:
                return

    def _out_of_step(self) -> tuple[list[int], list[int]]:
        """Return the stems that the mixture does not hold where they are, and those it may not."""
        sums = _Sums(self.reading.spectra, self.usable)
        if sums.residual() <= _IN_STEP * sums.mixture_energy:
            return [], []
        lost, loose = [], []
        for j in self.usable:
            estimate = sums.spectra.delay(sums.own(j), sums.should_be(j), MAX_MS)
            if not estimate.has_common_source:
                lost.append(j)
            elif estimate.coherence < _COHERENT:
                loose.append((estimate.coherence, j))
        return lost, [j for _, j in sorted(loose)]

    def _find_speed(self, j: int, lost: list[int]) -> bool:
        current = self._current()
        others = [k for k in self.usable if k != j and k not in lost]
        should_be = Weighted(
            (self.mixture, *(current[k] for k in others)), (1.0, *(-1.0 for _ in others))
        )
        found = None
        if j not in lost:
            found = find_drift(self.stems[j], should_be)
        if found is None:
            found = find_speed(self.stems[j], should_be)
        if found is None or not found.is_exact:
            return False
        delay = found.delay_s * self.mixture.sample_rate
        duration_s = self.mixture.n_samples / self.mixture.sample_rate
        speed = 1.0 if abs(found.speed - 1.0) * duration_s < _IN_TIME_S else found.speed
        old = self._with_common(self.moves[j])
        if speed == old.speed and abs(delay - old.delay_samples) < 1.0:
            return False
        before, kept = self.reading, self.moves[j]
        left = before.residual_energy(np.ones(before.n_stems))
        common = self.common
        self.moves[j] = Move(delay - common.delay_samples, 1.0 / common.gain, speed)
        self._read()
        self._set_gain(j)
        after = self.reading.residual_energy(np.ones(before.n_stems))
        own = float(self.reading.gram[j, j])
        if left - after > min(_WORTH_IT * left, _WORTH_IT_OF_STEM * own):
            return True
        self.moves[j], self.reading = kept, before
        return False

    def _set_gain(self, j: int) -> None:
        """Scale a stem that was just put in place, by least squares."""
        gram = self.reading.gram
        others = [k for k in range(len(gram) - 1) if k != j]
        gain = (gram[j, -1] - gram[j, others].sum()) / gram[j, j]
        self.moves[j] = replace(self.moves[j], gain=self.moves[j].gain * float(gain))
        self._read()

    def solution(self) -> Solution:
        """Tidy up: gains together by least squares, and what is no more than chance back to one."""
        gram, n, use = self.reading.gram, self.reading.n_stems, self.usable
        gains = np.ones(n)
        if use:
            gains[use] = np.linalg.lstsq(gram[np.ix_(use, use)], gram[use, -1], rcond=1e-6)[0]
        left = self.reading.residual_energy(gains)
        sums = _Sums(self.reading.spectra, use)
        moves = []
        for j, move in enumerate(self.moves):
            whole = self._with_common(move)
            estimate = sums.spectra.delay(sums.own(j), sums.should_be(j), MAX_MS)
            gain = whole.gain * float(gains[j])
            chance = _CHANCE * np.sqrt(left / max(self._energies[j], 1e-30))
            if j not in use or abs(abs(gain) - 1.0) < min(_LOST_GAIN, _SAME_GAIN + chance):
                gain = float(np.sign(gain)) or 1.0
            lost = j in use and abs(gain) < _LOST_GAIN and not estimate.has_common_source
            moves.append(replace(whole, gain=gain, is_lost=lost, coherence=estimate.coherence))
        aligned = [replace(move, gain=float(np.sign(move.gain)) or 1.0) for move in moves]
        reading = self.read_with(moves)
        return Solution(
            tuple(moves),
            _common([moves[j] for j in use]),
            reading,
            self.read_with(aligned) if aligned != moves else reading,
            self.unreached(moves, len(reading.energies)),
        )

    def read_with(self, moves: Sequence[Move]) -> SetReading:
        """Read the stems with these moves made."""
        right = [
            move.made(stem, self.mixture.n_samples)
            for move, stem in zip(moves, self.stems, strict=True)
        ]
        return read_set(right, self.mixture)

    def unreached(self, moves: Sequence[Move], n_segments: int) -> NDArray[np.bool_]:
        """Return which of the segments at either end a stem left when it was moved."""
        segment = round(SEGMENT_S * self.mixture.sample_rate)
        at = np.arange(-(-self.mixture.n_samples // segment))
        out: NDArray[np.bool_] = np.zeros(n_segments, np.bool_)
        for move in moves:
            late = move.delay_samples
            if not late or move.is_lost:
                continue
            out[: len(at)] |= (
                (at + 1) * segment > self.mixture.n_samples - late
                if late > 0
                else at * segment < -late
            )
        return out if not out.all() else np.zeros_like(out)


def _common(moves: Sequence[Move]) -> Move | None:
    """Return the move that all stems share, if they do: then it is the mixture that was moved."""
    first = moves[0] if len(moves) > 1 else Move()
    if (first.delay_samples, first.gain, first.speed) == (0.0, 1.0, 1.0):
        return None
    alike = all(
        abs(move.delay_samples - first.delay_samples) < 1.0
        and abs(move.gain - first.gain) < _SAME_GAIN
        and abs(move.speed - first.speed) < _SAME_SPEED
        for move in moves
    )
    return first if alike else None


def _gain(cross: Complex, omega: Floats, delay: float, power: float) -> tuple[float, float]:
    """Return the gain by least squares at a delay, and the energy it leaves, reference apart."""
    in_phase = float(np.sum((cross * np.exp(1j * omega * delay)).real))
    return (in_phase / power, -(in_phase**2) / power) if power else (1.0, 0.0)


class _Sums:
    """Weighted sums of the stems, moved by phase: good to -30 dB for the longest delays."""

    def __init__(self, spectra: CrossSpectra, usable: Sequence[int]) -> None:
        self.spectra = spectra
        n, n_bins = len(spectra.matrix), spectra.matrix.shape[-1]
        self.omega = 2.0 * np.pi * np.arange(n_bins) / spectra.frame
        self._moved = np.zeros((n, n_bins), np.complex128)
        self._moved[list(usable)] = 1.0
        self.mixture_energy = float(spectra.matrix[-1, -1].real.sum())

    def own(self, stem: int | None) -> Complex:
        """Weights of one stem as it is moved by now, or of all of them."""
        weights = self._moved.copy()
        if stem is not None:
            weights[np.arange(len(weights)) != stem] = 0.0
        return weights

    def should_be(self, stem: int | None) -> Complex:
        """Weights of what it should be: the mixture minus the others."""
        weights = -self._moved
        weights[slice(None) if stem is None else stem] = 0.0
        weights[-1] = 1.0
        return weights

    def residual(self) -> float:
        """Energy of the mixture minus the stems."""
        weights = -self._moved
        weights[-1] = 1.0
        return float(self.spectra.power(weights).sum())

    def move(self, stem: int | None, delay: float, gain: float) -> None:
        """Move one stem, or all: `delay` samples earlier, times `gain`."""
        factor = gain * np.exp(1j * self.omega * delay)
        self._moved[slice(0, -1) if stem is None else stem] *= factor
