"""The shape of a recipe file, as pydantic models; `schema` tells the same to editors.

Every field has a default, so one faulty section never hides the faults of the others.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from stemfx.dsp.dither import Dither
from stemfx.recipe.check_shapes import ChecksShape
from stemfx.stage import StageParams, knob

FORMAT = 1
"""The version of the recipe format that this program reads."""

_STAGE = {"title": "stage"}
StageEntry = Annotated[Any, WithJsonSchema(_STAGE)]
"""Read by `stage_calls`; `schema` puts the known stages here."""

Residual = Literal["other", "spread", "keep", "drop"]
Combine = Literal["average", "median", "max", "min"]
Mask = Literal["none", "ratio", "binary", "complex", "wiener"]
Quality = Literal["draft", "normal", "best"]
Weight = Annotated[float, Field(ge=0, le=100)]
BitDepth = Literal[16, 24, 32]
Bitrate = Literal[128, 160, 192, 224, 256, 320]


class Shape(BaseModel):
    """Base of every section: as strict as a stage's parameters."""

    model_config = StageParams.model_config


class KnobShape(Shape):
    """A value that `--set NAME=VALUE` turns and `${NAME}` inserts."""

    default: bool | float | str | None = Field(None, description="value when nobody sets it")
    min: float | None = Field(None, description="lowest number allowed")
    max: float | None = Field(None, description="highest number allowed")
    unit: str = Field("", description="unit of the number, e.g. dB")
    help: str = Field("", description="one line for the person at the knob")


Bars = str | float
"""`1-16`, `17-` (to the end) or `5`, counted from 1: bar 1 begins at the first downbeat."""


class SourceShape(Shape):
    """A song: one file, or the stems that its producer already has."""

    file: str | None = Field(None, description="audio file, relative to the recipe")
    stems: dict[str, str | None] | None = Field(None, description="audio file of each stem")
    mixture: str | None = Field(None, description="audio file that the given stems were made from")
    generated: bool | None = Field(
        None, description="whether an AI made it; unsaid, the tags of the file tell"
    )
    fold_down: bool = Field(False, description="accept more than two channels, folded to stereo")
    bpm: float | None = knob(
        None, low=20, high=400, unit="BPM", help="its tempo, if that is misheard"
    )
    downbeat_s: float | None = knob(
        None, low=0, high=3600, unit="s", help="where one of its bars begins, if that is misheard"
    )
    key: str | None = Field(None, description="its key, such as A minor, if that is misheard")
    align: bool = Field(True, description="whether `align` moves it; false leaves it as it is")


class AlignShape(Shape):
    """One tempo and one key for all sources."""

    tempo: str | float | None = Field(
        None, description="a source whose beats all follow, a tempo in BPM, or auto (least stretch)"
    )
    key: str | None = Field(
        None, description="a source whose key all take, such as A minor, or auto (least transposed)"
    )
    structure: Literal["auto", "bars"] = Field(
        "auto", description="match sections where forms differ; bars lays bar 1 on bar 1"
    )
    max_stretch_percent: float = knob(
        25.0, low=0, high=100, unit="%", help="refuse a source that needs more"
    )
    max_semitones: float = knob(
        5.0, low=0, high=6, unit="semitones", help="refuse a source that needs more"
    )
    formants: Literal["keep", "move"] = Field(
        "keep", description="of transposed voices: keep the singer's character, or let it move"
    )
    beats: str | None = Field(None, description="a beat tracker of a plugin; unsaid, stemfx's own")
    bleed: Literal["check", "ignore"] = Field(
        "check", description="whether stems are searched for drums of a song that plays none"
    )


class TakeShape(Shape):
    """One source of a track that is put together from several."""

    source: str = Field(description="SOURCE/STEM, or SOURCE")
    bars: Bars | None = Field(None, description="of the song: 1-16, 17- (to the end) or 5")
    section: str | None = Field(None, description="one of `sections`, instead of bars")
    gain_db: float = knob(0.0, low=-96, high=24, unit="dB", help="level beside the other takes")


class MemberShape(Shape):
    """One of several separation models."""

    model: str = Field(description="name of a separation model")
    weight: Weight | dict[str, Weight] = Field(
        1.0, description="how much it counts, for all stems or by stem; 0 leaves it out"
    )


class SeparateShape(Shape):
    """How sources become stems."""

    model: str | MemberShape | list[str | MemberShape] = Field(
        "auto", description="a separation model, or a list of them whose stems are combined"
    )
    combine: Combine = Field("average", description="how the stems of several models become one")
    mask: Mask = Field("none", description="make the stems again as masks on the song's spectrum")
    quality: Quality = Field("normal", description="how much time it may take")
    overlap: float | None = knob(
        None, low=0, high=0.9, help="share of a segment in common with the next; more is slower"
    )
    shifts: int | None = knob(
        None, low=0, high=20, help="passes over the song that are averaged; each costs the time"
    )
    segment_s: float | None = knob(
        None, low=0.5, high=120, unit="s", help="length of a segment; shorter needs less memory"
    )
    residual: Residual = Field("other", description="where mixture minus sum of stems goes")


class TemplateShape(Shape):
    """What several tracks have in common."""

    from_: str | list[TakeShape] | None = Field(
        None,
        alias="from",
        description="SOURCE/STEM, SOURCE, TRACK/removed, a file in the recipe's folder, best or "
        "best/STEM (of all sources, section by section), or a list of bars and their sources",
    )
    stages: list[StageEntry] = Field([], description="what is done to it, in order")
    gain_db: float = knob(0.0, low=-96, high=24, unit="dB", help="level after the stages")
    pan: float = knob(0.0, low=-1, high=1, help="-1 left, 0 centre, 1 right")
    mute: bool = Field(False, description="leave it out of the mix")


class TrackShape(TemplateShape):
    """One layer of the mix."""

    template: str | None = Field(None, description="one of `templates`, on which this track builds")


class MixShape(Shape):
    """What is done to the sum of the tracks."""

    stages: list[StageEntry] = Field([], description="what is done to the mix, in order")


class MasterFileShape(Shape):
    """One file of the master, when it is not like the others."""

    file: str = Field(description="its name: .wav .flac .mp3 .ogg")
    bit_depth: BitDepth | None = Field(None, description="of WAV (32 is float) or FLAC (16, 24)")
    sample_rate: int | None = knob(None, low=8000, high=192_000, unit="Hz", help="of this file")
    bitrate_kbps: Bitrate | None = Field(None, description="of MP3, in kbit/s; unsaid, 320")
    quality: float | None = knob(None, low=0, high=10, help="of OGG Vorbis; unsaid, 9")


class TagsShape(Shape):
    """What players show of the master."""

    title: str | None = Field(None, description="name of the song")
    artist: str | None = Field(None, description="who plays it")
    album: str | None = Field(None, description="what it is on")
    album_artist: str | None = Field(None, description="whose album that is")
    date: str | int | None = Field(None, description="2026, or 2026-11-26")
    genre: str | None = Field(None, description="its genre")
    track: str | int | None = Field(None, description="3, or 3/12")
    comment: str | None = Field(None, description="anything else")
    isrc: str | None = Field(None, description="its International Standard Recording Code")
    copyright: str | None = Field(None, description="who owns it")
    cover: str | None = Field(None, description="a JPEG or PNG in the recipe's folder")


class OutputShape(Shape):
    """What is written, relative to the output folder."""

    master: str | MasterFileShape | list[str | MasterFileShape] | None = Field(
        None, description="the finished song: .wav .flac .mp3 .ogg, one file or a list of them"
    )
    stems: str | None = Field(None, description="folder for the processed tracks")
    report: str | None = Field(None, description="what was done: .html .json")
    hits: str | None = Field(
        None, description="drum hits that were found: .json, with a .mid beside it (hits.json)"
    )
    ab: str | None = Field(
        None, description="folder for before.wav and after.wav, equally loud, to compare by ear"
    )
    session: str | list[str] | None = Field(
        None,
        description="a project to go on with in a DAW: .rpp (REAPER), .dawproject (Bitwig, Studio "
        "One, Cubase), .mid (tempo map, beats, drum hits), .stem.mp4 (for DJ software); one file "
        "or a list of them",
    )
    tags: TagsShape | None = Field(None, description="what players show of the master")
    bit_depth: BitDepth | None = Field(None, description="of WAV (32 is float) or FLAC (16, 24)")
    sample_rate: int | None = knob(None, low=8000, high=192_000, unit="Hz", help="of the master")
    dither: Dither = Field(
        "tpdf", description="at 16 bit: tpdf, shaped (its noise where ears hear it least) or none"
    )


class Document(Shape):
    """A stemfx recipe."""

    stemfx: Literal[1] = Field(1, description="version of the recipe format")
    title: str = Field("", description="what this recipe is for")
    author: str = Field("", description="who made it")
    license: str = Field("", description="under which licence it may be shared")
    licence: str = Field("", description="the same as license")
    description: str = Field("", description="more than the title says")
    extends: str | None = Field(None, description="a recipe in this folder to build on")
    params: dict[str, KnobShape | bool | float | str] = Field({}, description="knobs")
    presets: dict[str, dict[str, bool | float | str | None]] = Field(
        {}, description="named settings of the knobs, for `--preset NAME`"
    )
    sources: dict[str, SourceShape | str | None] = Field({}, description="songs, by name")
    separate: SeparateShape | None = None
    align: AlignShape | None = None
    sections: dict[str, dict[str, Bars]] = Field(
        {}, description="parts of the song: its bars, and where in a source these are, if elsewhere"
    )
    templates: dict[str, TemplateShape | None] = Field(
        {}, description="what tracks have in common, by name; `template: NAME` in a track takes it"
    )
    tracks: dict[str, TrackShape | None] = Field({}, description="layers of the mix, by name")
    mix: MixShape | None = None
    master: list[StageEntry] = Field([], description="what is done to the mix as a whole")
    checks: ChecksShape | None = None
    output: OutputShape | None = None


SECTIONS = (
    *("params", "presets", "sources", "separate", "align", "sections", "templates", "tracks"),
    *("mix", "master", "checks", "output"),
)
"""The keys of `Document` that have readers of their own."""
