"""`level_check`: peaks, clipping, DC, loudness, a silent side."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES
from stemfx.dsp.phase import PhaseMeter
from stemfx.health.level import LevelExam, LevelLimits, level_findings
from stemfx.health.limits import DC_DBFS, TRUE_PEAK_DBTP
from stemfx.health.stereo import StereoHealth, layout_findings
from stemfx.stage import StageContext, StageParams, knob, stage


class LevelCheckParams(StageParams):
    """Parameters of `level_check`."""

    max_true_peak_dbtp: float = knob(
        TRUE_PEAK_DBTP.warn, low=-20, high=6, unit="dBTP", help="highest true peak"
    )
    max_dc_dbfs: float = knob(
        DC_DBFS.warn, low=-120, high=0, unit="dBFS", help="largest steady offset"
    )
    min_lufs: float | None = knob(None, low=-70, high=0, unit="LUFS", help="no quieter than this")
    max_lufs: float | None = knob(None, low=-70, high=0, unit="LUFS", help="no louder than this")


@stage(LevelCheckParams, is_check=True)
def level_check(signal: Signal, params: LevelCheckParams, context: StageContext) -> Iterator[Block]:
    """Check peaks, clipping, DC offset and loudness, and whether a channel is silent.

    Clipping is found by its flat tops, at full scale or wherever the level was turned down to.
    A DC offset counts where it is steady; a drum's or a bass note's own mean does not.

    Reports loudness, true peak, sample peak, DC offset and clipped samples.
    """
    exam = LevelExam(signal.sample_rate, signal.channels)
    sides = PhaseMeter(signal.sample_rate) if signal.channels == 2 else None
    for block in signal.blocks(METER_BLOCK_SAMPLES):
        exam.add(block)
        if sides is not None:
            sides.add(block)
    health = exam.reading()
    measured = {
        "lufs": health.lufs,
        "true_peak_dbtp": health.true_peak_dbtp,
        "sample_peak_dbfs": health.sample_peak_dbfs,
    }
    context.report(**{name: round(v, 2) for name, v in measured.items() if v is not None})
    context.report(
        dc_offset=round(health.dc.largest, 6), clipped_samples=health.clipping.clipped_samples
    )
    limits = LevelLimits(
        params.max_true_peak_dbtp, params.max_dc_dbfs, params.min_lufs, params.max_lufs
    )
    findings = list(level_findings(health, limits))
    if sides is not None and not health.is_silent:
        layout = layout_findings(StereoHealth(2, sides.reading()))
        findings += [f for f in layout if f.level != "info"]
    context.findings.extend(findings)
    yield from ()
