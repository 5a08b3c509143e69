"""How `fit` lays a loop under a song: which of its beats sounds on which beat of the song."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.harmonic import PITCHED_SHARE
from stemfx.dsp.looped import Looped
from stemfx.dsp.onsets import find_onsets
from stemfx.dsp.slices import SLICED_RATIOS, Slices, moved, over_rounds, slices_along
from stemfx.dsp.stretch import Render, Stretched, copied, joined
from stemfx.dsp.time_map import Anchors, Span, copied_spans, stretched_spans
from stemfx.dsp.units import Float64s
from stemfx.music.bars import Grid
from stemfx.music.loop import LoopReading

LONGEST_S = 40.0  # of a span: 30 MB of stereo
COPY_TOLERANCE_S = 0.001
STRETCH_TOLERANCE_S = 0.002
_BARS_A_COPY = 4  # a loop that has to be cut more often than this is stretched instead
_PAD_BARS = (1, 2, 4, 8, 16, 32, 64)
_SPARE_S = 1.0  # read past the end by margins and joints

Method = Literal["copy", "slice", "stretch"]


@dataclass(frozen=True)
class Layout:
    """Where the beats of the loop sound.

    Args:
        out_s: seconds in the song, rising.
        source_s: the same moments in the loop, unrolled: a second round goes on after the first.
        is_bar: which of them begin a bar of the song.
        ratio: how much longer the loop becomes: 1.1 is 10 % slower.
    """

    out_s: Float64s
    source_s: Float64s
    is_bar: tuple[bool, ...]
    ratio: float

    @property
    def stretch_percent(self) -> float:
        """How much longer the loop becomes; negative is shorter."""
        return 100.0 * (self.ratio - 1.0)


def beats_for_song(loop: LoopReading, grid: Grid) -> Float64s:
    """Return the loop's beats, counted in half or double time where that is nearer to the song.

    A loop without a beat is taken as the nearest number of whole bars, a short one of beats.
    """
    if not loop.n_beats:
        n = pad_beats(loop.period_s, grid)
        return np.asarray(loop.first_s + loop.period_s / n * np.arange(n), np.float64)
    beats_s: Float64s = np.asarray(loop.beats_s, np.float64)
    octave = round(float(np.clip(np.log2(loop.beat_s / grid.beat_s), -1, 1)))
    if octave < 0 and len(beats_s) % 2 == 0:
        return np.asarray(beats_s[::2], np.float64)
    if octave > 0:
        following = np.append(beats_s[1:], loop.first_s + loop.period_s)
        doubled: Float64s = np.stack((beats_s, (beats_s + following) / 2)).T.ravel()
        return doubled
    return beats_s


def pad_beats(duration_s: float, grid: Grid) -> int:
    """Return how many beats of the song come nearest to the length of a sound without a beat."""
    bar_s = grid.beats_a_bar * grid.beat_s
    if duration_s < 0.7 * bar_s:
        return max(1, round(duration_s / grid.beat_s))
    bars = np.array(_PAD_BARS)
    off = np.abs(np.log2(duration_s / (bars * bar_s)))
    best = int(np.argmin(off))
    n_bars = int(bars[best]) if off[best] < 0.1 else max(1, round(duration_s / bar_s))
    return grid.beats_a_bar * n_bars


def lay_out(
    beats_s: Float64s, period_s: float, grid: Grid, end_s: float, *, repeat: bool
) -> Layout:
    """Lay the beats of the loop on those of the song, round after round up to its end.

    Args:
        beats_s: of the loop, one round.
        period_s: length of a round.
        grid: of the song, from where the loop begins.
        end_s: of the song.
        repeat: or play it once.
    """
    n_needed = int(np.searchsorted(grid.beats_s, end_s)) + 1
    n = min(n_needed, len(grid.beats_s)) if repeat else min(len(beats_s) + 1, len(grid.beats_s))
    index = np.arange(n)
    source_s = beats_s[index % len(beats_s)] + period_s * (index // len(beats_s))
    out_s = grid.beats_s[:n]
    ratio = float((out_s[-1] - out_s[0]) / (source_s[-1] - source_s[0]))
    is_bar = tuple(grid.is_bar(k) for k in range(n))
    if beats_s[0] > 0:  # what is before the first beat sounds before it, as far as there is time
        lead_s = min(float(beats_s[0]), float(out_s[0]) / ratio)
        out_s = np.concatenate(([out_s[0] - lead_s * ratio], out_s))
        source_s = np.concatenate(([source_s[0] - lead_s], source_s))
        is_bar = (False, *is_bar)
    return Layout(out_s, source_s, is_bar, ratio)


def free_layout(start_s: float, end_s: float) -> Layout:
    """Lay a loop at its own tempo from one moment on."""
    ends = np.array([start_s, max(end_s, start_s + 1e-3)])
    return Layout(ends, ends - start_s, (True, True), 1.0)


def in_samples(layout: Layout, sample_rate: int, period_s: float) -> tuple[Anchors, Anchors, int]:
    """Return both rows of anchors in samples, and the period as a whole number of them."""
    period = max(1, round(period_s * sample_rate))
    rounds = np.floor(layout.source_s / period_s + 1e-9)
    source = (layout.source_s - rounds * period_s) * sample_rate + rounds * period
    return layout.out_s * sample_rate, source, period


@dataclass(frozen=True, eq=False)
class Plan:
    """What is played when, and how.

    Args:
        loop: what is played.
        layout: where its beats go.
        semitones: how far it is transposed.
        source_signal: the loop, unrolled.
        out: anchors in samples of the song.
        source: the same in samples of the unrolled loop.
        spans: the song in stretches of one speed.
        render: how each is made: copied or stretched.
        slices: strokes that are moved as they are, instead.
    """

    loop: LoopReading
    layout: Layout
    semitones: float
    source_signal: Signal
    out: Anchors
    source: Anchors
    spans: list[Span]
    render: Render
    slices: Slices | None

    @property
    def method(self) -> Method:
        """Copied, moved stroke by stroke, or stretched."""
        if self.render is copied:
            return "copy"
        return "slice" if self.slices is not None else "stretch"

    def blocks(self) -> Iterator[Block]:
        """Yield the song from the start of the first span on."""
        if self.slices is not None:
            return moved(self.source_signal, self.slices, self.spans)
        return joined(self.source_signal, self.spans, self.render)


def make_plan(
    loop: LoopReading,
    layout: Layout,
    semitones: float,
    signal: Signal,
    *,
    repeat: bool,
    method: Literal["auto", "slice", "stretch"] = "auto",
) -> Plan:
    """Decide how to play a layout: copied where the tempo is right already, else by `method`.

    `auto` moves the strokes of percussion as they are, as long as the gaps stay short.
    """
    rate = signal.sample_rate
    out, source, period = in_samples(layout, rate, loop.period_s)
    if not repeat:
        slope = (out[-1] - out[0]) / (source[-1] - source[0])
        if source[-1] < signal.n_samples:  # the tail rings on at the last speed
            out = np.append(out, out[-1] + (signal.n_samples - source[-1]) * slope)
            source = np.append(source, signal.n_samples)
    is_bar = (*layout.is_bar, False)[: len(out)]
    render: Render = copied
    spans = [] if semitones else _copies(out, source, is_bar, rate, period)
    if not spans:
        render, tolerance, longest = Stretched(semitones), STRETCH_TOLERANCE_S, LONGEST_S
        spans = stretched_spans(
            out, source, tolerance=tolerance * rate, longest=round(longest * rate), is_bar=is_bar
        )
    unrolled: Signal = signal
    if repeat:
        last = source[-1] + (_SPARE_S * rate)
        unrolled = Looped(signal, period, (int(last // period) + 1) * period)
    is_cut = method == "slice" or (method == "auto" and _is_for_slices(loop, layout))
    slices = None
    if render is not copied and not semitones and is_cut:
        slices = _slices(signal, period if repeat else None, out, source)
    return Plan(loop, layout, semitones, unrolled, out, source, spans, render, slices)


def _is_for_slices(loop: LoopReading, layout: Layout) -> bool:
    low, high = SLICED_RATIOS
    return loop.harmonic_share < PITCHED_SHARE and low <= layout.ratio <= high


def _slices(signal: Signal, period: int | None, out: Anchors, source: Anchors) -> Slices | None:
    """Return where the strokes of the loop go, or None if it has none."""
    rate = signal.sample_rate
    if period is None:
        onsets = find_onsets(signal) * rate
    else:  # heard in its second round, so that a stroke on its start is not overlooked
        rounds = Looped(signal, period, 2 * period)
        n_rounds = int(source[-1] // period) + 1
        onsets = over_rounds(find_onsets(rounds) * rate, period, n_rounds)
    return slices_along(onsets, out, source, max(0.0, float(source[0])), rate)


def _copies(
    out: Anchors, source: Anchors, is_bar: tuple[bool, ...], rate: int, period: int
) -> list[Span]:
    """Return spans that only copy the loop, or none if it would have to be cut too often."""
    spans = copied_spans(out, source, tolerance=COPY_TOLERANCE_S * rate)
    is_whole = (out[-1] - out[0]) / len(spans) >= period or sum(is_bar) >= _BARS_A_COPY * len(spans)
    if len(spans) > 1 and not is_whole:
        return []
    return [piece for span in spans for piece in _cut(span, round(LONGEST_S * rate))]


def _cut(span: Span, longest: int) -> list[Span]:
    return [
        Span(start, min(start + longest, span.stop), span.source_start + start - span.start, 1.0)
        for start in range(span.start, span.stop, longest)
    ]
