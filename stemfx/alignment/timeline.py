"""The timeline that several songs are brought onto: one grid, one key, a map for each song."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from stemfx.music_reading import MusicReading, Told
from stemfx.stage import Finding


@dataclass(frozen=True)
class Piece:
    """A stretch of the timeline in which a stretch of one song sounds.

    Args:
        out_s: moments of the timeline (its beats), rising, in seconds.
        source_s: the same moments in the song. Between two of them time runs evenly.
    """

    out_s: tuple[float, ...]
    source_s: tuple[float, ...]


@dataclass(frozen=True)
class SourceMap:
    """How one song sounds on the timeline.

    Args:
        pieces: in order, none reaching into the next; between them the song is silent.
        semitones: transposition of all but its drums; with its tuning, so fractions count.
        octave: beats of the timeline for one of its own: 0.5, 1 or 2.
        stretch_percent: how much longer it becomes, in the middle; negative is shorter.
        bpm, key: its own, as read or told; 0 and empty where there are none.
        pitched: more of it is used than its drums.
    """

    pieces: tuple[Piece, ...]
    semitones: float = 0.0
    octave: float = 1.0
    stretch_percent: float = 0.0
    bpm: float = 0.0
    key: str = ""
    pitched: bool = True


@dataclass(frozen=True)
class Timeline:
    """What all aligned songs play to.

    Args:
        reading: beats, bars, key and length of the timeline.
        maps: how each song that is used comes onto it.
        findings: what the producer should know.
        tempo_of, key_of: the songs whose tempo and key it has; empty where they were told, or
            nothing is stretched or transposed.
        stretches, transposes: whether it has a tempo and a key that songs are brought into.
    """

    reading: MusicReading
    maps: Mapping[str, SourceMap]
    findings: tuple[Finding, ...] = ()
    tempo_of: str = ""
    key_of: str = ""
    stretches: bool = True
    transposes: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "reading": self.reading.to_json(),
            "maps": {name: asdict(one) for name, one in self.maps.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "tempo_of": self.tempo_of,
            "key_of": self.key_of,
            "stretches": self.stretches,
            "transposes": self.transposes,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Timeline:
        """Return what `to_json` wrote."""
        return cls(
            MusicReading.from_json(values["reading"]),
            {name: _source_map(one) for name, one in values["maps"].items()},
            tuple(Finding(**finding) for finding in values["findings"]),
            tempo_of=values["tempo_of"],
            key_of=values["key_of"],
            stretches=values["stretches"],
            transposes=values["transposes"],
        )


def _source_map(values: Mapping[str, Any]) -> SourceMap:
    pieces = (Piece(tuple(p["out_s"]), tuple(p["source_s"])) for p in values["pieces"])
    return SourceMap(**{**values, "pieces": tuple(pieces)})


@dataclass(frozen=True)
class SectionWish:
    """A section of the timeline by hand, in bars from 1 on.

    Args:
        name: such as `chorus`.
        first_bar, n_bars: where it lies on the timeline.
        first_bar_of: where in a song its bars are, for those that the recipe names; the others
            play there what they play anyway.
        n_bars_of: how many bars of that song the recipe names; unsaid, as many as it takes. They
            are fewer or more than `n_bars` for a song in half or double time.
    """

    name: str
    first_bar: int
    n_bars: int
    first_bar_of: Mapping[str, int] = field(default_factory=dict)
    n_bars_of: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wishes:
    """What a recipe asks of the timeline.

    Args:
        tempo: a song whose beats all follow, a tempo in BPM, `auto`, or None: nothing is stretched.
        key: a song, a key such as `A minor`, `auto`, or None: nothing is transposed.
        structure: `auto` matches sections of songs with one another where their forms differ;
            `bars` lays bar 1 on bar 1.
        sections: by hand; empty leaves it to `structure`.
        max_stretch_percent: a song that needs more is refused.
        max_semitones: likewise.
        parts: for each song, the stems of it that are used (`vocals`, `drums`, ...; the empty name
            is the whole song). Vocals suffer most from stretching, drums from none in key.
        told: what the producer said of songs, so that nobody asks for it again.
    """

    tempo: str | float | None
    key: str | None
    parts: Mapping[str, tuple[str, ...]]
    structure: Literal["auto", "bars"] = "auto"
    sections: tuple[SectionWish, ...] = ()
    max_stretch_percent: float = 25.0
    max_semitones: float = 5.0
    told: Mapping[str, Told] = field(default_factory=dict)
