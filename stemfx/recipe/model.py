"""A recipe that was read and found sound: the value types that the plan consumes.

Each carries `where` (`file:line:column`), so that what only the plan can find out is located too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stemfx.alignment.timeline import SectionWish
from stemfx.dsp.dither import Dither
from stemfx.health.checks import Check
from stemfx.kit import Kit
from stemfx.music_reading import NOTHING_TOLD, Told
from stemfx.recipe.document import BitDepth, Combine, Mask, Residual
from stemfx.separator import EFFORTS, Effort
from stemfx.stage import HitParams, Stage, StageParams
from stemfx.tags import Tags

KnobValue = bool | int | float | str


@dataclass(frozen=True)
class StageCall:
    """One entry of a list of stages.

    Args:
        stage: what is called.
        params: its checked parameters.
        where: place of the stage's name.
        files: the resolved file of each `FileRef` parameter.
        sidechains: the tracks that each `TrackRef` parameter names.
        stems: what its `StemRef` parameter names; none are all others of the song.
        sounds: the resolved file of each `SoundRef` parameter.
        kits: what each `KitRef` parameter names.
        sources: the source that each `SourceRef` parameter names.
        songs: the source that each `SongRef` parameter names.
        kit_paths: the file or folder of each `KitRef` parameter that names no installed kit.
    """

    stage: Stage
    params: StageParams
    where: str
    files: Mapping[str, Path] = field(default_factory=dict)
    sidechains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stems: tuple[str, ...] = ()
    sounds: Mapping[str, Path] = field(default_factory=dict)
    kits: Mapping[str, Kit] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    songs: Mapping[str, str] = field(default_factory=dict)
    kit_paths: Mapping[str, Path] = field(default_factory=dict)

    @property
    def hears_hits(self) -> bool:
        """Whether it is told which drums are struck when."""
        return isinstance(self.params, HitParams) and self.params.hears_hits

    @property
    def hears_stems(self) -> bool:
        """Whether it listens to other stems of its song."""
        return bool(self.stage.references("stem"))

    @property
    def keeps_removed(self) -> bool:
        """Whether what it takes away is kept."""
        return bool(getattr(self.params, "keep_removed", False))


@dataclass(frozen=True)
class Source:
    """A song: one absolute `file`, or the absolute files of its `stems`; never both.

    `mixture` is the file that given stems were made from. `fold_down` accepts more than two
    channels, folded to stereo. `generated` says whether an AI made it; None leaves that to the
    tags of its files. `told` is what the producer says of its tempo and key; `may_align` whether
    `align` moves it.
    """

    name: str
    file: Path | None
    stems: Mapping[str, Path] | None
    fold_down: bool
    where: str
    mixture: Path | None = None
    generated: bool | None = None
    told: Told = NOTHING_TOLD
    may_align: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """Every audio file of it, in order."""
        stems = () if self.stems is None else tuple(self.stems.values())
        return (*stems, *(path for path in (self.file, self.mixture) if path is not None))


@dataclass(frozen=True)
class Take:
    """One of the sources that a track is put together from.

    It plays bars `first_bar` to `last_bar` of the song, from 1 on; `last_bar` None is the end.
    """

    source: str
    stem: str | None
    where: str
    first_bar: int = 1
    last_bar: int | None = None
    gain_db: float = 0.0


@dataclass(frozen=True)
class Track:
    """One layer of the mix.

    It plays a stem of a source, a whole source (`stem` is None), an `asset`, what the stages of
    the track `removed_of` took away, or several `takes`: bar by bar, or (`takes_best`) section by
    section the one that ranks best.
    """

    name: str
    source: str | None
    stem: str | None
    asset: Path | None
    stages: tuple[StageCall, ...]
    gain_db: float
    pan: float
    mute: bool
    where: str
    from_where: str
    removed_of: str | None = None
    takes: tuple[Take, ...] = ()
    takes_best: bool = False

    @property
    def played(self) -> tuple[tuple[str, str | None], ...]:
        """The (source, stem) of everything that it plays of songs; no stem is the whole song."""
        if self.takes:
            return tuple(dict.fromkeys((take.source, take.stem) for take in self.takes))
        return () if self.source is None else ((self.source, self.stem),)


@dataclass(frozen=True)
class Member:
    """One of the models that separate; `weights` are by stem, `weight` counts for the others."""

    model: str
    where: str
    weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight_of(self, stem: str) -> float:
        """Return how much its estimate of a stem counts."""
        return self.weights.get(stem, self.weight)


@dataclass(frozen=True)
class Separate:
    """How sources become stems.

    `asked` names the fields of `effort` that the recipe sets itself, beside its `quality`.
    """

    members: tuple[Member, ...]
    where: str
    residual: Residual = "other"
    combine: Combine = "average"
    mask: Mask = "none"
    effort: Effort = EFFORTS["normal"]
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Align:
    """How the sources come to one tempo and key; see `stemfx.alignment.timeline.Wishes`."""

    where: str
    tempo: str | float | None = None
    key: str | None = None
    structure: Literal["auto", "bars"] = "auto"
    max_stretch_percent: float = 25.0
    max_semitones: float = 5.0
    keeps_formants: bool = True
    beat_tracker: str | None = None
    checks_bleed: bool = True


@dataclass(frozen=True)
class MasterFile:
    """A file of the master; what is None is as for the others.

    `path` is relative to the output folder and stays inside it; `where` is the place of its name.
    """

    path: Path
    where: str
    bit_depth: BitDepth | None = None
    sample_rate: int | None = None
    bitrate_kbps: int | None = None
    quality: float | None = None

    @property
    def format(self) -> str:
        """The suffix, in lower case."""
        return self.path.suffix[1:].lower()


SessionFormat = Literal["rpp", "dawproject", "mid", "stem.mp4"]


@dataclass(frozen=True)
class SessionFile:
    """A project for a DAW, or a stem file for DJ software.

    `path` is relative to the output folder and stays inside it.
    """

    path: Path
    where: str
    format: SessionFormat


@dataclass(frozen=True)
class Output:
    """What is written; the paths are relative to the output folder and stay inside it.

    `ab` is the folder of a pair to compare by ear: the song before and after.
    """

    where: str
    masters: tuple[MasterFile, ...] = ()
    stems: Path | None = None
    report: Path | None = None
    ab: Path | None = None
    bit_depth: BitDepth | None = None
    sample_rate: int | None = None
    dither: Dither = "tpdf"
    tags: Tags | None = None
    stems_where: str = ""
    report_where: str = ""
    ab_where: str = ""
    hits: Path = Path("hits.json")
    hits_where: str = ""
    sessions: tuple[SessionFile, ...] = ()

    @property
    def master(self) -> Path | None:
        """The first file of the master."""
        return self.masters[0].path if self.masters else None


@dataclass(frozen=True)
class Knob:
    """A value that `--set NAME=VALUE` turns; `min` and `max` are inclusive."""

    name: str
    default: KnobValue
    min: float | None
    max: float | None
    unit: str
    help: str
    where: str


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. `values` holds the knobs as they are set; mappings keep the file's order.

    `path` is its name in messages and `folder` where its assets lie, links followed; `files` are
    the recipe's own file and those that it extends, in that order. `presets` are its named
    settings of knobs, and `preset` is the one in use, if any.
    """

    path: Path
    folder: Path
    title: str
    author: str
    licence: str
    description: str
    knobs: Mapping[str, Knob]
    values: Mapping[str, KnobValue]
    sources: Mapping[str, Source]
    separate: Separate
    tracks: Mapping[str, Track]
    mix: tuple[StageCall, ...]
    master: tuple[StageCall, ...]
    output: Output
    align: Align | None = None
    sections: tuple[SectionWish, ...] = ()
    checks: tuple[Check, ...] = ()
    files: tuple[Path, ...] = ()
    presets: Mapping[str, Mapping[str, KnobValue]] = field(default_factory=dict)
    preset: str = ""

    @property
    def calls(self) -> list[StageCall]:
        """Every stage that it calls, those of muted tracks too."""
        of_tracks = [call for track in self.tracks.values() for call in track.stages]
        return [*of_tracks, *self.mix, *self.master]

    def aligns(self, source: str) -> bool:
        """Tell whether a source is brought to the tempo and key of the song."""
        found = self.sources.get(source)
        return self.align is not None and found is not None and found.may_align
