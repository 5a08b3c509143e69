"""From the stems of songs to the samples that will be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_forward, read_only
from stemfx.cache import Cache
from stemfx.hits import Hit
from stemfx.music_reading import MusicReading
from stemfx.slicing.bars import Grid, played_bpm
from stemfx.slicing.cutting import Cutter
from stemfx.slicing.decoded import decoded
from stemfx.slicing.loops import look_at_bars, phrase_starts
from stemfx.slicing.material import Song
from stemfx.slicing.names import Names
from stemfx.slicing.one_shots import PRE_ROLL_S
from stemfx.slicing.samples import Slices

SILENCE_DBFS = -90.0
"""A stem with no louder sample is silent: the last steps of 16 bit."""


@dataclass(frozen=True)
class Wants:
    """What is cut.

    Args:
        one_shots: of drums.
        bars: lengths of loops; none are no loops.
        max_per_class: samples of a class of one stem, >= 1.
    """

    one_shots: bool = True
    bars: tuple[int, ...] = (1, 2, 4)
    max_per_class: int = 16


@dataclass(frozen=True)
class SlicedSong:
    """A song, what it plays to (None where all is silent), and what is cut out of its stems."""

    song: Song
    reading: MusicReading | None
    slices: list[Slices]


def slice_song(
    song: Song, wants: Wants, names: Names, cache: Cache, advanced: Callable[[str], None]
) -> SlicedSong:
    """Return the samples of a song; nothing is written yet.

    Args:
        song: whose stems are sliced.
        wants: what is cut.
        names: of all songs, so that no two samples share one.
        cache: keeps the decoded stems until the samples are written.
        advanced: told what is done next.

    Raises:
        AudioFileError: a stem is damaged, or holds samples that are no numbers.
    """
    slices = [Slices(stem, stem.signal) for stem in song.stems]
    heard = []
    for one in slices:
        advanced(f"reading {one.stem.path.name}")
        one.signal, peak_dbfs = decoded(one.stem.signal, cache)
        if peak_dbfs > SILENCE_DBFS:
            heard.append(one)
        else:
            one.find("silent", "the file is silent, so there is nothing to cut")
    if not heard:
        return SlicedSong(song, None, slices)
    drums: list[tuple[Slices, tuple[Hit, ...]]] = []
    for one in heard:
        if one.stem.kind == "drums":
            advanced(f"hits of {one.stem.path.name}")
            drums.append((one, _hits(one)))
    advanced(f"tempo and key of {song.title}")
    mixture = None if song.mixture is None else decoded(song.mixture, cache)[0]
    reading = _read(mixture, heard)
    cutter = Cutter(song, reading, names, wants.max_per_class)
    for one, hits in drums:
        if wants.one_shots:
            advanced(f"one-shots of {one.stem.path.name}")
            cutter.one_shots(one, hits)
    if wants.bars:
        played_s = sorted(hit.time_s for _, hits in drums for hit in hits)
        if not played_s:
            played_s = _onsets(mixture or heard[0].signal)
        _cut_loops(cutter, heard, played_s, wants.bars, advanced)
    return SlicedSong(song, reading, slices)


def _cut_loops(
    cutter: Cutter,
    heard: Sequence[Slices],
    played_s: Sequence[float],
    lengths: Sequence[int],
    advanced: Callable[[str], None],
) -> None:
    """Cut loops of all stems at the same bars, so that they can be stacked again."""
    if not cutter.reading.bpm or not cutter.reading.downbeats_s:
        for one in heard:
            one.find("no_beat", "no steady beat was found, so there are no loops")
        return
    grid = Grid(cutter.reading, played_s, PRE_ROLL_S)
    looks = []
    for one in heard:
        advanced(f"loops of {one.stem.path.name}")
        looks.append(look_at_bars(one.signal, grid))
    starts = {n_bars: phrase_starts(looks, n_bars) for n_bars in lengths}
    for one, bars in zip(heard, looks, strict=True):
        cutter.loops(one, bars, grid, starts)


# --- listening ---------------------------------------------------------------------------


def _hits(one: Slices) -> tuple[Hit, ...]:
    from stemfx.drums.find import find_hits

    found = find_hits(one.signal)
    if not found:
        one.find("no_hits", "no drum hits were heard; is this a drum stem?")
    return found


def _onsets(signal: Signal) -> list[float]:
    from stemfx.dsp.onsets import find_onsets

    return [float(time) for time in find_onsets(signal)]


class _Sum:
    """The sum of stems of one rate, channel count and length."""

    def __init__(self, stems: Sequence[Signal]) -> None:
        self._stems = stems
        self.sample_rate = stems[0].sample_rate
        self.channels = stems[0].channels
        self.n_samples = stems[0].n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        for blocks in zip(*(stem.blocks(n_samples) for stem in self._stems), strict=True):
            yield read_only(np.sum(blocks, axis=0))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        return read_forward(self, start, stop)


def _shape(signal: Signal) -> tuple[int, int, int]:
    return signal.sample_rate, signal.channels, signal.n_samples


def _read(mixture: Signal | None, heard: Sequence[Slices]) -> MusicReading:
    """Read tempo, bars and key of a song from all that is there of it.

    A key that nothing but drums would tell is left out.
    """
    from stemfx.music import read_music

    whole = mixture
    if whole is None:
        longest = max((one.signal for one in heard), key=lambda signal: signal.n_samples)
        whole = _Sum([one.signal for one in heard if _shape(one.signal) == _shape(longest)])
    beside: dict[str, Signal] = {}
    for one in heard:
        if _shape(one.signal) == _shape(whole):
            name = "drums" if one.stem.kind == "drums" else one.stem.name
            beside.setdefault(name, one.signal)
    reading = read_music(whole, beside)
    reading = replace(reading, bpm=played_bpm(reading.bpm))
    if mixture is None and all(one.stem.kind == "drums" for one in heard):
        return replace(reading, key="", key_confidence=0.0, key_runner_up="")
    return reading
