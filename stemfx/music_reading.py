"""What a song plays to: its tempo, beats, bars and key, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

READING_VERSION = 3
"""Raise it whenever a song reads differently: it is part of the cache key."""


@dataclass(frozen=True)
class Told:
    """What a producer says of a song, which then is not left to the reading.

    Args:
        bpm: its tempo; the beats are looked for at that pace.
        downbeat_s: where one of its bars begins, in seconds.
        key: such as `A minor`.
    """

    bpm: float | None = None
    downbeat_s: float | None = None
    key: str = ""


NOTHING_TOLD = Told()


@dataclass(frozen=True)
class Section:
    """A part of a song, such as a verse: whole bars.

    Args:
        label: `A`, `B`, ...: sections of one label are alike.
        start_s, end_s: in seconds.
        first_bar: from 1 on; bar 1 begins at the first downbeat.
        n_bars: its length.
    """

    label: str
    start_s: float
    end_s: float
    first_bar: int
    n_bars: int


@dataclass(frozen=True)
class MusicReading:
    """The tempo, beats and key of a song.

    Args:
        bpm: beats a minute, from a line through all beats; 0 where no beat was found.
        bpm_confidence: 0 (a guess) to 1 (a machine's beat).
        beats_s: every beat, in seconds from the start.
        downbeats_s: those of the beats that begin a bar.
        key: such as `A minor` or `Eb major`; empty where nothing has a pitch.
        key_confidence: 0 to 1: how far ahead of the runner-up it is; less without clear pitches.
        key_runner_up: the second best key.
        tuning_cents: how far A4 lies from 440 Hz, in (-50, 50].
        duration_s: length of what was read.
        beats_per_bar: 3 or 4; 0 where no beat was found.
        steady: all beats lie on one line: a machine's tempo.
        bpm_runner_up: the second best tempo, most often an octave away; 0 where there is none.
        bpm_margin: 0 to 1: how far ahead of it the tempo is.
        sections: from the first bar to the last, without gaps.
        bars: features of each bar, from which songs can be matched (see `music.form`).
    """

    bpm: float
    bpm_confidence: float
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    key: str
    key_confidence: float
    key_runner_up: str
    tuning_cents: float
    duration_s: float
    beats_per_bar: int = 4
    steady: bool = False
    sections: tuple[Section, ...] = ()
    bars: tuple[tuple[float, ...], ...] = ()
    bpm_runner_up: float = 0.0
    bpm_margin: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {
            "beats_s": list(self.beats_s),
            "downbeats_s": list(self.downbeats_s),
            "bars": [list(bar) for bar in self.bars],
            "sections": [asdict(section) for section in self.sections],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MusicReading:
        """Return what `to_json` wrote."""
        times = {name: tuple(values[name]) for name in ("beats_s", "downbeats_s")}
        sections = tuple(Section(**section) for section in values["sections"])
        bars = tuple(tuple(bar) for bar in values["bars"])
        return cls(**{**values, **times, "sections": sections, "bars": bars})
