"""Ways round a closed edge: the fastest at the limits, for whoever may use them.

Plain Dijkstra over edges: a closure asks for some hundred ways once, in a network that is read for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cityloop.cities.sumo.netfile import FOOT_CLASSES, RAIL_CLASSES, Lane, NetFile

__all__ = ["UNAFFECTED", "Roads", "roads_of"]

UNAFFECTED = FOOT_CLASSES | RAIL_CLASSES | {"emergency", "authority", "ship", "cable_car"}
"""Who goes on through a closed street: people on foot, trams on their rails, whoever is called to help."""


@dataclass(frozen=True, slots=True)
class Roads:
    """What ways are looked for in."""

    open_to: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    """By lane: the classes allowed (empty: all), and those kept out."""
    cost_s: Mapping[str, float]
    """By edge, at its limit. [s]"""
    lanes: Mapping[str, tuple[str, ...]]
    """By edge."""
    after: Mapping[str, Mapping[str, tuple[str, ...]]]
    """By edge: the edges that follow, each with the lanes a connection leaves from and enters."""

    def lets(self, edge: str, kind: str) -> bool:
        """Tell whether a class may use an edge at all."""
        return any(self._lane_lets(lane, kind) for lane in self.lanes.get(edge, ()))

    def _lane_lets(self, lane: str, kind: str) -> bool:
        allow, disallow = self.open_to[lane]
        return kind in allow or "all" in allow if allow else kind not in disallow and "all" not in disallow

    def way(self, begin: str, end: str, kinds: Iterable[str], closed: str) -> list[str] | None:
        """Return the fastest way from an edge to an edge that every class may drive; None where there is none."""
        kinds = tuple(kinds)
        if closed in (begin, end):
            return None
        best: dict[str, float] = {begin: 0.0}
        came: dict[str, str] = {}
        queue: list[tuple[float, str]] = [(0.0, begin)]
        while queue:
            at_s, edge = heapq.heappop(queue)
            if edge == end:
                return _back(came, begin, end)
            if at_s > best[edge]:
                continue
            for follower, pairs in self.after.get(edge, {}).items():
                if follower == closed or not all(self._joined(pairs, kind) for kind in kinds):
                    continue
                then_s = at_s + self.cost_s[follower]
                if then_s < best.get(follower, float("inf")):
                    best[follower], came[follower] = then_s, edge
                    heapq.heappush(queue, (then_s, follower))
        return None

    def _joined(self, pairs: Sequence[str], kind: str) -> bool:
        return any(
            self._lane_lets(one, kind) and self._lane_lets(other, kind)
            for one, other in zip(pairs[::2], pairs[1::2], strict=True)
        )


def roads_of(net: NetFile) -> Roads:
    """Read from a network what ways are looked for in; internal edges are left out."""
    edges = {name: edge for name, edge in net.edges.items() if edge.lanes and not name.startswith(":")}
    after: dict[str, dict[str, list[str]]] = {}
    for one in net.connections:
        if one.from_edge in edges and one.to_edge in edges:
            pairs = after.setdefault(one.from_edge, {}).setdefault(one.to_edge, [])
            pairs += [f"{one.from_edge}_{one.from_lane}", f"{one.to_edge}_{one.to_lane}"]
    lanes = [lane for edge in edges.values() for lane in edge.lanes]
    return Roads(
        open_to={f"{lane.edge_id}_{lane.index}": (lane.allow, lane.disallow) for lane in lanes},
        cost_s={name: _cost_s(edge.lanes) for name, edge in edges.items()},
        lanes={name: tuple(f"{name}_{lane.index}" for lane in edge.lanes) for name, edge in edges.items()},
        after={name: {to: tuple(pairs) for to, pairs in found.items()} for name, found in after.items()},
    )


def _cost_s(lanes: Sequence[Lane]) -> float:
    return (
        min(lane.length_m / max(lane.speed_mps, 0.1) for lane in lanes if lane.motorised)
        if any(lane.motorised for lane in lanes)
        else max(lane.length_m for lane in lanes) / 1.4
    )


def _back(came: Mapping[str, str], begin: str, end: str) -> list[str]:
    way = [end]
    while way[-1] != begin:
        way.append(came[way[-1]])
    return way[::-1]
