"""The stems of one song, played along its map: all in one go, so that they stay together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stemfx.alignment.pieces_played import Played, in_line
from stemfx.alignment.timeline import Piece, SourceMap
from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.drift import DriftMeter
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.resample import rechunk
from stemfx.dsp.stacked import Stacked
from stemfx.dsp.stretch import Render, Stretched, copied, joined
from stemfx.dsp.time_map import Span, played_at, stretched_spans
from stemfx.dsp.units import Float64s
from stemfx.dsp.watching import watched
from stemfx.stage import Notes

_LONGEST_S = 40.0  # of a span: 30 MB for each stereo stem
_TOLERANCE_S = 0.002  # a beat may sound that far from its place, so that spans are long
_DRIFT_MS = 5.0
"""What a player's own looseness hides; more is heard as a flam."""


def rendered(
    stems: Mapping[str, Signal],
    source_map: SourceMap,
    n_samples: int,
    *,
    drums: Collection[str],
    voices: Collection[str],  # noqa: ARG001 - their formants move as yet
    notes: Notes,
) -> Iterator[NDArray[np.float32]]:
    """Yield the stems of a song along its map, `(n_stems, channels, n)` at a time.

    All go through one call of the stretcher, a channel each, so that they neither drift nor phase
    against each other; drums through one of their own where the song is transposed and they are
    not. Where a song plays at its own speed and pitch it is copied, bit for bit, at whole samples.
    Reports how far beats lie from those of the timeline (map and measured lag), the drift of
    attacks, and joints.

    Args:
        stems: of one song, by name; short ones end in silence, mono is widened beside stereo.
        source_map: where its moments sound, and its transposition.
        n_samples: length of the timeline.
        drums: the stems that are not transposed.
        voices: the stems that keep their formants.
        notes: takes measurements.
    """
    width = max(signal.channels for signal in stems.values())
    length = max(signal.n_samples for signal in stems.values())
    fitted = {name: Fitted(signal, width, length) for name, signal in stems.items()}
    is_split = bool(source_map.semitones)
    groups = [[n for n in stems if is_split and n in drums]]
    groups.append([n for n in stems if n not in groups[0]])
    players = [
        _Player(
            Stacked([fitted[name] for name in group]),
            source_map.pieces,
            source_map.semitones if not is_split or group is groups[1] else 0.0,
            n_samples,
        )
        for group in groups
        if group
    ]
    order = [*groups[0], *groups[1]]
    places = [order.index(name) for name in stems]
    streams = [rechunk(player.blocks(), BLOCK_SAMPLES) for player in players]
    for blocks in zip(*streams, strict=True):
        yield np.concatenate(blocks).reshape(len(order), width, -1)[places]
    _report(players, notes)


@dataclass
class _Player:
    """Plays a signal along pieces of a map, and measures how well it keeps to it."""

    signal: Signal
    pieces: Sequence[Piece]
    semitones: float
    n_samples: int
    meter: DriftMeter = field(init=False)
    errors: list[Float64s] = field(default_factory=list)
    joints: int = 0

    def __post_init__(self) -> None:
        self.meter = DriftMeter(self.n_samples / self.signal.sample_rate)

    def blocks(self) -> Iterator[Block]:
        """Yield the timeline."""
        rate = self.signal.sample_rate
        played = [self._played(piece) for piece in self.pieces]
        played[0] = replace(played[0], begins=self.pieces[0].source_s[0] == 0.0)
        end_s = (self.signal.n_samples - 1) / rate
        played[-1] = replace(played[-1], ends=self.pieces[-1].source_s[-1] > end_s)
        return in_line(played, self.signal.channels, self.n_samples, rate)

    def _played(self, piece: Piece) -> Played:
        rate = self.signal.sample_rate
        out, source = np.array(piece.out_s) * rate, np.array(piece.source_s) * rate
        spans, render = _spans(out, source, self.semitones, rate)
        sounding = np.array([played_at(spans, moment) for moment in source])
        self.errors.append(np.abs(sounding - out) / rate)
        self.joints += len(spans) - 1

        def blocks(first: int) -> Iterator[Block]:
            own = [_from(spans[0], first), *spans[1:]]
            playing = joined(self.signal, own, render)
            if render is copied:
                return playing
            return watched(playing, self.signal, own, self.meter)

        return Played(spans[0].start, spans[-1].stop, blocks, begins=False, ends=False)


def _from(span: Span, first: int) -> Span:
    """Return a span that begins at another sample, going on as it is."""
    return replace(
        span, start=first, source_start=span.source_start + (first - span.start) * span.speed
    )


def _spans(
    out: Float64s, source: Float64s, semitones: float, rate: int
) -> tuple[list[Span], Render]:
    """Return the spans of a piece, and how each is played."""
    longest = round(_LONGEST_S * rate)
    delays = out - source
    if not semitones and np.ptp(delays) < 1.0:
        # Half a sample is 11 microseconds: not worth filtering what may stay as it is.
        start, stop, delay = round(out[0]), round(out[-1]), round(float(delays[0]))
        copies = [
            Span(at, min(at + longest, stop), float(at - delay), 1.0)
            for at in range(start, stop, longest)
        ]
        return copies, copied
    spans = stretched_spans(
        out,
        source,
        tolerance=_TOLERANCE_S * rate,
        longest=longest,
        is_bar=[False] * len(out),
    )
    return spans, Stretched(semitones)


def _report(players: Sequence[_Player], notes: Notes) -> None:
    drifts = [drift for player in players if (drift := player.meter.drift_ms) is not None]
    drift_ms = max(drifts, key=abs, default=0.0)
    errors_ms = 1e3 * np.concatenate([error for player in players for error in player.errors])
    p95_ms = float(np.percentile(errors_ms, 95)) if errors_ms.size else 0.0
    notes.report(
        beat_error_p95_ms=round(p95_ms + abs(drift_ms), 2),
        joints=max(player.joints for player in players),
        drift_points=sum(player.meter.n_points for player in players),
    )
    if drifts:
        notes.report(drift_ms=round(drift_ms, 2))
    if abs(drift_ms) > _DRIFT_MS:
        notes.find(
            "warn",
            "drifts",
            f"its attacks lie {abs(drift_ms):.1f} ms {'late' if drift_ms > 0 else 'early'} in a "
            "third of the song; follow a tempo nearer to its own",
        )
