"""`tracks`: the layers of the mix, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemfx.recipe.document import TrackShape
from stemfx.recipe.model import Source, Track
from stemfx.recipe.paths import PathError, asset, name_fault
from stemfx.recipe.problems import Mark, Problems, did_you_mean, listing, quote
from stemfx.recipe.stage_calls import StageReader
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Leaf, Table

MAX_TRACKS = 256
"""Each one is a file on disk while a run lasts."""


@dataclass(frozen=True)
class Origin:
    """What a track plays; see `Track`."""

    source: str | None = None
    stem: str | None = None
    asset: Path | None = None
    removed_of: str | None = None


REMOVED = "removed"
"""`TRACK/removed` is what the stages of a track took away, where they were told to keep it."""


@dataclass(frozen=True)
class TrackReader:
    """Reads tracks; `sources` holds every source that the recipe names, None where faulty."""

    sources: Mapping[str, Source | None]
    stages: StageReader
    folder: Path
    problems: Problems

    def tracks(self, table: Table, names: list[str]) -> dict[str, Track]:
        """Return the tracks of these names; without any, one for each source as it is."""
        if len(table.entries) > MAX_TRACKS:
            self.problems.add(table.mark, f"tracks: a recipe has at most {MAX_TRACKS} tracks")
            return {}
        if table.entries:
            found = [self._track(name, table) for name in names]
            return {track.name: track for track in found if track}
        return {
            name: Track(name, name, None, None, (), 0.0, 0.0, False, source.where, source.where)
            for name, source in self.sources.items()
            if source
        }

    def _track(self, name: str, table: Table) -> Track | None:
        title, key = f"tracks.{name}", table.keys[name]
        node = table.get(name) or Table(key)
        if not isinstance(node, Table):
            if not (isinstance(node, Leaf) and node.broken):
                fields = [f.alias or n for n, f in TrackShape.model_fields.items()]
                self.problems.add(
                    node.mark, f"{title}: expects a mapping of {listing(fields)}, got {given(node)}"
                )
            return None
        shape = section(node, TrackShape, title, self.problems, without=("stages",))
        stages = self.stages.calls(node.get("stages"), f"{title}.stages", name)
        written = node.get("from")
        if isinstance(written, Leaf) and isinstance(written.value, str):
            origin = self._named(written.value, written.mark, f"{title}.from", name)
        else:
            origin = self._implied(name, key) if written is None else None
        if shape is None or origin is None:
            return None
        return Track(
            name=name,
            source=origin.source,
            stem=origin.stem,
            asset=origin.asset,
            stages=stages,
            gain_db=shape.gain_db,
            pan=shape.pan,
            mute=shape.mute,
            where=str(key),
            from_where=str(written.mark if written else key),
            removed_of=origin.removed_of,
        )

    def _named(self, text: str, mark: Mark, title: str, track: str) -> Origin | None:
        """Return what `from` names: a source, a stem of one, what a track removed, else a file."""
        source, slash, stem = text.partition("/")
        if source in self.sources:
            return self._stem(source, stem, mark, title) if slash else Origin(source)
        if stem == REMOVED and source in self.stages.tracks:
            self.stages.follows(track, source, mark)
            return Origin(removed_of=source)
        try:
            return Origin(asset=asset(text, self.folder))
        except PathError as error:
            near = did_you_mean(source, self.sources)
            self.problems.add(
                mark,
                f"{title}: {error}; and no source is called {quote(source)}{near} "
                f"(sources: {listing(self.sources)})",
            )
            return None

    def _implied(self, name: str, key: Mark) -> Origin | None:
        """Return the stem of the track's own name, which is what no `from` means."""
        title = f"tracks.{name}"
        if len(self.sources) == 1:
            (source,) = self.sources
            return self._stem(source, name, key, title)
        choices = [f"{source}/{name}" for source in self.sources]
        what = f"one of {listing(choices)}, or a file" if choices else "a file"
        self.problems.add(key, f"{title}: `from` is needed: {what}")
        return None

    def _stem(self, source: str, stem: str, mark: Mark, title: str) -> Origin | None:
        found = self.sources[source]
        if fault := name_fault(stem):
            self.problems.add(mark, f"{title}: {fault}")
            return None
        if found and found.stems is not None and stem not in found.stems:
            self.problems.add(
                mark,
                f"{title}: the source {quote(source)} has no stem {quote(stem)}"
                f"{did_you_mean(stem, found.stems)} (known: {listing(found.stems)})",
            )
            return None
        return Origin(source, stem)
