"""The layout, in pixels from the upper left corner: files below each other, panels in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stemfx.plot import bands, panels
from stemfx.plot.looking import Pictured
from stemfx.plot.looks import DPI, LARGE, LEVEL_COLOUR, NORMAL, SMALL, WIDTH
from stemfx.plot.numbers import facts, numbers
from stemfx.plot.words import drawable, shortened, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _WIDE = 80, 772
_RIGHT, _NARROW = 944, 240
_HEAD, _GAP, _MARGIN = 44, 16, 14
_WAVE, _LOUDNESS, _SPECTRUM, _STEREO, _TIME = 136, 130, 180, 104, 44
_PANELS = _HEAD + _WAVE + _LOUDNESS + _SPECTRUM + _STEREO + 3 * _GAP + _TIME
_LINE, _LETTERS = 15, 205
_MOST_FINDINGS = 6


def sheet(pictured: Sequence[Pictured]) -> Figure:
    """Draw files, one below the other, 1200 pixels wide; within `styled`."""
    from matplotlib.figure import Figure

    told = [_told(one) for one in pictured]
    heights = [
        (_HEAD if one.health is None else _PANELS) + _LINE * len(lines) + _GAP
        for one, lines in zip(pictured, told, strict=True)
    ]
    height = 2 * _MARGIN + sum(heights)
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    top = _MARGIN
    for one, lines, high in zip(pictured, told, heights, strict=True):
        _File(figure, height, top).draw(one, lines)
        top += high
    return figure


def _told(one: Pictured) -> list[tuple[str, str]]:
    """Return the lines about what is wrong, each with its level where a finding begins."""
    lines: list[tuple[str, str]] = [
        (finding.level if i == 0 else "", line)
        for finding in one.findings[:_MOST_FINDINGS]
        for i, line in enumerate(wrapped(finding.message, _LETTERS))
    ]
    n_more = len(one.findings) - _MOST_FINDINGS
    return [*lines, ("", f"... and {n_more} more")] if n_more > 0 else lines


class _File:
    """The part of a figure that one file has, from `top` on."""

    def __init__(self, figure: Figure, height: int, top: int) -> None:
        self._figure, self._height, self._top = figure, height, top

    def draw(self, one: Pictured, lines: Sequence[tuple[str, str]]) -> None:
        self._text(_LEFT, 12, shortened(drawable(one.name), 90), size=LARGE, weight="bold")
        top = _HEAD
        if one.health is not None and one.seen is not None:
            self._text(_LEFT, 31, facts(one.health), size=NORMAL)
            self._panels(one)
            top = _PANELS
        for i, (level, line) in enumerate(lines):
            y = top + i * _LINE + _LINE / 2
            if level:
                self._text(_LEFT - 48, y, level, weight="bold", color=LEVEL_COLOUR[level])
            self._text(_LEFT - 8, y, line)

    def _panels(self, one: Pictured) -> None:
        health, seen = one.health, one.seen
        assert health is not None and seen is not None  # noqa: S101, PT018 - the caller looked
        y = _HEAD
        n_lanes, gap = len(seen.rms), 10
        high = (_WAVE - gap * (n_lanes - 1)) / n_lanes
        for lane in range(n_lanes):
            axes = self._axes(_LEFT, y + lane * (high + gap), _WIDE, high, "waveform")
            panels.waveform(axes, lane, health, seen)
        for i, (name, value) in enumerate(numbers(health)):
            self._text(_RIGHT, y + 7 + 14.5 * i, name)
            self._text(_RIGHT + _NARROW, y + 7 + 14.5 * i, value, ha="right")
        y += _WAVE + _GAP
        panels.loudness(self._axes(_LEFT, y, _WIDE, _LOUDNESS, "loudness"), health)
        y += _LOUDNESS + _GAP
        image = panels.spectrogram(
            self._axes(_LEFT, y, _WIDE, _SPECTRUM, "spectrogram"), health, seen
        )
        panels.scale(self._axes(_LEFT + _WIDE + 6, y, 8, _SPECTRUM, "scale"), image)
        panels.spectrum(self._axes(_RIGHT, y, _NARROW, _SPECTRUM, "spectrum"), health, seen)
        y += _SPECTRUM + _GAP
        panels.correlation(self._axes(_LEFT, y, _WIDE, _STEREO, "correlation"), health)
        if health.stereo.bands:
            half = (_NARROW - 26) / 2
            bands.correlation(self._axes(_RIGHT, y, half, _STEREO, "band correlation"), health)
            at = _RIGHT + half + 26
            bands.mono_loss(self._axes(at, y, half, _STEREO, "band mono loss"), health)

    def _axes(self, x: float, y: float, wide: float, high: float, label: str) -> Axes:
        bottom = 1 - (self._top + y + high) / self._height
        return self._figure.add_axes(
            (x / WIDTH, bottom, wide / WIDTH, high / self._height), label=label
        )

    def _text(self, x: float, y: float, text: str, **how: Any) -> None:
        at = (x / WIDTH, 1 - (self._top + y) / self._height)
        self._figure.text(*at, text, **{"va": "center", "size": SMALL, **how})
