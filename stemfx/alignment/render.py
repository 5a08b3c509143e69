"""The stems of one song, played along its map: all in one go, so that they stay together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import tee

import numpy as np
from numpy.typing import NDArray

from stemfx.alignment.timeline import Piece, SourceMap
from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.formants import formants_kept
from stemfx.dsp.resample import rechunk
from stemfx.dsp.stacked import Stacked
from stemfx.dsp.stretch import Render, Stretched, copied, joined
from stemfx.dsp.time_map import Span, stretched_spans
from stemfx.stage import Notes

_LONGEST_S = 40.0
_TOLERANCE_S = 0.002
_FADE_S = 0.03


def rendered(
    stems: Mapping[str, Signal],
    source_map: SourceMap,
    n_samples: int,
    *,
    drums: Collection[str],
    voices: Collection[str],
    notes: Notes,
) -> Iterator[NDArray[np.float32]]:
    """Yield the stems of a song along its map, `(n_stems, channels, n)` at a time.

    Args:
        stems: by name.
        source_map: where each moment of the song sounds, and its transposition.
        n_samples: length of the timeline.
        drums: names of stems that are not transposed.
        voices: names of stems that keep their formants when they are.
        notes: told how many pieces there are.
    """
    width = max(signal.channels for signal in stems.values())
    length = max(signal.n_samples for signal in stems.values())
    fitted = {name: Fitted(signal, width, length) for name, signal in stems.items()}
    groups = [list(stems)]
    if source_map.semitones:
        groups = [[n for n in stems if n in drums], [n for n in stems if n not in drums]]
    groups = [group for group in groups if group]
    order = [name for group in groups for name in group]
    streams = []
    for group in groups:
        semitones = 0.0 if group[0] in drums else source_map.semitones
        signal = Stacked([fitted[name] for name in group])
        played = _timeline(signal, source_map.pieces, semitones, n_samples)
        stream: Iterator[Block] = rechunk(played, BLOCK_SAMPLES)
        if semitones:
            rows = [
                slice(at * width, (at + 1) * width)
                for at, name in enumerate(group)
                if name in voices
            ]
            stream = _formants_kept(stream, rows, semitones, signal.sample_rate, n_samples)
        streams.append(stream)
    places = [order.index(name) for name in stems]
    for blocks in zip(*streams, strict=True):
        together = np.concatenate(blocks)
        yield together.reshape(len(order), width, -1)[places]
    notes.report(pieces=len(source_map.pieces))


def _formants_kept(
    blocks: Iterator[Block], voices: Sequence[slice], semitones: float, rate: int, n_samples: int
) -> Iterator[Block]:
    """Pass the channels on, those of each voice with its formants back in place."""
    plain, *copies = tee(blocks, 1 + len(voices))  # it holds what the voices' frames wait for
    kept = [
        rechunk(
            formants_kept((block[rows] for block in copy), semitones, rate, n_samples),
            BLOCK_SAMPLES,
        )
        for rows, copy in zip(voices, copies, strict=True)
    ]
    for block, *voiced in zip(plain, *kept, strict=True):
        together = block.copy()
        for rows, voice in zip(voices, voiced, strict=True):
            together[rows] = voice
        yield together


def _timeline(
    signal: Signal, pieces: Sequence[Piece], semitones: float, n_samples: int
) -> Iterator[Block]:
    done = 0
    for piece in pieces:
        spans, render = _spans(piece, semitones, signal.sample_rate)
        start = spans[0].start
        if start > done:
            yield np.zeros((signal.channels, start - done), np.float32)
            done = start
        for block in joined(signal, spans, render):
            part = block[:, max(0, done - start) : n_samples - start]
            start += block.shape[1]
            if part.shape[1]:
                done += part.shape[1]
                yield part
    if done < n_samples:
        yield np.zeros((signal.channels, n_samples - done), np.float32)


def _spans(piece: Piece, semitones: float, rate: int) -> tuple[list[Span], Render]:
    out, source = np.array(piece.out_s) * rate, np.array(piece.source_s) * rate
    delays = out - source
    if not semitones and np.ptp(delays) < 1.0:
        start, stop = round(out[0]), round(out[-1])
        longest = round(_LONGEST_S * rate)
        delay = round(float(delays[0]))
        return [
            Span(at, min(at + longest, stop), float(at - delay), 1.0)
            for at in range(start, stop, longest)
        ], copied
    spans = stretched_spans(
        out,
        source,
        tolerance=_TOLERANCE_S * rate,
        longest=round(_LONGEST_S * rate),
        is_bar=[False] * len(out),
    )
    return spans, Stretched(semitones)
