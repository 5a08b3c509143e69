"""`phase_check`: does it survive mono."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.health.limits import CHANNEL_DELAY_MS, MONO_LOSS_DB
from stemfx.health.stereo import StereoLimits, phase_findings
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import examine_stereo


class PhaseCheckParams(StageParams):
    """Parameters of `phase_check`."""

    max_mono_loss_db: float = knob(
        MONO_LOSS_DB.warn, low=0, high=40, unit="dB", help="largest loss in mono; 3 is rho = 0"
    )
    min_correlation: float = knob(
        -1.0, low=-1, high=1, help="lowest correlation of left and right; -1 asks for none"
    )
    max_delay_ms: float = knob(
        CHANNEL_DELAY_MS, low=0.02, high=20, unit="ms", help="how late one channel may be"
    )


@stage(PhaseCheckParams, is_check=True)
def phase_check(signal: Signal, params: PhaseCheckParams, context: StageContext) -> Iterator[Block]:
    """Check what mono playback loses, polarity, delay between the channels and comb filtering.

    The fold-down loss is the power of (L + R) / 2 beside the mean power of both: 0 dB for the
    same on both sides, 3 dB for unrelated ones. A loss above `max_mono_loss_db` is a warning,
    above 6 dB an error, and so is an inverted channel. A channel counts as late when both are one
    sound at that delay. A mono track has nothing to lose.

    Reports correlation, fold-down loss, polarity and delay.
    """
    health = examine_stereo(signal, context)
    limits = StereoLimits(
        mono_loss_db=MONO_LOSS_DB.warning_at(params.max_mono_loss_db),
        min_correlation=params.min_correlation,
        max_delay_ms=params.max_delay_ms,
    )
    context.findings.extend(phase_findings(health, limits))
    yield from ()
