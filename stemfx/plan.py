"""From a recipe to a plan: its graph of work and what will be written. No audio is touched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NoReturn

from stemfx.dsp.loudness import METERS_VERSION
from stemfx.errors import OutputError, Problem, RecipeError, StageError
from stemfx.fixes import entries, in_sources
from stemfx.graph import (
    AUDIO,
    DATA,
    NOTES,
    Analyse,
    Apply,
    Fader,
    GivenHits,
    Graph,
    Hears,
    Measure,
    Mix,
    Node,
    Port,
    Removed,
    Result,
    canonical,
)
from stemfx.io import file_sha256
from stemfx.models import separators_of
from stemfx.plan_align import AlignedPorts, late_stages
from stemfx.plan_checks import add_checks
from stemfx.plan_hits import TrackHits
from stemfx.plan_inputs import (
    Inputs,
    played_sources,
    sidechain_tracks,
    stem_named,
    used_tracks,
)
from stemfx.plan_listening import Listening, listening
from stemfx.plan_meetings import add_meetings
from stemfx.plan_results import ResultNodes
from stemfx.plan_session import add_sessions, session_content, session_findings
from stemfx.plan_sources import SourcePorts
from stemfx.plan_stems import Choices
from stemfx.recipe import Recipe, Source, StageCall, Track
from stemfx.recipe.problems import listing
from stemfx.recipe.tracks import REMOVED
from stemfx.registry import Registry
from stemfx.separation import RESIDUAL
from stemfx.separator import Separator
from stemfx.stage import Finding

RECORD = Path("run.json")
"""What a run leaves beside its results, for whoever asks where they come from."""


@dataclass(frozen=True)
class Plan:
    """The graph in an order in which it can be run, and what the run should write.

    `separators` has the models of every source that is separated; `outputs` names the nodes of
    the results: `master`, `measure` (its reading), `stems`, `hits`. `record` is the file that will
    say where they come from, and `hashes` has the SHA-256 of every audio file that is read.
    `listening` has what can be heard of it beside its results.
    """

    recipe: Recipe
    nodes: Mapping[str, Node]
    sample_rate: int
    duration_s: float
    separators: Mapping[str, tuple[Separator, ...]]
    outputs: Mapping[str, str] = field(default_factory=dict)
    out_folder: Path = Path()
    report: Path | None = None
    record: Path | None = None
    hashes: Mapping[Path, str] = field(default_factory=dict)
    preview_s: tuple[float, float] | None = None
    findings: tuple[Finding, ...] = ()
    listening: Listening = field(default_factory=Listening)

    @property
    def targets(self) -> list[Path]:
        """Every file that a run writes."""
        written = [node.work.paths for node in self.nodes.values() if isinstance(node.work, Result)]
        beside = [path for path in (self.report, self.record) if path is not None]
        return [path for paths in written for path in paths] + beside

    @property
    def is_preview(self) -> bool:
        """Whether only a part is rendered."""
        return self.preview_s is not None


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


def _refuse_equal_targets(plan: Plan) -> None:
    """Refuse two results of one name, also where a system takes two names for one.

    Nor can one be a file, and the folder of another.
    """
    rename = "give `master`, `ab`, `stems`, `session`, `hits` or `report` another name"
    seen: set[str] = set()
    for path in plan.targets:
        if _on_any_system(path) in seen:
            told = f"two results are named {path}; {rename}"
            raise OutputError(told, where=plan.recipe.output.where)
        seen.add(_on_any_system(path))
    for path in plan.targets:
        if folder := next((p for p in path.parents if _on_any_system(p) in seen), None):
            told = f"{folder} is to be a result, and the folder of {path}; {rename}"
            raise OutputError(told, where=plan.recipe.output.where)


def _on_any_system(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


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
        songs = [p for source in played_sources(recipe) for p in source.files]
        rates = [inputs.files[path].sample_rate for path in songs or inputs.files]
        self._rate = recipe.output.sample_rate or max(rates)
        self._seconds = max(inputs.files[path].duration_s for path in songs or inputs.files)
        if options.preview_s is not None:
            self._seconds = min(self._seconds, options.preview_s[1])
        self._graph = Graph(self._seconds)
        self._sources = SourcePorts(
            self._graph,
            recipe,
            inputs,
            choices,
            registry,
            sample_rate=self._rate,
            preview_s=options.preview_s,
            device=options.device,
        )
        self._removed: dict[str, list[Port]] = {}  # what stages took away, by track or bus
        self._passed: dict[str, list[list[Port]]] = {}  # see `Listening.chains`
        self._hits = TrackHits(self._graph, registry, options.preview_s)
        # Of songs before they are aligned: those are whole in a preview, and in their own time.
        self._early_hits = TrackHits(self._graph, registry, None)
        self._aligned = AlignedPorts(
            self._graph, recipe, self._sources, self._early, options.preview_s
        )

    def build(self) -> Plan:
        problems: list[Problem] = []
        for track in used_tracks(self._recipe):
            try:
                self._track(track)
            except RecipeError as error:
                problems.extend(error.problems)
        if problems:
            raise RecipeError(problems)
        preview = self._options.preview_s is not None
        add_meetings(
            self._graph,
            self._recipe,
            self._sources,
            {t.name: self._track(t) for t in self._recipe.tracks.values() if not t.mute},
            # Of a preview no bars are told: they would be counted from its start.
            None if preview else self._aligned.laid_out,
        )
        faders = {
            track.name: self._fader(track)
            for track in self._recipe.tracks.values()
            if not track.mute
        }
        results = ResultNodes(
            self._graph,
            self._recipe,
            self._inputs,
            sample_rate=self._rate,
            out_folder=self._options.out_folder,
            preview_s=self._options.preview_s,
        )
        outputs: dict[str, str] = {}
        output, master = self._recipe.output, None
        if output.masters or any(file.format != "mid" for file in output.sessions):
            mix = self._graph.add("mix", "mix", Mix(), tuple(faders.values()))
            bus = self._chain("mix", self._recipe.mix, mix)
            master = self._chain("master", self._recipe.master, bus, before=self._recipe.mix)
        if master is not None and output.masters:
            reading = self._graph.add(
                "master/measure",
                "measure",
                Measure(),
                (master,),
                config=METERS_VERSION,
                signals=(),
            )
            outputs["measure"] = reading.node
            outputs["master"] = results.masters(master, Port(reading.node, NOTES))
            results.pair(self._before(mix), master)
        if self._recipe.output.stems is not None:
            outputs["stems"] = results.stems(faders)
            results.removed(self._removed)
        if self._hits.found:
            outputs["hits"] = results.hits(self._hits)
        if output.sessions:
            content = session_content(
                self._recipe,
                self._sources,
                self._aligned,
                {track.name: self._track(track) for track in used_tracks(self._recipe)},
                faders=faders,
                master=master,
                hits=self._hits.found,
                given_hits=self._hits.given,
                is_preview=preview,
            )
            add_sessions(self._graph, self._recipe, content, self._rate, results.target)
        add_checks(
            self._graph,
            self._recipe,
            self._sources,
            self._choices,
            outputs.get("measure"),
            is_preview=preview,
        )
        report = self._recipe.output.report
        plan = Plan(
            recipe=self._recipe,
            nodes=dict(self._graph.nodes),
            sample_rate=self._rate,
            duration_s=self._seconds,
            separators=separators_of(self._choices),
            outputs=outputs,
            out_folder=self._options.out_folder.resolve(),
            report=None
            if report is None
            else results.target(report, self._recipe.output.report_where),
            findings=(*self._findings(), *results.findings(), *session_findings(self._recipe)),
            record=results.target(RECORD, str(self._recipe.path)),
            hashes=self._inputs.hashes,
            preview_s=self._options.preview_s,
            # Last: what it adds to the graph is no part of the run.
            listening=listening(
                self._graph, self._recipe, self._sources, self._choices, self._passed
            ),
        )
        _refuse_equal_targets(plan)
        return plan

    # --- tracks and buses ----------------------------------------------------------------

    def _track(self, track: Track) -> Port:
        """Return the port of a track after its stages, before its fader."""
        meaning = ("track", track.name)
        if meaning not in self._made:
            calls = track.stages
            if track.takes:
                port = self._aligned.comp(track)
            elif track.source is not None and self._recipe.aligns(track.source):
                port, removed = self._aligned.track(track)
                calls = late_stages(track)
                if removed:
                    self._removed[track.name] = removed
            elif track.asset is not None:
                is_whole = any(call.stage.places_its_input for call in track.stages)
                port = self._sources.decode(f"{track.name}/decode", track.asset, is_whole=is_whole)
            elif track.removed_of is not None:
                port = self._removed_of(track)
            elif track.stem is None:
                port = self._sources.whole(self._recipe.sources[track.source or ""])
            else:
                source = self._recipe.sources[track.source or ""]
                port = self._sources.stem(source, track.stem, track.from_where)
            self._made[meaning] = self._chain(track.name, calls, port, track)
        return self._made[meaning]

    def _early(
        self, track: Track, calls: tuple[StageCall, ...], port: Port
    ) -> tuple[Port, list[Port]]:
        """Return a track after its first stages, and what these took away: not aligned yet."""
        done = self._chain(track.name, calls, port, track, hits=self._early_hits)
        return done, self._removed.pop(track.name, [])

    def _removed_of(self, track: Track) -> Port:
        """Return the port of all that the stages of another track took away."""
        other = track.removed_of or ""
        self._track(self._recipe.tracks[other])
        ports = self._removed.get(other, [])
        if not ports:
            msg = f"nothing that {other!r} loses is kept; add `keep_removed: true` to a stage of it"
            raise RecipeError([Problem(track.from_where, msg)])
        return self._graph.add(f"{track.name}/sum", "mix", Mix(), ports) if ports[1:] else ports[0]

    def _chain(
        self,
        prefix: str,
        calls: tuple[StageCall, ...],
        port: Port,
        track: Track | None = None,
        before: tuple[StageCall, ...] = (),
        *,
        hits: TrackHits | None = None,
    ) -> Port:
        known = self._hits if hits is None else hits
        passed = [port]
        self._passed.setdefault(prefix, []).append(passed)
        for i, call in enumerate(calls):
            step = f"{prefix}/{call.stage.name}"
            heard = dict.fromkeys(sidechain_tracks([call]))
            keys = [self._track(self._recipe.tracks[name]) for name in heard]
            sounds = {
                param: self._sources.decode(f"{step}/{param}", path, is_whole=True)
                for param, path in call.sounds.items()
            } | {
                param: self._sources.mixture(self._recipe.sources[name], is_whole=True)
                for param, name in call.songs.items()
            }
            hears, song = self._song_for(call, track, (*before, *calls[:i]))
            told = self._hits_for(call, prefix, port, known) if call.hears_hits else None
            data = [told] if isinstance(told, Port) else []
            sources = {param: self._reading(name) for param, name in call.sources.items()}
            is_generated = call.stage.heeds_origin and self._is_generated(track)
            config = [
                self._registry.version_of(call.stage),
                call.params.model_dump(mode="json"),
                _outside_identity(call),
                list(heard),
                {name: file_sha256(path) for name, path in sorted(call.files.items())},
                {name: self._registry.version_of_kit(kit) for name, kit in call.kits.items()},
                told.digest if isinstance(told, GivenHits) else None,
                [list(sounds), list(sources)],
                None if hears is None else [hears.stems, hears.own, hears.against],
                is_generated,
            ]
            done = self._graph.add(
                step,
                call.stage.name,
                Apply(
                    call,
                    tuple(heard),
                    tuple(sounds),
                    hears,
                    told if isinstance(told, GivenHits) else None,
                    tuple(sources),
                    is_generated,
                ),
                (port, *keys, *sounds.values(), *song, *data, *sources.values()),
                config=config,
                signals=() if call.stage.is_check else (AUDIO,),
                where=call.where,
            )
            if call.keeps_removed:
                node_id = f"{step}/{REMOVED}"
                difference = self._graph.add(node_id, REMOVED, Removed(), (port, done))
                self._removed.setdefault(prefix, []).append(difference)
            if call.stage.changes_length:
                known.forget(prefix)  # they are no longer in time
                passed = []
                self._passed[prefix].append(passed)
            if not call.stage.is_check:
                port = done
                passed.append(done)
        return port

    def _reading(self, source: str) -> Port:
        """Return what a song plays to: its own time, or that of all aligned songs."""
        if self._recipe.aligns(source):
            return self._aligned.reading()
        return self._sources.reading(source)

    def _hits_for(
        self, call: StageCall, prefix: str, port: Port, known: TrackHits
    ) -> Port | GivenHits:
        """Return the hits that a stage is told: of its own track, or of the one that it names."""
        other = getattr(call.params, "of", None)
        if other is not None:
            prefix, port = other, self._track(self._recipe.tracks[other])
        return known.heard(call, prefix, port)

    # --- what a stage hears of its song --------------------------------------------------

    def _song_for(
        self, call: StageCall, track: Track | None, before: Sequence[StageCall]
    ) -> tuple[Hears | None, list[Port]]:
        """Return what a stage hears of its song, and the ports of that.

        Raises:
            RecipeError: there is no one song to hear, or the track is no longer in time with it.
        """
        if not call.stage.hears_song:
            return None, []
        source, own = self._song_of(track), (track.stem or "") if track else ""
        if call.hears_stems and not own:
            what = f"the track {track.name!r}" if track else "the mix"
            self._refuse(call, f"works on one stem of a song, and {what} is none")
        if source is None:
            several = track is not None and bool(track.takes)
            what = "this track plays none" if track else "the mix has not just one"
            what = "this track plays several" if several else what
            self._refuse(call, f"hears the song beside the signal, and {what}")
        if track is None and self._recipe.aligns(source.name):
            self._refuse(call, "hears the song as it came, and `align` has moved the mix")
        if cutting := next((c.stage.name for c in before if c.stage.changes_length), None):
            self._refuse(call, f"hears the song as it came; move it before `{cutting}`")
        stems, against = self._stems_heard(source, own, call) if call.hears_stems else ({}, ())
        ports = [*stems.values(), self._sources.mixture(source)]
        if call.stage.analysis is not None:
            ports.append(self._analysis(call, source, tuple(stems), ports))
        return Hears(tuple(stems), own, against), ports

    def _stems_heard(
        self, source: Source, own: str, call: StageCall
    ) -> tuple[dict[str, Port], tuple[str, ...]]:
        """Return all stems of a song, and those that a stage is told to listen to."""
        against = tuple(stem_named(name, source, self._recipe) for name in call.stems)
        if own in against:
            self._refuse(call, f"listens to other stems, and {own!r} is this very track")
        names = dict.fromkeys((*self._sources.song_stems(source), own, *against))
        return {stem: self._sources.stem(source, stem, call.where) for stem in names}, against

    def _analysis(
        self, call: StageCall, source: Source, stems: tuple[str, ...], ports: Sequence[Port]
    ) -> Port:
        """Return the port of what a stage has to know of a song: found once for all its tracks."""
        stage, params = call.stage, call.params.model_dump(mode="json")
        names = stage.analysis.settings if stage.analysis else ()
        settings = {name: params[name] for name in names}
        config = [self._registry.version_of(stage), stage.name, settings, stems]
        meaning = ("analysis", source.name, canonical(config))
        if meaning not in self._made:
            self._made[meaning] = self._graph.add(
                f"{source.name}/{stage.name}/analysis",
                "analysis",
                Analyse(stage, settings, stems),
                ports,
                config=config,
                signals=(),
                where=call.where,
            )
        return Port(self._made[meaning].node, DATA)

    def _song_of(self, track: Track | None) -> Source | None:
        """Return the song that a track plays, or the mix where all of it comes from one."""
        if track is not None:
            return self._recipe.sources.get(track.source or "")
        used = played_sources(self._recipe)
        return used[0] if len(used) == 1 else None

    def _is_generated(self, track: Track | None) -> bool:
        """Tell whether an AI generator made what a track plays, or any song of the mix."""
        while track is not None and track.removed_of is not None:
            track = self._recipe.tracks[track.removed_of]
        played = [] if track is None else [self._recipe.sources[name] for name, _ in track.played]
        songs = played_sources(self._recipe) if track is None else played
        return any(song.generated or song.name in self._inputs.generators for song in songs)

    def _refuse(self, call: StageCall, why: str) -> NoReturn:
        raise RecipeError([Problem(call.where, f"{call.stage.name} {why}")])

    # --- faders and the mix --------------------------------------------------------------

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

    def _before(self, mix: Port) -> Port:
        """Return what a master is compared with: the song as it came, if one is all that plays."""
        song = self._song_of(None)
        if song is None or self._recipe.aligns(song.name):
            return mix
        return self._sources.mixture(song)

    # --- findings ------------------------------------------------------------------------

    def _findings(self) -> Iterator[Finding]:
        """Tell what the recipe leaves out or asks for in vain, which nobody may have meant."""
        yield from self._sources.findings()
        yield from self._findings_of_repairs()
        played = {part for track in used_tracks(self._recipe) for part in track.played}
        for source in self._choices:
            if self._recipe.separate.residual == "keep" and (source, RESIDUAL) not in played:
                yield Finding(
                    "warn",
                    "residual_not_played",
                    f"what the model does not explain of {source!r} is kept as a stem that no "
                    f"track plays; add a track `rest: {{from: {source}/{RESIDUAL}}}`",
                    self._new_track("rest", f"{source}/{RESIDUAL}"),
                )

    def _findings_of_repairs(self) -> Iterator[Finding]:
        heeding = {c.stage.name for c in self._recipe.calls if c.stage.heeds_origin}
        for name, tag in self._inputs.generators.items() if heeding else ():
            yield Finding(
                "info",
                "generated",
                f"the tags of {name!r} say {tag!r}: an AI made it, so {listing(sorted(heeding))} "
                "stay gentler unless told how far to go; `generated: false` under the source "
                "undoes that",
                entries(in_sources(name), generated=False),
            )
        is_used = any(track.removed_of for track in self._recipe.tracks.values())
        if self._removed and self._recipe.output.stems is None and not is_used:
            first = next(iter(self._removed))
            yield Finding(
                "info",
                "removed_not_used",
                f"what {listing(self._removed)} lose is kept and nowhere used; add `stems: stems/` "
                f"to `output`, or a track `bleed: {{from: {first}/{REMOVED}}}`",
                entries("in output", stems="stems/"),
            )

    def _new_track(self, name: str, plays: str) -> str:
        """Write one more track, under a name that no other has."""
        free = next(n for k in count() if (n := f"{name}{k or ''}") not in self._recipe.tracks)
        return entries("in tracks", **{free: {"from": plays}})
