"""A set of stems against their mixture, or against each other: everything about it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.delay import MAX_MS, DelayEstimate
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.resample import Resampled
from stemfx.dsp.units import gain_to_db, power_to_db
from stemfx.findings import finding_json
from stemfx.health.stem_leaks import stem_leaks, without_leaks
from stemfx.health.stem_reading import SEGMENT_S, Floats, SetReading, read_set
from stemfx.health.stem_solver import Move, Solution, solve
from stemfx.stage import Finding

NULL_WARN_DB = -40.0
"""Above this the difference can be heard under the mixture."""

_DUPLICATE = 0.9995
_SILENT_DBFS = -80.0
_HOLE = 1e-7  # -70 dB beside the stem's mean: not playing
_BAD = 1e-4  # -40 dB beside the mixture's mean: worth an explanation
_EXPLAINED = 0.9
_EDGE_S = 0.5
_HEARD_BEHIND = 1e-4  # -40 dB of a stem's energy: more than reverberation that dies away
# Of what good MP3 and Vorbis files differ by, 0.29 at most was less than 6 dB under the mixture,
# and it went with that to 3.7 dB (one deviation). Of missing stems 0.49 at least stood out so.
_MASKED, _STANDS_OUT, _STEADY_DB = 0.25, 0.35, 4.5
_SMOOTH_BINS, _PLAYS = 9, 1e-3
_STEADIED = 0.6  # a missing stem leaves 0.85 at least, a mastered mixture 0.35 at most


@dataclass(frozen=True)
class StemFinding:
    """A finding and the stem it is about; None: the set, or its mixture."""

    stem: str | None
    finding: Finding


@dataclass(frozen=True)
class Hole:
    """A stretch where a stem is silent and the mixture has something that no stem explains."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class StemHealth:
    """One stem in its set.

    Args:
        sample_rate: as its file says, in Hz.
        n_samples: its length.
        level_db: RMS over the mixture's, or dBFS where there is no mixture; None in silence.
        is_silent: below -80 dBFS throughout.
        move: how it lies beside its copy in the mixture; None without a mixture.
        hole: where it is cut off.
        same_as: an earlier stem that holds the same sound.
        same_as_gain: its gain beside that one.
    """

    sample_rate: int
    n_samples: int
    level_db: float | None
    is_silent: bool
    move: Move | None = None
    hole: Hole | None = None
    same_as: str | None = None
    same_as_gain: float = 1.0


@dataclass(frozen=True)
class Leftover:
    """What the mixture has that the stems, put right, do not explain.

    Args:
        level_db: beside the mixture.
        low_hz: 5 % of its energy lies below.
        high_hz: 95 % of its energy lies below.
        kind: `missing` sound, or the same sound `processed`: the whole mixture's or `stem`'s; or
            `noise` that goes with the mixture, as a codec makes it; or only at the `edges`: a fade
            in or out that one has and the other has not.
        stem: whose it is.
    """

    level_db: float
    low_hz: float
    high_hz: float
    kind: str
    stem: str | None = None


@dataclass(frozen=True)
class SetHealth:
    """What a set of stems is like.

    Args:
        sample_rate: at which it was compared, in Hz.
        duration_s: of the mixture, or of the longest stem.
        null_db: mixture minus stems, beside the mixture; None without a mixture.
        solved_null_db: the same once every fault named here is mended.
        common: the move that all stems share: then it is the mixture that was moved.
        stems: by name.
        leftover: what cannot be explained.
        pairs: delay of the second stem behind the first, of those that are one source.
        leaks_db: how loud other stems are in each: `leaks_db[stem][other]`, beside the other.
        leaks_are_linear: they are summed signals; else what a separator's masks left.
        mixture_is_silent: so nothing can be held against it.
        mixture_is_narrower: it is mono and stems are stereo; they were folded to compare them.
        unheard_s: for so long the stems go on sounding behind the mixture's end; they were
            compared up to there.
        findings: what is wrong, errors first.
    """

    sample_rate: int
    duration_s: float
    null_db: float | None
    solved_null_db: float | None
    common: Move | None
    stems: Mapping[str, StemHealth]
    leftover: Leftover | None = None
    pairs: Mapping[tuple[str, str], DelayEstimate] = field(default_factory=dict)
    leaks_db: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    leaks_are_linear: bool = True
    mixture_is_silent: bool = False
    mixture_is_narrower: bool = False
    unheard_s: float = 0.0
    findings: tuple[StemFinding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, rounded; None where nothing was measured."""
        left = self.leftover
        return {
            "sample_rate": self.sample_rate,
            "duration_s": round(self.duration_s, 6),
            "null_db": _rounded(self.null_db),
            "solved_null_db": _rounded(self.solved_null_db),
            "stems": {name: self._stem_json(stem) for name, stem in self.stems.items()},
            "unexplained": None
            if left is None
            else {
                "level_db": _rounded(left.level_db),
                "low_hz": _rounded(left.low_hz, 0),
                "high_hz": _rounded(left.high_hz, 0),
                "kind": left.kind,
                "stem": left.stem,
            },
            "pairs": [
                {
                    "stems": list(pair),
                    "delay_ms": _rounded(found.delay_ms, 4),
                    "polarity": found.polarity,
                    "coherence": _rounded(found.coherence, 3),
                }
                for pair, found in self.pairs.items()
            ],
            "leaks_db": {
                name: {other: _rounded(level) for other, level in row.items()}
                for name, row in self.leaks_db.items()
            },
            "leaks_are_linear": self.leaks_are_linear,
            "findings": [finding_json(each.finding, stem=each.stem) for each in self.findings],
        }

    def _stem_json(self, stem: StemHealth) -> dict[str, Any]:
        move = stem.move
        return {
            "sample_rate": stem.sample_rate,
            "duration_s": round(stem.n_samples / stem.sample_rate, 6),
            "level_db": _rounded(stem.level_db),
            "delay_samples": _rounded(move.delay_samples if move else None, 3),
            "delay_ms": _rounded(1e3 * move.delay_samples / self.sample_rate if move else None, 4),
            "polarity": None if move is None else "inverted" if move.gain < 0 else "ok",
            "gain_db": _rounded(power_to_db(move.gain**2) if move and not move.is_lost else None),
            "speed_percent": _rounded(100 * (move.speed - 1) if move else None, 5),
            "in_mixture": None if move is None else not move.is_lost,
            "coherence": _rounded(move.coherence if move else None, 3),
            "same_as": stem.same_as,
        }


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(float(value), digits) + 0.0


def examine_set(stems: Mapping[str, Signal], mixture: Signal | None = None) -> SetHealth:
    """Measure stems against their mixture, or against each other, and tell what is wrong.

    One pass over the files where they add up (null below -40 dB); where they do not, a few more
    to find out why.

    Args:
        stems: one or two channels each, at any rates and lengths.
        mixture: what they should add up to.

    Raises:
        ValueError: no stem was given.
    """
    from stemfx.health.stem_findings import set_findings

    if not stems:
        msg = "a set needs one stem at least"
        raise ValueError(msg)
    names = list(stems)
    rate = mixture.sample_rate if mixture is not None else _usual_rate(stems)
    at_rate = [_at(signal, rate) for signal in stems.values()]
    whole = _at_most(at_rate) if mixture is None else mixture
    channels = max(signal.channels for signal in at_rate)
    is_narrower = mixture is not None and mixture.channels < channels
    if is_narrower:
        at_rate = [Fitted(signal, 1, signal.n_samples) for signal in at_rate]
    reading, unheard_s = read_set(at_rate, whole), 0.0
    if mixture is not None and _sound_behind(reading, whole.n_samples):
        unheard_s = (_at_most(at_rate).n_samples - whole.n_samples) / rate
        at_rate = [Fitted(signal, signal.channels, whole.n_samples) for signal in at_rate]
        reading = read_set(at_rate, whole)
    solution = (
        solve(at_rate, mixture, reading) if mixture is not None and _is_bad(reading) else None
    )
    leaks = stem_leaks(solution.aligned if solution else reading)
    if solution is not None:
        solution = without_leaks(leaks, solution)
    health = SetHealth(
        sample_rate=rate,
        duration_s=whole.n_samples / rate,
        null_db=_null_db(reading) if mixture is not None else None,
        solved_null_db=_solved_db(reading, solution) if mixture is not None else None,
        common=solution.common if solution else None,
        stems=_stems(stems, reading, solution, has_mixture=mixture is not None),
        leftover=_leftover(names, solution) if solution else None,
        pairs={} if mixture is not None else _pairs(names, reading),
        leaks_db=_leaks_db(names, leaks.gains),
        leaks_are_linear=leaks.are_linear,
        mixture_is_silent=mixture is not None and not reading.mixture_energy,
        mixture_is_narrower=is_narrower,
        unheard_s=unheard_s,
    )
    found = sorted(set_findings(health), key=lambda each: _ORDER[each.finding.level])
    return SetHealth(**{**health.__dict__, "findings": tuple(found)})


_ORDER = {"error": 0, "warn": 1, "info": 2}


def _usual_rate(stems: Mapping[str, Signal]) -> int:
    rates = [signal.sample_rate for signal in stems.values()]
    return max(rates, key=rates.count)


def _at(signal: Signal, rate: int) -> Signal:
    return signal if signal.sample_rate == rate else Resampled(signal, rate)


def _at_most(signals: list[Signal]) -> Signal:
    return max(signals, key=lambda signal: signal.n_samples)


def _sound_behind(reading: SetReading, n_samples: int) -> bool:
    """Tell whether most stems go on sounding behind the mixture's end; one alone may be late."""
    segment = round(SEGMENT_S * reading.spectra.sample_rate)
    own = reading.energies[:, : reading.n_stems]
    behind = own[-(-n_samples // segment) :].sum(axis=0) > _HEARD_BEHIND * own.sum(axis=0)
    n_audible = int(np.count_nonzero(own.sum(axis=0) > 0))
    return reading.mixture_energy > 0 and int(np.count_nonzero(behind)) > n_audible / 2


def _null_db(reading: SetReading) -> float | None:
    mixed = reading.mixture_energy
    left = reading.residual_energy(np.ones(reading.n_stems))
    return power_to_db(left / mixed) if mixed else None


def _is_bad(reading: SetReading) -> bool:
    null_db = _null_db(reading)
    return null_db is not None and null_db > NULL_WARN_DB


def _solved_db(reading: SetReading, solution: Solution | None) -> float | None:
    if solution is None:
        return _null_db(reading)
    return power_to_db(solution.residual_energy / reading.mixture_energy)


def _stems(
    stems: Mapping[str, Signal],
    reading: SetReading,
    solution: Solution | None,
    *,
    has_mixture: bool,
) -> dict[str, StemHealth]:
    gram, names = reading.gram, list(stems)
    samples = reading.spectra.sample_rate * SEGMENT_S * max(1, len(reading.energies))
    found = {}
    for j, (name, signal) in enumerate(stems.items()):
        mean = gram[j, j] / samples / max(1, signal.channels)
        is_silent = power_to_db(mean) < _SILENT_DBFS
        beside = reading.mixture_energy if has_mixture else samples * signal.channels
        twin, gain = (None, 1.0) if is_silent else _twin(gram, names, j)
        found[name] = StemHealth(
            sample_rate=signal.sample_rate,
            n_samples=signal.n_samples,
            level_db=None if is_silent or not beside else power_to_db(gram[j, j] / beside),
            is_silent=is_silent,
            move=solution.moves[j] if solution else Move() if has_mixture else None,
            hole=_hole(solution, j) if solution and not is_silent else None,
            same_as=twin,
            same_as_gain=gain,
        )
    return found


def _twin(gram: Floats, names: list[str], j: int) -> tuple[str | None, float]:
    for k in range(j):
        norm = np.sqrt(gram[j, j] * gram[k, k])
        if norm > 0 and abs(gram[j, k]) > _DUPLICATE * norm:
            return names[k], float(gram[j, k] / gram[k, k])
    return None, 1.0


def _hole(solution: Solution, j: int) -> Hole | None:
    """Return the stretch of a stem's silence in which almost all of the null's energy lies."""
    energies = solution.reading.energies
    own, mixed = energies[:, j], energies[:, -3]
    null = np.where(solution.unreached, 0.0, energies[:, -1])
    bad = null > _BAD * mixed.mean()
    silent = own < _HOLE * own.mean()
    if not bad.any() or not silent.any() or silent.all():
        return None
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(int), [0]))))
    for first, last in edges.reshape(-1, 2):
        # The segment in which it breaks off has sound and a null.
        near = slice(max(0, first - 1), last + 1)
        begins, ends = np.flatnonzero(bad)[[0, -1]]
        inside = null[near].sum() > _EXPLAINED * null.sum()
        loud = max(
            own[max(0, first - 4) : first].max(initial=0.0), own[last : last + 4].max(initial=0.0)
        )
        abrupt = begins <= first + 1 if first > 0 else ends >= last - 2
        if inside and abrupt and loud > 0.01 * own.mean():
            return Hole(first * SEGMENT_S, last * SEGMENT_S)
    return None


def _leaks_db(names: list[str], leaks: Floats) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for j, k in zip(*np.nonzero(leaks - np.eye(len(leaks))), strict=True):
        found.setdefault(names[j], {})[names[k]] = gain_to_db(float(leaks[j, k]))
    return found


def _leftover(names: list[str], solution: Solution) -> Leftover | None:
    reading = solution.reading
    mixed = reading.mixture_energy
    if solution.residual_energy <= 10 ** (NULL_WARN_DB / 10) * mixed:
        return None
    left = reading.residual_energy(np.ones(reading.n_stems))
    weights = np.append(-np.ones(reading.n_stems), 1.0)
    spectra = reading.spectra
    power = spectra.power(weights)
    at = np.cumsum(power) / max(float(power.sum()), 1e-30)
    bin_hz = spectra.sample_rate / spectra.frame
    low, high = (float(np.searchsorted(at, share)) * bin_hz for share in (0.05, 0.95))
    present = [j for j, move in enumerate(solution.moves) if not move.is_lost]
    audible = [j for j in present if reading.gram[j, j] > _HOLE * mixed]
    kind, whose = "missing", None
    null, edge = reading.energies[:, -1], round(_EDGE_S / SEGMENT_S)
    if len(null) > 6 * edge and null[:edge].sum() + null[-edge:].sum() > _EXPLAINED * null.sum():
        return Leftover(power_to_db(solution.residual_energy / mixed), low, high, "edges")
    shares = [reading.explained_share([j]) for j in audible]
    if audible and reading.explained_share(audible) > 0.5:
        best = int(np.argmax(shares))
        kind, whose = "processed", names[audible[best]] if shares[best] > 0.5 else None
    elif reading.steadied_energy < _STEADIED * left:
        kind = "processed"
    elif _goes_with_the_mixture(reading):
        kind = "noise"
    return Leftover(power_to_db(solution.residual_energy / mixed), low, high, kind, whose)


def _goes_with_the_mixture(reading: SetReading) -> bool:
    """Tell a codec's noise, masked in all bands and at all times, from an instrument."""
    n = reading.n_stems
    power = reading.spectra.power
    null, mixed, summed = (
        np.convolve(power(np.array(weights, float)), np.ones(_SMOOTH_BINS), "same")
        for weights in ([-1] * n + [1], [0] * n + [1], [1] * n + [0])
    )
    stands_out = null > _MASKED * np.maximum(mixed, summed)
    whole, left = reading.energies[:, -3], reading.energies[:, -1]
    plays = whole > _PLAYS * whole.mean()
    ratio_db = power_to_db((left[plays] + 1e-12) / whole[plays])
    is_steady = float(np.std(ratio_db)) < _STEADY_DB
    return is_steady and float(null[stands_out].sum()) < _STANDS_OUT * float(null.sum())


def _pairs(names: list[str], reading: SetReading) -> dict[tuple[str, str], DelayEstimate]:
    """Return the delays of pairs that are one source in the main, and not the same file."""
    unit = np.eye(reading.n_stems + 1)
    found = {}
    for i, j in combinations(range(reading.n_stems), 2):
        estimate = reading.spectra.delay(unit[j], unit[i], MAX_MS)
        if estimate.is_same_source:
            found[names[i], names[j]] = estimate
    return found
