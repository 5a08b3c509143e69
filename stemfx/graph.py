"""The graph of work that a plan is made of: what each node does, on which signals, under which key.

A node's key hashes all that decides its result: the operation and its version, its
parameters, and the keys of its inputs. So hits and misses are known before any work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stemfx.alignment.timeline import Wishes
from stemfx.beat_tracker import BeatTracker
from stemfx.dsp.dither import Dither
from stemfx.exports.song import HitTrack, SongTrack
from stemfx.health.checks import Check
from stemfx.hits import Hit, HitClassifier
from stemfx.io import Encoding, FileInfo
from stemfx.music_reading import NOTHING_TOLD, Told
from stemfx.recipe import StageCall
from stemfx.recipe.document import Combine
from stemfx.recipe.model import SessionFormat
from stemfx.separation import MaskName
from stemfx.separator import Effort, Separator
from stemfx.stage import Stage
from stemfx.tags import Tags

ENGINE_VERSION = 1
"""Raise it when an operation of the engine itself gives another result."""

AUDIO = "audio"
"""The name of a node's signal when it has only one."""

DATA = "data"
"""The name of what a node found out, for those that read that instead of a signal."""

NOTES = "measurements"
"""The name of what a node measured, likewise."""

UNHEARD = frozenset({DATA, NOTES})
"""What is read of a node without reading any of its signals."""


@dataclass(frozen=True)
class Port:
    """One signal of one node."""

    node: str
    signal: str = AUDIO


Role = Literal["stems", "removed"]
FileState = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


def file_state(path: Path) -> FileState:
    """Return what changes when somebody writes to a file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Decode:
    """Read a file as float32 at the project's rate, all of it or a window of it."""

    info: FileInfo
    state: FileState
    sample_rate: int
    window_s: tuple[float, float] | None
    fold_down: bool
    may_be_silent: bool
    may_start_late: bool


@dataclass(frozen=True)
class Resample:
    """Bring a mixture to the rate that a model hears, so that it can be read at any place."""

    sample_rate: int


@dataclass(frozen=True)
class Separate:
    """Let one model split a mixture at its own rate, in stereo; signals are its stems."""

    separator: Separator
    wanted: tuple[str, ...]
    effort: Effort
    device: str


@dataclass(frozen=True)
class Fit:
    """Bring a model's stems to the rate, the channels and the length of the mixture.

    Inputs: the mixture, then the stems.
    """


@dataclass(frozen=True)
class CombineStems:
    """Make one stem of several models' estimates of it, one an input."""

    method: Combine
    weights: tuple[float, ...]


@dataclass(frozen=True)
class MaskMixture:
    """Make stems again as masks on the mixture's spectrum.

    Inputs: the mixture, then the stems. Where these are not all stems of the mixture, what they
    leave of it counts as one more.
    """

    mask: MaskName
    is_complete: bool


@dataclass(frozen=True)
class Residual:
    """Take the sum of all stems off the mixture; measure how much is left.

    Inputs: the mixture, then the stems.
    """


@dataclass(frozen=True)
class ReturnResidual:
    """Give the residual back to one stem (`other`) or to all of them (`spread`)."""

    stems: tuple[str, ...]


@dataclass(frozen=True)
class Hears:
    """What a stage hears of its song: these stems, then the mixture, then its analysis if any.

    `against` are the stems that it was told to listen to; none are all others.
    """

    stems: tuple[str, ...]
    own: str
    against: tuple[str, ...]


@dataclass(frozen=True)
class Analyse:
    """Find out what a stage has to know about a song once. Inputs: the stems, then the mixture."""

    stage: Stage
    settings: Mapping[str, Any]
    stems: tuple[str, ...]


@dataclass(frozen=True)
class FindHits:
    """Find the drum hits of a signal."""

    classifier: HitClassifier


@dataclass(frozen=True)
class ReadMusic:
    """Find tempo, beats, key and form of a song. Inputs: the mixture, then these stems of it."""

    stems: tuple[str, ...]
    told: Told = NOTHING_TOLD
    tracker: BeatTracker | None = None


@dataclass(frozen=True)
class LayOut:
    """Decide where every moment of these songs sounds. Inputs: what was read of each."""

    sources: tuple[str, ...]
    wishes: Wishes


@dataclass(frozen=True)
class TellTimeline:
    """Tell what aligned songs play to, in a window of it or all. Input: what was laid out."""

    window_s: tuple[float, float] | None


@dataclass(frozen=True)
class ChooseTakes:
    """Choose, section by section, the take that ranks best.

    Inputs: the takes, what was laid out, then what is against the song of each take.
    """

    takes: tuple[str, ...]


@dataclass(frozen=True)
class JudgeSong:
    """Find what is against a song as a whole. Inputs: the mixture, then what was read of it."""

    is_lossy: bool


@dataclass(frozen=True)
class AlignStems:
    """Play the stems of one song along its map, all in one go.

    Inputs: the stems, then what was laid out. `drums` are not transposed, `voices` keep their
    formants.
    """

    source: str
    stems: tuple[str, ...]
    drums: frozenset[str]
    voices: frozenset[str]


@dataclass(frozen=True)
class Comp:
    """Put a track together from takes, switched at bar lines.

    Inputs: the takes, then what was laid out, then, if `cuts` are None, which take was chosen.
    `cuts` are (first bar, last bar or None, take, gain in dB); `names` are those of the takes.
    """

    names: tuple[str, ...]
    cuts: tuple[tuple[int, int | None, int, float], ...] | None


MeetingKind = Literal["bleed", "low_end", "two_voices"]


@dataclass(frozen=True)
class Meeting:
    """Look at what stems of different songs do to each other.

    Inputs: `names` are a stem, the stems of its song that another song replaces, then the mixture
    is one more input (`bleed`); the tracks of a kick and a bass (`low_end`); two voices.
    """

    kind: MeetingKind
    names: tuple[str, ...]


@dataclass(frozen=True)
class Excerpt:
    """Cut a preview out of a signal."""

    start_s: float
    length_s: float


@dataclass(frozen=True)
class GivenHits:
    """Drum hits from a file, what of it was left out, in words, and the digest of the hits."""

    file: Path
    hits: tuple[Hit, ...]
    left_out: str
    digest: str


@dataclass(frozen=True)
class Apply:
    """Run one stage.

    Inputs: the signal; the track of each of `sidechains`; the file of each of `sounds`; what `song`
    says; then the data of the song's analysis, of the hits (unless `given_hits` has them) and of
    the reading of each of `sources`, as far as the stage hears these.
    """

    call: StageCall
    sidechains: tuple[str, ...]
    sounds: tuple[str, ...] = ()
    song: Hears | None = None
    given_hits: GivenHits | None = None
    sources: tuple[str, ...] = ()
    is_generated: bool = False


@dataclass(frozen=True)
class Removed:
    """Take what a stage gave off what it was given. Inputs: before, after."""


@dataclass(frozen=True)
class Fader:
    """A track's level and pan."""

    gain_db: float
    pan: float


@dataclass(frozen=True)
class Mix:
    """Sum all inputs; the shorter ones end in silence."""


@dataclass(frozen=True)
class Measure:
    """Measure loudness and true peak."""


@dataclass(frozen=True)
class Null:
    """Measure what all stems of a song leave of it. Inputs: the mixture, then the stems."""


@dataclass(frozen=True)
class Judge:
    """Hold the result against the recipe's `checks`.

    Inputs: the master, if one of `heard` is to be read off it; the notes of its `Measure` and of
    each of `files`, if there are any; then those of the node that nulls each of `nulls`.

    Args:
        checks: the limits.
        heard: the names of what is read off the master itself.
        files: the names of those that the master goes out in; each is judged as it decodes.
        nulls: the songs, and the measurement that is the null of each.
        of: what is judged: `master`, `preview`.
    """

    checks: tuple[Check, ...]
    heard: tuple[str, ...]
    files: tuple[str, ...]
    nulls: tuple[tuple[str, str], ...]
    of: str


@dataclass(frozen=True)
class WriteHits:
    """Write the drum hits of tracks, one an input, each as (JSON, MIDI).

    Args:
        tracks: whose hits these are.
        paths: two for each track.
        recipes_folder: in which a recipe can name the files.
        start_s: of a preview; files of hits count from the song's start.
    """

    tracks: tuple[str, ...]
    paths: tuple[Path, ...]
    recipes_folder: Path
    start_s: float


@dataclass(frozen=True)
class Write:
    """Encode signals into files, one an input; `names` are those that the report gives them."""

    paths: tuple[Path, ...]
    encoding: Encoding
    role: Role
    names: tuple[str, ...]
    dither: Dither = "tpdf"


@dataclass(frozen=True)
class Deliver:
    """Encode the master into one file, and measure what a player makes of that.

    Inputs: the master at the file's rate, then the notes of what measured it.

    Args:
        path: of the file.
        encoding: its format.
        ceiling_dbtp: what the last limiter of the recipe holds; None if it has none.
        tags: what players show.
        dither: at 16 bit.
    """

    path: Path
    encoding: Encoding
    ceiling_dbtp: float | None
    tags: Tags | None
    dither: Dither

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)


@dataclass(frozen=True)
class WritePair:
    """Write a song before and after, equally loud, to be compared by ear."""

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class WriteSession:
    """Write a project for a DAW.

    Inputs: `tracks`, before their faders; what the song plays to, if `has_reading`; then the drum
    hits of each of `hits`.

    Args:
        path: of the project.
        format: of it.
        tracks: as they will be in it, but for their channels and length.
        media: where the audio of each track goes; none where it is in the project itself.
        title, artist, about: what the project says of itself.
        sample_rate: in Hz.
        duration_s: of the song.
        has_reading: whether anything is known of its beats.
        hits: the tracks whose drum hits were searched for.
        given_hits: those whose hits a file gives.
    """

    path: Path
    format: SessionFormat
    tracks: tuple[SongTrack, ...]
    media: tuple[Path, ...]
    title: str
    artist: str
    about: str
    sample_rate: int
    duration_s: float
    has_reading: bool
    hits: tuple[str, ...]
    given_hits: tuple[HitTrack, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The project, then its media."""
        return (self.path, *self.media)


@dataclass(frozen=True)
class Kept:
    """Nothing: what this node gives lies in the cache, from a run that is over."""


@dataclass(frozen=True)
class Picture:
    """Look at a signal: its waveform, loudness over time, spectrogram and stereo, for the page.

    `frames_per_column` is the grid of the spectrogram.
    """

    frames_per_column: int


@dataclass(frozen=True)
class ListeningCopy:
    """Encode a signal for the page, in pieces that a browser can play from any place.

    Inputs: the signal, then the data of its picture.
    """

    kbps: int


@dataclass(frozen=True)
class Receipt:
    """Tell per band and minute what stems leave of a song. Inputs: the mixture, then the stems."""


@dataclass(frozen=True)
class WriteStemFile:
    """Write a stem file for DJ software.

    Inputs: the master, then `tracks` at their faders, all at one of the format's sample rates.

    Args:
        path: of the file.
        tracks: their names.
        stems: the stem of a song that each plays, where it plays one.
        tags: what players show.
    """

    path: Path
    tracks: tuple[str, ...]
    stems: Mapping[str, str]
    tags: Tags | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)


StemWork = Separate | Fit | CombineStems | MaskMixture | Residual | ReturnResidual | AlignStems
ForPage = Picture | Receipt
Finds = Analyse | FindHits | ReadMusic | LayOut | TellTimeline | JudgeSong | ChooseTakes | ForPage
"""Work that gives no signal but `DATA`."""

Result = Write | WriteHits | Deliver | WritePair | WriteSession | WriteStemFile
"""Work that makes files for the user."""

Makes = Removed | Fader | Mix | Comp | Excerpt
"""Work of the engine that gives one signal of other signals."""

Tells = Measure | Meeting | Null | Judge
"""Work that gives measurements and findings, and no signal."""

Work = Decode | Resample | StemWork | Finds | Apply | Makes | Tells | Result | ListeningCopy | Kept


@dataclass(frozen=True)
class Node:
    """One step: what to do, on which signals, and the key of its result.

    `is_told` nodes are run for what they measure, even when nobody reads their signals.
    """

    id: str
    op: str
    work: Work
    inputs: tuple[Port, ...]
    key: str
    signals: tuple[str, ...] = (AUDIO,)
    where: str | None = None
    seconds_of_audio: float = 0.0
    is_told: bool = False


def seed_of(node: Node) -> int:
    """Return where a node's random numbers come from: the same work has the same."""
    return int(node.key[:8], 16)


class Graph:
    """Collects nodes, each after those that it reads.

    Args:
        seconds: how long the audio is, for estimates of the work.
    """

    def __init__(self, seconds: float) -> None:
        self.nodes: dict[str, Node] = {}
        self.seconds = seconds

    def add(
        self,
        node_id: str,
        op: str,
        work: Work,
        inputs: Sequence[Port],
        *,
        config: Any = None,
        signals: tuple[str, ...] = (AUDIO,),
        where: str | None = None,
        is_told: bool = False,
    ) -> Port:
        """Add a node under an id of its own and return its first signal.

        `config` is what beside the inputs decides the result; plain values.
        """
        unique, n = node_id, 1
        while unique in self.nodes:
            n += 1
            unique = f"{node_id}#{n}"
        sources = [[self.nodes[port.node].key, port.signal] for port in inputs]
        text = canonical([ENGINE_VERSION, op, config, sources])
        key = hashlib.sha256(text.encode()).hexdigest()
        self.nodes[unique] = Node(
            unique, op, work, tuple(inputs), key, signals, where, self.seconds, is_told
        )
        return Port(unique, signals[0] if signals else AUDIO)


def canonical(value: Any) -> str:
    """Write a value as JSON with sorted keys: one text for one meaning."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
