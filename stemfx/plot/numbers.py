"""The measurements beside a picture, in words."""

from __future__ import annotations

from stemfx.health import FileHealth
from stemfx.plot.words import time_text

_MINUS = "\N{MINUS SIGN}"


def facts(health: FileHealth) -> str:
    """Return the line below a file's name."""
    seconds = health.n_samples / health.sample_rate
    length = f"{seconds:.3g} s" if seconds < 60 else f"{time_text(seconds, seconds)} min"
    if seconds >= 3600:
        length = f"{time_text(seconds, seconds)} h"
    channels = {1: "mono", 2: "stereo"}.get(health.channels, f"{health.channels} channels")
    return f"{length}, {health.sample_rate / 1000:g} kHz, {channels}"


def numbers(health: FileHealth) -> list[tuple[str, str]]:
    """Return names and values of what a producer looks at first."""
    level, stereo, material = health.level, health.stereo, health.material
    top_hz = material.bandwidth.bandwidth_hz
    return [
        ("integrated loudness", number(level.lufs, 1, "LUFS")),
        ("loudness range", number(level.lra_lu, 1, "LU")),
        ("true peak", number(level.true_peak_dbtp, 1, "dBTP")),
        ("peak to loudness", number(level.plr_lu, 1, "LU")),
        ("densest 3 s, peak to loudness", number(level.psr_lu, 1, "LU")),
        ("left/right correlation", number(stereo.correlation, 2)),
        ("lost in mono", number(stereo.mono_loss_db, 1, "dB")),
        ("spectrum up to", number(None if top_hz is None else top_hz / 1000, 1, "kHz")),
    ]


def number(value: float | None, digits: int, unit: str = "") -> str:
    """Write a number with its unit; a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{round(value, digits) + 0.0:.{digits}f}".replace("-", _MINUS)
    return f"{text} {unit}".rstrip()
