"""Level and stereo of a file over time in two lines of characters, for terminals.

Each column is a stretch of time: its loudness as a block, and how left and right go together as a
sign, so that both read without colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from stemfx.plot.numbers import number
from stemfx.plot.words import shortened
from stemfx.shown import plain, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from stemfx.health import FileHealth

FEWEST_LETTERS = 60
"""In a narrower terminal the lines would say little."""

_NAME, _SCALE = 20, 18  # letters before and after the columns
_MOST_COLUMNS = 100

_BLOCKS = "▁▂▃▄▅▆▇█"
_STEP_DB = 3.0
_SILENT_LUFS = -70.0  # the absolute gate of BS.1770

_MINUS = "\N{MINUS SIGN}"
# From which correlation on. At equal levels mono loses 1.5 dB at 0.4, and 4 dB at -0.2.
_SIGNS = ((0.4, "+", "green"), (-0.2, "·", "yellow"), (-1.0, _MINUS, "bold red"))
_MONO = "="

_LEGEND = f"loudness over time, 3 dB a block; L/R: + together, · wide, {_MINUS} lost in mono"
_ASCII = str.maketrans(f"{_BLOCKS}·{_MINUS}…", "_.:-=+*#o-~")


def can_show(console: Console) -> bool:
    """Tell whether it is a terminal where blocks are blocks and the lines fit."""
    is_unicode = console.encoding.lower().startswith("utf")
    return console.is_terminal and is_unicode and console.width >= FEWEST_LETTERS


def strips(examined: Iterable[tuple[Path, FileHealth]], console: Console) -> list[Text]:
    """Return two lines a file, and one on what they mean; none without files.

    Where the encoding has no blocks, they are of ASCII.
    """
    from rich.text import Text

    width = max(8, min(_MOST_COLUMNS, console.width - _NAME - _SCALE - 2))
    lines = [line for path, health in examined for line in _lines(path.name, health, width)]
    lines += [plain(_LEGEND, "dim")] if lines else []
    if not console.encoding.lower().startswith("utf"):
        return [Text(line.plain.translate(_ASCII), no_wrap=line.no_wrap) for line in lines]
    return lines


def _lines(name: str, health: FileHealth, width: int) -> Iterable[Text]:
    from rich.cells import set_cell_size
    from rich.text import Text

    levels = health.over_time.column_lufs(width).tolist()
    heard = [lufs for lufs in levels if lufs > _SILENT_LUFS]
    top = math.ceil(max(heard, default=0.0))
    range_text = (
        f"{number(top - len(_BLOCKS) * _STEP_DB, 0)} to {number(top, 0)} LUFS"
        if heard
        else "silent"
    )
    label = set_cell_size(shortened(visible(name).replace("\n", " "), _NAME), _NAME)
    blocks = "".join(_block(lufs, top) for lufs in levels)
    end = range_text if levels else "too short"
    yield Text(f"{label} {blocks:{width}} {end}", no_wrap=True, overflow="crop")

    line = Text(f"{'L/R':>{_NAME}} ", no_wrap=True, overflow="crop")
    if health.stereo.channels == 1:
        signs = [(_MONO, "dim") if lufs > _SILENT_LUFS else (" ", "") for lufs in levels]
    else:
        rhos = health.over_time.column_correlation(width).tolist()
        signs = [_sign(rho) for rho in rhos]
    for (sign, style), same in groupby(signs):
        line.append(sign * len(list(same)), style)
    rho = health.stereo.correlation
    end = "mono" if health.stereo.channels == 1 else "" if rho is None else f"mean {number(rho, 2)}"
    yield line.append(f"{'':{width - len(signs)}} {end}")


def _block(lufs: float, top: float) -> str:
    if lufs <= _SILENT_LUFS:
        return " "
    step = math.floor((lufs - top) / _STEP_DB) + len(_BLOCKS)
    return _BLOCKS[min(max(step, 0), len(_BLOCKS) - 1)]


def _sign(rho: float) -> tuple[str, str]:
    return next(((sign, style) for least, sign, style in _SIGNS if rho >= least), (" ", ""))
