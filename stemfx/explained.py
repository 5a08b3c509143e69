"""What a plan can say of the songs that it aligns before anything is run: from what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemfx.alignment.camelot import camelot
from stemfx.alignment.explain import explain, explain_timeline
from stemfx.alignment.layout import lay_out
from stemfx.alignment.timeline import Timeline
from stemfx.cache import Cache
from stemfx.graph import DATA, LayOut, Node
from stemfx.music_reading import MusicReading
from stemfx.plan import Plan


@dataclass(frozen=True)
class Explained:
    """The alignment of a plan.

    Args:
        follows: what the recipe asks for, such as `tempo of b, key of c`.
        timeline: what came out, or will; None where the songs were not read yet.
    """

    follows: str
    timeline: Timeline | None

    @property
    def lines(self) -> list[str]:
        """Say it in lines."""
        if self.timeline is None:
            told = (
                f"align: {self.follows}; how far that stretches and transposes each song is known "
                "once they are read: by `stemfx run`, or `stemfx mashup` of their files"
            )
            return [told]
        return [f"align: {explain_timeline(self.timeline)}", *explain(self.timeline).values()]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for programs."""
        if self.timeline is None:
            return {"follows": self.follows, "known": False}
        reading = self.timeline.reading
        return {
            "follows": self.follows,
            "known": True,
            "bpm": round(reading.bpm, 3),
            "tempo_of": self.timeline.tempo_of,
            "key": reading.key,
            "key_of": self.timeline.key_of,
            "camelot": camelot(reading.key) if reading.key else "",
            "sources": {
                name: {
                    "bpm": round(own.bpm, 3),
                    "key": own.key,
                    "camelot": camelot(own.key) if own.key else "",
                    "stretch_percent": round(own.stretch_percent, 3),
                    "octave": own.octave,
                    "semitones": round(own.semitones, 3),
                }
                for name, own in self.timeline.maps.items()
            },
        }


def explained(plan: Plan, cache: Cache) -> Explained | None:
    """Return what is known of the alignment; None where a plan has none. Touches no audio.

    Raises:
        AlignmentError: the songs are read, and cannot be brought together as asked.
    """
    for node in plan.nodes.values():
        if isinstance(node.work, LayOut):
            return Explained(_asked(node.work), _timeline(node, node.work, plan, cache))
    return None


def _asked(work: LayOut) -> str:
    wishes = work.wishes
    told = {"tempo": wishes.tempo, "key": wishes.key}
    named = [
        f"{what} {'of ' if str(value) in work.sources else ''}{value}"
        for what, value in told.items()
        if value is not None
    ]
    return ", ".join(named) or "each song as it is"


def _timeline(node: Node, work: LayOut, plan: Plan, cache: Cache) -> Timeline | None:
    """Return the timeline that is kept, or that what is kept of the songs gives."""
    if (found := _data(node, cache)) is not None:
        return Timeline.from_json(found)
    read = [_data(plan.nodes[port.node], cache) for port in node.inputs]
    if any(one is None for one in read):
        return None
    readings = {
        name: MusicReading.from_json(one)
        for name, one in zip(work.sources, read, strict=True)
        if one is not None
    }
    return lay_out(readings, work.wishes)


def _data(node: Node, cache: Cache) -> Mapping[str, Any] | None:
    entry = cache.lookup(node.key)
    return None if entry is None else entry.facts.get(DATA)
