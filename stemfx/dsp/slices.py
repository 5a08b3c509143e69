"""Move the strokes of a percussive loop to their new times as they are, without stretching.

Stretching smears an attack over some milliseconds; a stroke that is moved keeps it. From just
before its attack to just before the next one the source sounds as it is. Played faster, a stroke is
cut off by the next. Played slower, the gap before the next is filled by its tail, played backwards
from where it ended: no step, no new attack, and about as loud. (What REX loops do.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.stretch import padded
from stemfx.dsp.time_map import Anchors, Span, out_at
from stemfx.dsp.units import Float64s

SLICED_RATIOS = (0.7, 1.25)
"""How much longer percussion may become in this way: beyond, gaps and overlaps are too long."""

_APART_S = 0.01  # between the start and the first stroke
_EARLY = 0.002  # of a round
_BEFORE_S = 0.002  # a stroke begins so long before its attack, and fades in until then


@dataclass(frozen=True)
class Slices:
    """Where each stroke comes from and where it goes, in samples.

    Args:
        source: attacks in the source, rising.
        out: the same attacks in the song, rising.
    """

    source: NDArray[np.intp]
    out: NDArray[np.intp]


def over_rounds(onsets: Float64s, period: int, n_rounds: int) -> Float64s:
    """Return the attacks of one round, in samples, in each of `n_rounds`; the first may be late.

    Args:
        onsets: those heard in the second of two rounds and about it.
        period: samples of a round.
        n_rounds: how many there are.
    """
    early = round(_EARLY * period)  # one on the start of a round may be heard just before it
    inside = onsets[(onsets >= period - early) & (onsets < 2 * period - early)] - period
    return (period * np.arange(n_rounds)[:, None] + inside).ravel()


def slices_along(
    onsets: Float64s, out: Anchors, source: Anchors, start: float, sample_rate: int
) -> Slices | None:
    """Return where the strokes from `start` on go along a map, or None if there are none.

    Args:
        onsets: attacks in samples of the source, rising.
        out: anchors of the map in the song.
        source: the same in the source.
        start: where the source begins to be played; what is before its first stroke is one too.
        sample_rate: in Hz.
    """
    if not len(onsets):
        return None
    onsets = np.concatenate(([start], onsets[onsets > start + _APART_S * sample_rate]))
    places = np.round(out_at(out, source, onsets)).astype(np.intp)
    return Slices(np.round(onsets).astype(np.intp), places)


def moved(source: Signal, slices: Slices, spans: Sequence[Span]) -> Iterator[Block]:
    """Yield the song from the start of the first span to the end of the last, one block a span.

    Args:
        source: the loop, unrolled.
        slices: its strokes.
        spans: only tell how the song is cut into blocks.
    """
    before = max(1, round(_BEFORE_S * source.sample_rate))
    starts = slices.out - before
    for span in spans:
        block = np.zeros((source.channels, span.stop - span.start), np.float32)
        first = max(0, int(np.searchsorted(starts, span.start, "right")) - 1)
        # The one before still fades out under the first.
        for k in range(max(0, first - 1), int(np.searchsorted(starts, span.stop, "left"))):
            stop = int(slices.out[k + 1]) if k + 1 < len(starts) else spans[-1].stop
            low, high = max(span.start, int(starts[k])), min(span.stop, stop)
            if low < high:
                stroke = _stroke(k, slices, source, before, stop - int(starts[k]))
                block[:, low - span.start : high - span.start] += stroke[
                    :, low - int(starts[k]) : high - int(starts[k])
                ]
        yield block


def _stroke(k: int, slices: Slices, source: Signal, before: int, length: int) -> Block:
    """Return `length` samples of stroke `k`, from `before` samples before its attack on."""
    begin = int(slices.source[k]) - before
    is_last = k + 1 == len(slices.source)
    end = source.n_samples if is_last else int(slices.source[k + 1]) - before
    own = padded(source, begin, begin + min(length, max(1, end - begin)))
    if not is_last and own.shape[1] < length:
        own = np.pad(
            own,
            ((0, 0), (0, length - own.shape[1])),
            mode="reflect" if own.shape[1] > 1 else "edge",
        )
    stroke = np.zeros((source.channels, length), np.float32)
    stroke[:, : own.shape[1]] = own
    n = min(before, length)
    rise = (np.sin(np.pi / 2 * (np.arange(n) + 0.5) / before) ** 2).astype(np.float32)
    stroke[:, :n] *= rise
    if not is_last:  # under the next one's rise: both add up to one
        stroke[:, length - n :] *= rise[::-1]
    return stroke
