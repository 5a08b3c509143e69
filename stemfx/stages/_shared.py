"""What several built-in stages need, and no plugin author has to know."""

from __future__ import annotations

from stemfx.audio import Signal
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
