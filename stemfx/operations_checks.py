"""What judges a result: how songs null, and whether the recipe's `checks` are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.units import db_to_gain
from stemfx.graph import Judge, Null
from stemfx.health.check_kinds import OF_STEMS
from stemfx.health.check_readings import read_for_checks
from stemfx.health.checks import WHOLES, Verdict, judge
from stemfx.operations import LevelMeter
from stemfx.stage import Notes

_OF_A_FILE = ("lufs", "true_peak_dbtp", "sample_peak_dbfs", "plr_lu")
"""What a format changes, so that each file is judged by itself."""

Told = Mapping[str, Any]
"""What a node measured."""


def tell(work: Null | Judge, inputs: Sequence[Signal], told: Sequence[Told], notes: Notes) -> None:
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


def judge_result(work: Judge, inputs: Sequence[Signal], told: Sequence[Told], notes: Notes) -> None:
    """Report what is checked as it goes out, and find what fails."""
    readings: dict[str, float | None] = {}
    n_told = len(work.files) and 1 + len(work.files)  # the master, its files, then the nulls
    if work.files:
        measured, *files = told[:n_told]
        readings |= _of_master(work, inputs, measured, files[0])
        for name, file in zip(work.files[1:], files[1:], strict=True):
            readings |= {_key(kind, name): file.get(kind) for kind in _OF_A_FILE}
    known = [null_of(one, name) for (_, name), one in zip(work.nulls, told[n_told:], strict=True)]
    readings["null_db"] = max((value for value in known if value is not None), default=None)
    verdicts = verdicts_of(work, readings)
    notes.report(**{_key(v.check.name, v.of): v.value for v in verdicts if v.value is not None})
    notes.findings += [v.finding for v in verdicts if v.finding is not None]
    if work.of == "preview" and any(v.check.name not in OF_STEMS for v in verdicts):
        notes.find(
            "info",
            "checks_of_preview",
            "the checks are of the preview: the whole song has another loudness, range and length",
        )


def _of_master(
    work: Judge, inputs: Sequence[Signal], measured: Told, file: Told
) -> dict[str, float | None]:
    """Return what is known of the master: of its first file, as far as that was measured."""
    known = {**measured, **file}
    if work.heard:
        gain = db_to_gain(file.get("gain_db", 0.0))
        known |= read_for_checks(inputs[0], work.heard, gain)
    return known


def verdicts_of(work: Judge, readings: Told) -> tuple[Verdict, ...]:
    """Return the verdicts on the master as a whole, then those on each of its further files.

    `readings` may be what a node reported.
    """
    verdicts = judge(work.checks, readings, work.of)
    for file in work.files[1:]:
        checks = [check for check in work.checks if check.name in _OF_A_FILE]
        own = {check.name: readings.get(_key(check.name, file)) for check in checks}
        verdicts += judge(checks, own, file)
    return verdicts


def _key(check: str, of: str) -> str:
    """Return under which name a reading is kept: that of the check, for files after the first."""
    return check if of in WHOLES else f"{check}:{of}"
