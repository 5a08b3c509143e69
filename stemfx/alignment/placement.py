"""Which bars of a song sound on which bars of the timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stemfx.alignment.beat_line import BarLine
from stemfx.alignment.song import Song
from stemfx.alignment.timeline import SectionWish
from stemfx.errors import AlignmentError
from stemfx.fixes import entries
from stemfx.music.match import LEAST_CONFIDENCE, Matching
from stemfx.stage import Notes

_RING_BARS = 2
"""So many bars more than the reference has are an ending; more are another part."""
_MOST_PAUSE_BARS = 8


@dataclass(frozen=True)
class Run:
    """Beats of a song that sound one after the other.

    Args:
        first: beat of the timeline on which they begin; 0 begins bar 1.
        own: the song's beat that sounds there.
        n: how many beats of the timeline they take.
        octave: beats of the timeline for one of the song.
    """

    first: float
    own: float
    n: float
    octave: float = 1.0

    @property
    def end(self) -> float:
        """The beat of the timeline after the last."""
        return self.first + self.n

    @property
    def own_end(self) -> float:
        """The song's beat after the last."""
        return self.own_at(self.end)

    def own_at(self, beat: float) -> float:
        """Return the song's beat that sounds on a beat of the timeline."""
        return self.own + (beat - self.first) / self.octave

    def between(self, first: float, end: float) -> Run:
        """Return the part of it that lies there."""
        first, end = max(first, self.first), min(end, self.end)
        return Run(first, self.own_at(first), end - first, self.octave)


def placed(
    song: Song,
    octave: float,
    reference: Song,
    *,
    bars: BarLine,
    sections: Sequence[SectionWish],
    matching: Matching | None,
    notes: Notes,
) -> list[Run]:
    """Return what of a song sounds when, in order: bar on bar, by form, and by hand.

    Args:
        song: what is placed.
        octave: beats of the timeline for one of its own.
        reference: whose bars are those of the timeline.
        bars: of the timeline.
        sections: by hand; where they name the song, they decide.
        notes: where it says what is not played.
        matching: how the song's form lies on the reference's; None: bar 1 on bar 1.
    """
    whole = Run(0.0, 0.0, song.bars.end * octave, octave)
    runs = [whole]
    if matching and matching.matches and song is not reference:
        if matching.confidence >= LEAST_CONFIDENCE:
            runs = _by_form(song, octave, reference, matching, notes)
        else:
            notes.find(
                "info",
                "other_song",
                f"{song.name} could not be matched with {reference.name} bar by bar (another song, "
                "or too short): bar 1 lies on bar 1; to have it otherwise, say what plays under "
                "`sections:`",
            )
    for section in sections:
        if song.name in section.first_bar_of:
            run = _by_hand(section, song, octave, bars)
            runs = [
                part
                for old in runs
                for part in (old.between(old.first, run.first), old.between(run.end, old.end))
                if part.n > 0
            ]
            runs = sorted([*runs, run], key=lambda one: one.first)
    return joined(runs)


def joined(runs: Sequence[Run]) -> list[Run]:
    """Return runs of which none goes on where the one before it ends."""
    whole: list[Run] = []
    for run in runs:
        last = whole[-1] if whole else None
        if last and last.end == run.first and last.own_end == run.own:
            whole[-1] = Run(last.first, last.own, last.n + run.n, last.octave)
        else:
            whole.append(run)
    return whole


def _by_form(
    song: Song, octave: float, reference: Song, matching: Matching, notes: Notes
) -> list[Run]:
    bars = [
        (m.first_bar - 1, m.first_bar_of_other - 1, m.n_bars, int(m.n_bars / octave))
        for m in matching.matches
    ]
    first, own, n, n_own = bars[-1]
    left = song.bars.n_bars - (own + n_own)
    if first + n >= reference.bars.n_bars and 0 < left <= _RING_BARS:
        bars[-1] = (first, own, n + int(left * octave), song.bars.n_bars - own)
    _tell_gaps(song, reference, bars, notes)
    there, own_bars = reference.bars.start, song.bars.start
    return [
        Run(there(first), own_bars(own), there(first + n) - there(first), octave)
        for first, own, n, _ in bars
    ]


_BAR_ON_BAR = entries("in align", structure="bars")


def _tell_gaps(
    song: Song, reference: Song, bars: Sequence[tuple[int, int, int, int]], notes: Notes
) -> None:
    by_hand = "say by hand what plays, under `sections:`, or set `structure: bars`"
    last = max(first + n for first, _, n, _ in bars)
    # A song that has played to its end is no gap.
    is_over = max(own + n for _, own, _, n in bars) >= song.bars.n_bars
    until = last if is_over else reference.bars.n_bars
    silent = _missing([(first, n) for first, _, n, _ in bars], until)
    unplayed = _missing(sorted((own, n) for _, own, _, n in bars), song.bars.n_bars)
    if silent:
        notes.find(
            "warn",
            "silent_bars",
            f"{song.name} is silent in bars {_ranges(silent)} of the timeline: nothing of it is "
            f"like {reference.name} there; {by_hand}",
            _BAR_ON_BAR,
        )
    if unplayed:
        notes.find(
            "info",
            "unplayed_bars",
            f"{song.name}: its bars {_ranges(unplayed)} are not played: nothing of "
            f"{reference.name} is like them; {by_hand}",
            _BAR_ON_BAR,
        )


def _missing(taken: Sequence[tuple[int, int]], n_bars: int) -> list[tuple[int, int]]:
    """Return the bars, first and last from 1 on, that none of some stretches covers."""
    edges = [0]
    for first, n in taken:
        edges += [max(first, edges[-1]), max(first + n, edges[-1])]
    edges.append(max(n_bars, edges[-1]))
    return [
        (edges[k] + 1, edges[k + 1]) for k in range(0, len(edges), 2) if edges[k + 1] > edges[k]
    ]


def _ranges(bars: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in bars)


def _by_hand(section: SectionWish, song: Song, octave: float, bars: BarLine) -> Run:
    """Return what a section names of a song.

    Raises:
        AlignmentError: the song has no such bars, or they are not as many as the section takes.
    """
    name, first = song.name, section.first_bar_of[song.name]
    from_beat = bars.start(section.first_bar - 1)
    n_beats = bars.start(section.first_bar - 1 + section.n_bars) - from_beat
    taken: float = section.n_bars
    if octave != 1 or song.beats_per_bar != bars.beats_per_bar:
        taken = n_beats / octave / song.beats_per_bar
    given = section.n_bars_of.get(name, taken)
    if given != taken:
        pace = {2.0: " in half time", 0.5: " in double time"}.get(octave, "")
        fix = f"write `{name}: {first}-{_number(first + taken - 1)}`"
        raise AlignmentError(
            f"sections: {section.name}: {given:g} bars of {name} were named for "
            f"{section.n_bars} bars of the timeline, which take {taken:g} of them{pace}; "
            f"{fix if taken == int(taken) else 'make the section longer or shorter by a bar'}"
        )
    last = first + taken - 1
    if first < 1 or last > song.bars.n_bars:
        raise AlignmentError(
            f"sections: {section.name}: bars {first}-{_number(last)} of {name} were asked for, and "
            f"it has bars 1-{song.bars.n_bars}; name others, or give `downbeat_s:` under source "
            f"{name} if its first bar was misheard"
        )
    return Run(from_beat, song.bars.start(first - 1), n_beats, octave)


def _number(bar: float) -> str:
    """Write a bar, whole or not, without an exponent."""
    return f"{bar:.2f}".rstrip("0").rstrip(".")


def check_reach(sections: Sequence[SectionWish], bars: BarLine, runs: Sequence[Run]) -> None:
    """Refuse sections far behind everything that sounds: a slip of the pen would cost hours.

    Args:
        sections: in order of time.
        bars: of the timeline.
        runs: of all songs, those by hand too.

    Raises:
        AlignmentError: one begins more than eight bars after the last that sounds before it.
    """
    for section in sections:
        begin = bars.start(section.first_bar - 1)
        end = max([bars.end, *(run.end for run in runs if run.first < begin)])
        if begin - end > _MOST_PAUSE_BARS * bars.beats_per_bar:
            last = bars.n_bars + math.ceil((end - bars.end) / bars.beats_per_bar)
            raise AlignmentError(
                f"sections: {section.name} begins in bar {section.first_bar}, and nothing sounds "
                f"after bar {last}; a pause lasts {_MOST_PAUSE_BARS} bars at most: begin it before "
                f"bar {last + _MOST_PAUSE_BARS + 2}"
            )


def check_sections(sections: Sequence[SectionWish], names: Sequence[str]) -> list[SectionWish]:
    """Return sections in order of time.

    Raises:
        AlignmentError: one has no bars, lies in another, or names a song that is not there.
    """
    ordered = sorted(sections, key=lambda one: (one.first_bar, one.name))
    for one in ordered:
        if one.first_bar < 1 or one.n_bars < 1:
            raise AlignmentError(
                f"sections: {one.name}: bars count from 1 on and a section has at least one; "
                f"{one.n_bars} from bar {one.first_bar} on were given; write such as `bars: 1-8`"
            )
        unknown = sorted({*one.first_bar_of} - {*names})
        if unknown:
            raise AlignmentError(
                f"sections: {one.name}: {unknown[0]!r} is no source that is aligned; name one of "
                f"{', '.join(names)}"
            )
    for one, after in pairwise(ordered):
        end = one.first_bar + one.n_bars - 1
        if after.first_bar <= end:
            raise AlignmentError(
                f"sections: {after.name} begins in bar {after.first_bar}, and {one.name} lasts "
                f"until bar {end}; a bar lies in one section: begin {after.name} at bar {end + 1}, "
                f"or end {one.name} at bar {after.first_bar - 1}"
            )
    return ordered
