"""Compare before and after fairly: the louder one always passes for the better one."""

from __future__ import annotations

from stemfx.audio import Signal
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LevelMeter, TruePeakMeter, metered

CEILING_DBTP = -1.0


def matched_pair(before: Signal, after: Signal) -> tuple[float, float]:
    """Return the gains in dB at which both are equally loud, and no peak is above -1 dBTP.

    The louder one is turned down, never the other one up; where a peak is still too high both go
    down together. Loudness is integrated (BS.1770); if one is too short or too quiet to have
    any, both are matched by rms, and silence is matched to nothing.

    Args:
        before: what a master was made from.
        after: the master; rate and length may differ.
    """
    meters = []
    for signal in (before, after):
        level = LevelMeter(signal.sample_rate, signal.channels)
        peaks = TruePeakMeter(signal.channels)
        for _ in metered(signal.blocks(METER_BLOCK_SAMPLES), level, peaks):
            pass
        meters.append((level, peaks))
    (level_before, peaks_before), (level_after, peaks_after) = meters
    before_db = min(0.0, level_before.gain_to(level_after))
    after_db = 0.0 if before_db else min(0.0, level_after.gain_to(level_before))
    peaks_dbtp = [
        peaks.true_peak_dbtp + gain_db
        for peaks, gain_db in ((peaks_before, before_db), (peaks_after, after_db))
        if peaks.true_peak_dbtp is not None
    ]
    too_high_db = max(0.0, max(peaks_dbtp, default=CEILING_DBTP) - CEILING_DBTP)
    return before_db - too_high_db, after_db - too_high_db
