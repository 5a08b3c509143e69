"""What the tracks of a recipe are made from: its files, its songs and their stems, as ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from stemfx.beat_tracker import BeatTracker
from stemfx.errors import PluginError, Problem, RecipeError
from stemfx.graph import DATA, Decode, Graph, Mix, Port, ReadMusic
from stemfx.music_reading import READING_VERSION
from stemfx.plan_inputs import Inputs, guarding_stems, wanted_stems, wants_all_stems
from stemfx.plan_stems import Choices, SourceStems
from stemfx.recipe import Recipe, Source
from stemfx.recipe.problems import did_you_mean, listing
from stemfx.registry import Registry
from stemfx.stage import Finding


class SourcePorts:
    """Adds to a graph what reads files and takes songs apart, each thing once.

    Args:
        graph: takes the nodes.
        recipe: names the songs, and says how to separate.
        inputs: its files.
        choices: the models of every source that has to be separated.
        registry: of beat trackers.
        sample_rate: of the project, in Hz.
        preview_s: (start, length) of a preview.
        device: where the networks compute.
    """

    def __init__(
        self,
        graph: Graph,
        recipe: Recipe,
        inputs: Inputs,
        choices: Choices,
        registry: Registry,
        *,
        sample_rate: int,
        preview_s: tuple[float, float] | None,
        device: str,
    ) -> None:
        self._registry = registry
        self._graph, self._recipe, self._inputs, self._choices = graph, recipe, inputs, choices
        self.sample_rate, self._preview_s, self._device = sample_rate, preview_s, device
        self._made: dict[tuple[str, ...], Port] = {}  # what was made already, by its meaning
        self._split: dict[str, SourceStems] = {}

    def findings(self) -> Iterator[Finding]:
        """Tell which wishes of the recipe the models cannot heed."""
        for stems in self._split.values():
            yield from stems.findings()

    # In a preview, the songs that are aligned are read whole: which part of them sounds in it is
    # known only then.

    def decode(
        self,
        node_id: str,
        path: Path,
        *,
        fold_down: bool = False,
        may_be_silent: bool = True,
        is_whole: bool = False,
    ) -> Port:
        """Return the port of a file; `is_whole` even in a preview."""
        info = self._inputs.files[path]
        fold_down = fold_down and info.channels > 2
        window_s = None if is_whole else self._preview_s
        meaning = ("decode", str(path), str(fold_down), str(may_be_silent), str(window_s))
        if meaning in self._made:
            return self._made[meaning]
        work = Decode(
            info,
            self._inputs.states[path],
            self.sample_rate,
            window_s,
            fold_down,
            # A quiet passage may well be digital silence; only a whole song may not.
            may_be_silent or window_s is not None,
            may_start_late=may_be_silent,
        )
        config = [
            self._inputs.hashes[path],
            self.sample_rate,
            window_s,
            fold_down,
            work.may_be_silent,
        ]
        self._made[meaning] = self._graph.add(node_id, "decode", work, (), config=config)
        return self._made[meaning]

    def stem(self, source: Source, stem: str, where: str, *, is_whole: bool = False) -> Port:
        """Return the port of one stem of a source; `where` is what asks for it."""
        if source.stems is None:
            return self.split(source).port(stem, where)
        if stem not in source.stems:
            hint = did_you_mean(stem, source.stems)
            msg = f"{source.name!r} has no stem {stem!r}{hint} (known: {listing(source.stems)})"
            raise RecipeError([Problem(where, msg)])
        file = source.stems[stem]
        return self._file_of(source, f"/{stem}", file, may_be_silent=True, is_whole=is_whole)

    def offers(self, source: Source, stem: str) -> bool:
        """Tell whether a source gives a stem."""
        offered = self.split(source).offered if source.stems is None else source.stems
        return stem in offered

    def is_lossy(self, source: Source) -> bool:
        """Tell whether a file of a source lost something when it was made."""
        return any(self._inputs.files[path].bit_depth is None for path in source.files)

    def song_stems(self, source: Source) -> tuple[str, ...]:
        """Return the names of the stems that a song is made of."""
        return tuple(source.stems) if source.stems is not None else self.split(source).song

    def split(self, source: Source) -> SourceStems:
        """Return what takes a song apart."""
        if source.name not in self._split:
            files = [self._inputs.files[path] for path in source.files]
            wanted = wanted_stems(self._recipe, source)
            guarding = guarding_stems(self._recipe, source)
            stems = SourceStems(
                self._graph,
                self._recipe,
                source,
                self._choices[source.name],
                wanted=(*wanted, *(s for s in guarding if s not in wanted)),
                wants_all=wants_all_stems(self._recipe, source),
                mixture=self.whole(source),
                is_mono=all(info.channels == 1 for info in files),
                sample_rate=self.sample_rate,
                device=self._device,
            )
            if stems.is_complete:
                stems.residual()  # its measurement is part of every run's report
            self._split[source.name] = stems
        return self._split[source.name]

    def mixture(self, source: Source, *, is_whole: bool = False) -> Port:
        """Return the port of what the stems of a source were made from; see `decode`."""
        if source.mixture is None:
            return self.whole(source, is_whole=is_whole)
        return self._file_of(source, "/mixture", source.mixture, is_whole=is_whole)

    def whole(self, source: Source, *, is_whole: bool = False) -> Port:
        """Return the port of a source: its file, or all its stems together; see `decode`."""
        if source.file is not None:
            return self._file_of(source, "", source.file, is_whole=is_whole)
        meaning = ("sum", source.name, str(is_whole))
        if meaning in self._made:
            return self._made[meaning]
        stems = source.stems or {}
        ports = [self.stem(source, stem, source.where, is_whole=is_whole) for stem in stems]
        self._made[meaning] = self._graph.add(f"{source.name}/sum", "mix", Mix(), ports)
        return self._made[meaning]

    def _file_of(
        self, source: Source, part: str, path: Path, *, is_whole: bool, may_be_silent: bool = False
    ) -> Port:
        """Return the port of a file of a source; songs that are aligned are read whole."""
        return self.decode(
            f"{source.name}{part}/decode",
            path,
            fold_down=source.fold_down,
            may_be_silent=may_be_silent,
            is_whole=is_whole or self._recipe.aligns(source.name),
        )

    def reading(self, name: str) -> Port:
        """Return the port of what a song plays to: tempo, beats and key."""
        meaning = ("reading", name)
        if meaning not in self._made:
            source = self._recipe.sources[name]
            self._check_told(source)
            stems: Mapping[str, Port] = {}
            if source.stems is not None:
                stems = {stem: self.stem(source, stem, source.where) for stem in source.stems}
            elif name in self._choices and self.split(source).is_complete:
                split = self.split(source)
                stems = {stem: split.port(stem, source.where) for stem in split.song}
            tracker = self._tracker()
            self._made[meaning] = self._graph.add(
                f"{name}/music",
                "music",
                ReadMusic(tuple(stems), source.told, tracker),
                (self.mixture(source), *stems.values()),
                config=[
                    READING_VERSION,
                    list(stems),
                    asdict(source.told),
                    self._registry.version_of_beat_tracker(tracker),
                ],
                signals=(),
                where=source.where,
            )
        return Port(self._made[meaning].node, DATA)

    def _check_told(self, source: Source) -> None:
        end_s = max(self._inputs.files[path].duration_s for path in source.files)
        downbeat_s = source.told.downbeat_s
        if downbeat_s is not None and downbeat_s >= end_s:
            msg = f"a bar is said to begin at {downbeat_s:g} s, and {source.name!r} ends at"
            raise RecipeError([Problem(source.where, f"{msg} {end_s:.1f} s")])

    def _tracker(self) -> BeatTracker | None:
        """Return the beat tracker that `align` names; None is stemfx's own."""
        align = self._recipe.align
        try:
            return self._registry.beat_tracker(align.beat_tracker if align else None)
        except PluginError as error:
            where = align.where if align else ""
            raise RecipeError([Problem(where, f"align.beats: {error.message}")]) from error
