"""The stems of one song, played along its map: all in one go, so that they stay together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import tee

import numpy as np
from numpy.typing import NDArray

from stemfx.alignment.player import Player
from stemfx.alignment.timeline import SourceMap
from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.formants import formants_kept
from stemfx.dsp.resample import rechunk
from stemfx.dsp.stacked import Stacked
from stemfx.stage import Notes

_DRIFT_MS = 5.0
"""What a player's own looseness hides; more is heard as a flam."""


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

    All go through one call of the stretcher, a channel each, so that they neither drift nor phase
    against each other. Drums that are used alone, or beside stems that are transposed and no longer
    phase with them, keep their attacks: they are moved stroke by stroke (see `dsp.slices`). Where a
    song plays at its own speed and pitch it is copied, bit for bit, at whole samples.
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
    hit = [name for name in stems if name in drums]
    others = [name for name in stems if name not in drums]
    groups = [hit, others] if source_map.semitones or not others else [list(stems)]
    players = [
        Player(
            Stacked([fitted[name] for name in group]),
            width,
            source_map.pieces,
            0.0 if group is hit else source_map.semitones,
            n_samples,
            is_drums=group is hit,
        )
        for group in groups
        if group
    ]
    order = [name for group in groups for name in group]
    places = [order.index(name) for name in stems]
    streams = [
        _formants_kept(rechunk(player.blocks(), BLOCK_SAMPLES), group, voices, player)
        for player, group in zip(players, filter(None, groups), strict=True)
    ]
    for blocks in zip(*streams, strict=True):
        yield np.concatenate(blocks).reshape(len(order), width, -1)[places]
    _report(players, notes)


def _formants_kept(
    blocks: Iterator[Block], group: Sequence[str], voices: Collection[str], player: Player
) -> Iterator[Block]:
    """Pass stems on, the voices that were transposed with their formants back in place."""
    width, rate = player.width, player.signal.sample_rate
    rows = [slice(at * width, (at + 1) * width) for at, n in enumerate(group) if n in voices]
    if not rows or not player.semitones:
        yield from blocks
        return
    plain, *copies = tee(blocks, 1 + len(rows))  # it holds what the voices' frames wait for
    kept = [
        rechunk(
            formants_kept((block[own] for block in copy), player.semitones, rate, player.n_samples),
            BLOCK_SAMPLES,
        )
        for own, copy in zip(rows, copies, strict=True)
    ]
    for block, *voiced in zip(plain, *kept, strict=True):
        together = block.copy()
        for own, voice in zip(rows, voiced, strict=True):
            together[own] = voice
        yield together


def _report(players: Sequence[Player], notes: Notes) -> None:
    drifts = [drift for player in players if (drift := player.meter.drift_ms) is not None]
    drift_ms = max(drifts, key=abs, default=0.0)
    errors_s = [error for player in players for error in player.errors_s]
    errors_ms = 1e3 * np.concatenate(errors_s or [np.zeros(0)])
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
