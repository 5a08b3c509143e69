"""Which signals of a run the page lets hear and look at, and in which rows they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stemfx.exports.song import REFERENCE_COLOR, colors_of
from stemfx.graph import Port
from stemfx.plan import Plan

Role = Literal["source", "early", "before", "step", "after", "mix", "master"]
Kind = Literal["source", "track", "mix", "master"]

_CAME_BY = {
    "decode": "as it came",
    "fit": "as separated",
    "separate": "as separated",
    "combine": "as separated",
    "mask": "as separated",
    "residual": "what the model leaves",
    "return_residual": "as separated",
    "stretch": "aligned",
    "excerpt": "aligned",
    "comp": "put together",
    "mix": "mixed",
}
"""How a signal came to be that no stage of the recipe has made."""

_COLOR_OF_BUS: Mapping[Literal["mix", "master"], str] = {"mix": "#7A6FF0", "master": "#C9356B"}


@dataclass(frozen=True)
class Point:
    """One signal of the chain.

    `has_own_time` is that of a song, or a track, before it was moved in time.
    """

    id: str
    port: Port
    label: str
    short: str
    role: Role
    has_own_time: bool = False

    def told(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "node": self.port.node,
            "signal": self.port.signal,
            "label": self.label,
            "short": self.short,
            "role": self.role,
            "has_own_time": self.has_own_time,
        }


@dataclass
class Lane:
    """A row of the page: a song, a track, the mix or the master, and its points in order.

    `early` are those in a time of their own. `gain_db` and `pan` are the recipe's fader, which
    comes after all of the points.
    """

    kind: Kind
    name: str
    points: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    gain_db: float = 0.0
    pan: float = 0.0
    mute: bool = False
    color: str = REFERENCE_COLOR

    def told(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": f"{self.kind}/{self.name}",
            "label": self.name,
            "kind": self.kind,
            "color": self.color,
            "before": self.points[0],
            "after": self.points[-1],
            "points": self.points,
            "early": self.early,
            "gain_db": self.gain_db,
            "pan": self.pan,
            "mute": self.mute,
        }


class Points:
    """The points and lanes of a plan; a signal that stands in several lanes is one point."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._heard = plan, plan.listening
        self._by_port: dict[Port, Point] = {}
        self.lanes = list(self._lanes())

    def __iter__(self) -> Iterator[Point]:
        return iter(self._by_port.values())

    def at(self, port: Port) -> str | None:
        """Return the id of the point at a signal, if it is one."""
        point = self._by_port.get(port)
        return None if point is None else point.id

    def after(self, node: str) -> Point | None:
        """Return the point of what a node gives, if it gives one signal and that is a point."""
        return self._by_port.get(Port(node))

    def _lanes(self) -> Iterator[Lane]:
        recipe, chains = self._plan.recipe, self._heard.chains
        for name, port in self._heard.songs.items():
            label = f"{name} as it came" if len(self._heard.songs) > 1 else "the song as it came"
            point = self._point(port, label, name, "source", own=recipe.aligns(name))
            yield Lane("source", name, [point])
        colors = colors_of(list(recipe.tracks))
        for name, track in recipe.tracks.items():
            if name in chains:
                lane = Lane("track", name, color=colors[name])
                lane.gain_db, lane.pan, lane.mute = track.gain_db, track.pan, track.mute
                yield self._filled(lane, "after")
        for kind, color in _COLOR_OF_BUS.items():
            if kind in chains:
                yield self._filled(Lane(kind, kind, color=color), kind)

    def _filled(self, lane: Lane, last: Role) -> Lane:
        *early, ports = self._heard.chains[lane.name]
        for part in early:
            lane.early += [self._step(lane, port, "early", own=True) for port in part]
        for i, port in enumerate(ports):
            role: Role = "before" if i == 0 and lane.kind == "track" else "step"
            lane.points.append(self._step(lane, port, last if i == len(ports) - 1 else role))
        return lane

    def _step(self, lane: Lane, port: Port, role: Role, *, own: bool = False) -> str:
        node = self._heard.nodes[port.node]
        came_by = _CAME_BY.get(node.op)
        if lane.kind == "mix" and came_by:
            label, short = "the mix", "mix"
        elif came_by:
            label, short = f"{lane.name} {came_by}", came_by
        else:
            label, short = f"{lane.name} after {node.op}", node.op
        return self._point(port, label, short, role, own=own)

    def _point(self, port: Port, label: str, short: str, role: Role, *, own: bool) -> str:
        if port not in self._by_port:
            number = f"p{len(self._by_port)}"
            self._by_port[port] = Point(number, port, label, short, role, own)
        return self._by_port[port].id
