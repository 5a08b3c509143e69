"""What `stemfx analyze` tells people of one song."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from stemfx.analysis import Analysis
    from stemfx.music_reading import MusicReading
    from stemfx.stage import Finding


def print_song(
    path: Path, analysis: Analysis | None, findings: Sequence[Finding], console: Console
) -> None:
    """Print the reading of a song, its sections a line each, then the findings."""
    from rich.text import Text

    from stemfx.finding_lines import finding_text
    from stemfx.shown import plain

    console.print(plain(path, "bold"), soft_wrap=True)
    if analysis is not None:
        for name, value in _lines(analysis):
            console.print(Text.assemble((f"  {name:8} ", "cyan"), plain(value)), soft_wrap=True)
    for finding in findings:
        console.print(finding_text(finding, indent="  "), soft_wrap=True)


def _lines(analysis: Analysis) -> Iterator[tuple[str, str]]:
    reading, level = analysis.reading, analysis.level
    yield "tempo", _tempo(reading)
    if reading.beats_s:
        n_bars = len(reading.downbeats_s)
        bars = f"{n_bars} bar{'' if n_bars == 1 else 's'} of {reading.beats_per_bar}"
        first = f", bar 1 at {_clock(reading.downbeats_s[0])}" if n_bars else ""
        yield "beats", f"{len(reading.beats_s)} beats, {bars}{first}"
    yield "key", _key(reading)
    if reading.key:
        yield "tuning", f"{round(reading.tuning_cents) + 0:+d} cents against A4 = 440 Hz"
    loud = [
        f"{level[name]:.1f} {unit}"
        for name, unit in (("lufs", "LUFS"), ("true_peak_dbtp", "dBTP"), ("lra_lu", "LU range"))
        if level.get(name) is not None
    ]
    yield "level", ", ".join(loud) or "-"
    yield "length", _clock(reading.duration_s)
    for i, section in enumerate(reading.sections):
        last = section.first_bar + section.n_bars - 1
        span = f"{_clock(section.start_s)} to {_clock(section.end_s)}"
        bars = f"bars {section.first_bar}-{last}"
        yield "" if i else "sections", f"{section.label}  {bars:12} {span}"


def _tempo(reading: MusicReading) -> str:
    from stemfx.music.remarks import tempo_range

    if not reading.beats_s:
        return "no beat"
    pace = "steady"
    if not reading.steady:
        pace = "wanders, {:.1f} to {:.1f}".format(*tempo_range(reading))
    told = f"{reading.bpm:.2f} BPM, {pace} (confidence {reading.bpm_confidence:.2f}"
    if reading.bpm_runner_up:
        told += f"; then {reading.bpm_runner_up:.1f}, margin {reading.bpm_margin:.2f}"
    return told + ")"


def _key(reading: MusicReading) -> str:
    from stemfx.alignment.camelot import named

    if not reading.key:
        return "none"
    then = f", then {named(reading.key_runner_up)}" if reading.key_runner_up else ""
    return f"{named(reading.key)}{then} (margin {reading.key_confidence:.2f})"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:05.2f}"
