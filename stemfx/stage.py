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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stemfx.audio import Block, Signal
from stemfx.clock import parse_time
from stemfx.errors import StageError

Level = Literal["info", "warn", "error"]
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
    """Marks a parameter as the name of something else in the recipe; see `TrackRef`, `FileRef`."""

    kind: Literal["track", "file"]


TrackRef = Annotated[str, Reference("track")]
"""The name of a track: a side-chain, an edge of the plan; see `context.sidechains`."""

FileRef = Annotated[str, Reference("file")]
"""A file in the recipe's folder. Its content is part of the cache key; see `context.files`."""


@dataclass(frozen=True)
class Finding:
    """Something a producer should know: `code` for programs, `message` in plain words."""

    level: Level
    code: str
    message: str


@dataclass
class StageContext:
    """What a stage is given beside the signal, and where it says what it did.

    `sidechains` holds the processed signal of every track that a `TrackRef` parameter names, by
    the track's name; `files` the path of every `FileRef` parameter, by the parameter's name.
    `seed` is derived from the recipe, so noise is the same in every run.
    """

    seed: int = 0
    sidechains: Mapping[str, Signal] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def report(self, **measurements: Measurement) -> None:
        """Say what was done, with the unit in the name: `report(max_reduction_db=4.2)`."""
        self.measurements.update(measurements)

    def find(self, level: Level, code: str, message: str) -> None:
        """Tell the producer something that the numbers alone do not say."""
        self.findings.append(Finding(level, code, message))

    def refuse(self, message: str) -> NoReturn:
        """Stop the run with an expected error: these parameters cannot work on this signal."""
        raise StageError(message)


Process = Callable[[Signal, Any, StageContext], Iterator[Block]]
Identity = Callable[[Any], str]


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

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.process.__doc__ or "").strip().partition("\n")[0]

    def references(self, kind: Literal["track", "file"]) -> tuple[str, ...]:
        """Names of the parameters that refer to a track or a file."""
        return tuple(
            name
            for name, info in self.params.model_fields.items()
            if any(isinstance(m, Reference) and m.kind == kind for m in info.metadata)
        )


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
        )

    return wrap
