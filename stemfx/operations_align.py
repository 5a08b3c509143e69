"""What the nodes do that bring songs onto one timeline, and put tracks together from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.alignment.bars import bar_times, in_window
from stemfx.alignment.comp import Cut, comped
from stemfx.alignment.layout import lay_out
from stemfx.alignment.render import rendered
from stemfx.alignment.timeline import Timeline
from stemfx.audio import Block, Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.loudness import measure
from stemfx.errors import AlignmentError
from stemfx.fixes import TRACK, entries
from stemfx.graph import (
    AlignStems,
    ChooseTakes,
    Comp,
    Excerpt,
    JudgeSong,
    LayOut,
    Meeting,
    TellTimeline,
)
from stemfx.health.file import FileFacts
from stemfx.music_reading import MusicReading
from stemfx.ranking.order import Found, faults_of, inherited
from stemfx.ranking.sections import best_takes
from stemfx.stage import Notes
from stemfx.weight_files import read_weights


def find(
    work: LayOut | TellTimeline | JudgeSong | ChooseTakes,
    inputs: Sequence[Signal],
    data: Sequence[Mapping[str, Any]],
    notes: Notes,
) -> Mapping[str, Any]:
    """Return what a node finds out that brings songs together: plain values for JSON."""
    if isinstance(work, LayOut):
        return laid_out(work, data, notes)
    if isinstance(work, TellTimeline):
        return told(work, data[0])
    if isinstance(work, JudgeSong):
        return judged(work, inputs[0], data[0])
    return chosen(work, inputs, data, notes)


def laid_out(work: LayOut, data: Sequence[Mapping[str, Any]], notes: Notes) -> Mapping[str, Any]:
    """Return where every moment of every song sounds.

    Raises:
        AlignmentError: that cannot be; the sentence says what to set.
    """
    readings = dict(zip(work.sources, map(MusicReading.from_json, data), strict=True))
    timeline = lay_out(readings, work.wishes)
    notes.report(bpm=timeline.reading.bpm, bars=len(timeline.reading.downbeats_s))
    notes.report(key=timeline.reading.key or "none", duration_s=timeline.reading.duration_s)
    notes.findings.extend(timeline.findings)
    return timeline.to_json()


def told(work: TellTimeline, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what all aligned songs play to, in a window of it or all."""
    return in_window(Timeline.from_json(data).reading, work.window_s).to_json()


def aligned(
    work: AlignStems, stems: Sequence[Signal], data: Mapping[str, Any], notes: Notes
) -> Iterator[NDArray[np.float32]]:
    """Yield the stems of a song along its map, `(n_stems, channels, n)` at a time."""
    timeline = Timeline.from_json(data)
    source_map = timeline.maps[work.source]
    n_samples = max(1, round(timeline.reading.duration_s * stems[0].sample_rate))
    notes.report(bpm=source_map.bpm, stretch_percent=source_map.stretch_percent)
    notes.report(key=source_map.key or "none", semitones=source_map.semitones)
    named = dict(zip(work.stems, stems, strict=True))
    yield from rendered(
        named, source_map, n_samples, drums=work.drums, voices=work.voices, notes=notes
    )


def judged(work: JudgeSong, mixture: Signal, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is against a song as a whole, as far as it counts against its stems."""
    from stemfx.ranking.measure import measure_take

    facts = FileFacts(work.is_lossy, mixture.channels)
    measured = measure_take(mixture, MusicReading.from_json(data), facts)
    faults = inherited(faults_of(measured, read_weights().take))
    return {"faults": [asdict(fault) for fault in faults]}


def chosen(
    work: ChooseTakes, takes: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> Mapping[str, Any]:
    """Return which take plays which section, as (first bar, last bar, take, gain in dB).

    All are brought to the loudness of the first, so that the balance of the mix does not hang on
    the choice.
    """
    timeline, *songs = data
    reading = Timeline.from_json(timeline).reading
    sections = [section for section in reading.sections if section.n_bars]
    times = [(section.start_s, section.end_s) for section in sections]
    named = dict(zip(work.takes, takes, strict=True))
    of_songs = {
        name: [Found(**fault) for fault in song["faults"]]
        for name, song in zip(work.takes, songs, strict=True)
    }
    gains_db = _to_the_first(takes)
    choices = best_takes(named, times, read_weights().section, of_songs=of_songs)
    cuts = []
    for alike, group in groupby(
        zip(sections, choices, strict=True), key=lambda pair: (pair[1].take, pair[1].reasons)
    ):
        played = [section for section, _ in group]
        take = work.takes.index(alike[0])
        first, last = played[0].first_bar, played[-1].first_bar + played[-1].n_bars - 1
        cuts.append([first, last, take, gains_db[take]])
        bars = f"bars {first}-{last}" if last > first else f"bar {first}"
        labels = ", ".join(section.label for section in played if section.label)
        level = f" at {gains_db[take]:+.1f} dB" if round(gains_db[take], 1) else ""
        because = f": {'; '.join(alike[1])}" if alike[1] else ""
        told = f"{bars}{f' ({labels})' if labels else ''} from {alike[0]}{level}{because}"
        notes.find("info", "take_chosen", told)
    return {"cuts": cuts}


def _to_the_first(takes: Sequence[Signal]) -> list[float]:
    """Return the gain of each take, in dB, that makes it as loud as the first one that sounds."""
    lufs = [measure(take).lufs for take in takes]
    first = next((one for one in lufs if one is not None), None)
    return [0.0 if first is None or one is None else first - one for one in lufs]


_UNLIKE_LU = 3.0
"""Takes that far apart in loudness are heard to jump."""


def comp(
    work: Comp, takes: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> Iterator[Block]:
    """Yield a track that is put together from takes.

    Raises:
        AlignmentError: it asks for bars that the song does not have.
    """
    reading, rate = Timeline.from_json(data[0]).reading, takes[0].sample_rate
    cuts = data[1]["cuts"] if work.cuts is None else work.cuts
    times = [
        Cut(*bar_times(reading, first_bar, last_bar), take, gain_db)
        for first_bar, last_bar, take, gain_db in cuts
    ]
    notes.report(takes=len({cut.take for cut in times}), cuts=len(times))
    if work.cuts is not None:
        _tell_levels(work, takes, notes)
    yield from comped(takes, times, max(1, round(reading.duration_s * rate)))


def _tell_levels(work: Comp, takes: Sequence[Signal], notes: Notes) -> None:
    """Say which take is so much louder than the first that the track jumps."""
    first, *others = _to_the_first(takes)
    gains_db = {take: gain_db for _, _, take, gain_db in work.cuts or ()}
    for take, missing_db in enumerate(others, 1):
        wanted_db = missing_db - first + gains_db[0]
        off_db = wanted_db - gains_db[take]
        if abs(off_db) > _UNLIKE_LU:
            than = "softer" if off_db > 0 else "louder"
            notes.find(
                "warn",
                "takes_unlike",
                f"{work.names[take]} is {abs(off_db):.1f} LU {than} than {work.names[0]}; to bring "
                f"them together write `gain_db: {wanted_db:.1f}` at its entries",
                _from(work, {take: round(wanted_db, 1)}),
            )


def _from(work: Comp, other_gains_db: Mapping[int, float]) -> str:
    """Write what a track is put together from, with some takes at another level."""
    takes = []
    for first_bar, last_bar, take, own_db in work.cuts or ():
        gain_db = other_gains_db.get(take, own_db)
        bars = f"{first_bar}-{'' if last_bar is None else last_bar}"
        level = {"gain_db": gain_db} if gain_db else {}
        takes.append({"source": work.names[take], "bars": bars, **level})
    return entries(TRACK, from_=takes)


def meet(
    work: Meeting, signals: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> None:
    """Tell what stems of different songs do to each other."""
    from stemfx.health.foreign_bleed import foreign_bleed
    from stemfx.health.low_end_meeting import low_end_meeting
    from stemfx.health.voices_overlap import voices_overlap

    if work.kind == "bleed":
        *stems, mixture = signals
        n, channels = mixture.n_samples, max(signal.channels for signal in signals)
        stem, *others = (Fitted(signal, channels, n) for signal in stems)
        name, *replaced = work.names
        named = dict(zip(replaced, others, strict=True))
        bleed = foreign_bleed(stem, named, Fitted(mixture, channels, n), replaced, name=name)
        notes.report(**bleed.measurements)
        notes.findings.extend(bleed.findings)
    elif work.kind == "low_end":
        low_end = low_end_meeting(signals[0], signals[1], drums_name=work.names[0])
        notes.report(**low_end.measurements)
        notes.findings.extend(low_end.findings)
    else:
        first, second = work.names
        bars = Timeline.from_json(data[0]).reading.downbeats_s if data else ()
        voices = voices_overlap(signals[0], signals[1], names=(first, second), downbeats_s=bars)
        notes.report(overlap_s=voices.overlap_s)
        notes.findings.extend(voices.findings)


def excerpt(work: Excerpt, signal: Signal) -> Iterator[Block]:
    """Yield a stretch of a signal that lasts as long as the song.

    Raises:
        AlignmentError: the song ends before.
    """
    start = round(work.start_s * signal.sample_rate)
    stop = min(signal.n_samples, start + max(1, round(work.length_s * signal.sample_rate)))
    if start >= signal.n_samples:
        end_s = signal.n_samples / signal.sample_rate
        msg = f"the preview starts at {work.start_s:g} s and the aligned song ends at {end_s:.1f} s"
        raise AlignmentError(msg)
    done = 0
    for block in signal.blocks():
        part = block[:, max(0, start - done) : max(0, stop - done)]
        done += block.shape[1]
        if part.shape[1]:
            yield part
        if done >= stop:
            return
