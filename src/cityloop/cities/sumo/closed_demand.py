"""A demand round a closed edge: routes led round it, and whoever cannot do without it taken out and counted.

A route is kept up to six edges before the closure, where signs would stand, and then takes the fastest way to its end;
where there is none from there, from further back. A trip without a route is found its way by the simulator, which heeds
the same closure. Taken out is who departs, ends or has to stop on the closed edge, and who has no other way.
"""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cityloop.cities.sumo.case_facts import scan_xml
from cityloop.cities.sumo.detour import UNAFFECTED, Roads
from cityloop.kernel.errors import InputError

__all__ = ["STEPS_BACK", "Diverted", "divert_demand"]

STEPS_BACK = 6
_CARRIERS = ("vehicle", "flow", "trip")
_KINDS = ("vType", "vTypeDistribution")


@dataclass(slots=True)
class Diverted:
    """What a closure does to a demand, by plan: random departures are counted as they are expected."""

    rerouted_veh: float = 0.0
    cannot_veh: float = 0.0
    total_veh: float = 0.0
    entries: set[str] = field(default_factory=set)
    """Edges at which trips without a route begin: their drivers are told there."""


@dataclass(slots=True)
class _Known:
    """Types, routes and stops that carriers name, wherever they stand."""

    kinds: dict[str, set[str]] = field(default_factory=dict)
    routes: dict[str, list[str] | None] = field(default_factory=dict)
    """The route as it is then; None: it has no other way."""
    changed: set[str] = field(default_factory=set)
    stops: dict[str, str] = field(default_factory=dict)


def divert_demand(
    routes: Sequence[Path], additional: Sequence[Path], roads: Roads, closed: str, end_s: float
) -> Diverted:
    """Rewrite demand files in place and return what became of the demand.

    Raises
    ------
    InputError
        When nobody is left who could drive.
    """
    known, done = _Known(), Diverted()
    for path in (*additional, *routes):
        _learn(path, known, roads, closed)
    for path in routes:
        root = _read(path)
        for element in list(root):
            if element.tag == "route" and known.routes.get(element.get("id", "")) is None:
                root.remove(element)
            elif element.tag == "route":
                element.set("edges", " ".join(known.routes[element.get("id", "")] or ()))
            elif element.tag in _CARRIERS and not _carry(element, known, roads, closed, end_s, done):
                root.remove(element)
        _write(path, root)
    if done.total_veh and done.cannot_veh >= done.total_veh:
        raise InputError(f"close_edge: no vehicle of this demand can do without {closed!r}; close another edge")
    return done


def _learn(path: Path, known: _Known, roads: Roads, closed: str) -> None:
    """Note types, named routes and stops."""
    within: list[str] = []
    named: dict[str, str] = {}

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        name = attributes.get("id", "")
        if tag == "vTypeDistribution":
            within[:] = [name]
            known.kinds.setdefault(name, set())
            for one in attributes.get("vTypes", "").split():
                known.kinds[name] |= known.kinds.get(one, {"passenger"})
        elif tag == "vType":
            kind = attributes.get("vClass", "passenger")
            known.kinds[name] = {kind}
            # Types of a distribution stand inside it; one that stands elsewhere only widens what must be open.
            if within:
                known.kinds[within[0]].add(kind)
        elif tag in ("busStop", "parkingArea", "chargingStation", "containerStop", "trainStop"):
            known.stops[name] = attributes.get("lane", "").rpartition("_")[0]
        elif tag == "route" and name:
            named[name] = attributes.get("edges", "")
        if tag in ("flow", "vehicle", "trip", "person", "personFlow"):
            within.clear()

    scan_xml(path, on_start)
    for name, edges in named.items():
        before = edges.split()
        led = _round(before, {"passenger"}, roads, closed)
        known.routes[name] = led
        if led != before:
            known.changed.add(name)


def _carry(element: ET.Element, known: _Known, roads: Roads, closed: str, end_s: float, done: Diverted) -> bool:
    """Lead a vehicle, flow or trip round the closure; tell whether it can still drive."""
    many = _planned(element, end_s)
    done.total_veh += many
    kinds = known.kinds.get(element.get("type", ""), {"passenger"}) - UNAFFECTED
    if not kinds:
        return True
    stops = {known.stops.get(stop.get("busStop", stop.get("parkingArea", "")), "") for stop in element.iter("stop")}
    stops |= {stop.get("edge", stop.get("lane", "").rpartition("_")[0]) for stop in element.iter("stop")}
    route = element.find("route")
    changed = False
    if closed in stops:
        led: list[str] | None = None
    elif route is not None:
        before = route.get("edges", "").split()
        led = _round(before, kinds, roads, closed, stops)
        changed = led != before
        if led is not None:
            route.set("edges", " ".join(led))
    elif "route" in element.attrib:
        led = known.routes.get(element.attrib["route"], [])
        changed = element.attrib["route"] in known.changed
    elif {"from", "to"} <= set(element.attrib):
        via = element.get("via", "").split()
        points = [element.attrib["from"], *via, element.attrib["to"]]
        led = points if _reaches(points, kinds, roads, closed) else None
        done.entries.add(points[0])
    else:
        led = []
    if led is None:
        done.cannot_veh += many
        return False
    done.rerouted_veh += many if changed else 0
    return True


def _round(
    edges: list[str], kinds: set[str], roads: Roads, closed: str, stops: set[str] | None = None
) -> list[str] | None:
    """Return a route led round the closed edge; None where there is no other way."""
    if closed not in edges:
        return edges
    first, last = edges.index(closed), len(edges) - 1 - edges[::-1].index(closed)
    must = [edge for edge in edges if stops and edge in stops]
    for keep in (max(first - STEPS_BACK, 0), 0):
        # Stops must still be passed, in their order; without any, the end is all that is left to reach.
        points = [edges[keep], *(edge for edge in must if edges.index(edge) > keep), edges[-1]]
        if closed in (edges[keep], edges[-1]) or first == 0 or last == len(edges) - 1:
            return None
        led = edges[:keep]
        for here, there in pairwise(points):
            way = roads.way(here, there, kinds, closed)
            if way is None:
                break
            led = [*led[:-1], *way] if led and led[-1] == way[0] else [*led, *way]
        else:
            return led
    return None


def _reaches(points: list[str], kinds: set[str], roads: Roads, closed: str) -> bool:
    pairs = pairwise(points)
    return all(roads.way(here, there, kinds, closed) is not None for here, there in pairs)


def _planned(element: ET.Element, end_s: float) -> float:
    """Return how many vehicles an element stands for, as far as it can be told without drawing."""
    if element.tag != "flow":
        return 1.0
    given: Mapping[str, str] = element.attrib
    if "number" in given:
        return float(given["number"])
    try:
        span_s = max(min(float(given.get("end", end_s)), end_s) - float(given.get("begin", "0")), 0.0)
        if "vehsPerHour" in given:
            return float(given["vehsPerHour"]) * span_s / 3600
        if "probability" in given:
            return float(given["probability"]) * span_s
        period = given.get("period", "")
        if period.startswith("exp("):
            return float(period[4:-1]) * span_s
        return span_s / float(period) if period else 0.0
    except (ValueError, ZeroDivisionError):
        return 1.0


def _read(path: Path) -> ET.Element:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return ET.parse(stream).getroot()


def _write(path: Path, root: ET.Element) -> None:
    data = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
