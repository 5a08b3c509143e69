"""What a song is to the program that a producer goes on with: tracks, faders, tempo, markers.

Times count from the start of the song's audio; `TempoMap.song_start_s` says where in the project
that is. Nothing here knows a file format.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from stemfx.exports.tempo_map import TempoMap
from stemfx.hits import Hit

STEM_COLORS = {"vocals": "#56B4E9", "drums": "#009E73", "bass": "#D55E00", "other": "#CC79A7"}
"""By Okabe and Ito, who chose them to be told apart by the colour-blind too."""

_COLORS = ("#E69F00", "#0072B2", "#F0E442", *STEM_COLORS.values())
REFERENCE_COLOR = "#8C8C8C"


@dataclass(frozen=True)
class Marker:
    """A place in the song that has a name."""

    name: str
    time_s: float


@dataclass(frozen=True)
class SongTrack:
    """One track: a file that plays from the start of the song, before its fader.

    Args:
        name: what it is called.
        color: `#RRGGBB`.
        file: where its audio lies, relative to the project, with `/` between folders.
        channels: 1 or 2.
        n_samples: its length.
        gain_db: of the fader.
        pan: -1 (left) to 1 (right); see `stemfx.dsp.channels.pan_gains`.
        is_muted: whether it is silent until somebody unmutes it.
    """

    name: str
    color: str
    file: str
    channels: int
    n_samples: int
    gain_db: float = 0.0
    pan: float = 0.0
    is_muted: bool = False


@dataclass(frozen=True)
class HitTrack:
    """The drum hits of a track, as notes."""

    name: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Song:
    """All that a project holds.

    Args:
        title: of the song.
        artist: whose it is, if that is told.
        about: a few lines for whoever opens it.
        sample_rate: in Hz, of all tracks.
        duration_s: of the longest track.
        tempo: its beats and bars; `NO_TEMPO` where it has none.
        markers: of its sections, in order.
        tracks: in order, top to bottom.
        hits: what drums play, as far as that is known.
    """

    title: str
    artist: str
    about: str
    sample_rate: int
    duration_s: float
    tempo: TempoMap
    markers: tuple[Marker, ...] = ()
    tracks: tuple[SongTrack, ...] = ()
    hits: tuple[HitTrack, ...] = ()

    @property
    def places(self) -> tuple[Marker, ...]:
        """Its markers at their times in the project, on the bar lines that they mean."""
        start_s = self.tempo.song_start_s
        return tuple(
            Marker(marker.name, self.tempo.on_beat_s(start_s + marker.time_s))
            for marker in self.markers
        )

    @property
    def end_s(self) -> float:
        """Where in the project the song ends."""
        return self.tempo.song_start_s + self.duration_s


def colors_of(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each track, by its name where that is a stem's: the same every time."""
    free = [color for color in _COLORS if color not in {STEM_COLORS.get(name) for name in names}]
    others = [name for name in names if name not in STEM_COLORS]
    return {name: STEM_COLORS[name] for name in names if name in STEM_COLORS} | {
        name: free[i % len(free)] for i, name in enumerate(others)
    }


def guid(*names: str) -> str:
    """Return an identifier made of names: programs want one, and a file is to be the same twice."""
    return f"{{{uuid.uuid5(uuid.NAMESPACE_URL, '/'.join(('stemfx', *names)))}}}".upper()


def one_line(text: str) -> str:
    r"""Return a text without what a line of a project, or XML, cannot hold: control characters.

    >>> one_line("a\tb\n c")
    'a b c'
    """
    odd = ("Cc", "Cs", "Zl", "Zp")
    kept = (" " if unicodedata.category(c) in odd or c in "\ufffe\uffff" else c for c in text)
    return " ".join("".join(kept).split())
