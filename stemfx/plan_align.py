"""One tempo and one key for all songs: the part of the graph between their stems and the tracks.

Every song is read (`a/music`), one node decides where every moment of each sounds (`align`), and
one node a song plays all of its stems that tracks use along its map (`a/align`), together, so that
they never drift against each other. What a stage does that hears its song as it came is done
before; a preview is cut out afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, replace

from stemfx.alignment.parts import is_drums, is_voice
from stemfx.alignment.timeline import SectionWish, Wishes
from stemfx.errors import Problem, RecipeError
from stemfx.graph import (
    AUDIO,
    DATA,
    AlignStems,
    ChooseTakes,
    Comp,
    Excerpt,
    Graph,
    JudgeSong,
    LayOut,
    Port,
    TellTimeline,
)
from stemfx.io import file_sha256
from stemfx.plan_inputs import played_sources, used_tracks
from stemfx.plan_sources import SourcePorts
from stemfx.recipe import Recipe, Source, StageCall, Track
from stemfx.stage import HitParams
from stemfx.weight_files import SHIPPED

ALIGN_VERSION = 2
"""Raise it when a song is laid out or played otherwise."""

Chain = Callable[[Track, tuple[StageCall, ...], Port], tuple[Port, list[Port]]]
"""Adds the first stages of a track: (track, stages, signal) to what comes out, and what they
took away and is to be kept."""


class AlignedPorts:
    """Adds to a graph what brings songs onto one timeline.

    Args:
        graph: takes the nodes.
        recipe: says what to follow.
        sources: its songs as they came.
        chain: adds stages that hear their song, before it is aligned.
        preview_s: (start, length) of a preview.
    """

    def __init__(
        self,
        graph: Graph,
        recipe: Recipe,
        sources: SourcePorts,
        chain: Chain,
        preview_s: tuple[float, float] | None,
    ) -> None:
        self._graph, self._recipe, self._sources = graph, recipe, sources
        self._chain, self._preview_s = chain, preview_s
        self._aligned: dict[str, dict[tuple[str, str | None], Port]] = {}
        self._removed: dict[str, list[Port]] = {}  # by track
        self._timeline: Port | None = None
        self._told: Port | None = None
        self._previews: dict[Port, Port] = {}  # by what they are cut from

    def track(self, track: Track) -> tuple[Port, list[Port]]:
        """Return a track on the timeline after its early stages, and what these took away."""
        assert track.source is not None  # noqa: S101 - asked by the caller
        signals = self._song(self._recipe.sources[track.source])
        taken = [self._excerpt(port) for port in self._removed.get(track.name, [])]
        return self._excerpt(signals["track", track.name]), taken

    def comp(self, track: Track) -> Port:
        """Return the signal of a track that several sources play."""
        ports = [
            self._song(self._recipe.sources[source])[source, stem] for source, stem in track.played
        ]
        inputs = [*ports, self.timeline()]
        cuts = None
        if track.takes_best:
            names = tuple(source for source, _ in track.played)
            chosen = self._graph.add(
                f"{track.name}/best",
                "best",
                ChooseTakes(names),
                [*inputs, *map(self._judged, names)],
                config=[ALIGN_VERSION, names, file_sha256(SHIPPED)],
                signals=(),
                where=track.from_where,
            )
            inputs.append(Port(chosen.node, DATA))
        else:
            number = {played: i for i, played in enumerate(track.played)}
            cuts = tuple(
                (take.first_bar, take.last_bar, number[take.source, take.stem], take.gain_db)
                for take in track.takes
            )
        whole = self._graph.add(
            f"{track.name}/comp",
            "comp",
            Comp(tuple("/".join(filter(None, part)) for part in track.played), cuts),
            inputs,
            config=[ALIGN_VERSION, cuts],
            where=track.from_where,
        )
        return self._excerpt(whole)

    def _judged(self, name: str) -> Port:
        """Return the data of what is against a song as a whole."""
        source = self._recipe.sources[name]
        node_id = f"{name}/judge"
        if node_id not in self._graph.nodes:
            is_lossy = self._sources.is_lossy(source)
            self._graph.add(
                node_id,
                "judge",
                JudgeSong(is_lossy),
                [self._sources.mixture(source), self._sources.reading(name)],
                config=[ALIGN_VERSION, is_lossy, file_sha256(SHIPPED)],
                signals=(),
                where=source.where,
            )
        return Port(node_id, DATA)

    @property
    def laid_out(self) -> Port | None:
        """The data of where every moment of every song sounds, if any track asked for it."""
        return self._timeline

    def timeline(self) -> Port:
        """Return the data of where every moment of every song sounds."""
        if self._timeline is None:
            names = tuple(s.name for s in played_sources(self._recipe) if self._covers(s.name))
            wishes = self._wishes(names)
            node = self._graph.add(
                "align",
                "align",
                LayOut(names, wishes),
                [self._sources.reading(name) for name in names],
                config=[ALIGN_VERSION, names, asdict(wishes)],
                signals=(),
                where=self._recipe.align.where if self._recipe.align else None,
            ).node
            self._timeline = Port(node, DATA)
        return self._timeline

    def reading(self) -> Port:
        """Return the data of what all aligned songs play to, for stages that are in time with it.

        In a preview it counts from the preview's start.
        """
        if self._told is None:
            work = TellTimeline(self._preview_s)
            node = self._graph.add(
                "align/music",
                "music",
                work,
                [self.timeline()],
                config=[ALIGN_VERSION, self._preview_s],
                signals=(),
            ).node
            self._told = Port(node, DATA)
        return self._told

    def _covers(self, source: str) -> bool:
        return self._recipe.aligns(source)

    def _wishes(self, names: tuple[str, ...]) -> Wishes:
        align = self._recipe.align
        assert align is not None  # noqa: S101 - or nothing would be aligned
        played = [p for track in used_tracks(self._recipe) for p in track.played]
        parts = {
            name: tuple(dict.fromkeys(stem or "" for source, stem in played if source == name))
            for name in names
        }
        return Wishes(
            tempo=align.tempo,
            key=align.key,
            parts=parts,
            structure=align.structure,
            sections=tuple(_for(names, section) for section in self._recipe.sections),
            max_stretch_percent=align.max_stretch_percent,
            max_semitones=align.max_semitones,
            told={name: self._recipe.sources[name].told for name in names},
        )

    # --- one song ------------------------------------------------------------------------

    def _song(self, source: Source) -> dict[tuple[str, str | None], Port]:
        """Return the signals of a song on the timeline, whole even in a preview.

        By ("track", its name) those of tracks that play it alone, after their early stages; by
        (its name, stem) those of tracks that it shares with others.
        """
        if source.name in self._aligned:
            return self._aligned[source.name]
        wanted: dict[tuple[str, str | None], tuple[Port, str]] = {}
        taken: dict[str, list[tuple[Port, str]]] = {}
        for track in used_tracks(self._recipe):
            if track.source == source.name:
                port, removed = self._chain(
                    track, early_stages(track), self._raw(source, track.stem, track.from_where)
                )
                wanted["track", track.name] = (port, track.stem or "")
                taken[track.name] = [(port, track.stem or "") for port in removed]
            for name, stem in track.played if track.takes else ():
                if name == source.name:
                    raw = self._raw(source, stem, track.from_where)
                    wanted[name, stem] = (raw, stem or "")
        signals = [*wanted.values(), *(pair for pairs in taken.values() for pair in pairs)]
        aligned = self._aligned_together(source, list(dict.fromkeys(signals)))
        self._aligned[source.name] = {key: aligned[pair] for key, pair in wanted.items()}
        for name, pairs in taken.items():
            self._removed[name] = [aligned[pair] for pair in pairs]
        return self._aligned[source.name]

    def _raw(self, source: Source, stem: str | None, where: str) -> Port:
        if stem is None:
            return self._sources.whole(source)
        return self._sources.stem(source, stem, where)

    def _aligned_together(
        self, source: Source, signals: list[tuple[Port, str]]
    ) -> dict[tuple[Port, str], Port]:
        names: list[str] = []
        for _, stem in signals:
            name = stem or "song"
            # No signal may be called as what a node finds out is.
            n_alike = (name == DATA) + sum(other.partition("#")[0] == name for other in names)
            names.append(f"{name}#{n_alike + 1}" if n_alike else name)
        keeps = self._recipe.align is not None and self._recipe.align.keeps_formants
        drums = frozenset(n for n, (_, stem) in zip(names, signals, strict=True) if is_drums(stem))
        voices = frozenset(
            n for n, (_, stem) in zip(names, signals, strict=True) if keeps and is_voice(stem)
        )
        node = self._graph.add(
            f"{source.name}/align",
            "stretch",
            AlignStems(source.name, tuple(names), drums, voices),
            [*(port for port, _ in signals), self.timeline()],
            config=[ALIGN_VERSION, source.name, names, sorted(drums), sorted(voices)],
            signals=tuple(names),
            where=source.where,
        ).node
        return {pair: Port(node, name) for pair, name in zip(signals, names, strict=True)}

    def _excerpt(self, port: Port) -> Port:
        """Return what of a signal on the timeline is heard: all, or what is in the preview."""
        if self._preview_s is None:
            return port
        if port not in self._previews:
            parts = (port.node, *([port.signal] if port.signal != AUDIO else []), "preview")
            self._previews[port] = self._graph.add(
                "/".join(parts),
                "excerpt",
                Excerpt(*self._preview_s),
                [port],
                config=self._preview_s,
            )
        return self._previews[port]


def _for(names: Collection[str], section: SectionWish) -> SectionWish:
    """Return what a section says of some sources: not of one whose tracks are muted."""
    return replace(
        section,
        first_bar_of={n: bar for n, bar in section.first_bar_of.items() if n in names},
        n_bars_of={n: bars for n, bars in section.n_bars_of.items() if n in names},
    )


def early_stages(track: Track) -> tuple[StageCall, ...]:
    """Return the stages of a track up to the last one that hears its song: as it came.

    Raises:
        RecipeError: one of them listens to something that is on the timeline already.
    """
    last = max((i for i, call in enumerate(track.stages) if call.stage.hears_song), default=-1)
    early = track.stages[: last + 1]
    for call in early:
        hears_hits_of = isinstance(call.params, HitParams) and call.params.of is not None
        if call.sidechains or call.sources or hears_hits_of:
            name, later = call.stage.name, early[-1].stage.name
            raise RecipeError(
                [
                    Problem(
                        call.where,
                        f"{name} listens to what `align` has moved, and {later!r} after it hears "
                        f"the song as it came; move `{name}` behind `{later}`",
                    )
                ]
            )
    return early


def late_stages(track: Track) -> tuple[StageCall, ...]:
    """Return the stages of a track that follow its alignment."""
    return track.stages[len(early_stages(track)) :]
