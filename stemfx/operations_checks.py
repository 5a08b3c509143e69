"""What judges a result: how songs null, and whether the recipe's `checks` are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.units import db_to_gain
from stemfx.graph import JudgeResult, Null
from stemfx.health.check_kinds import OF_STEMS
from stemfx.health.check_readings import plr_lu, read_for_checks
from stemfx.health.checks import Verdict, judge
from stemfx.operations import LevelMeter
from stemfx.operations_files import SAFE_PEAK_DBFS
from stemfx.stage import Notes

_SHIFTED = ("lufs", "true_peak_dbtp", "sample_peak_dbfs")

Told = Mapping[str, Any]
"""What a node measured."""


def tell(
    work: Null | JudgeResult, inputs: Sequence[Signal], told: Sequence[Told], notes: Notes
) -> None:
    """Measure and judge; `told` is what the nodes measured whose notes are read."""
    if isinstance(work, Null):
        null(inputs, notes)
    else:
        judge_result(work, inputs, told, notes)


def null(inputs: Sequence[Signal], notes: Notes) -> None:
    """Report the level of mixture minus the sum of its stems, relative to the mixture."""
    channels = max(signal.channels for signal in inputs)
    n_samples = max(signal.n_samples for signal in inputs)
    rest, whole = LevelMeter(), LevelMeter()
    streams = [Fitted(signal, channels, n_samples).blocks() for signal in inputs]
    for mixture, *stems in zip(*streams, strict=True):
        whole.add(mixture)
        rest.add(mixture - np.sum(stems, axis=0, dtype=np.float64))
    if whole.power > 0:
        notes.report(null_db=rest.rms_db - whole.rms_db)


def null_of(told: Told, name: str) -> float | None:
    """Return the null that a node measured as `name`; None where nothing relates to silence."""
    value = told.get(name)
    # Stems and residual always sum to the mixture, to rounding: 0 dB is silence over silence.
    is_silence = "model_null_db" in told and told["null_db"] >= 0
    return None if value is None or is_silence else float(value)


def judge_result(
    work: JudgeResult, inputs: Sequence[Signal], told: Sequence[Told], notes: Notes
) -> None:
    """Report what is checked as it goes out, and find what fails."""
    readings: dict[str, float | None] = {}
    if work.has_master:
        readings |= _of_master(work, inputs, told[0])
    nulls = told[int(work.has_master) :]
    known = [null_of(one, name) for (_, name), one in zip(work.nulls, nulls, strict=True)]
    readings["null_db"] = max((value for value in known if value is not None), default=None)
    verdicts = judge(work.checks, readings, work.of)
    notes.report(**{v.check.name: v.value for v in verdicts if v.value is not None})
    notes.findings += [v.finding for v in verdicts if v.finding is not None]
    if work.of == "preview" and any(v.check.name not in OF_STEMS for v in verdicts):
        notes.find(
            "info",
            "checks_of_preview",
            "the checks are of the preview: the whole song has another loudness, range and length",
        )


def _of_master(work: JudgeResult, inputs: Sequence[Signal], told: Told) -> dict[str, float | None]:
    """Return what is known of the master, at the level at which it goes out."""
    peak_dbfs = told.get("sample_peak_dbfs", -1.0)
    is_over = work.is_lowered and peak_dbfs > 0
    gain_db = SAFE_PEAK_DBFS - float(peak_dbfs) if is_over else 0.0
    known: dict[str, float | None] = {name: told.get(name) for name in ("lra_lu", "duration_s")}
    known |= {name: told[name] + gain_db for name in _SHIFTED if name in told}
    known["plr_lu"] = plr_lu(known)
    if work.heard:
        known |= read_for_checks(inputs[0], work.heard, db_to_gain(gain_db))
    return known


def verdicts_of(work: JudgeResult, measured: Told) -> tuple[Verdict, ...]:
    """Return the verdicts again from what a node measured."""
    return judge(work.checks, measured, work.of)
