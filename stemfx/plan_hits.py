"""Which drum hits a stage is told: found once for each track, or read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stemfx.drums import DEFAULT_CLASSIFIER
from stemfx.errors import Problem, RecipeError
from stemfx.graph import DATA, FindHits, GivenHits, Graph, Port
from stemfx.hit_files import digest, read_hits
from stemfx.hits import HitClassifier
from stemfx.recipe import StageCall
from stemfx.recipe.problems import did_you_mean, listing
from stemfx.registry import Registry
from stemfx.stage import HitParams


class TrackHits:
    """Adds to a graph the search for the hits of tracks.

    The first stage of a track that is told hits decides: what comes into it is listened to, or
    the file that it names is read, and all later stages, also those of other tracks, are told the
    same, unless they name a file or a classifier themselves.

    Args:
        graph: takes the nodes.
        registry: of classifiers.
        preview_s: (start, length) of a preview; files of hits count from the song's start.
    """

    def __init__(
        self, graph: Graph, registry: Registry, preview_s: tuple[float, float] | None
    ) -> None:
        self._graph, self._registry, self._preview_s = graph, registry, preview_s
        self._given: dict[str, GivenHits] = {}  # by track or bus
        self._read: dict[Path, GivenHits] = {}  # however many stages name a file
        self._found: dict[str, dict[str, Port]] = {}  # by track or bus, then classifier

    @property
    def tracks(self) -> tuple[str, ...]:
        """The tracks of which hits were asked for."""
        return tuple(dict.fromkeys((*self._given, *self._found)))

    @property
    def found(self) -> Mapping[str, Port]:
        """The hits of each track that were searched for: as the first stage is told them."""
        return {track: next(iter(ports.values())) for track, ports in self._found.items()}

    @property
    def given(self) -> Mapping[str, GivenHits]:
        """The hits that a file gives, of each track that was not searched."""
        return {track: hits for track, hits in self._given.items() if track not in self._found}

    def heard(self, call: StageCall, track: str, port: Port) -> Port | GivenHits:
        """Return the hits that a stage is told; `port` is the signal that they are those of.

        Raises:
            RecipeError: the classifier is unknown.
            HitsError: the file of hits cannot be read.
        """
        file = call.files.get("hits")
        if file is not None:
            if file not in self._read:
                self._read[file] = self._of_file(file)
            given = self._read[file]
            if track not in self._found:
                self._given.setdefault(track, given)
            return given
        name = call.params.classifier if isinstance(call.params, HitParams) else None
        if name is None and track in self._given:
            return self._given[track]
        known = self._found.setdefault(track, {})
        if name is None and known:
            return next(iter(known.values()))
        classifier = self._classifier(name or DEFAULT_CLASSIFIER, call)
        if classifier.name not in known:
            node = self._graph.add(
                f"{track}/hits",
                "hits",
                FindHits(classifier),
                (port,),
                config=self._registry.version_of_classifier(classifier),
                signals=(),
                where=call.where,
            ).node
            known[classifier.name] = Port(node, DATA)
        return known[classifier.name]

    def forget(self, track: str) -> None:
        """Search anew from here on: the track was moved in time."""
        self._given.pop(track, None)
        self._found.pop(track, None)

    def _classifier(self, name: str, call: StageCall) -> HitClassifier:
        known = self._registry.hit_classifiers
        if name not in known:
            near = did_you_mean(name, known)
            why = f"there is no classifier {name!r}{near} (known: {listing(known)})"
            raise RecipeError([Problem(call.where, f"{call.stage.name}.classifier: {why}")])
        return known[name]

    def _of_file(self, file: Path) -> GivenHits:
        """Return the hits of a file, at their times in the preview, if it is one."""
        hits, left_out = read_hits(file)
        if self._preview_s is not None:
            start_s, length_s = self._preview_s
            moved = (replace(h, time_s=h.time_s - start_s) for h in hits if h.time_s >= start_s)
            hits = tuple(hit for hit in moved if hit.time_s < length_s)
        return GivenHits(file, hits, left_out, digest(hits))
