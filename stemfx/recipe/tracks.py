"""`tracks`: the layers of the mix, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stemfx.alignment.timeline import SectionWish
from stemfx.recipe.bars import BarRange, parse_bars
from stemfx.recipe.document import TakeShape, TrackShape
from stemfx.recipe.model import Align, Source, Take, Track
from stemfx.recipe.paths import PathError, asset, name_fault
from stemfx.recipe.problems import Mark, Problems, did_you_mean, listing, quote
from stemfx.recipe.stage_calls import StageReader
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given, unknown
from stemfx.recipe.yaml_tree import Items, Leaf, Node, Table

MAX_TRACKS = 256
"""Each one is a file on disk while a run lasts."""


@dataclass(frozen=True)
class Origin:
    """What a track plays; see `Track`."""

    source: str | None = None
    stem: str | None = None
    asset: Path | None = None
    removed_of: str | None = None
    takes: tuple[Take, ...] = ()
    takes_best: bool = False


BEST = "best"
"""`from: best` plays, section by section, the source whose stem of that name ranks best."""

REMOVED = "removed"
"""`TRACK/removed` is what the stages of a track took away, where they were told to keep it."""


@dataclass(frozen=True)
class TrackReader:
    """Reads tracks; `sources` holds every source that the recipe names, None where faulty."""

    sources: Mapping[str, Source | None]
    stages: StageReader
    folder: Path
    align: Align | None
    sections: tuple[SectionWish, ...]
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
        elif isinstance(written, Items):
            origin = self._takes(written, f"{title}.from")
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
            takes=origin.takes,
            takes_best=origin.takes_best,
        )

    def _named(self, text: str, mark: Mark, title: str, track: str) -> Origin | None:
        """Return what `from` names: a source, a stem of one, what a track removed, else a file."""
        source, slash, stem = text.partition("/")
        if source in self.sources:
            return self._stem(source, stem, mark, title) if slash else Origin(source)
        if stem == REMOVED and source in self.stages.tracks:
            self.stages.follows(track, source, mark)
            return Origin(removed_of=source)
        if source == BEST:
            return self._best(stem or track, mark, title)
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

    # --- tracks of several sources -------------------------------------------------------

    def _best(self, stem: str, mark: Mark, title: str) -> Origin | None:
        """Return every aligned source that can play a stem."""
        self._check_grid(mark, title)
        takes = [
            Take(name, stem, str(mark))
            for name, source in self.sources.items()
            if source and source.may_align and (source.stems is None or stem in source.stems)
        ]
        if len(takes) < 2:
            what = f"needs two sources with a stem {quote(stem)} to choose from, got {len(takes)}"
            self.problems.add(mark, f"{title}: best {what}")
            return None
        return Origin(takes=tuple(takes), takes_best=True)

    def _takes(self, items: Items, title: str) -> Origin | None:
        """Return the bars that each source plays; they may leave gaps, but not overlap."""
        self._check_grid(items.mark, title)
        if not items.nodes:
            self.problems.add(items.mark, f"{title}: the list is empty; nothing would be played")
        n_before = len(items.nodes)
        found = [take for node in items.nodes if (take := self._take(node, title)) is not None]
        if not found or len(found) < n_before:
            return None
        takes = sorted(found, key=lambda take: take.first_bar)
        for before, after in pairwise(takes):
            if before.last_bar is None or before.last_bar >= after.first_bar:
                self.problems.add(
                    items.mark,
                    f"{title}: bar {after.first_bar} is played twice: by {quote(before.source)} "
                    f"and {quote(after.source)}; a track of the mix plays both at once",
                )
        return Origin(takes=tuple(takes))

    def _take(self, node: Node, title: str) -> Take | None:
        # What is wrong with its shape was noted with the track's.
        shape = section(node, TakeShape, title, Problems()) if isinstance(node, Table) else None
        if shape is None or not isinstance(node, Table):
            return None
        source, slash, stem = shape.source.partition("/")
        mark = node.where("source")
        if source not in self.sources:
            near, known = did_you_mean(source, self.sources), listing(self.sources)
            what = f"there is no source {quote(source)}{near} (known: {known})"
            self.problems.add(mark, f"{title}.source: {what}")
            return None
        origin = self._stem(source, stem, mark, title) if slash else Origin(source)
        bars = self._bars(shape, node, title)
        if origin is None or bars is None:
            return None
        if (found := self.sources[source]) and not found.may_align:
            what = f"{quote(source)} has `align: false`: its bars are not those of the song"
            self.problems.add(mark, f"{title}.source: {what}")
        return Take(source, origin.stem, str(mark), bars.first, bars.last, shape.gain_db)

    def _bars(self, shape: TakeShape, node: Table, title: str) -> BarRange | None:
        if (shape.bars is None) == (shape.section is None):
            what = "give either `bars`, such as 1-8, or a `section`"
            self.problems.add(node.mark, f"{title}: {what}")
            return None
        if shape.section is not None:
            known = {wish.name: wish for wish in self.sections}
            if (wish := known.get(shape.section)) is None:
                what = unknown(shape.section, "`sections`", known)
                self.problems.add(node.where("section"), f"{title}.section: {what}")
                return None
            return BarRange(wish.first_bar, wish.first_bar + wish.n_bars - 1)
        leaf = node.get("bars")
        text = leaf.text if isinstance(leaf, Leaf) else str(shape.bars)
        try:
            return parse_bars(text)
        except ValueError as error:
            self.problems.add(node.where("bars"), f"{title}.bars: {error}")
            return None

    def _check_grid(self, mark: Mark, title: str) -> None:
        if self.align is None or self.align.tempo is None:
            what = "bars are counted on a common grid; add `align: {tempo: auto}`, or a source"
            self.problems.add(mark, f"{title}: {what}")

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
