"""What a network file says of signal links, of crossings, and of who must wait for whom.

SUMO writes the right of way of a junction as rows of bits, one row a link, the bit of link 0 last. A link is
named there by the internal lane that leaves the junction; a link that waits inside the junction is controlled
on another internal lane, which leads to the named one.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from cityloop.kernel.errors import LayoutError

__all__ = ["Crossing", "SignalSite", "VehicleLink", "read_sites"]

_NEAR_TURNS = {False: frozenset("rR"), True: frozenset("lL")}
"""Turns that cross no opposing traffic, by whether the network drives on the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleLink:
    """One way over a junction for vehicles, at one index of a signal's state."""

    index: int
    from_edge: str
    to_edge: str
    turn: str
    """SUMO's direction letter: s, l, L, r, R, t."""

    approach_mps: float
    """Speed limit before the stop line."""

    path_m: float
    """Length of the way over the junction."""

    path_mps: float
    """Lowest speed limit on that way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One signalised crossing, at one index of a signal's state."""

    edge: str
    index: int
    length_m: float
    foes: frozenset[int]
    """Signal indices of vehicles whose way it crosses."""

    turns_near: frozenset[int]
    """Foes that turn towards their own kerb, leave over it and yield to it."""

    turns_far: frozenset[int]
    """Foes that turn across the road, leave over it and yield to it."""

    yields: frozenset[int]
    """Foes that the right of way makes wait for those on the crossing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSite:
    """A signal with its links and crossings."""

    signal: str
    links: tuple[VehicleLink, ...]
    crossings: tuple[Crossing, ...]

    @property
    def size(self) -> int:
        """Length of the signal's state string."""
        return 1 + max([link.index for link in self.links] + [walk.index for walk in self.crossings])


def read_sites(net: ET.Element) -> dict[str, SignalSite]:
    """Read every signal that has vehicle links, in the order of the file's programs."""
    lanes = {lane.attrib["id"]: lane for lane in net.iter("lane")}
    edges = {edge.attrib["id"]: edge for edge in net.iter("edge")}
    onward = {
        (c.attrib["from"], c.attrib["fromLane"]): c.attrib["via"]
        for c in net.iter("connection")
        if c.attrib["from"].startswith(":") and "via" in c.attrib
    }
    near = _NEAR_TURNS[net.get("lefthand") == "true"]
    vehicles: dict[str, list[VehicleLink]] = {}
    walks: dict[str, list[tuple[str, int]]] = {}
    by_lane: dict[str, VehicleLink] = {}
    for connection in net.iter("connection"):
        signal = connection.get("tl")
        if signal is None:
            continue
        index = int(connection.attrib["linkIndex"])
        to_edge = connection.attrib["to"]
        if to_edge.startswith(":"):
            if edges[to_edge].get("function") == "crossing":
                walks.setdefault(signal, []).append((to_edge, index))
            continue
        chain = _chain(connection, onward)
        link = _vehicle_link(connection, index, [lanes[name] for name in chain], lanes)
        vehicles.setdefault(signal, []).append(link)
        by_lane.update(dict.fromkeys(chain, link))
    rights = _rights_of_way(net)
    return {
        signal: SignalSite(
            signal=signal,
            links=tuple(vehicles[signal]),
            crossings=tuple(
                _crossing(edges[edge], index, by_lane, rights, near)
                for edge, index in sorted(walks.get(signal, ()), key=lambda walk: walk[1])
            ),
        )
        for signal in dict.fromkeys(logic.attrib["id"] for logic in net.iter("tlLogic"))
        if signal in vehicles
    }


def _chain(connection: ET.Element, onward: Mapping[tuple[str, str], str]) -> list[str]:
    """List the internal lanes of a connection from the stop line on."""
    chain: list[str] = []
    lane = connection.get("via")
    while lane is not None and lane not in chain:
        chain.append(lane)
        edge, _, number = lane.rpartition("_")
        lane = onward.get((edge, number))
    return chain


def _vehicle_link(
    connection: ET.Element, index: int, path: list[ET.Element], lanes: Mapping[str, ET.Element]
) -> VehicleLink:
    approach = lanes[f"{connection.attrib['from']}_{connection.attrib['fromLane']}"]
    approach_mps = float(approach.attrib["speed"])
    return VehicleLink(
        index=index,
        from_edge=connection.attrib["from"],
        to_edge=connection.attrib["to"],
        turn=connection.get("dir", "s"),
        approach_mps=approach_mps,
        path_m=sum(float(lane.attrib["length"]) for lane in path),
        path_mps=min((float(lane.attrib["speed"]) for lane in path), default=approach_mps),
    )


class _Kind(IntEnum):
    """How a vehicle meets a crossing, the more dangerous the higher."""

    NEAR = 0
    FAR = 1
    THROUGH = 2


@dataclass(frozen=True, slots=True)
class _RightOfWay:
    """The internal lanes of one junction, and by row whom each meets and whom it waits for."""

    lanes: tuple[str, ...]
    foes: tuple[frozenset[int], ...]
    waits_for: tuple[frozenset[int], ...]


def _rights_of_way(net: ET.Element) -> dict[str, _RightOfWay]:
    """Read the request rows, by the name of each internal lane that has one."""
    out: dict[str, _RightOfWay] = {}
    for junction in net.iter("junction"):
        lanes = tuple(junction.get("intLanes", "").split())
        requests = sorted(junction.iter("request"), key=lambda row: int(row.attrib["index"]))
        right = _RightOfWay(
            lanes,
            tuple(_bits(row.attrib["foes"]) for row in requests),
            tuple(_bits(row.attrib["response"]) for row in requests),
        )
        out.update(dict.fromkeys(lanes[: len(requests)], right))
    return out


def _bits(word: str) -> frozenset[int]:
    return frozenset(place for place, bit in enumerate(reversed(word)) if bit == "1")


def _crossing(
    edge: ET.Element,
    index: int,
    links: Mapping[str, VehicleLink],
    rights: Mapping[str, _RightOfWay],
    near: frozenset[str],
) -> Crossing:
    name = edge.attrib["id"]
    lane = next(edge.iter("lane"))
    right = rights.get(lane.attrib["id"])
    if right is None:
        raise LayoutError(f"Crossing {name!r} has no right of way in the network; rebuild it with netconvert.")
    row = right.lanes.index(lane.attrib["id"])
    across = frozenset(edge.get("crossingEdges", "").split())
    kinds: dict[int, _Kind] = {}
    yields: dict[int, bool] = {}
    for place in range(len(right.foes)):
        if place not in right.foes[row] and row not in right.foes[place]:
            continue
        if right.lanes[place] not in links:
            continue
        link = links[right.lanes[place]]
        waits = row in right.waits_for[place]
        kind = _Kind.THROUGH
        if waits and link.to_edge in across and link.from_edge not in across and link.turn != "s":
            kind = _Kind.NEAR if link.turn in near else _Kind.FAR
        # One index may control several links: it is what its most dangerous link is.
        kinds[link.index] = max(kinds.get(link.index, kind), kind)
        yields[link.index] = yields.get(link.index, True) and waits
    return Crossing(
        edge=name,
        index=index,
        length_m=float(lane.attrib["length"]),
        foes=frozenset(kinds),
        turns_near=frozenset(i for i, kind in kinds.items() if kind is _Kind.NEAR),
        turns_far=frozenset(i for i, kind in kinds.items() if kind is _Kind.FAR),
        yields=frozenset(i for i, waits in yields.items() if waits),
    )
