"""Seeded people who walk over a network's signalised crossings."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cityloop.cities.sumo.crossings import SignalSite
from cityloop.cities.sumo.walkways import xml_bytes

__all__ = ["PedestrianDemand", "Walk", "draw_walks", "write_walks"]

_NEAREST_M = 2.0
_FARTHEST_M = 40.0
"""People appear and end this far from the junction, as far as the sidewalk reaches."""

End = Literal["begin", "end"]


@dataclass(frozen=True, slots=True)
class Walk:
    """One person's way from one sidewalk to another."""

    depart_s: float
    from_edge: str
    depart_m: float
    to_edge: str
    arrival_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PedestrianDemand:
    """The people, and what could not be asked of them."""

    walks: tuple[Walk, ...]
    """Sorted by departure."""

    unjoined_pairs: int
    """Ordered pairs of corners of one junction that its crossings do not join."""


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a sidewalk meets a junction."""

    edge: str
    end: End


def draw_walks(
    net: ET.Element,
    sites: Mapping[str, SignalSite],
    hour: tuple[float, float],
    persons_per_junction_h: float,
    chance: np.random.Generator,
) -> PedestrianDemand:
    """Draw people who cross at each signal, a Poisson number each, uniform in time.

    Parameters
    ----------
    net
        A network with sidewalks, walking areas and crossings.
    sites
        Its signals.
    hour
        Begin and end. [s]
    persons_per_junction_h
        Mean of each signal that has crossings. [persons/h]
    chance
        The only source of randomness.
    """
    begin_s, end_s = hour
    length_m = {e.attrib["id"]: min(float(x.attrib["length"]) for x in e.iter("lane")) for e in net.iter("edge")}
    ways = _Footways(net)
    walks: list[Walk] = []
    unjoined = 0
    for site in sites.values():
        if not site.crossings:
            continue
        pairs, missing = ways.pairs([crossing.edge for crossing in site.crossings])
        unjoined += missing
        if not pairs:
            continue
        persons = int(chance.poisson(persons_per_junction_h * (end_s - begin_s) / 3600.0))
        for row, depart, near, far in zip(
            chance.integers(len(pairs), size=persons).tolist(),
            chance.uniform(begin_s, end_s, size=persons).tolist(),
            chance.random(persons).tolist(),
            chance.random(persons).tolist(),
            strict=True,
        ):
            start, goal = pairs[row]
            walks.append(
                Walk(
                    # Rounded down, so that nobody departs at the very end.
                    int(depart * 100.0) / 100.0,
                    start.edge,
                    _position_m(start.end, length_m[start.edge], near),
                    goal.edge,
                    _position_m(goal.end, length_m[goal.edge], far),
                )
            )
    walks.sort(key=lambda walk: walk.depart_s)
    return PedestrianDemand(walks=tuple(walks), unjoined_pairs=unjoined)


def write_walks(walks: Sequence[Walk]) -> bytes:
    """Write people as a SUMO route file."""
    root = ET.Element("routes")
    for number, walk in enumerate(walks):
        person = ET.SubElement(
            root,
            "person",
            {"id": f"walker_{number}", "depart": f"{walk.depart_s:.2f}", "departPos": f"{walk.depart_m:.2f}"},
        )
        way = {"from": walk.from_edge, "to": walk.to_edge, "arrivalPos": f"{walk.arrival_m:.2f}"}
        ET.SubElement(person, "walk", way)
    return xml_bytes(root)


def _position_m(end: End, length_m: float, share: float) -> float:
    nearest_m = min(_NEAREST_M, length_m / 2.0)
    off_m = nearest_m + share * (max(nearest_m, min(_FARTHEST_M, length_m - nearest_m)) - nearest_m)
    return off_m if end == "begin" else length_m - off_m


class _Footways:
    """Crossings, walking areas and the sidewalks that open on them."""

    def __init__(self, net: ET.Element) -> None:
        function = {edge.attrib["id"]: edge.get("function", "normal") for edge in net.iter("edge")}
        self._areas: dict[str, set[str]] = {}
        self._doors: dict[str, set[tuple[str, End]]] = {}
        for connection in net.iter("connection"):
            names = connection.attrib["from"], connection.attrib["to"]
            kinds = function.get(names[0]), function.get(names[1])
            match kinds:
                case ("crossing", "walkingarea"):
                    self._areas.setdefault(names[0], set()).add(names[1])
                case ("walkingarea", "crossing"):
                    self._areas.setdefault(names[1], set()).add(names[0])
                case ("normal", "walkingarea"):
                    self._doors.setdefault(names[1], set()).add((names[0], "end"))
                case ("walkingarea", "normal"):
                    self._doors.setdefault(names[0], set()).add((names[1], "begin"))
                case _:
                    pass

    def pairs(self, crossings: Sequence[str]) -> tuple[list[tuple[_Door, _Door]], int]:
        """List the pairs of sidewalks that crossings join; count the pairs of corners that they do not."""
        group: dict[str, str] = {}
        for crossing in crossings:
            areas = sorted(self._areas.get(crossing, ()))
            for area in areas:
                group.setdefault(area, area)
            joined = {group[area] for area in areas}
            first = min(joined, default="")
            group = {area: first if name in joined else name for area, name in group.items()}
        corners = sorted(area for area in group if self._doors.get(area))
        pairs: list[tuple[_Door, _Door]] = []
        unjoined = 0
        for a, b in itertools.permutations(corners, 2):
            found = [
                (_Door(*start), _Door(*goal))
                for start in sorted(self._doors[a])
                for goal in sorted(self._doors[b])
                if start[0] != goal[0]
            ]
            if group[a] != group[b] or not found:
                unjoined += 1
            else:
                pairs += found
        return pairs, unjoined
