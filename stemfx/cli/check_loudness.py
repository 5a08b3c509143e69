"""The second table of `stemfx check`: how loud files are, and what players do to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from stemfx.health import FileHealth


_CAPTION = (
    "S, M: loudest 3 s and 400 ms, in LUFS. PLR, PSR: true peak over loudness, of the whole and of "
    "the densest 3 s. A quiet file is turned up only as far as its peaks allow; on youtube never."
)


def loudness_table(examined: Sequence[tuple[Path, FileHealth]]) -> Table | None:
    """Return a row for every file that has a loudness; None if no file has."""
    from rich.table import Table

    from stemfx.dsp.targets import TARGETS
    from stemfx.health.playback import PLAYERS, playback
    from stemfx.shown import plain

    players = [name for name in PLAYERS if name != "ebu"]
    heard = [(path, health.level) for path, health in examined if health.level.lufs is not None]
    if not heard:
        return None
    table = Table(
        title="loudness, and the gain that players give it",
        title_justify="left",
        caption=_CAPTION,
        caption_justify="left",
    )
    table.add_column("file", overflow="fold")
    levels = [f"{name}\n{TARGETS[name].lufs:.0f} LUFS" for name in players]
    for heading in ("LUFS", "S", "M", "range", "PLR", "PSR", *levels):
        table.add_column(heading, justify="right")
    for path, level in heard:
        gains = {each.target: each.gain_db for each in playback(level.lufs, level.true_peak_dbtp)}
        table.add_row(
            plain(path.name),
            *(
                _number(value)
                for value in (
                    *(level.lufs, level.max_short_term_lufs, level.max_momentary_lufs),
                    *(level.lra_lu, level.plr_lu, level.psr_lu),
                )
            ),
            *(_number(gains[name], "+") for name in players),
        )
    return table


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    rounded = round(value, 1) + 0.0
    return f"{rounded:{sign}.1f}" if rounded else "0.0"
