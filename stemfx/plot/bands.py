"""The panels by bands: correlation, and what mono playback loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemfx.health import FileHealth
from stemfx.health.limits import BAND_LOSS_DB, BASS_LOSS_DB
from stemfx.plot import looks
from stemfx.plot.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BASS_TOP_HZ = 120.0
_MOST_DB = 12.0  # a bar that is longer is cut; its number tells


def correlation(axes: Axes, health: FileHealth) -> None:
    """Draw the correlation of every band, from low to high."""
    values = [band.correlation for band in health.stereo.bands]
    axes.set_xlim(-1.0, 1.0)
    _bars(axes, health, values, [rho is not None and rho < 0 for rho in values], 2)
    axes.set_xticks([-1, 0, 1], ["\N{MINUS SIGN}1", "0", "+1"])
    axes.axvline(0.0, color=looks.GREY, lw=0.8)
    axes.set_xlabel("correlation", labelpad=2)
    names = [
        f"{_short(band.low_hz)}\N{EN DASH}{_short(band.high_hz)}" for band in health.stereo.bands
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylabel("band (Hz)", labelpad=1)


def mono_loss(axes: Axes, health: FileHealth) -> None:
    """Draw what every band loses in mono, and from where on that is a finding."""
    values = [band.mono_loss_db for band in health.stereo.bands]
    limits = [
        (BASS_LOSS_DB if band.high_hz <= _BASS_TOP_HZ else BAND_LOSS_DB).warn
        for band in health.stereo.bands
    ]
    is_bad = [loss is not None and loss > at for loss, at in zip(values, limits, strict=True)]
    axes.set_xlim(0.0, _MOST_DB)
    _bars(axes, health, values, is_bad, 1)
    for i, at in enumerate(limits):
        axes.plot([at, at], [i - 0.42, i + 0.42], color="black", lw=1.2)
    axes.set_xticks([0, 3, 6, 9, 12])
    axes.set_xlabel("lost in mono (dB)", labelpad=2)
    axes.set_yticks(range(len(values)), [""] * len(values))


def _bars(
    axes: Axes,
    health: FileHealth,
    values: list[float | None],
    is_bad: list[bool],
    digits: int,
) -> None:
    """Draw a bar for every band; pale where nothing is heard."""
    for i, (band, value, bad) in enumerate(zip(health.stereo.bands, values, is_bad, strict=True)):
        axes.barh(
            i,
            value or 0.0,
            height=0.7,
            color=looks.VERMILION if bad else looks.BLUE,
            alpha=0.8 if band.is_audible else 0.25,
        )
        text = number(value, digits)
        is_left = axes.get_xlim()[0] < 0 <= (value or 0.0)  # where the bar is not
        axes.text(
            *(0.04 if is_left else 0.97, i, text),
            transform=axes.get_yaxis_transform(),
            ha="left" if is_left else "right",
            va="center",
            size=7,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.7, "lw": 0},
        )
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.grid(visible=True, axis="x")
    axes.tick_params(length=2, pad=2)


def _short(hz: float) -> str:
    return f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}"
