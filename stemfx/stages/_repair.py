"""The do-no-harm gate: a repair is mixed in only as far as it costs little.

    def make_repair() -> Iterator[Block]: ...    # the whole repaired signal, block by block

    yield from repaired(signal, make_repair, context, Limits(band_loss_db=3.0), mends)

`make_repair` is called twice, to measure and to be heard, so it must neither report nor find
anything; `mends` is asked in between, when the wet amount is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.harm import Costs, Harm, HarmMeter, Limits
from stemfx.stage import Measurement, StageContext

Repair = Callable[[], Iterator[Block]]
Mends = Callable[[float], Mapping[str, Measurement]]

_NO_MENDS: Mapping[str, Measurement] = {}
_REHEARSED_BYTES = 96_000_000  # 4.5 minutes of stereo at 44.1 kHz; what is longer is made twice


class Rehearsed:
    """A repair whose first run is remembered, so that being heard after being measured is free.

    A signal of which the repaired samples would take more than 96 MB is repaired anew each time.

    Args:
        make_repair: gives the repaired signal, anew at every call.
        signal: what is repaired.
    """

    def __init__(self, make_repair: Repair, signal: Signal) -> None:
        self._make = make_repair
        fits = 4 * signal.channels * signal.n_samples <= _REHEARSED_BYTES
        self._kept: list[Block] | None = [] if fits else None
        self._is_whole = False

    def __call__(self) -> Iterator[Block]:
        """Yield the repaired signal."""
        if self._kept is None:
            yield from self._make()
        elif self._is_whole:
            yield from self._kept
        else:
            self._kept.clear()
            for block in self._make():
                self._kept.append(block)
                yield block
            self._is_whole = True


def repaired(
    signal: Signal,
    make_repair: Repair,
    context: StageContext,
    limits: Limits | None = None,
    mends: Mends = lambda _wet: _NO_MENDS,
    *,
    harm: Harm | None = None,
) -> Iterator[Block]:
    """Yield `signal` with as much of its repair as meets `limits`.

    All of it gives the repair's own bits, none of it the signal's. A repair that changes nothing
    is not computed again.

    Reports what the repair mends beside what it costs; `wet` is the share of it that is heard, 0
    to 1. Finds `repair_eased` or `repair_refused`, with the limit that held it back.

    Args:
        signal: what is to be repaired.
        make_repair: gives the repaired signal, anew at every call; `Rehearsed`, if it was measured.
        context: where the trade is reported.
        limits: what the repair may cost; wider where it is meant to change something.
        mends: tells, for a wet amount, what was mended: measurements with the unit in the name.
        harm: what the repair does, if that is known; else it is `measured` first.
    """
    if harm is None:
        make_repair = Rehearsed(make_repair, signal)
        harm = measured(signal, make_repair())
    limits = limits or Limits()
    wet = harm.allowed_wet(limits)
    context.report(wet=wet, **mends(wet), **_trade(harm.costs(wet)))
    if wet < 1:
        _tell(harm.costs(1.0), limits, wet, context)
    if not wet or harm.is_nothing:
        yield from signal.blocks()
    elif wet == 1:
        yield from make_repair()
    else:
        share = np.float32(wet)
        for before, after in _beside(signal, make_repair()):
            yield before + share * (after - before)


def measured(signal: Signal, repair: Iterator[Block]) -> Harm:
    """Return what a repair does to `signal`."""
    meter = HarmMeter(signal.channels, signal.sample_rate)
    for before, after in _beside(signal, repair):
        meter.add(before, after)
    return meter.result()


def _beside(signal: Signal, repair: Iterator[Block]) -> Iterator[tuple[Block, Block]]:
    start = 0
    for after in repair:
        stop = start + after.shape[1]
        yield signal.read(start, stop), after
        start = stop


def _trade(costs: Costs) -> dict[str, Measurement]:
    return {
        "max_band_loss_db": round(costs.band_loss_db, 2),
        "max_band_gain_db": round(costs.band_gain_db, 2),
        "attack_loss_db": round(costs.attack_loss_db, 2),
        "mono_loss_change_db": round(costs.mono_loss_change_db, 2),
        "change_db": round(costs.change_db, 1),
    }


def _tell(full: Costs, limits: Limits, wet: float, context: StageContext) -> None:
    def band(edges_hz: tuple[float, float]) -> str:
        return f"{edges_hz[0]:g} to {edges_hz[1]:g} Hz"

    words = {
        "band_loss_db": f"taken {{:.1f}} dB from {band(full.loss_band_hz)}",
        "band_gain_db": f"added {{:.1f}} dB at {band(full.gain_band_hz)}",
        "attack_loss_db": "softened the attacks by {:.1f} dB",
        "mono_loss_db": "made the track {:.1f} dB weaker in mono",
        "change_db": "changed the track at {:.0f} dB",
    }
    reasons = " and ".join(
        f"{words[name].format(cost)} (allowed: {limit:g} dB)"
        for name, (cost, limit) in full.over(limits).items()
    )
    if wet:
        context.find(
            "info",
            "repair_eased",
            f"{wet:.0%} of the repair was applied; all of it would have {reasons}",
        )
    else:
        context.find(
            "warn",
            "repair_refused",
            f"the repair was left out, the track is as it came: it would have {reasons}. "
            "Ask for less of it, or mend the cause before this stage",
        )
