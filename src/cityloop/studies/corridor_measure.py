"""What a run with emergency trips cost and gained: the trips' times, and everybody else's delay around them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from cityloop.cities.sumo.outputs import elements
from cityloop.kernel.columns import F64
from cityloop.kernel.layout import Layout
from cityloop.studies.corridor_trips import EmergencyTrip

__all__ = ["AFTER_S", "NEAR_M", "RunMeasures", "measure"]

NEAR_M = 500.0
AFTER_S = 600.0
"""Others are looked at within this distance of a trip's way, until so long after it is over by a long reckoning."""
_LONGEST_TRIP_S = 300.0
_STANDSTILL_MPS = 0.5
_GRIDLOCK_S = 300.0


class RunMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one run."""

    trip_s: dict[str, float]
    """By trip, from the planned departure to the arrival; up to the end of the run where there was none."""
    arrived: int
    signals: dict[str, int]
    """By trip, signals passed on its way."""
    delay_s: dict[str, float]
    """By vehicle that drove near a trip, what it lost there."""
    person_delay_s: dict[str, float]
    """By person who walked in the run, what was lost near trips."""
    gridlock_s: float
    """Longest time in which the mean speed of those under way was below 0.5 m/s."""
    unfinished: int
    """Vehicles under way or waiting to depart at the end."""
    unit_collisions: int
    """Pairs of vehicles that collided, one of them on an emergency trip."""
    other_collisions: int

    @property
    def gridlocked(self) -> bool:
        """Whether traffic stood for five minutes."""
        return self.gridlock_s >= _GRIDLOCK_S


def measure(folder: Path, layout: Layout, trips: Sequence[EmergencyTrip], end_s: float) -> RunMeasures:
    """Read the figures of a run from SUMO's own files."""
    names = {trip.name: trip for trip in trips}
    trip_s: dict[str, float] = {trip.name: end_s - trip.depart_s for trip in trips}
    arrived = unfinished = 0
    departed_late_s: dict[str, float] = {}
    for element, begun in elements(folder / "tripinfo.xml", "tripinfo"):
        if begun:
            continue
        name, arrival_s = element.get("id", ""), float(element.get("arrival", "-1"))
        departed_late_s[name] = float(element.get("departDelay", "0"))
        unfinished += arrival_s < 0
        if name in names and arrival_s >= 0:
            trip_s[name] = arrival_s - names[name].depart_s
            arrived += 1
    windows = _windows(layout, trips)
    free_s = layout.edges.length_m / np.maximum(layout.edges.speed_limit_mps, 1.0)
    edge_row = {name: row for row, name in enumerate(layout.names["edges"])}
    delay_s: dict[str, float] = {}
    for name, depart_s, edges, left_s, done in _driven(folder / "vehroutes.xml"):
        if name in names:
            continue
        lost = _lost_s(depart_s, edges, left_s, done, windows, free_s, edge_row, end_s)
        if lost is not None:
            late_s = departed_late_s.get(name, 0.0)
            first = edge_row.get(edges[0], -1)
            delay_s[name] = lost + (late_s if _within(windows, first, depart_s - late_s, depart_s) else 0.0)
    return RunMeasures(
        trip_s=trip_s,
        arrived=arrived,
        signals={trip.name: trip.signals for trip in trips},
        delay_s=delay_s,
        person_delay_s=_person_delays(folder, windows, edge_row),
        gridlock_s=_standstill_s(folder / "summary.xml"),
        unfinished=unfinished,
        **_collisions(folder / "collisions.xml", names),
    )


Windows = Mapping[int, list[tuple[float, float]]]


def _windows(layout: Layout, trips: Sequence[EmergencyTrip]) -> dict[int, list[tuple[float, float]]]:
    """Return for each edge near a trip's way when it counts."""
    x_m, y_m = (layout.edges.x0_m + layout.edges.x1_m) / 2, (layout.edges.y0_m + layout.edges.y1_m) / 2
    found: dict[int, list[tuple[float, float]]] = {}
    for trip in trips:
        on = list(trip.route)
        away_m = np.hypot(x_m[:, None] - x_m[on][None, :], y_m[:, None] - y_m[on][None, :]).min(axis=1)
        for edge in np.flatnonzero(away_m <= NEAR_M).tolist():
            found.setdefault(edge, []).append((trip.depart_s, trip.depart_s + _LONGEST_TRIP_S + AFTER_S))
    return found


def _within(windows: Windows, edge: int, from_s: float, to_s: float) -> bool:
    return any(from_s < end_s and to_s > begin_s for begin_s, end_s in windows.get(edge, ()))


def _driven(path: Path) -> Iterator[tuple[str, float, list[str], list[float], bool]]:
    """Yield of each vehicle its name, departure, edges, when each was left, and whether it has arrived."""
    for element, begun in elements(path, "vehicle"):
        if begun:
            continue
        route = element.find("route")
        if route is None:
            routes = element.find("routeDistribution")
            route = None if routes is None else routes[-1]
        if route is None:
            continue
        left = [float(at) for at in route.get("exitTimes", "").split()]
        yield (
            element.get("id", ""),
            float(element.get("depart", "0")),
            route.get("edges", "").split(),
            [at for at in left if at >= 0],
            "arrival" in element.attrib,
        )


def _lost_s(
    depart_s: float,
    edges: list[str],
    left_s: list[float],
    done: bool,
    windows: Windows,
    free_s: F64,
    edge_row: Mapping[str, int],
    end_s: float,
) -> float | None:
    """Return what a vehicle lost near trips, None where it never was near one."""
    at_s, lost, near = depart_s, 0.0, False
    if not done and len(left_s) < len(edges):
        left_s = [*left_s, end_s]
    for edge, gone_s in zip(edges, left_s, strict=False):
        row = edge_row.get(edge, -1)
        if row >= 0 and _within(windows, row, at_s, gone_s):
            near = True
            lost += max(gone_s - at_s - float(free_s[row]), 0.0)
        at_s = gone_s
    return lost if near else None


def _person_delays(folder: Path, windows: Windows, edge_row: Mapping[str, int]) -> dict[str, float]:
    """Return what people who walk lost, of walks that touch an edge near a trip while it counts."""
    walked: dict[str, tuple[float, list[str]]] = {}
    for element, begun in elements(folder / "vehroutes.xml", "person"):
        if not begun:
            edges = [edge for walk in element.iter("walk") for edge in walk.get("edges", "").split()]
            walked[element.get("id", "")] = (float(element.get("depart", "0")), edges)
    found: dict[str, float] = {}
    for element, begun in elements(folder / "tripinfo.xml", "personinfo"):
        if begun:
            continue
        name = element.get("id", "")
        depart_s, edges = walked.get(name, (0.0, []))
        losses = [float(walk.get("timeLoss", "0")) for walk in element.iter("walk")]
        spans = [float(walk.get("duration", "0")) for walk in element.iter("walk")]
        until_s = depart_s + sum(span for span in spans if span > 0)
        if any(_within(windows, edge_row.get(edge, -1), depart_s, until_s) for edge in edges):
            found[name] = sum(loss for loss in losses if loss > 0)
    return found


def _standstill_s(path: Path) -> float:
    longest_s = since_s = 0.0
    standing = False
    for element, begun in elements(path, "step"):
        if begun:
            continue
        at_s, running = float(element.get("time", "0")), int(element.get("running", "0"))
        still = running >= 20 and 0 <= float(element.get("meanSpeed", "-1")) < _STANDSTILL_MPS
        if still and not standing:
            since_s = at_s
        standing = still
        if still:
            longest_s = max(longest_s, at_s - since_s)
    return longest_s


def _collisions(path: Path, names: Mapping[str, EmergencyTrip]) -> dict[str, int]:
    pairs: set[tuple[str, str]] = set()
    if path.is_file():
        for element in ET.parse(path).getroot():
            one, other = element.get("collider", ""), element.get("victim", "")
            pairs.add((min(one, other), max(one, other)))
    with_unit = sum(1 for pair in pairs if any(one in names for one in pair))
    return {"unit_collisions": with_unit, "other_collisions": len(pairs) - with_unit}
