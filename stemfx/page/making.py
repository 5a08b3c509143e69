"""From the story of a run to its page: pictures and listening copies are made of cached signals.

They are nodes as those of the run are: kept in the cache, made side by side, stopped by Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stemfx.cache import Cache, Entry, StoredSignal
from stemfx.dsp.pictures import PICTURES_VERSION, PictureGrid
from stemfx.graph import DATA, Graph, Kept, ListeningCopy, Node, Picture, Port, Receipt, Work
from stemfx.io.opus import (
    OPUS_HZ,
    OVERLAP_S,
    SEGMENT_S,
    copied_segment,
    copy_gain_db,
    n_copied,
    n_segments_of,
)
from stemfx.operations_page import COPY
from stemfx.page.budget import copies_for
from stemfx.page.data import page_data
from stemfx.run import Observer, run_steps

LISTENING_VERSION = (PICTURES_VERSION, 2)
"""Raise the second when a copy becomes another."""


@dataclass(frozen=True)
class Copy:
    """The listening copy of one point: its pieces lie in one file, one after the other."""

    path: Path
    ends: tuple[int, ...]

    def piece(self, number: int) -> bytes | None:
        """Return the bytes of one piece; None where there is none of that number."""
        if not 0 <= number < len(self.ends):
            return None
        start = self.ends[number - 1] if number else 0
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(self.ends[number] - start)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of all pieces in order."""
        with self.path.open("rb") as file:
            for start, end in zip((0, *self.ends), self.ends, strict=False):
                yield file.read(end - start)


@dataclass(frozen=True)
class LiveCopy:
    """The listening copy of one point, each piece encoded when it is asked for."""

    signal: StoredSignal
    kbps: int
    gain_db: float

    @property
    def told(self) -> dict[str, Any]:
        """What the page must know of it, as `ListeningCopy` finds it of one that is kept."""
        n_samples = n_copied(self.signal.n_samples, self.signal.sample_rate)
        n_segments = n_segments_of(n_samples)
        return {"n_samples": n_samples, "n_segments": n_segments, "gain_db": self.gain_db}

    def piece(self, number: int) -> bytes | None:
        """Return the bytes of one piece; None where there is none of that number, or any more."""
        if not (0 <= number < self.told["n_segments"] and self.signal.has_its_size()):
            return None
        return copied_segment(self.signal, number, self.kbps, gain_db=self.gain_db)


@dataclass(frozen=True)
class Rendering:
    """What a page shows, and the copies that it plays, by point.

    `live` are those of a served page; it has others where a signal had to be made again.
    """

    data: Mapping[str, Any]
    copies: Mapping[str, Copy]
    live: Mapping[str, LiveCopy] = field(default_factory=dict)


def rendered(
    story: Mapping[str, Any],
    cache: Cache,
    nodes: Mapping[str, Node] | None = None,
    *,
    is_served: bool = False,
    observer: Observer | None = None,
    jobs: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Rendering:
    """Make what a page shows and plays.

    Args:
        story: of the run.
        cache: has the signals of the run, and takes what is made of them.
        nodes: those of the run, to make again what the cache has lost meanwhile. Without them a
            point whose signal is gone has no sound, and no picture that was not made before.
        is_served: pieces are fetched one by one, and encoded only then.
        observer: told of progress.
        jobs: nodes at a time.
        check: called a few times a second; what it raises stops the work.

    Raises:
        StemfxError: a step failed.
        CancelledError: interrupted from the keyboard; what was made is kept.
    """
    work = _Work(story, cache, nodes)
    lengths_s = {point["id"]: work.length_s(point) for point in story["points"]}
    copies = copies_for(story["points"], lengths_s, is_served=is_served)
    grid = PictureGrid.of(max(lengths_s.values(), default=story["duration_s"]))
    pictures, sounds, receipts = {}, {}, {}
    for point in story["points"]:
        name, label = point["id"], point["label"]
        pictures[name] = picture = work.add(
            f"picture of {label}", Picture(grid.frames_per_column), [point]
        )
        is_live = is_served and work.signal(point) is not None
        if name in copies.points and picture is not None and not is_live:
            seen = {"node": picture, "signal": DATA}
            sounds[name] = work.add(f"copy of {label}", ListeningCopy(copies.kbps), [point, seen])
    for one in story["receipts"]:
        ports = [one["mixture"], *one["stems"].values()]
        receipts[one["source"]] = work.add(f"receipt of {one['source']}", Receipt(), ports)
    for one in (*story["grids"], *story["hits"]):
        work.want(one["node"])
        work.want(one.get("aligned_by"))
    run_steps(work.steps(), cache, observer=observer, jobs=jobs, check=check)
    heard = {name: copy for name, node in sounds.items() if (copy := work.copy(node)) is not None}
    looks = {name: work.found(node) for name, node in pictures.items()}
    live = {}
    for point in story["points"] if is_served else ():
        signal, look = work.signal(point), looks[point["id"]]
        if point["id"] not in sounds and signal is not None and look is not None:
            gain_db = copy_gain_db(look["true_peak_dbtp"])
            live[point["id"]] = LiveCopy(signal, copies.kbps, gain_db)
    found = {
        "pictures": looks,
        "copies": {name: work.found(sounds[name]) for name in heard}
        | {name: copy.told for name, copy in live.items()},
        "receipts": {name: work.found(node) for name, node in receipts.items()},
    }
    data = page_data(story, found, work.found) | {
        "duration_s": max(
            (lengths_s[p["id"]] for p in story["points"] if not p["has_own_time"]),
            default=story["duration_s"],
        ),
        "sample_rate": OPUS_HZ,
        "audio": {
            "kbps": copies.kbps,
            "segment_s": SEGMENT_S,
            "overlap_s": OVERLAP_S,
            "where": copies.place,
            "folder": "audio" if is_served else "",
        },
        "picture": grid.picture,
    }
    return Rendering(data, heard, live)


@dataclass(frozen=True)
class _Steps:
    sample_rate: int
    nodes: Mapping[str, Node]


class _Work:
    """The nodes of a page, on top of those of its run: these, or what the cache has of them."""

    def __init__(
        self, story: Mapping[str, Any], cache: Cache, nodes: Mapping[str, Node] | None
    ) -> None:
        self._story, self._cache, self._is_live = story, cache, nodes is not None
        self._graph = Graph(story["duration_s"])
        self._wanted: list[str] = []
        if nodes is not None:
            self._graph.nodes = dict(nodes)
            return
        for name, key in story["keys"].items():
            if (entry := cache.lookup(key)) is not None:
                signals = tuple(entry.signals)
                self._graph.nodes[name] = Node(name, "kept", Kept(), (), key, signals)

    def length_s(self, point: Mapping[str, Any]) -> float:
        """Return how long a point is; where the cache does not know, as long as the result."""
        signal = self.signal(point)
        return signal.n_samples / signal.sample_rate if signal else float(self._story["duration_s"])

    def signal(self, point: Mapping[str, Any]) -> StoredSignal | None:
        """Return what the cache has at a point."""
        entry = self._cache.lookup(self._story["keys"][point["node"]])
        return None if entry is None else entry.signals.get(point["signal"])

    def add(self, name: str, work: Work, ports: Sequence[Mapping[str, str]]) -> str | None:
        """Add a node that reads these signals; None where what it reads is gone, as what it made.

        Args:
            name: of the node, as progress shows it.
            work: what it does.
            ports: each with its `node` and `signal`.
        """
        known = self._graph.nodes
        inputs = [Port(port["node"], port["signal"]) for port in ports]
        for port in inputs:
            if port.node not in known:  # gone: only its key is known
                key = self._story["keys"][port.node]
                known[port.node] = Node(port.node, "kept", Kept(), (), key, ())
        config = [LISTENING_VERSION, type(work).__name__, asdict(work)]
        node = self._graph.add(name, "page", work, inputs, config=config, signals=(), is_told=True)
        heard = [port for port in inputs if port.signal != DATA]
        is_there = self._is_live or all(p.signal in known[p.node].signals for p in heard)
        if not is_there and not self._cache.holds(known[node.node].key):
            return None
        self._wanted.append(node.node)
        return node.node

    def want(self, name: str | None) -> None:
        """See to it that what a node of the run found out is there, if it can be."""
        if name in self._graph.nodes:
            self._graph.nodes[name] = replace(self._graph.nodes[name], is_told=True)
            self._wanted.append(name)

    def steps(self) -> _Steps:
        """Return what has to be run: what is wanted and all that it reads."""
        needed = set(self._wanted)
        for node in reversed(list(self._graph.nodes.values())):
            if node.id in needed:
                needed |= {port.node for port in node.inputs}
        nodes = {name: node for name, node in self._graph.nodes.items() if name in needed}
        return _Steps(self._story["sample_rate"], nodes)

    def found(self, name: str | None) -> Mapping[str, Any] | None:
        """Return what a node found out."""
        entry = self._entry(name)
        return None if entry is None else entry.facts.get(DATA)

    def copy(self, name: str | None) -> Copy | None:
        """Return the copy that a node made."""
        entry = self._entry(name)
        if entry is None or COPY not in entry.files:
            return None
        return Copy(entry.files[COPY].path, tuple(entry.facts[DATA]["ends"]))

    def _entry(self, name: str | None) -> Entry | None:
        node = self._graph.nodes.get(name) if name is not None else None
        return None if node is None else self._cache.lookup(node.key)
