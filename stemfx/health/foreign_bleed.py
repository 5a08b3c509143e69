"""Bleed that a mashup brings to light: drums that stay in a vocal after its drums were replaced.

In their own song they only thickened the drums that are there anyway. Over another song's drums
they are drums of their own, a little early or late: they flam and comb. `bleed_guard` ducks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.bleed_hits import AUDIBLE_DB, HeardHits, heard_hits
from stemfx.dsp.foreign_bleed import BleedMap, Part, bleed_map
from stemfx.dsp.onsets import find_onsets
from stemfx.dsp.units import power_to_db
from stemfx.fixes import stage_line
from stemfx.health.stem_reading import Weighted
from stemfx.stage import Finding, Measurement

BANDS_HZ = ((0, 250), (250, 1_000), (1_000, 4_000), (4_000, 22_050))

MANY_A_MINUTE = 6.0
"""Audible hits a minute from which a mashup has a problem: one in four bars at 100 BPM."""

LOUD_DB = -25.0
"""Bleed of what has no hits, relative to the stem, from which it is told."""

_REST_DB = -40.0  # of the mixture: what the stems lack, from which it is a stem of its own
_REST = "the rest of the mixture"


@dataclass(frozen=True)
class ForeignBleed:
    """What a stem still holds of the parts of its song that are no longer there.

    Args:
        measurements: for each part: its bleed relative to the stem and to itself, in all and in
            bands, coherence (0 to 1), and the hits on which it is heard.
        findings: what a producer should know, with the line that mends it.
    """

    measurements: Mapping[str, Measurement]
    findings: tuple[Finding, ...]


def foreign_bleed(
    stem: Signal,
    others: Mapping[str, Signal],
    mixture: Signal,
    replaced: Sequence[str],
    *,
    name: str = "vocals",
) -> ForeignBleed:
    """Tell how much of the replaced parts of its song a stem still holds.

    Args:
        stem: as separation left it.
        others: the other raw stems of its song; of one rate and length with it.
        mixture: that they were made from.
        replaced: those of `others` that another song stands in for.
        name: of the stem, for the words.
    """
    known = tuple(part for part in dict.fromkeys(replaced) if part in others)
    if not known:
        return ForeignBleed({}, ())
    heard = dict(others)
    rest = Weighted((mixture, stem, *others.values()), (1.0, *[-1.0] * (1 + len(others))))
    if _power(rest) > 10 ** (_REST_DB / 10) * _power(mixture):
        heard[_REST] = rest
    found = bleed_map(stem, heard, known)
    measurements: dict[str, Measurement] = {}
    findings = []
    minutes = stem.n_samples / stem.sample_rate / 60
    for part in known:
        hits = heard_hits(found, part, find_onsets(others[part]))
        measurements |= _measurements(found, part, hits, minutes)
        if finding := _finding(found.parts[part], hits, part, name, measurements):
            findings.append(finding)
    return ForeignBleed(measurements, tuple(findings))


def _power(signal: Signal) -> float:
    return float(sum(np.sum(np.square(block, dtype=np.float64)) for block in signal.blocks()))


def _measurements(
    found: BleedMap, name: str, hits: HeardHits, minutes: float
) -> dict[str, Measurement]:
    part = found.parts[name]
    told: dict[str, Measurement] = {f"{name}_coherence": round(part.mean_coherence, 3)}
    told |= {
        f"{name}_hits": hits.n_hits,
        f"{name}_audible_hits": hits.n_audible,
        f"{name}_audible_hits_per_minute": round(hits.n_audible / max(minutes, 1e-3), 1),
        f"{name}_hits_in_pauses": hits.n_in_pauses,
        f"{name}_audible_hits_in_pauses": hits.n_audible_in_pauses,
        f"{name}_hits_under_the_voice": hits.n_untold,
    }
    if not part.is_there:
        return told
    leak, own, power = (x.sum(axis=0, dtype=np.float64) for x in (part.leak, found.own, part.power))
    told[f"{name}_bleed_db"] = _ratio_db(leak.sum(), own.sum())
    told[f"{name}_bleed_below_{name}_db"] = _ratio_db(leak.sum(), power.sum())
    centres_hz = found.bands.argmax(axis=1) * found.sample_rate / (2 * found.bands.shape[1] - 2)
    for low_hz, high_hz in BANDS_HZ:
        inside = (centres_hz >= low_hz) & (centres_hz < high_hz)
        if power[inside].sum() > 1e-6 * power.sum():
            told[f"{name}_bleed_{low_hz}_{high_hz}_hz_db"] = _ratio_db(
                leak[inside].sum(), power[inside].sum()
            )
    return told


def _ratio_db(one: float, other: float) -> float:
    return round(power_to_db(one / other), 1) if other > 0 else power_to_db(0.0)


def _finding(
    part: Part, hits: HeardHits, name: str, stem: str, told: Mapping[str, Measurement]
) -> Finding | None:
    if not part.is_there:
        return None
    below_db = -float(told[f"{name}_bleed_below_{name}_db"])
    # `replaced` may hold what is no stem: then all others are.
    fix = stage_line("bleed_guard", against=[name] if name != _REST else [])
    mend = f"to duck them write {fix} in its stages"
    if float(told[f"{name}_audible_hits_per_minute"]) >= MANY_A_MINUTE:
        pauses = (
            f" ({hits.n_audible_in_pauses} of them in its pauses)"
            if hits.n_audible_in_pauses
            else ""
        )
        return Finding(
            "warn",
            "foreign_bleed",
            f"{stem!r} still holds the {name} of its own song, {below_db:.0f} dB down: heard on "
            f"{hits.n_audible} of {hits.n_hits} hits{pauses}, where they will flam with the "
            f"{name} that replace them; {mend}",
            fix,
        )
    if not hits.n_hits and float(told[f"{name}_bleed_db"]) >= LOUD_DB:
        return Finding(
            "info",
            "foreign_bleed",
            f"{stem!r} still holds the {name} of its own song, at "
            f"{told[f'{name}_bleed_db']:.0f} dB beside it; {mend}",
            fix,
        )
    return None


__all__ = ["AUDIBLE_DB", "ForeignBleed", "foreign_bleed"]
