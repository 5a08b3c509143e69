"""One or more stems of a song, played along its map in one go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from stemfx.alignment.pieces_played import FADE_S, LEAD_S, Played, in_line
from stemfx.alignment.timeline import Piece
from stemfx.audio import Block, Signal
from stemfx.dsp.drift import DriftMeter
from stemfx.dsp.harmonic import PITCHED_SHARE, harmonic_share
from stemfx.dsp.slices import SLICED_RATIOS, Slices, moved, slices_along
from stemfx.dsp.stretch import Render, Stretched, copied, joined
from stemfx.dsp.time_map import Anchors, Span, played_at, stretched_spans
from stemfx.dsp.units import Float64s
from stemfx.dsp.watching import watched

_LONGEST_S = 20.0  # of a span: 14 MB for each stereo stem, several times over
_STRETCH_TOLERANCE_S = 0.002  # a beat may sound that far from its place, so that spans are long
_COPY_TOLERANCE_S = 0.0005  # for bits that are kept


@dataclass
class Player:
    """Plays a signal along pieces of a map, and measures how well it keeps to it.

    Args:
        signal: the stems, one below the other.
        width: channels of a stem.
        pieces: of the map.
        semitones: transposition.
        n_samples: length of the timeline.
        is_drums: it is moved stroke by stroke instead of stretched, if percussion is what is heard.
    """

    signal: Signal
    width: int
    pieces: Sequence[Piece]
    semitones: float
    n_samples: int
    is_drums: bool = False
    meter: DriftMeter = field(init=False)
    errors_s: list[Float64s] = field(default_factory=list)
    joints: int = 0

    def __post_init__(self) -> None:
        self.meter = DriftMeter(self.n_samples / self.signal.sample_rate)

    def blocks(self) -> Iterator[Block]:
        """Yield the timeline."""
        rate = self.signal.sample_rate
        heard = [p for p in self.pieces if p.out_s[-1] > 0 and p.out_s[0] * rate < self.n_samples]
        played = [self._played(piece) for piece in heard]
        if played:
            played[0] = replace(played[0], begins=heard[0].source_s[0] == 0.0)
            end_s = (self.signal.n_samples - 1) / rate
            played[-1] = replace(played[-1], ends=heard[-1].source_s[-1] > end_s)
        return in_line(played, self.signal.channels, self.n_samples, rate)

    def _played(self, piece: Piece) -> Played:
        rate = self.signal.sample_rate
        out, source = np.array(piece.out_s) * rate, np.array(piece.source_s) * rate
        spans, render = _spans(out, source, self.semitones, rate)
        slices = None if render is copied else self._slices(out, source)
        if slices is None:
            sounding = np.array([played_at(spans, moment) for moment in source])
            self.errors_s.append(np.abs(sounding - out) / rate)
            self.joints += len(spans) - 1
        else:
            self.errors_s.append(np.zeros(len(out)))

        def blocks(first: int) -> Iterator[Block]:
            own = [_from(spans[0], first), *spans[1:]]
            if slices is not None:
                return watched(moved(self.signal, slices, own), self.signal, own, self.meter)
            playing = joined(self.signal, own, render, width=self.width)
            if render is copied:
                return playing
            return watched(playing, self.signal, own, self.meter)

        return Played(spans[0].start, spans[-1].stop, blocks, begins=False, ends=False)

    def _slices(self, out: Anchors, source: Anchors) -> Slices | None:
        """Return where the strokes of a piece go, if that is how it is played."""
        low, high = SLICED_RATIOS
        ratio = (out[-1] - out[0]) / (source[-1] - source[0])
        if not low <= ratio <= high or not len(self._strokes):
            return None
        rate = self.signal.sample_rate
        # What is heard before a piece begins is there for its fade.
        start = source[0] - 2 * (LEAD_S + FADE_S) * rate / ratio
        before_end = self._strokes[self._strokes < source[-1]]
        return slices_along(before_end, out, source, start, rate)

    @cached_property
    def _strokes(self) -> Float64s:
        """The attacks, in samples; none where there are no drums or they are not what is heard."""
        from stemfx.dsp.onsets import find_onsets

        if not self.is_drums or harmonic_share(self.signal) >= PITCHED_SHARE:
            return np.zeros(0)
        return find_onsets(self.signal) * self.signal.sample_rate


def _from(span: Span, first: int) -> Span:
    """Return a span that begins at another sample, going on as it is."""
    return replace(
        span, start=first, source_start=span.source_start + (first - span.start) * span.speed
    )


def _spans(out: Anchors, source: Anchors, semitones: float, rate: int) -> tuple[list[Span], Render]:
    """Return the spans of a piece, and how each is played."""
    longest = round(_LONGEST_S * rate)
    delays = out - source
    if not semitones and np.ptp(delays) <= 2 * _COPY_TOLERANCE_S * rate:
        # Half a sample is 11 microseconds: not worth filtering what may stay as it is.
        delay = round(float(delays.min() + delays.max()) / 2)
        start, stop = round(out[0]), round(out[-1])
        copies = [
            Span(at, min(at + longest, stop), float(at - delay), 1.0)
            for at in range(start, stop, longest)
        ]
        return copies, copied
    spans = stretched_spans(
        out,
        source,
        tolerance=_STRETCH_TOLERANCE_S * rate,
        longest=longest,
        is_bar=[False] * len(out),
    )
    return spans, Stretched(semitones)
