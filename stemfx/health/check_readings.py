"""Measures what checks are about, and nothing else: each meter runs only where one needs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.clipping import ClippingMeter
from stemfx.dsp.dc import DcMeter
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LoudnessMeter, Meter, TruePeakMeter
from stemfx.dsp.phase import PhaseMeter

_LOUDNESS = {"lufs", "lra_lu", "plr_lu", "max_momentary_lufs", "max_short_term_lufs"}
_PEAKS = {"true_peak_dbtp", "sample_peak_dbfs", "plr_lu"}
_SIDES = {"mono_loss_db", "correlation"}


def read_for_checks(
    signal: Signal, names: Collection[str], gain: float = 1.0
) -> dict[str, float | None]:
    """Return those of a signal's numbers that are named, in one pass, as `stemfx check` has them.

    A mono signal is the same on both sides: correlation 1, no loss in mono.

    Args:
        signal: mono or stereo.
        names: of `KINDS`; what is not about one signal is left out.
        gain: at which it goes out.
    """
    asked = set(names)
    loudness = LoudnessMeter(signal.sample_rate, signal.channels) if asked & _LOUDNESS else None
    peaks = TruePeakMeter(signal.channels) if asked & _PEAKS else None
    sides = PhaseMeter(signal.sample_rate) if asked & _SIDES and signal.channels == 2 else None
    clipping = ClippingMeter(signal.channels) if "clipped_samples" in asked else None
    dc = DcMeter(signal.sample_rate, signal.channels) if "dc_offset" in asked else None
    _show(signal, [m for m in (loudness, peaks, sides, clipping, dc) if m is not None], gain)
    found: dict[str, float | None] = {"duration_s": signal.n_samples / signal.sample_rate}
    if loudness is not None:
        found |= {
            "lufs": loudness.lufs(),
            "lra_lu": loudness.lra_lu,
            "max_momentary_lufs": loudness.max_momentary_lufs,
            "max_short_term_lufs": loudness.max_short_term_lufs,
        }
    if peaks is not None:
        found["true_peak_dbtp"] = peaks.true_peak_dbtp
        found["sample_peak_dbfs"] = peaks.sample_peak_dbfs
    if clipping is not None:
        found["clipped_samples"] = clipping.reading().clipped_samples
    if dc is not None:
        found["dc_offset"] = max(map(abs, dc.reading().mean), default=0.0)
    if sides is not None:
        phase = sides.reading()
        found |= {"mono_loss_db": phase.mono_loss_db, "correlation": phase.correlation}
    elif signal.channels == 1:
        found |= {"mono_loss_db": 0.0, "correlation": 1.0}
    found["plr_lu"] = plr_lu(found)
    return {name: found[name] for name in names if name in found}


def plr_lu(readings: Mapping[str, float | None]) -> float | None:
    """Return the peak to loudness ratio of what was read, if that is known."""
    true_peak_dbtp, lufs = readings.get("true_peak_dbtp"), readings.get("lufs")
    return None if true_peak_dbtp is None or lufs is None else true_peak_dbtp - lufs


def _show(signal: Signal, meters: list[Meter], gain: float) -> None:
    for block in signal.blocks(METER_BLOCK_SAMPLES) if meters else ():
        heard = block if gain == 1.0 else block * np.float32(gain)
        for meter in meters:
            meter.add(heard)
