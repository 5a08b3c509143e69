"""What several built-in stages need, and no plugin author has to know."""

from __future__ import annotations

from stemfx.audio import Signal
from stemfx.health.stereo import StereoExam, StereoHealth
from stemfx.stage import StageContext


def need_below_nyquist(
    name: str, frequency_hz: float, signal: Signal, context: StageContext
) -> None:
    """Refuse a frequency that this sample rate cannot carry."""
    nyquist_hz = signal.sample_rate / 2
    if frequency_hz >= nyquist_hz:
        context.refuse(
            f"{name}: {frequency_hz:g} Hz is not below half the sample rate ({nyquist_hz:g} Hz); "
            "lower it, or leave the stage out for this signal"
        )


def examine_stereo(signal: Signal, context: StageContext) -> StereoHealth:
    """Measure how the channels go together, and report what both checks of it report."""
    exam = StereoExam(signal.sample_rate, signal.channels, signal.n_samples)
    for block in signal.blocks():
        exam.add(block)
    health = exam.reading()
    if health.correlation is not None:
        context.report(correlation=round(health.correlation, 4))
    if health.mono_loss_db is not None:
        context.report(mono_loss_db=round(health.mono_loss_db, 2))
    context.report(
        polarity="inverted" if health.is_inverted else "ok",
        interchannel_delay_ms=round(health.channel_delay_ms, 4) + 0.0,
    )
    return health
