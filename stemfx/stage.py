"""The contract of a stage: all that the author of one needs to read.

A stage is a generator: it reads a `Signal` and yields blocks. It may read the signal as
often as it likes (measure first, then work) and keep state between blocks in local
variables, so memory stays flat however long the song is:

    class TiltParams(StageParams):
        gain_db: float = knob(0.0, low=-6, high=6, unit="dB", help="treble up, bass down")

    @stage(TiltParams)
    def tilt(signal: Signal, params: TiltParams, context: StageContext) -> Iterator[Block]:
        '''Tilt the balance between bass and treble.'''
        shelf = ...
        for block in signal.blocks():
            yield shelf(block)

A stage that is easier to write on the whole song yields once: `yield f(signal.read())`.

Laws (the conformance suite holds every stage to them): the input is never changed; as many
samples come out as went in, at the same rate and channel count, unless `changes_length`; the
output is finite; silence in gives silence out; neutral parameters give the input back below
-120 dBFS; the same input, parameters and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from stemfx.audio import Block, Signal
from stemfx.clock import parse_time
from stemfx.errors import StageError
from stemfx.hits import Hit
from stemfx.kit import Kit
from stemfx.music_reading import MusicReading

Level = Literal["info", "warn", "error"]
ReferenceKind = Literal["track", "stem", "source", "song", "file", "sound", "kit"]
Measurement = float | int | str | bool


class StageParams(BaseModel):
    """Base of every stage's parameters: strict types, no unknown names, no NaN, immutable.

    Strict, because a quoted `"false"` must never switch a stage on.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )


def knob(
    default: Any = ...,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    help: str,
    neutral: Any = None,
) -> Any:
    """Declare a parameter with its range (inclusive), unit and one line of help.

    `neutral` is the value at which the stage leaves the signal alone, when the default is
    not that value; the conformance suite uses it to prove the null law.
    """
    extra = {"unit": unit} | ({} if neutral is None else {"neutral": neutral})
    return Field(default, ge=low, le=high, description=help, json_schema_extra=extra)


Seconds = Annotated[float, BeforeValidator(parse_time)]
"""A time in seconds; a recipe may also write `1:30`."""


@dataclass(frozen=True)
class Reference:
    """Marks a parameter as the name of something else; see `TrackRef` and those after it."""

    kind: ReferenceKind


TrackRef = Annotated[str, Reference("track")]
"""The name of a track: a side-chain, an edge of the plan; see `context.sidechains`.

A parameter may also be a `list[TrackRef]` or `tuple[TrackRef, ...]`, and `TrackRef | None`.
"""

StemRef = Annotated[str, Reference("stem")]
"""The name of another stem of the track's own song, as separation left it; see `context.song`.

Only in a `list[StemRef]` or `tuple[StemRef, ...]`; an empty one means every other stem of the
song. Unlike a side-chain it is heard before any stage, so two tracks may name each other.
"""

FileRef = Annotated[str, Reference("file")]
"""A file in the recipe's folder. Its content is part of the cache key; see `context.files`.

A parameter may be a `FileRef | None`; each file is a parameter of its own.
"""

SoundRef = Annotated[str, Reference("sound")]
"""An audio file in the recipe's folder, whole, at the track's rate; see `context.sounds`.

As with a file, `SoundRef | None` is possible, and each sound is a parameter of its own.
"""

KitRef = Annotated[str, Reference("kit")]
"""A drum kit: the name of an installed one, or a kit in the recipe's folder; see `context.kits`."""

SourceRef = Annotated[str, Reference("source")]
"""The name of a song among the recipe's sources: its tempo, beats and key; see `context.readings`.

As with a file, `SourceRef | None` is possible: without a song nothing is read.
"""

SongRef = Annotated[str, Reference("song")]
"""The name of a song among the recipe's sources, to listen to: whole and as it came, at the track's
rate, beside the sounds in `context.sounds`. A reference to master to, say; it is not played.

As with a file, `SongRef | None` is possible, and each song is a parameter of its own.
"""


class HitParams(StageParams):
    """Base of the parameters of a stage that is told which drums are struck when."""

    of: TrackRef | None = Field(
        None, description="track whose drum hits these are; unsaid, those of this track"
    )
    hits: FileRef | None = Field(
        None, description="the hits, as a .json or .mid that a run wrote and you may have edited"
    )
    classifier: str | None = Field(
        None, description="what tells the drums apart: a plugin's classifier; unsaid, stemfx's own"
    )

    @property
    def hears_hits(self) -> bool:
        """Whether these parameters need hits at all."""
        return True


@dataclass(frozen=True)
class Finding:
    """Something a producer should know: `code` for programs, `message` in plain words.

    `fix` is what would mend it, as it stands in a recipe: a line of YAML or a few, with values that
    were measured; None where nothing in a recipe mends it. A line `- name: {...}` alone is a stage:
    it goes in front of the stage that found this; where none did, in front of all stages of the
    track that the step's name begins with, or that plays the file which was looked at. Anything
    else begins with a comment that says where it goes, such as `# in sources.song` or `# in place
    of this stage`: one of `stemfx.fixes.PLACES`.
    """

    level: Level
    code: str
    message: str
    fix: str | None = None


@dataclass
class Notes:
    """Where a stage, a separator or the engine says what it did."""

    measurements: dict[str, Measurement] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def report(self, **measurements: Measurement) -> None:
        """Say what was done, with the unit in the name: `report(max_reduction_db=4.2)`."""
        self.measurements.update(measurements)

    def find(self, level: Level, code: str, message: str, fix: str | None = None) -> None:
        """Tell the producer something that the numbers alone do not say, and the line for it."""
        self.findings.append(Finding(level, code, message, fix))


@dataclass(frozen=True)
class Song:
    """The song that a track is a stem of, as separation left it: before any stage.

    Args:
        stems: all of them, in the song's order; empty when the stage has no `StemRef` parameter.
            All at one rate, of one channel count and length.
        own: which of them the track is.
        mixture: what all stems were made from (their sum, when they are all there is).
        analysis: what the stage's `Analysis` found; empty when it has none.
        against: the stems that the `StemRef` parameter names; none are all others.
    """

    stems: Mapping[str, Signal]
    own: str
    mixture: Signal
    analysis: Mapping[str, Any] = field(default_factory=dict)
    against: tuple[str, ...] = ()

    @property
    def others(self) -> Mapping[str, Signal]:
        """The stems that the stage is to listen to: those of `against`."""
        names = self.against or tuple(name for name in self.stems if name != self.own)
        return {name: self.stems[name] for name in names}


@dataclass
class StageContext(Notes):
    """What a stage is given beside the signal, and where it says what it did.

    `sidechains` holds the processed signal of every track that a `TrackRef` parameter names, by
    the track's name. `files`, `sounds`, `kits` and `readings` hold what the `FileRef`, `SoundRef`
    (and `SongRef`), `KitRef` and `SourceRef` parameters name, by the parameter's name. `hits` are
    the drum hits, in order of time, for a stage whose parameters are `HitParams`.
    `seed` is derived from the recipe, so noise is the same in every run. `song` is there for
    stages that hear it. `is_generated` says that the song came out of an AI generator: repairs
    that were not told how far to go stay gentler there.
    """

    seed: int = 0
    sidechains: Mapping[str, Signal] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    sounds: Mapping[str, Signal] = field(default_factory=dict)
    kits: Mapping[str, Kit] = field(default_factory=dict)
    readings: Mapping[str, MusicReading] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    song: Song | None = None
    is_generated: bool = False

    @property
    def own_song(self) -> Song:
        """The song, for a stage that hears it.

        Raises:
            RuntimeError: the host gave none: a mistake in the host, not in the recipe.
        """
        if self.song is None:
            raise RuntimeError("this stage hears its song, and was given none")
        return self.song

    def refuse(self, message: str) -> NoReturn:
        """Stop the run with an expected error: these parameters cannot work on this signal."""
        raise StageError(message)


Process = Callable[[Signal, Any, StageContext], Iterator[Block]]
Identity = Callable[[Any], str]
Ceiling = Callable[[Any], float]


@dataclass(frozen=True)
class Analysis:
    """What a stage finds out about a song once, for all its stems.

    `find(song, settings)` gets the song (its `own` and `analysis` are empty) and the stage's
    parameters named in `settings`; it returns plain JSON values, which every track's stage then
    reads as `context.song.analysis`. Equal settings on the same stems are analysed once.
    """

    find: Callable[[Song, Mapping[str, Any]], Mapping[str, Any]]
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One entry of a recipe's `stages` lists.

    Args:
        name: what a recipe writes, in snake_case.
        params: the parameters' model.
        process: the generator that does the work.
        version: raise it whenever the sound changes: it is part of the cache key.
        changes_length: the output may be shorter or longer than the input.
        is_check: only reads; yields nothing, reports and finds. The signal passes untouched.
        is_linear: scaling the input scales the output.
        is_symmetric: swapping left and right swaps the output.
        makes_stereo: a mono input comes out as stereo.
        identity: for a stage whose result depends on more than its input and parameters (on an
            installed plugin, say): names that from the parameters; part of the cache key.
        hears_song: it is for tracks that are one stem of a song, and hears that song's mixture
            (and the other stems, if a parameter is a list of `StemRef`).
        analysis: what it needs to find out about the song once for all stems.
        heeds_origin: it treats AI-generated songs otherwise (`context.is_generated`).
        places_its_input: it puts what it is given in time by itself. So on a track from a file a
            preview gives it the whole file, not the part at the preview's time.
        ceiling: for a stage that keeps true peaks under a ceiling: names it, in dBTP, from the
            parameters. As the last such stage of `master` it binds the files of the master too.
    """

    name: str
    params: type[StageParams]
    process: Process
    version: int = 1
    changes_length: bool = False
    is_check: bool = False
    is_linear: bool = False
    is_symmetric: bool = True
    makes_stereo: bool = False
    identity: Identity | None = None
    hears_song: bool = False
    analysis: Analysis | None = None
    heeds_origin: bool = False
    places_its_input: bool = False
    ceiling: Ceiling | None = None

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.process.__doc__ or "").strip().partition("\n")[0]

    def references(self, kind: ReferenceKind) -> tuple[str, ...]:
        """Names of the parameters that refer to something of this kind."""
        return tuple(
            name
            for name, info in self.params.model_fields.items()
            if any(found == kind for found, _ in _references(_annotation(info)))
        )

    def check_references(self) -> None:
        """Refuse references that the engine would not see.

        Raises:
            TypeError: inside another model, a mapping or a list of lists; several files; or one
                stem instead of a list.
        """
        for name, info in self.params.model_fields.items():
            for kind, path in _references(_annotation(info)):
                title = f"{self.name}.{name}"
                if path not in {(), ("list",)}:
                    where = next((part for part in path if part != "list"), "a list of lists")
                    raise TypeError(
                        f"{title} hides a reference to a {kind} inside {where}; "
                        "make it a parameter of its own"
                    )
                if kind == "stem" and (path != ("list",) or not self.hears_song):
                    raise TypeError(f"{title} must be a list[StemRef] of a stage that hears_song")
                if path and kind not in {"track", "stem"}:
                    raise TypeError(
                        f"{title} refers to several {kind}s; "
                        "make each a parameter of its own (only TrackRef may stand in a list)"
                    )


def _annotation(info: FieldInfo) -> Any:
    """Return a parameter's type as it was written, before pydantic took its metadata off."""
    marks = [mark for mark in info.metadata if isinstance(mark, Reference)]
    return Annotated[info.annotation, *marks] if marks else info.annotation


def _references(
    annotation: Any, path: tuple[str, ...] = (), seen: frozenset[Any] = frozenset()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the kind of each reference in a type, and what it is wrapped in, outermost first."""
    annotation = getattr(annotation, "__value__", annotation)  # `type Name = ...`
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        here = tuple(dict.fromkeys(_lists(inner[0])))
        for mark in inner[1:]:
            if isinstance(mark, Reference):
                yield mark.kind, (*path, *here)
        yield from _references(inner[0], path, seen)
    elif origin in (Union, UnionType):
        for option in inner:
            yield from _references(option, path, seen)
    elif origin is not None and origin is not Literal:
        wrapped = "list" if origin in (list, tuple) else getattr(origin, "__name__", str(origin))
        for item in inner:
            yield from _references(item, (*path, wrapped), seen)
    elif isinstance(annotation, type) and annotation not in seen:
        for member in _members(annotation):
            yield from _references(member, (*path, annotation.__name__), seen | {annotation})


def _lists(annotation: Any) -> Iterator[str]:
    """Yield `list` for each list that an annotation allows."""
    origin = get_origin(annotation) or annotation
    if origin in (list, tuple):
        yield "list"
    elif origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from _lists(option)


def _members(model: type) -> list[Any]:
    """Return the types of what a model, data class or typed dictionary holds."""
    if issubclass(model, BaseModel):
        return [_annotation(info) for info in model.model_fields.values()]
    if is_dataclass(model) or hasattr(model, "__total__") or hasattr(model, "_fields"):
        return list(get_type_hints(model, include_extras=True).values())
    return []


def stage(
    params: type[StageParams],
    *,
    name: str | None = None,
    version: int = 1,
    changes_length: bool = False,
    is_check: bool = False,
    is_linear: bool = False,
    is_symmetric: bool = True,
    makes_stereo: bool = False,
    identity: Identity | None = None,
    hears_song: bool = False,
    analysis: Analysis | None = None,
    heeds_origin: bool = False,
    places_its_input: bool = False,
    ceiling: Ceiling | None = None,
) -> Callable[[Process], Stage]:
    """Turn a generator function into a `Stage` named after it; see `Stage` for the arguments."""

    def wrap(process: Process) -> Stage:
        return Stage(
            name=name or process.__name__,
            params=params,
            process=process,
            version=version,
            changes_length=changes_length,
            is_check=is_check,
            is_linear=is_linear,
            is_symmetric=is_symmetric,
            makes_stereo=makes_stereo,
            identity=identity,
            hears_song=hears_song,
            analysis=analysis,
            heeds_origin=heeds_origin,
            places_its_input=places_its_input,
            ceiling=ceiling,
        )

    return wrap
