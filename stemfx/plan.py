"""From a recipe to a plan: its graph of work and what will be written. No audio is touched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stemfx.dsp.channels import FOLDABLE
from stemfx.errors import AudioFileError, OutputError, Problem, RecipeError, StageError
from stemfx.graph import (
    AUDIO,
    Apply,
    Decode,
    Fader,
    FileState,
    Graph,
    Measure,
    Mix,
    Node,
    Port,
    Write,
    file_state,
)
from stemfx.io import Encoding, FileInfo, encoding_for, file_sha256, probe
from stemfx.plan_stems import Choices, SourceStems
from stemfx.recipe import Recipe, Source, StageCall, Track
from stemfx.recipe.output import MP3_RATES
from stemfx.registry import Registry
from stemfx.separation import RESIDUAL
from stemfx.separator import Separator
from stemfx.stage import Finding


@dataclass(frozen=True)
class Plan:
    """The graph in an order in which it can be run, and what the run should write.

    `separators` has the models of every source that is separated; `outputs` names the nodes of
    the results: `master`, `measure` (its reading), `stems`.
    """

    recipe: Recipe
    nodes: Mapping[str, Node]
    sample_rate: int
    duration_s: float
    separators: Mapping[str, tuple[Separator, ...]]
    outputs: Mapping[str, str] = field(default_factory=dict)
    out_folder: Path = Path()
    report: Path | None = None
    is_preview: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def targets(self) -> list[Path]:
        """Every file that a run writes."""
        written = [node.work.paths for node in self.nodes.values() if isinstance(node.work, Write)]
        report = [] if self.report is None else [self.report]
        return [path for paths in written for path in paths] + report


@dataclass(frozen=True)
class Inputs:
    """The audio files of a recipe: header, hash and state (size, time of change) of each."""

    files: Mapping[Path, FileInfo]
    hashes: Mapping[Path, str]
    states: Mapping[Path, FileState]


def inspect_inputs(recipe: Recipe) -> Inputs:
    """Read the headers and hash the bytes of every audio file that the recipe uses.

    Raises:
        AudioFileError: one of them cannot be used.
    """
    files: dict[Path, FileInfo] = {}
    for source in used_sources(recipe):
        for path in source_files(source):
            files[path] = _accept(probe(path), fold_down=source.fold_down, name=source.name)
    for track in used_tracks(recipe):
        if track.asset is not None:
            files[track.asset] = _accept(probe(track.asset), fold_down=False, name=track.name)
    states = {path: file_state(path) for path in files}
    return Inputs(files, {path: file_sha256(path) for path in files}, states)


def _accept(info: FileInfo, *, fold_down: bool, name: str) -> FileInfo:
    if info.channels <= 2:
        return info
    if not fold_down:
        raise AudioFileError(
            f"{info.channels} channels; stemfx works on mono and stereo. To fold it down to stereo "
            f"(ITU-R BS.775) write `{name}: {{file: ..., fold_down: true}}` or pass --fold-down",
            where=str(info.path),
        )
    if info.channels not in FOLDABLE:
        raise AudioFileError(
            f"{info.channels} channels have no standard fold-down; fold it to stereo first",
            where=str(info.path),
        )
    return info


def source_files(source: Source) -> tuple[Path, ...]:
    """Return the files of a source, in order."""
    if source.stems is not None:
        return tuple(source.stems.values())
    return (source.file,) if source.file is not None else ()


def used_tracks(recipe: Recipe) -> list[Track]:
    """Return the tracks that are heard, and those that only steer a side-chain."""
    needed: dict[str, Track] = {}

    def need(track: Track) -> None:
        if track.name in needed:
            return
        needed[track.name] = track
        for name in sidechain_tracks(track.stages):
            need(recipe.tracks[name])

    for track in recipe.tracks.values():
        if not track.mute:
            need(track)
    for name in sidechain_tracks((*recipe.mix, *recipe.master)):
        need(recipe.tracks[name])
    return [track for track in recipe.tracks.values() if track.name in needed]


def sidechain_tracks(calls: Iterable[StageCall]) -> list[str]:
    """Return the tracks that stages listen to, in order."""
    return [track for call in calls for tracks in call.sidechains.values() for track in tracks]


def used_sources(recipe: Recipe) -> list[Source]:
    """Return the sources that a used track takes something from."""
    names = {track.source for track in used_tracks(recipe)}
    return [source for source in recipe.sources.values() if source.name in names]


def wanted_stems(recipe: Recipe, source: Source) -> tuple[str, ...]:
    """Return the stems of a source that the recipe uses, without repeats, in track order."""
    stems = [t.stem for t in used_tracks(recipe) if t.source == source.name and t.stem]
    return tuple(dict.fromkeys(stems))


def needs_separation(recipe: Recipe, source: Source) -> bool:
    """Tell whether a source is one file of which stems are wanted."""
    return source.stems is None and bool(wanted_stems(recipe, source))


@dataclass(frozen=True)
class Options:
    """What the command line adds to a recipe.

    `preview_s` is (start, length) in seconds; `device` is where torch computes.
    """

    out_folder: Path
    preview_s: tuple[float, float] | None = None
    device: str = "auto"


def make_plan(
    recipe: Recipe,
    inputs: Inputs,
    choices: Choices,
    registry: Registry,
    options: Options,
) -> Plan:
    """Build the graph.

    Args:
        recipe: as read.
        inputs: what `inspect_inputs` found.
        choices: the models of every source that has to be separated.
        registry: for the versions of stages.
        options: from the command line.

    Raises:
        RecipeError: a track asks for a stem that its source does not give, or all are muted.
        OutputError: a result would overwrite an input.
    """
    if all(track.mute for track in recipe.tracks.values()):
        raise RecipeError([Problem(str(recipe.path), "every track is muted: nothing is heard")])
    return _Builder(recipe, inputs, choices, registry, options).build()


def _input_files(recipe: Recipe) -> set[Path]:
    """Return every file that a recipe names or is: none of them may be overwritten."""
    calls = [call for track in recipe.tracks.values() for call in track.stages]
    files = {file for call in (*calls, *recipe.mix, *recipe.master) for file in call.files.values()}
    files |= {file for source in recipe.sources.values() for file in source_files(source)}
    files |= {track.asset for track in recipe.tracks.values() if track.asset is not None}
    return files | {recipe.path}


def _refuse_equal_targets(plan: Plan) -> None:
    """Refuse two results of one name, also where a system takes two names for one."""
    seen: set[str] = set()
    for path in plan.targets:
        name = unicodedata.normalize("NFC", str(path)).casefold()
        if name in seen:
            raise OutputError(
                f"two results are named {path}; give `master`, `stems` or `report` another one",
                where=plan.recipe.output.where,
            )
        seen.add(name)


def _outside_identity(call: StageCall) -> str | None:
    if call.stage.identity is None:
        return None
    try:
        return call.stage.identity(call.params)
    except StageError as error:
        error.where = call.where
        raise


class _Builder:
    def __init__(
        self,
        recipe: Recipe,
        inputs: Inputs,
        choices: Choices,
        registry: Registry,
        options: Options,
    ) -> None:
        self._recipe, self._inputs, self._choices = recipe, inputs, choices
        self._registry, self._options = registry, options
        self._made: dict[tuple[str, ...], Port] = {}  # what was made already, by its meaning
        # Layers are brought to the rate of the songs; only without a song do they decide.
        songs = [p for source in used_sources(recipe) for p in source_files(source)]
        rates = [inputs.files[path].sample_rate for path in songs or inputs.files]
        self._rate = recipe.output.sample_rate or max(rates)
        self._seconds = max(info.duration_s for info in inputs.files.values())
        if options.preview_s is not None:
            self._seconds = min(self._seconds, options.preview_s[1])
        self._graph = Graph(self._seconds)
        self._stems: dict[str, SourceStems] = {}

    def build(self) -> Plan:
        problems: list[Problem] = []
        for track in used_tracks(self._recipe):
            try:
                self._track(track)
            except RecipeError as error:
                problems.extend(error.problems)
        if problems:
            raise RecipeError(problems)
        faders = {
            track.name: self._fader(track)
            for track in self._recipe.tracks.values()
            if not track.mute
        }
        outputs: dict[str, str] = {}
        if self._recipe.output.master is not None:
            mix = self._graph.add("mix", "mix", Mix(), tuple(faders.values()))
            bus = self._chain("mix", self._recipe.mix, mix)
            master = self._chain("master", self._recipe.master, bus)
            reading = self._graph.add("master/measure", "measure", Measure(), (master,), signals=())
            outputs["measure"] = reading.node
            outputs["master"] = self._write_master(master)
        if self._recipe.output.stems is not None:
            outputs["stems"] = self._write_stems(faders)
        report = self._recipe.output.report
        plan = Plan(
            recipe=self._recipe,
            nodes=self._graph.nodes,
            sample_rate=self._rate,
            duration_s=self._seconds,
            separators={
                name: tuple(choice.separator for choice in choices)
                for name, choices in self._choices.items()
            },
            outputs=outputs,
            out_folder=self._options.out_folder.resolve(),
            report=None
            if report is None
            else self._target(report, self._recipe.output.report_where),
            findings=tuple(self._findings()),
            is_preview=self._options.preview_s is not None,
        )
        _refuse_equal_targets(plan)
        return plan

    # --- sources -------------------------------------------------------------------------

    def _decode(self, node_id: str, path: Path, *, fold_down: bool, may_be_silent: bool) -> Port:
        info = self._inputs.files[path]
        fold_down = fold_down and info.channels > 2
        meaning = ("decode", str(path), str(fold_down), str(may_be_silent))
        if meaning in self._made:
            return self._made[meaning]
        work = Decode(
            info,
            self._inputs.states[path],
            self._rate,
            self._options.preview_s,
            fold_down,
            # A quiet passage may well be digital silence; only a whole song may not.
            may_be_silent or self._options.preview_s is not None,
            may_start_late=may_be_silent,
        )
        config = [
            self._inputs.hashes[path],
            self._rate,
            self._options.preview_s,
            fold_down,
            work.may_be_silent,
        ]
        self._made[meaning] = self._graph.add(node_id, "decode", work, (), config=config)
        return self._made[meaning]

    def _stem(self, track: Track) -> Port:
        """Return the port of one stem of a source."""
        source, stem = self._recipe.sources[track.source or ""], track.stem or ""
        if source.stems is not None:
            return self._decode(
                f"{source.name}/{stem}/decode",
                source.stems[stem],
                fold_down=source.fold_down,
                may_be_silent=True,
            )
        return self._split(source).port(track)

    def _split(self, source: Source) -> SourceStems:
        if source.name not in self._stems:
            files = [self._inputs.files[path] for path in source_files(source)]
            stems = SourceStems(
                self._graph,
                self._recipe,
                source,
                self._choices[source.name],
                wanted=wanted_stems(self._recipe, source),
                mixture=self._whole(source),
                is_mono=all(info.channels == 1 for info in files),
                sample_rate=self._rate,
                device=self._options.device,
            )
            if stems.is_complete:
                stems.residual()  # its measurement is part of every run's report
            self._stems[source.name] = stems
        return self._stems[source.name]

    def _whole(self, source: Source) -> Port:
        """Return the port of a whole source."""
        if source.file is not None:
            return self._decode(
                f"{source.name}/decode",
                source.file,
                fold_down=source.fold_down,
                may_be_silent=False,
            )
        meaning = ("sum", source.name)
        if meaning in self._made:
            return self._made[meaning]
        stems = source.stems or {}
        ports = tuple(
            self._decode(
                f"{source.name}/{stem}/decode", path, fold_down=source.fold_down, may_be_silent=True
            )
            for stem, path in stems.items()
        )
        self._made[meaning] = self._graph.add(f"{source.name}/sum", "mix", Mix(), ports)
        return self._made[meaning]

    # --- tracks and buses ----------------------------------------------------------------

    def _track(self, track: Track) -> Port:
        """Return the port of a track after its stages, before its fader."""
        meaning = ("track", track.name)
        if meaning not in self._made:
            if track.asset is not None:
                port = self._decode(
                    f"{track.name}/decode", track.asset, fold_down=False, may_be_silent=True
                )
            elif track.stem is None:
                port = self._whole(self._recipe.sources[track.source or ""])
            else:
                port = self._stem(track)
            self._made[meaning] = self._chain(track.name, track.stages, port)
        return self._made[meaning]

    def _chain(self, prefix: str, calls: tuple[StageCall, ...], port: Port) -> Port:
        for call in calls:
            heard = dict.fromkeys(sidechain_tracks([call]))
            keys = tuple(self._track(self._recipe.tracks[name]) for name in heard)
            config = [
                self._registry.version_of(call.stage),
                call.params.model_dump(mode="json"),
                _outside_identity(call),
                list(heard),
                {name: file_sha256(path) for name, path in sorted(call.files.items())},
            ]
            done = self._graph.add(
                f"{prefix}/{call.stage.name}",
                call.stage.name,
                Apply(call, tuple(heard)),
                (port, *keys),
                config=config,
                signals=() if call.stage.is_check else (AUDIO,),
                where=call.where,
            )
            port = port if call.stage.is_check else done
        return port

    def _fader(self, track: Track) -> Port:
        port = self._track(track)
        if track.gain_db == 0 and track.pan == 0:
            return port
        work = Fader(track.gain_db, track.pan)
        return self._graph.add(
            f"{track.name}/fader",
            "fader",
            work,
            (port,),
            config=[track.gain_db, track.pan],
            where=track.where,
        )

    # --- results -------------------------------------------------------------------------

    def _findings(self) -> Iterator[Finding]:
        """Tell what the recipe leaves out or asks for in vain, which nobody may have meant."""
        for stems in self._stems.values():
            yield from stems.findings()
        played = {(track.source, track.stem) for track in used_tracks(self._recipe)}
        for source in self._choices:
            if self._recipe.separate.residual == "keep" and (source, RESIDUAL) not in played:
                yield Finding(
                    "warn",
                    "residual_not_played",
                    f"what the model does not explain of {source!r} is kept as a stem that no "
                    f"track plays; add a track `rest: {{from: {source}/{RESIDUAL}}}`",
                )

    def _target(self, relative: Path, where: str) -> Path:
        name = relative.name
        if self._options.preview_s is not None:
            name = f"{relative.stem}-preview{relative.suffix}"
        path = (self._options.out_folder / relative).with_name(name).resolve()
        folder = self._options.out_folder.resolve()
        if not path.is_relative_to(folder):  # by way of a link in the output folder
            raise OutputError(f"{path} lies outside the output folder {folder}", where=where)
        self._refuse_to_overwrite(path, where)
        return path

    def _refuse_to_overwrite(self, path: Path, where: str) -> None:
        for file in _input_files(self._recipe):
            if path == file.resolve() or (path.exists() and file.exists() and path.samefile(file)):
                raise OutputError(
                    f"{path} would overwrite an input of the recipe; give `output` another name "
                    "or pass --out DIR",
                    where=where,
                )

    def _source_depth(self) -> int | None:
        """Return the highest bit depth of the sources; None when all are lossy."""
        paths = [p for source in used_sources(self._recipe) for p in source_files(source)]
        depths = [depth for p in paths if (depth := self._inputs.files[p].bit_depth)]
        return max(depths, default=None)

    def _write_master(self, port: Port) -> str:
        output = self._recipe.output
        assert output.master is not None  # noqa: S101 - asked by the caller
        path = self._target(output.master, output.master_where)
        encoding = encoding_for(path, output.bit_depth, self._source_depth())
        if encoding.format == "mp3" and self._rate not in MP3_RATES:
            raise OutputError(
                f"MP3 has no sample rate of {self._rate} Hz, which the song has; "
                "add `sample_rate: 48000` to `output`",
                where=output.master_where,
            )
        work = Write((path,), encoding, "master")
        config = ["master", encoding.format, encoding.bit_depth]
        return self._graph.add(
            "write/master", "write", work, (port,), config=config, signals=()
        ).node

    def _write_stems(self, faders: Mapping[str, Port]) -> str:
        output = self._recipe.output
        assert output.stems is not None  # noqa: S101 - asked by the caller
        # 32-bit float unless asked otherwise: the files sum to the mix without rounding.
        encoding = Encoding("wav", output.bit_depth or 32)
        where = output.stems_where
        paths = tuple(self._target(output.stems / f"{name}.wav", where) for name in faders)
        work = Write(paths, encoding, "stems")
        config = ["stems", encoding.format, encoding.bit_depth]
        ports = tuple(faders.values())
        return self._graph.add("write/stems", "write", work, ports, config=config, signals=()).node
