"""Whether two songs can sound at once: how alike the chords are that they play, bar for bar.

After AutoMashUpper (Davies, Hamel, Yoshii and Goto, IEEE/ACM TASLP 22(12), 2014): the correlation
of beat-synchronous chroma, over key shift and offset. Here the key shift is the one that the
alignment will apply, and the offset the one that its bars have.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stemfx.dsp.units import Float64s
from stemfx.music_reading import MusicReading

_CHORDS = 24  # a bar's row begins with the pitch classes of its first and of its second half
_LEAST_BARS = 4  # fewer may agree by chance


def harmony_fit(
    first: MusicReading, other: MusicReading, semitones: int, pairs: Iterable[tuple[int, int]] = ()
) -> float | None:
    """Return how alike the chords of two songs are, -1 to 1; None where that cannot be told.

    Unrelated music in one key comes to 0.3 or so, since it shares the notes of its scale; takes
    of one song to 0.7 and more.

    Args:
        first: one song, its bars read.
        other: the other one.
        semitones: by how much `other` is transposed to the key of `first`.
        pairs: bars, from 0 on, that sound at once; unsaid, bar 1 does with bar 1.
    """
    mine, theirs = (_chords(one) for one in (first, other))
    told = list(pairs) or [(i, i) for i in range(min(len(mine), len(theirs)))]
    within = [(i, j) for i, j in told if i < len(mine) and j < len(theirs)]
    if len(within) < _LEAST_BARS:
        return None
    here, there = (np.array(one) for one in zip(*within, strict=True))
    moved = np.roll(theirs[there], semitones, axis=2)
    alike = (_centred(mine[here]) * _centred(moved)).sum(axis=2)
    return float(alike.mean())


def _chords(song: MusicReading) -> Float64s:
    """Return the pitch classes of every half bar, `(n_bars, 2, 12)`."""
    rows = [bar[:_CHORDS] for bar in song.bars if len(bar) >= _CHORDS]
    return np.array(rows, np.float64).reshape(len(rows), 2, 12)


def _centred(chroma: Float64s) -> Float64s:
    centred = chroma - chroma.mean(axis=2, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=2, keepdims=True), 1e-9))
