"""Pass on what is played along a map, and measure how late it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stemfx.audio import Block, Signal
from stemfx.dsp.drift import CHECK_S, DriftMeter, lag_ms
from stemfx.dsp.stretch import padded
from stemfx.dsp.time_map import Span

_CHECK_EVERY_S = 8.0


def watched(
    blocks: Iterator[Block], source: Signal, spans: Sequence[Span], meter: DriftMeter
) -> Iterator[Block]:
    """Pass blocks on and measure how late their attacks are."""
    rate, position, k = source.sample_rate, spans[0].start, 0
    for block in blocks:
        end = position + block.shape[1]
        while k + 1 < len(spans) and spans[k + 1].start < end - block.shape[1] // 2:
            k += 1
        span = spans[k]
        first = max(position, span.start)
        length = min(round(CHECK_S * rate), min(end, span.stop) - first)
        for start in range(first, min(end, span.stop) - length + 1, round(_CHECK_EVERY_S * rate)):
            at = round(span.source_start + (start - span.start) * span.speed)
            heard = block[:, start - position : start - position + length]
            expected = padded(source, at, at + round(length * span.speed))
            meter.add(start / rate, lag_ms(expected, span.speed, heard, rate))
        position = end
        yield block
