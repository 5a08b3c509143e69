"""Kick and bass from different songs: do their low ends add up, and do they leave each other room?

Over each kick, from 40 to 160 Hz, the power of the sum beside the sum of the powers is
1 + 2 C / (E_kick + E_bass), with C their correlation: +3 dB at most, when both are alike and in
phase; 1 - 2 C / (...) is that with the bass inverted. A bass that plays other notes in another
phase on every kick adds up as powers do, 0 dB, whatever is done to it: then nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.drums.find import find_hits
from stemfx.drums.low_end import PLACE_HZ
from stemfx.dsp.placing import BEFORE_S, HitSpectra, excerpts
from stemfx.dsp.units import Float64s, power_to_db
from stemfx.fixes import stage_line
from stemfx.stage import Finding, Measurement

FEWEST_KICKS = 8
"""From which a habit is told from chance."""

PAYS_DB = 1.0
"""A change of the low end that is heard."""

SHIFTS_MS = 5.0
"""How far the bass may move: no more, or it is felt as late or early."""

_EXCERPT_S = 0.15  # of a kick: attack and body
_SHIFT_STEP_MS = 0.25
_SIGMAS = 3.0  # the mean correlation over its error
_MOST_OF_THEM = 0.75  # of the kicks, for which a change has to be one for the better
_PLAYS = 0.01  # of the mean power: a kick without bass meets nothing
_THIRDS_HZ = (50.0, 63.0, 80.0, 100.0, 125.0)
_EQUAL_DB = 3.0


@dataclass(frozen=True)
class LowEndMeeting:
    """How kick and bass go together.

    Args:
        measurements: `kicks` that were compared; `low_end_sum_db`, `low_end_inverted_db`: power of
            the sum over the sum of the powers, as it is and with the bass inverted;
            `low_end_shifted_db` with the bass `best_shift_ms` later, which is the best of those
            within `SHIFTS_MS`; `kicks_in_bass` (0 to 1): kicks whose strongest third-octave band
            is also the bass's, and as loud there.
        findings: what a producer should do, if that is anything.
    """

    measurements: Mapping[str, Measurement]
    findings: tuple[Finding, ...]


def low_end_meeting(drums: Signal, bass: Signal, *, drums_name: str = "drums") -> LowEndMeeting:
    """Compare a drum track with a bass track of one rate on one timeline.

    Fewer than `FEWEST_KICKS` kicks with a bass under them say nothing. `drums_name` is what the
    recipe calls the drum track.
    """
    kicks_s = np.array([hit.time_s for hit in find_hits(drums) if hit.drum_class == "kick"])
    pairs = _pairs(drums, bass, kicks_s)
    told: dict[str, Measurement] = {"kicks": len(pairs.powers)}
    if len(pairs.powers) < FEWEST_KICKS:
        return LowEndMeeting(told, ())
    shifts_ms = np.arange(-SHIFTS_MS, SHIFTS_MS + 1e-9, _SHIFT_STEP_MS)
    together = np.stack([hit.gains(shifts_ms / 1000) for hit in pairs.hits])  # (kicks, shifts)
    whole = pairs.powers.sum(axis=1)
    gains = whole @ together / whole.sum()
    as_it_is = int(np.argmin(np.abs(shifts_ms)))
    best = int(np.argmax(gains))
    sum_db, inverted_db = (_gain_db(sign * gains[as_it_is]) for sign in (1, -1))
    told |= {
        "low_end_sum_db": round(sum_db, 2),
        "low_end_inverted_db": round(inverted_db, 2),
        "low_end_shifted_db": round(_gain_db(gains[best]), 2),
        "best_shift_ms": round(float(shifts_ms[best]), 2),
        "kicks_in_bass": round(pairs.share_in_bass, 2),
    }
    findings = []
    shifted_db, gain = _gain_db(gains[best]), together[:, best] - together[:, as_it_is]
    if shifted_db - max(sum_db, inverted_db) >= PAYS_DB and _is_habit(gain):
        findings.append(_shifted(sum_db, shifted_db, float(shifts_ms[best])))
    elif inverted_db - sum_db >= PAYS_DB and _is_habit(-together[:, as_it_is]):
        findings.append(_inverted(sum_db, inverted_db))
    if pairs.share_in_bass >= _MOST_OF_THEM:
        findings.append(_masked(pairs.share_in_bass, drums_name))
    return LowEndMeeting(told, tuple(findings))


def _gain_db(together: float) -> float:
    return power_to_db(max(1.0 + float(together), 1e-4))


def _is_habit(gain: Float64s) -> bool:
    """Whether most hits gain, and by more on average than chance explains."""
    error = float(np.std(gain, ddof=1)) / np.sqrt(len(gain))
    return bool(gain.mean() > _SIGMAS * error and np.mean(gain > 0) >= _MOST_OF_THEM)


@dataclass(frozen=True)
class _Pairs:
    """Each kick with the bass under it: spectra, powers `(n, 2)`, kicks that the bass masks."""

    hits: list[HitSpectra]
    powers: Float64s
    share_in_bass: float


def _pairs(drums: Signal, bass: Signal, kicks_s: NDArray[np.float64]) -> _Pairs:
    rate = drums.sample_rate
    n = round(_EXCERPT_S * rate)
    low_hz, high_hz = PLACE_HZ["kick"]
    starts = [max(0, round((at_s - BEFORE_S) * rate)) for at_s in kicks_s]
    window = np.ones(n)
    fade = round(BEFORE_S / 2 * rate)
    window[:fade] = np.linspace(0, 1, fade)
    window[-4 * fade :] = np.linspace(1, 0, 4 * fade)
    hits, powers, in_bass = [], [], []
    for kick, note in zip(excerpts(drums, starts, n), excerpts(bass, starts, n), strict=True):
        hit = HitSpectra(rate, low_hz, high_hz, n)
        spectra = [hit.band(x.mean(axis=0, dtype=np.float64) * window) for x in (kick, note)]
        hit.add(spectra[0], spectra[1])
        hits.append(hit)
        powers.append([float(np.sum(np.abs(x) ** 2)) for x in spectra])
        in_bass.append(_is_in_bass(spectra, hit.freq_hz))
    power = np.array(powers).reshape(-1, 2)
    plays = np.all(power > _PLAYS * power.mean(axis=0), axis=1) if len(power) else np.zeros(0, bool)
    both = [int(i) for i in np.flatnonzero(plays)]
    share = float(np.mean([in_bass[i] for i in both])) if both else 0.0
    return _Pairs([hits[i] for i in both], power[both].reshape(-1, 2), share)


def _is_in_bass(spectra: list[NDArray[np.complex128]], freq_hz: Float64s) -> bool:
    """Whether kick and bass are strongest in one third-octave band, the bass as loud there."""
    edges_hz = np.append(_THIRDS_HZ, _THIRDS_HZ[-1] * 2 ** (1 / 3)) / 2 ** (1 / 6)
    edges = np.searchsorted(freq_hz, edges_hz)
    kick, note = (np.add.reduceat(np.square(np.abs(x)), edges[:-1]) for x in spectra)
    at = int(np.argmax(kick))
    return at == int(np.argmax(note)) and bool(note[at] >= kick[at] * 10 ** (-_EQUAL_DB / 10))


def _inverted(sum_db: float, inverted_db: float) -> Finding:
    return Finding(
        "warn",
        "low_end_cancels",
        f"the bass works against the kick: together they are {sum_db:+.1f} dB of what their powers "
        f"add up to, and {inverted_db:+.1f} dB with the bass inverted; to do that write - polarity "
        "in the stages of the bass",
        stage_line("polarity"),
    )


def _shifted(sum_db: float, shifted_db: float, shift_ms: float) -> Finding:
    fix = stage_line("align", delay_ms=shift_ms)
    return Finding(
        "info",
        "low_end_apart",
        f"kick and bass would add up to {shifted_db:+.1f} dB of their powers instead of "
        f"{sum_db:+.1f} dB with the bass {abs(shift_ms):g} ms "
        f"{'later' if shift_ms > 0 else 'earlier'}; to do that write "
        f"{fix} in the stages of the bass",
        fix,
    )


def _masked(share: float, drums_name: str) -> Finding:
    fix = stage_line("duck", by=drums_name, depth_db=3, low_hz=40, high_hz=150)
    return Finding(
        "info",
        "kick_in_bass",
        f"kick and bass are strongest in the same band on {share:.0%} of the kicks, the bass as "
        f"loud there: the kick is not heard through; to make room write {fix} in the stages of the "
        "bass",
        fix,
    )
