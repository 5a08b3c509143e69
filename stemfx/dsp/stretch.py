"""Play a signal at other speeds and pitches, span by span, in bounded memory.

The time is stretched by Signalsmith Stretch (python-stretch): its length is exact and its latency
taken out. It is not asked to transpose, since its own transposition is off by 20 cents at 100 Hz:
the pitch is changed by resampling, which is exact, and the stretch gives the time back.

The library has no state between calls, so each span is a call of its own with a margin on both
sides, and neighbours, whose phases differ, are joined where they agree best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.resample import resample_blocks
from stemfx.dsp.time_map import Span

_MARGIN_S = 0.25  # twice the library's block
_SEARCH_S = 0.125  # how far from its place a joint may be moved, either way
_FADE_S = 0.02
_STEPS = 50  # places that are tried
_SEED = 1
_WORST = -0.5  # agreement below which the sum is not made up for: it would only be louder noise

Render = Callable[[Signal, Span, int, int], Block]
"""`render(source, span, start, stop)`: the song from sample `start` up to `stop` at the speed of
the span, which it may leave on both sides."""


def copied(source: Signal, span: Span, start: int, stop: int) -> Block:
    """Render a span of speed 1 that begins at a whole sample: bits are kept."""
    first = round(span.source_start) + start - span.start
    return padded(source, first, first + stop - start)


def padded(source: Signal, first: int, last: int) -> Block:
    """Read samples `first` up to `last`, with silence before the start and after the end."""
    there = source.read(max(0, first), max(0, last))
    if there.shape[1] == last - first:
        return there
    out = np.zeros((source.channels, last - first), np.float32)
    if there.shape[1]:
        lead = max(0, -first)
        out[:, lead : lead + there.shape[1]] = there
    return out


@dataclass(frozen=True)
class Stretched:
    """Render a span at its speed, transposed by `semitones`."""

    semitones: float = 0.0

    def __call__(self, source: Signal, span: Span, start: int, stop: int) -> Block:
        """Render the song from `start` up to `stop`."""
        from python_stretch import Signalsmith

        rate, channels = source.sample_rate, source.channels
        margin = round(_MARGIN_S * rate)
        first, n_out = start - margin, stop - start + 2 * margin
        source_first = round(span.source_start + (first - span.start) * span.speed)
        piece = padded(source, source_first, source_first + round(n_out * span.speed))
        pitch = 2.0 ** (self.semitones / 12.0)
        if self.semitones:
            n_in = round(piece.shape[1] / pitch)
            piece = np.concatenate(
                list(resample_blocks([piece], pitch, 1.0, channels, n_in)), axis=1
            )
        stretch = Signalsmith.Stretch(_SEED)
        stretch.preset(channels, rate)
        stretch.setTimeFactor(piece.shape[1] / n_out)
        out = np.asarray(stretch.process(np.array(piece, np.float32)))  # it refuses read-only ones
        short = margin + stop - start - out.shape[1]  # its float32 may round the length by one
        if short > 0:
            out = np.pad(out, ((0, 0), (0, short)))
        return np.array(out[:, margin : margin + stop - start], np.float32)


def joined(
    source: Signal,
    spans: Sequence[Span],
    render: Render,
    *,
    search_s: float = _SEARCH_S,
    width: int | None = None,
) -> Iterator[Block]:
    """Yield the song from the start of the first span to the end of the last, one block a span.

    Neighbours overlap by up to twice `search_s` and are cross-faded within 20 ms, where they are
    most alike; the fade is scaled by how alike they are, so that the level neither dips nor
    bumps. Where both are the same no bit changes.

    Args:
        source: what is played.
        spans: one after the other, without gaps.
        render: how.
        search_s: how far from its place a joint may be moved, either way.
        width: channels of each of the sounds that the source has below one another; all are joined
            in one place, each at its own level. By default all channels are one sound.
    """
    rate, width = source.sample_rate, width or source.channels
    fade = max(1, round(_FADE_S * rate))
    reach = [
        min(
            max(fade // 2, round(search_s * rate)), (a.stop - a.start) // 2, (b.stop - b.start) // 2
        )
        for a, b in pairwise(spans)
    ]
    before: Block | None = None
    for i, span in enumerate(spans):
        early = reach[i - 1] if i else 0
        late = reach[i] if i < len(reach) else 0
        block = render(source, span, span.start - early, span.stop + late)
        if before is not None:
            overlap = before.shape[1]
            block = np.concatenate(
                (_faded(before, block[:, :overlap], fade, width), block[:, overlap:]), 1
            )
        keep = block.shape[1] - 2 * late
        before = block[:, keep:] if late else None
        if keep:
            yield np.ascontiguousarray(block[:, :keep], np.float32)


def _faded(old: Block, new: Block, fade: int, width: int) -> Block:
    """Cross-fade two renderings of one moment where they agree best."""
    n = old.shape[1]
    fade = min(fade, n)
    if not fade or np.array_equal(old, new):
        return new
    places = np.unique(np.linspace(0, n - fade, _STEPS).astype(int))
    places = places[np.argsort(np.abs(places - (n - fade) // 2), kind="stable")]  # middle first
    sounds = [slice(row, row + width) for row in range(0, len(old), width)]
    faded = [slice(at, at + fade) for at in places]
    alike = np.array([[likeness(old[s, f], new[s, f]) for s in sounds] for f in faded])
    best = int(np.argmax(alike.mean(axis=1)))
    at = int(places[best])
    out = new.copy()
    out[:, :at] = old[:, :at]
    for s, of_sound in zip(sounds, alike[best], strict=True):
        fall, rise = crossfade_gains(fade, float(of_sound))
        out[s, at : at + fade] = old[s, at : at + fade] * fall + new[s, at : at + fade] * rise
    return out


def crossfade_gains(n: int, alike: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gains of the old and the new signal in a cross-fade, `(n,)` each.

    Their sum neither dips nor bumps: linear where the signals are the same, of equal power where
    they have nothing in common.

    Args:
        n: length of the fade in samples.
        alike: their correlation coefficient there.
    """
    angle = np.pi / 2 * (np.arange(n) + 0.5) / max(1, n)
    fall, rise = np.cos(angle) ** 2, np.sin(angle) ** 2
    level = np.sqrt(fall**2 + rise**2 + 2 * max(_WORST, alike) * fall * rise)
    return (fall / level).astype(np.float32), (rise / level).astype(np.float32)


def likeness(old: Block, new: Block) -> float:
    """Return the correlation coefficient over all channels; 1 for two silences."""
    a, b = old.astype(np.float64).ravel(), new.astype(np.float64).ravel()
    powers = float(a @ a) * float(b @ b)
    if powers == 0.0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / float(np.sqrt(powers))
