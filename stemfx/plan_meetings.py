"""Where stems of different songs meet: what to look at, for the report.

A vocal of one song that still carries that song's drums meets the drums of another; a kick meets a
bass that was not written for it; two singers sing at once. Each is measured and told, nothing is
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

from stemfx.alignment.parts import is_drums, is_voice
from stemfx.graph import Graph, Meeting, MeetingKind, Port
from stemfx.plan_inputs import guarding_stems
from stemfx.plan_sources import SourcePorts
from stemfx.recipe import Recipe, Track

MEETING_VERSION = 1
_BASS = "bass"
GUARD = "bleed_guard"


def add_meetings(
    graph: Graph,
    recipe: Recipe,
    sources: SourcePorts,
    ports: dict[str, Port],
    timeline: Port | None,
) -> None:
    """Add a check for every meeting.

    Args:
        graph: takes the nodes.
        recipe: says who plays what.
        sources: its songs as they came.
        ports: of the tracks that are heard, after their stages, by name.
        timeline: data of where the bars of the song are, if it has any.
    """
    heard = [track for track in recipe.tracks.values() if track.name in ports]
    for track in heard:
        _add_bleed(graph, recipe, sources, track)
    pairs = [pair for pair in combinations(heard, 2) if _are_strangers(*pair)]
    for kind, tracks in _meetings_of(pairs):
        first, second = tracks
        told = [timeline] if timeline is not None and kind == "two_voices" else []
        graph.add(
            f"{second.name}/{kind}",
            kind,
            Meeting(kind, (first.name, second.name)),
            [ports[first.name], ports[second.name], *told],
            config=MEETING_VERSION,
            signals=(),
            where=second.where,
        )


def _meetings_of(
    pairs: list[tuple[Track, Track]],
) -> Iterator[tuple[MeetingKind, tuple[Track, Track]]]:
    for a, b in pairs:
        for first, second in ((a, b), (b, a)):
            if _stem(first, is_drums) and _stem(second, lambda stem: stem == _BASS):
                yield "low_end", (first, second)
        if _stem(a, is_voice) and _stem(b, is_voice):
            yield "two_voices", (a, b)


def _stem(track: Track, is_so: Callable[[str], bool]) -> bool:
    return any(stem and is_so(stem) for _, stem in track.played)


def _are_strangers(a: Track, b: Track) -> bool:
    """Tell whether two tracks play different songs."""
    return not {source for source, _ in a.played} & {source for source, _ in b.played}


def _add_bleed(graph: Graph, recipe: Recipe, sources: SourcePorts, track: Track) -> None:
    if track.source is None or track.stem is None:
        return
    source = recipe.sources[track.source]
    replaced = [s for s in guarding_stems(recipe, source) if sources.offers(source, s)]
    is_guarded = any(call.stage.name == GUARD for call in track.stages)  # it tells itself
    if not replaced or is_drums(track.stem) or is_guarded:
        return
    others = {stem: sources.stem(source, stem, track.where) for stem in replaced}
    stem = sources.stem(source, track.stem, track.from_where)
    graph.add(
        f"{track.name}/bleed",
        "bleed",
        Meeting("bleed", (track.stem, *others)),
        [stem, *others.values(), sources.mixture(source)],
        config=[MEETING_VERSION, list(others)],
        signals=(),
        where=track.where,
    )
