"""How far a lane can be followed from a stop line: detection zones upstream, the next signal downstream.

Networks split an approach into several short edges. A zone therefore passes joints, where one edge becomes the next
and no other traffic enters, and ends at the next real junction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from cityloop.cities.sumo.netfile import Connection, NetFile

__all__ = ["Piece", "Reach", "Roads", "Zone", "zone_of"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A lane that belongs to a zone."""

    lane_id: str
    offset_m: float
    """From the lane's downstream end to the stop line."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The lanes in which vehicles bound for one approach lane are seen, nearest first."""

    lane_id: str
    pieces: tuple[Piece, ...]
    reach_m: float
    own_m: float
    """Up to here the pieces lead to this approach lane alone."""
    owner_lane: str
    """The approach lane that owns the upstream pieces beyond ``own_m``."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The next signal downstream of an exit edge."""

    edge_id: str
    """Incoming edge of that signal."""
    distance_m: float
    """From the beginning of the exit edge to that stop line."""


class Roads:
    """Which edges follow which, for motor vehicles and trams."""

    def __init__(self, net: NetFile) -> None:
        self.net = net
        self.into: dict[str, list[Connection]] = defaultdict(list)
        self.out_of: dict[str, list[Connection]] = defaultdict(list)
        for connection in net.connections:
            source = net.edges.get(connection.from_edge)
            target = net.edges.get(connection.to_edge)
            if source is None or target is None or source.function != "normal" or target.function != "normal":
                continue
            if not source.lanes[connection.from_lane].motorised or not target.lanes[connection.to_lane].motorised:
                continue
            self.into[connection.to_edge].append(connection)
            self.out_of[connection.from_edge].append(connection)

    def joint_before(self, edge_id: str) -> str | None:
        """Return the one edge that leads into this edge at a joint, or None where a real junction lies between.

        Traffic may leave at a joint, into a side street without a way back, but none may enter.
        """
        sources = {c.from_edge for c in self.into[edge_id] if c.direction != "t"}
        if len(sources) != 1 or any(c.tls for c in self.into[edge_id]):
            return None
        return next(iter(sources))

    def joint_after(self, edge_id: str) -> str | None:
        """Return the one edge that this edge becomes at a joint, or None."""
        targets = {c.to_edge for c in self.out_of[edge_id] if c.direction != "t"}
        if len(targets) != 1:
            return None
        (target,) = targets
        return target if self.joint_before(target) == edge_id else None

    def signal_after(self, edge_id: str, signalled: Mapping[str, str]) -> Reach | None:
        """Follow joints from an exit edge to the next signal's incoming edge."""
        distance_m, edge, seen = 0.0, edge_id, {edge_id}
        while True:
            distance_m += self.net.edges[edge].lanes[0].length_m
            if edge in signalled:
                return Reach(edge, distance_m)
            following = self.joint_after(edge)
            if following is None or following in seen:
                return None
            edge = following
            seen.add(edge)


def zone_of(roads: Roads, lane_id: str) -> Zone:
    """Follow one approach lane upstream to the next real junction."""
    lane = roads.net.lanes[lane_id]
    pieces = [Piece(lane_id, 0.0)]
    reach_m = own_m = lane.length_m
    owner = lane_id
    edge_id, index, seen = lane.edge_id, lane.index, {lane.edge_id}
    exclusive = True
    while (source := roads.joint_before(edge_id)) is not None and source not in seen:
        seen.add(source)
        ways = [c for c in roads.into[edge_id] if c.from_edge == source and c.to_lane == index]
        if not ways:
            # The lane begins here (a turning pocket): its traffic comes out of a neighbour's upstream lane.
            entry = _nearest(roads, source, edge_id, index)
            owner = _follow_down(roads, entry, lane.edge_id) if entry is not None else lane_id
            break
        way = min(ways, key=lambda c: (c.direction != "s", abs(c.from_lane - index)))
        branches = [c for c in roads.out_of[source] if c.from_lane == way.from_lane and c.to_edge == edge_id]
        main = min(branches, key=lambda c: (c.direction != "s", abs(c.to_lane - c.from_lane), c.to_lane))
        if main.to_lane != index:
            owner = _follow_down(roads, main, lane.edge_id)
            break
        if len(branches) > 1:
            exclusive = False
        internal_m = _internal_m(roads.net, way.via, pieces, reach_m)
        upstream = roads.net.edges[source].lanes[way.from_lane]
        pieces.append(Piece(upstream.id, reach_m + internal_m))
        reach_m += internal_m + upstream.length_m
        if exclusive:
            own_m = reach_m
        edge_id, index = source, way.from_lane
    return Zone(lane_id, tuple(pieces), reach_m, own_m, owner)


def _internal_m(net: NetFile, via: str, pieces: list[Piece], offset_m: float) -> float:
    """Add the joint's own internal lane to the zone and return its length."""
    inner = net.lanes.get(via)
    if inner is None:
        return 0.0
    pieces.append(Piece(via, offset_m))
    return inner.length_m


def _nearest(roads: Roads, source: str, edge_id: str, index: int) -> Connection | None:
    """Return the way into the edge whose lane lies nearest to a lane that begins there."""
    ways = [c for c in roads.into[edge_id] if c.from_edge == source]
    return min(ways, key=lambda c: (abs(c.to_lane - index), c.to_lane), default=None)


def _follow_down(roads: Roads, way: Connection, stop_edge: str) -> str:
    """Follow a way straight down to the stop line's edge and return the lane reached."""
    edge_id, index = way.to_edge, way.to_lane
    while edge_id != stop_edge:
        branches = [c for c in roads.out_of[edge_id] if c.from_lane == index and c.direction != "t"]
        if not branches:
            break
        main = min(branches, key=lambda c: (c.direction != "s", abs(c.to_lane - c.from_lane), c.to_lane))
        edge_id, index = main.to_edge, main.to_lane
    return roads.net.edges[edge_id].lanes[index].id
