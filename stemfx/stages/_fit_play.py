"""How `fit` plays what it laid out: watched for drift, and exactly as long as the song."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.drift import CHECK_S, DriftMeter, lag_ms
from stemfx.dsp.stretch import padded
from stemfx.dsp.time_map import Span

_FADE_S = 0.03
_CHECK_EVERY_S = 8.0


def silence(channels: int, n_samples: int) -> Iterator[Block]:
    """Yield so many samples of nothing."""
    for start in range(0, n_samples, BLOCK_SAMPLES):
        yield np.zeros((channels, min(BLOCK_SAMPLES, n_samples - start)), np.float32)


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


def placed(
    blocks: Iterator[Block], start: int, n_out: int, signal: Signal, *, is_cut: bool
) -> Iterator[Block]:
    """Yield silence up to `start`, then the blocks, and exactly `n_out` samples in all."""
    yield from silence(signal.channels, min(max(0, start), n_out))
    position, drop = min(max(0, start), n_out), max(0, -start)
    fade = min(round(_FADE_S * signal.sample_rate), n_out)
    for block in blocks:
        part = block[:, drop : drop + n_out - position]
        drop = max(0, drop - block.shape[1])
        if not part.shape[1]:
            continue
        ends_here = position + part.shape[1] == n_out
        if is_cut and ends_here and block.shape[1] > part.shape[1]:
            part = part.copy()
            n = min(fade, part.shape[1])
            part[:, -n:] *= np.cos(np.pi / 2 * (np.arange(n) + 1) / n).astype(np.float32) ** 2
        position += part.shape[1]
        yield np.ascontiguousarray(part)
    yield from silence(signal.channels, n_out - position)


def played_at(spans: Sequence[Span], moment: float) -> float:
    """Return where a moment of the unrolled loop sounds."""
    starts = [span.source_start for span in spans]
    span = spans[max(0, int(np.searchsorted(starts, moment, "right")) - 1)]
    return span.start + (moment - span.source_start) / span.speed
