"""`align`: a stem moved to where its song has it, and the right way up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.delay import MAX_MS, CrossSpectra, DelayEstimate, beside
from stemfx.dsp.shift import Shifted
from stemfx.fixes import instead
from stemfx.health.stem_reading import Weighted
from stemfx.stage import Song, StageContext, StageParams, StemRef, knob, stage

_FARTHEST_MS = 100.0
_ITSELF = 1e-5  # -50 dB: the mixture minus the other stems is this stem and nothing else


class AlignParams(StageParams):
    """Parameters of `align`."""

    against: list[StemRef] = knob(
        [], help="stems to line up with; none: its copy in the mixture, or else all other stems"
    )
    max_delay_ms: float = knob(
        5.0,
        low=0,
        high=_FARTHEST_MS,
        unit="ms",
        neutral=0.0,
        help="farther than this it is not moved",
    )
    polarity: Literal["auto", "keep", "invert"] = knob(
        "auto", neutral="keep", help="invert where it is upside down, never, or in any case"
    )
    delay_ms: float | None = knob(
        None, low=-10_000, high=10_000, unit="ms", help="move it by this instead: negative, earlier"
    )


@stage(AlignParams, hears_song=True)
def align(signal: Signal, params: AlignParams, context: StageContext) -> Iterator[Block]:
    """Line a stem up with its song: delay to a fraction of a sample, and polarity.

    The reference is what this stem should be: the mixture minus the other stems. Where the
    mixture is only the sum of the stems that would be the stem itself, so there it is lined up
    with the other stems together, as two microphones on one source are; `against` names which.
    The delay comes from coherence-weighted cross-correlation (Hannan-Thomson). It is acted upon
    only where both hold one source for certain (in the main, for other stems), where the delay is
    beyond the estimate's own error, and where the correlation with the reference is higher
    afterwards; otherwise not a bit changes. `delay_ms` moves the stem without measuring.

    The length stays: what leaves one end is gone, silence comes in at the other.

    Reports how late it was (`late_ms`, `late_samples`), the coherence with the reference, the
    correlation before and after, and what was done (`delay_ms`, `delay_samples`, `polarity`).
    """
    if params.delay_ms is not None:
        done = _Shift(params.delay_ms * 1e-3 * signal.sample_rate, params.polarity == "invert")
    elif not params.max_delay_ms and params.polarity == "keep":
        done = _Shift(0.0, inverts=False)
    else:
        done = _measured(signal, params, context)
    context.report(
        delay_ms=round(1e3 * done.samples / signal.sample_rate, 4) + 0.0,
        delay_samples=round(done.samples, 3) + 0.0,
        polarity="inverted" if done.inverts else "kept",
    )
    yield from done.made(signal).blocks()


@dataclass(frozen=True)
class _Shift:
    samples: float
    inverts: bool

    def made(self, signal: Signal) -> Signal:
        if not self.samples and not self.inverts:
            return signal
        return Shifted(signal, self.samples, -1.0 if self.inverts else 1.0)


_STAY = _Shift(0.0, inverts=False)


@dataclass(frozen=True)
class _Measured:
    found: DelayEstimate
    reference: Signal
    is_mixture: bool

    @property
    def is_certain(self) -> bool:
        return self.found.has_common_source if self.is_mixture else self.found.is_same_source


def _measured(signal: Signal, params: AlignParams, context: StageContext) -> _Shift:
    measured = _measure(signal, params, context.own_song)
    forced = _Shift(0.0, inverts=params.polarity == "invert")
    if measured is None:
        context.find("info", "align_alone", "nothing to line it up with: no other stem, no mixture")
        return forced
    found, rate = measured.found, signal.sample_rate
    context.report(coherence=round(found.coherence, 4), reference=_named(measured, params))
    if not measured.is_certain:
        context.find(
            "info",
            "align_unrelated",
            f"not moved: it shares too little with {_named(measured, params)} "
            f"(coherence {found.coherence:.2f}) to tell a delay",
        )
        return forced
    late = found.delay_samples if found.is_late_or_early else 0.0
    context.report(late_ms=round(1e3 * late / rate, 4) + 0.0, late_samples=round(late, 3) + 0.0)
    if abs(late) > params.max_delay_ms * 1e-3 * rate:
        if params.max_delay_ms:
            late_ms = 1e3 * late / rate
            most_ms = math.ceil(abs(late_ms) + 0.5)
            context.find(
                "warn",
                "align_too_far",
                f"not moved: it is {abs(late_ms):.3f} ms {'late' if late > 0 else 'early'}, more "
                f"than max_delay_ms {params.max_delay_ms:g}. If that is no echo or playing of its "
                f"own, write: - align: {{max_delay_ms: {most_ms}}}",
                instead("align", params, max_delay_ms=most_ms) if most_ms <= _FARTHEST_MS else None,
            )
        late = 0.0
    inverts = found.polarity < 0 if params.polarity == "auto" else forced.inverts
    wanted = _Shift(-late, inverts)
    if wanted == _STAY:
        return wanted
    before, after = _correlations(signal, wanted.made(signal), measured.reference)
    context.report(correlation_before=round(before, 4), correlation_after=round(after, 4))
    if after > before or params.polarity == "invert":
        return wanted
    context.find(
        "info",
        "align_no_gain",
        f"not moved: its correlation with {_named(measured, params)} would go from {before:.3f} "
        f"to {after:.3f}",
    )
    return forced


def _named(measured: _Measured, params: AlignParams) -> str:
    if measured.is_mixture:
        return "the mixture"
    return ", ".join(params.against) or "the other stems"


def _measure(signal: Signal, params: AlignParams, song: Song) -> _Measured | None:
    own = song.stems[song.own]
    others = tuple(song.others.values())
    signals = [signal, own, song.mixture, *others]
    spectra = _spectra(signals, where=2)
    if not spectra.n_frames:  # a silent mixture
        spectra = _spectra(signals, where=None)
    rest = (0.0, 0.0, 1.0, *(-1.0 for _ in others))
    is_mixture = not params.against and not _is_itself(spectra, rest)
    if not is_mixture and not others:
        return None
    together = (0.0, 0.0, 0.0, *(1.0 for _ in others))
    mine = np.eye(len(signals))[0]
    wide_ms = max(MAX_MS, params.max_delay_ms)
    found = spectra.delay(mine, rest if is_mixture else together, wide_ms)
    weights = rest if is_mixture else together
    return _Measured(found, Weighted(tuple(signals[2:]), weights[2:]), is_mixture)


def _spectra(signals: Sequence[Signal], where: int | None) -> CrossSpectra:
    """Read the signals, or only the blocks in which the one called `where` is there.

    A mixture that ends before its stems would leave them upside down from there on: minus the
    other stems.
    """
    spectra = CrossSpectra(signals[0].sample_rate, len(signals), signals[0].n_samples)
    for blocks in beside(signals):
        if where is None or blocks[where].any():
            spectra.add(blocks)
    spectra.finish()
    return spectra


def _is_itself(spectra: CrossSpectra, rest: Sequence[float]) -> bool:
    own = np.eye(len(rest))[1]
    left = float(spectra.power(np.array(rest) - own).sum())
    return left <= _ITSELF * max(float(spectra.power(own).sum()), 1e-20)


def _correlations(signal: Signal, moved: Signal, reference: Signal) -> tuple[float, float]:
    """Return the correlation with the reference before and after."""
    sums = np.zeros((3, 3))
    for blocks in beside([signal, moved, reference]):
        flat = np.stack(blocks).reshape(3, -1).astype(np.float64)
        sums += flat @ flat.T
    norms = np.sqrt(np.outer(np.diag(sums), np.diag(sums)))
    rho = np.divide(sums, norms, out=np.zeros_like(sums), where=norms > 0)
    return float(rho[0, 2]), float(rho[1, 2])
