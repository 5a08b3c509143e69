"""Lists of stages: `- high_pass: {cutoff_hz: 90}`, and what their parameters refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from stemfx.errors import KitError, PluginError, StemfxError
from stemfx.kit import Kit
from stemfx.kit_files import read_kit
from stemfx.recipe.model import StageCall
from stemfx.recipe.paths import PathError, asset
from stemfx.recipe.problems import Mark, Problems, did_you_mean, listing, quote
from stemfx.recipe.validate import validated
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Table
from stemfx.stage import ReferenceKind, Stage, StageParams

MAX_STAGES = 1_000
"""Of all tracks, the mix and the master: each keeps a song of 100 MB in the cache."""

MAX_KITS = 32
"""From files: an archive unpacks into a folder of its own."""

_Found = TypeVar("_Found")


@dataclass
class StageReader:
    """Reads lists of stages, and remembers which track listens to which.

    Args:
        stages: what can be called.
        tracks: the names of the recipe's tracks.
        sources: the names of its sources.
        kits: the drum kits that are installed.
        folder: where the recipe's files lie.
        explain_unknown: one more sentence about a stage that is not there; raises PluginError
            when the stage is there and may not be called.
        problems: takes the faults.
    """

    stages: Mapping[str, Stage]
    tracks: tuple[str, ...]
    sources: tuple[str, ...]
    kits: Mapping[str, Kit]
    folder: Path
    explain_unknown: Callable[[str], str]
    problems: Problems
    _edges: dict[tuple[str, str], Mark] = field(default_factory=dict)
    _read_kits: dict[Path, Kit | StemfxError] = field(default_factory=dict)
    _left_stages: int = MAX_STAGES

    def calls(self, node: Node | None, title: str, track: str | None) -> tuple[StageCall, ...]:
        """Return the calls of one list; `track` is the track that it belongs to, if any.

        Raises:
            RecipeError: with those before there are more than a run can hold.
        """
        entries = self._entries(node, title)
        self._left_stages -= len(entries)
        if self._left_stages < 0:
            where = entries[0].mark
            self.problems.stop(where, f"{title}: a recipe has at most {MAX_STAGES:,} stages")
        calls = (self._call(entry, title, track) for entry in entries)
        return tuple(call for call in calls if call)

    def _entries(self, node: Node | None, title: str) -> tuple[Node, ...]:
        if node is None or (isinstance(node, Leaf) and node.broken):
            return ()
        if not isinstance(node, Items):
            self.problems.add(
                node.mark,
                f"{title}: expects a list of stages, each after a `-`, got {given(node)}",
            )
            return ()
        return node.nodes

    def check_loops(self) -> None:
        """Note every loop of tracks that listen to one another: none could be first."""
        edges = dict(self._edges)
        while True:
            graph: dict[str, list[str]] = {}
            for listener, heard in edges:
                graph.setdefault(listener, []).append(heard)
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                loop = error.args[1][::-1]  # it lists what comes first, first
                ring = list(pairwise(loop))
                first = min(ring, key=lambda edge: edges[edge])
                names = loop[:-1]
                start = names.index(first[0])
                shown = [*names[start:], *names[:start], first[0]]
                self.problems.add(
                    edges.pop(first), f"side-chains go in a circle: {' -> '.join(shown)}"
                )
            else:
                return

    def follows(self, track: str, heard: str, mark: Mark) -> None:
        """Note that one track plays what comes from another."""
        self._edges.setdefault((track, heard), mark)

    def check_shapes(self, node: Node | None, title: str) -> None:
        """Note the faults of a list of stages, whatever its parameters refer to."""
        for entry in self._entries(node, title):
            if called := self._called(entry, title):
                stage, _, table = called
                validated(table, stage.params, stage.name, self.problems)

    def _called(self, entry: Node, title: str) -> tuple[Stage, Mark, Table] | None:
        """Return the stage that an entry calls, the place of its name, and its parameters."""
        named = self._named(entry, title)
        if named is None:
            return None
        name, key, node = named
        stage = self.stages.get(name)
        if stage is None:
            self.problems.add(key, self._why_unknown(name))
            return None
        if node is None:
            node = Table(key)
        elif not isinstance(node, Table):
            if not (isinstance(node, Leaf) and node.broken):
                known = listing(stage.params.model_fields)
                self.problems.add(
                    node.mark,
                    f"{name}: expects a mapping of its parameters ({known}), got {given(node)}",
                )
            return None
        return stage, key, node

    def _call(self, entry: Node, title: str, track: str | None) -> StageCall | None:
        called = self._called(entry, title)
        if called is None:
            return None
        stage, key, node = called
        name = stage.name
        params = validated(node, stage.params, name, self.problems)

        def resolved(kind: ReferenceKind, find: Callable[[str, Leaf], _Found | None]) -> Any:
            """Return what each parameter of a kind names, by the parameter's name."""
            found = {
                param: find(f"{name}.{param}", leaf)
                for param in stage.references(kind)
                for leaf in _texts(node, param, params)
            }
            return {param: thing for param, thing in found.items() if thing is not None}

        sidechains = {
            param: tuple(
                str(leaf.value)
                for leaf in _texts(node, param, params)
                if self._hears(f"{name}.{param}", leaf, track)
            )
            for param in stage.references("track")
        }
        files, sounds = resolved("file", self._file), resolved("sound", self._file)
        kit_paths: dict[str, Path] = {}
        kits = resolved("kit", partial(self._kit, kit_paths))
        sources = resolved("source", self._source)
        songs = resolved("song", self._source)
        if params is None:
            return None
        heard = {param: names for param, names in sidechains.items() if names}
        stems = tuple(
            str(leaf.value)
            for param in stage.references("stem")
            for leaf in _texts(node, param, params)
        )
        return StageCall(
            stage,
            params,
            str(key),
            files,
            heard,
            stems,
            sounds,
            kits,
            sources,
            songs,
            {
                param: kit_paths[title]
                for param in kits
                if (title := f"{name}.{param}") in kit_paths
            },
        )

    def _why_unknown(self, name: str) -> str:
        try:
            more = self.explain_unknown(name)
        except PluginError as error:
            return f"stage {quote(name)} cannot be called: {error.message}"
        hint = did_you_mean(name, self.stages)
        return f"stage {quote(name)} is unknown{hint}" + (f" ({more})" if more else "")

    def _named(self, entry: Node, title: str) -> tuple[str, Mark, Node | None] | None:
        """Return a stage's name, its place and its parameters; None after noting a fault."""
        if isinstance(entry, Leaf) and isinstance(entry.value, str):
            return entry.value, entry.mark, None
        if isinstance(entry, Table) and len(entry.entries) == 1:
            ((name, key),) = entry.keys.items()
            return name, key, entry.get(name)
        if isinstance(entry, Leaf) and entry.broken:
            return None
        if isinstance(entry, Table) and entry.entries:
            first, second, *_ = entry.entries
            stage = self.stages.get(first)
            if stage and entry.get(first) is None and second in stage.params.model_fields:
                fix = f"indent the parameters of {first} further than its name"
            else:
                fix = "start each with a `-` of its own"
            self.problems.add(
                entry.keys[second],
                f"{title}: one stage an entry, got {quote(first)} and {quote(second)}; {fix}",
            )
        else:
            self.problems.add(
                entry.mark, f"{title}: expects the name of a stage, got {given(entry)}"
            )
        return None

    def _file(self, title: str, leaf: Leaf) -> Path | None:
        try:
            return asset(str(leaf.value), self.folder)
        except PathError as error:
            self.problems.add(leaf.mark, f"{title}: {error}")
            return None

    def _kit(self, paths: dict[str, Path], title: str, leaf: Leaf) -> Kit | None:
        """Return a kit; where it comes from disk, note its path under `title`."""
        named = str(leaf.value)
        if named in self.kits:
            return self.kits[named]
        try:
            paths[title] = asset(named, self.folder, may_be_folder=True)
            return self._kit_of(paths[title])
        except PathError as error:
            near = did_you_mean(named, self.kits)
            why = f"{error}; and no kit is called {quote(named)}{near}"
            self.problems.add(leaf.mark, f"{title}: {why} (installed: {listing(self.kits)})")
        except StemfxError as error:
            self.problems.add(leaf.mark, f"{title}: {error}")
        return None

    def _kit_of(self, path: Path) -> Kit:
        """Read a kit once, however many stages play it.

        Raises:
            StemfxError: it cannot be used, or it is one too many.
        """
        if path not in self._read_kits:
            if len(self._read_kits) == MAX_KITS:
                raise KitError(f"a recipe plays at most {MAX_KITS} kits from files")
            try:
                self._read_kits[path] = read_kit(path, root=self.folder)
            except StemfxError as error:
                self._read_kits[path] = error
        found = self._read_kits[path]
        if isinstance(found, StemfxError):
            raise found
        return found

    def _source(self, title: str, leaf: Leaf) -> str | None:
        named = str(leaf.value)
        if named in self.sources:
            return named
        near = did_you_mean(named, self.sources)
        known = listing(self.sources) or "none"
        message = f"{title}: there is no source {quote(named)}{near} (known: {known})"
        self.problems.add(leaf.mark, message)
        return None

    def _hears(self, title: str, leaf: Leaf, track: str | None) -> bool:
        heard = str(leaf.value)
        if heard not in self.tracks:
            hint = did_you_mean(heard, self.tracks)
            self.problems.add(
                leaf.mark,
                f"{title}: there is no track {quote(heard)}{hint} (known: {listing(self.tracks)})",
            )
            return False
        if heard == track:
            self.problems.add(
                leaf.mark, f"{title}: {quote(heard)} is this very track; name another one"
            )
            return False
        if track is not None:
            self._edges.setdefault((track, heard), leaf.mark)
        return True


def _texts(written: Table, name: str, params: StageParams | None) -> list[Leaf]:
    """Return the texts of a parameter, which may be one or a list: as written, else its default."""
    node = written.entries.get(name)
    if node is None:
        default = getattr(params, name, None)
        many = default if isinstance(default, list | tuple) else [default]
        return [Leaf(written.mark, text, text) for text in many if isinstance(text, str) and text]
    nodes = node.nodes if isinstance(node, Items) else [node]
    return [leaf for leaf in nodes if isinstance(leaf, Leaf) and isinstance(leaf.value, str)]
