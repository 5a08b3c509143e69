"""The order of takes as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stemfx.ranking.measurements import STEM, TAKE, Measure
from stemfx.ranking.order import Ranked
from stemfx.shown import plain

_TAKE_COLUMNS = {
    "LUFS": "lufs",
    "dBTP": "true_peak_dbtp",
    "PLR": "plr_lu",
    "clipped %": "clipped_percent",
    "top kHz": "cutoff_khz",
    "noise dB": "noise_db",
    "mono loss": "mono_loss_db",
    "BPM": "bpm",
    "cents": "tuning_cents",
}
_STEM_COLUMNS = {
    "level dB": "level_db",
    "silent %": "silence_percent",
    "bleed dB": "bleed_db",
    "pauses dB": "pause_db",
    "top kHz": "cutoff_khz",
    "clipped %": "clipped_here_percent",
}
_MOST_REASONS = 4


def print_ranking(
    order: Sequence[Ranked],
    stems: Mapping[str, Sequence[Ranked]],
    errors: Mapping[str, str],
    weights: str,
    console: Console,
) -> None:
    """Print takes, best first, then each stem's order, then what could not be read."""
    _print(order, _TAKE_COLUMNS, TAKE, console)
    for name, of in stems.items():
        console.print(plain(name, "bold"), soft_wrap=True)
        _print(of, _STEM_COLUMNS, STEM, console)
    for path, message in errors.items():
        console.print(plain(f"{path}: {message}", "red"), soft_wrap=True)
    if order:
        console.print(
            plain(
                f"Score: 100 less the points of all faults, weighed as {weights} says; loudness "
                "does not count. --json has every number."
            ),
            soft_wrap=True,
        )


def _print(
    order: Sequence[Ranked],
    columns: Mapping[str, str],
    measures: Mapping[str, Measure],
    console: Console,
) -> None:
    if not order:
        return
    table = Table()
    table.add_column("", justify="right")
    table.add_column("take", overflow="fold")
    for name in ("score", *columns):
        table.add_column(name, justify="right")
    for one in order:
        cells = [_cell(one.measurements.get(key), measures[key]) for key in columns.values()]
        table.add_row(str(one.rank), plain(Path(one.name).name), f"{one.score:.1f}", *cells)
    console.print(table)
    for one in order:
        reasons = one.reasons
        told = "; ".join(reasons[:_MOST_REASONS]) or "no fault found"
        more = len(reasons) - _MOST_REASONS
        if more > 0:
            told += f"; and {more} more"
        console.print(plain(f"{one.rank}. {Path(one.name).name}: {told}"), soft_wrap=True)
        if one.ahead:
            console.print(plain(f"   {_short(one.ahead, order)}"), soft_wrap=True)


def _short(sentence: str, order: Sequence[Ranked]) -> str:
    """Name the files without their folders."""
    for one in sorted(order, key=lambda each: -len(each.name)):
        sentence = sentence.replace(one.name, Path(one.name).name)
    return sentence


def _cell(value: float | None, measure: Measure) -> str:
    return "-" if value is None else f"{round(value, measure.digits) + 0.0:.{measure.digits}f}"
