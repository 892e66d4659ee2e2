"""A simulation stopped and begun again by hand: what is on the road is written down, and put in elsewhere.

Runs in the twin's child process. It is how two worlds of a what-if begin alike; a running city's own simulation is
never read so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import libsumo
import msgspec

from cityloop.cities.sumo.start_file import (
    LaneFacts,
    Snapshot,
    Started,
    StartFile,
    StartVehicle,
    StartWalker,
    Stop,
)
from cityloop.cities.sumo.zones import Zone

__all__ = ["Departures", "put_in", "snapshot"]

_WALKING = 2
_INNER_LANES = 4
_ENTERED_M = 5.0
_CLASSES = ("passenger", "truck", "bus", "delivery", "tram", "motorcycle", "bicycle", "emergency")


class Departures:
    """Notes the ways of all who depart; owns the list."""

    def __init__(self) -> None:
        self.ways: list[tuple[str, tuple[str, ...]]] = []

    def step(self) -> None:
        """Take in who departed in the step just past."""
        for name in libsumo.simulation.getDepartedIDList():
            self.ways.append((libsumo.vehicle.getTypeID(name), tuple(libsumo.vehicle.getRoute(name))))


def snapshot(departures: Departures, zones: Sequence[Zone], services: Collection[str]) -> Snapshot:
    """Return what is on the road, services' own vehicles left out."""
    vehicles = [_waiting(name) for name in libsumo.simulation.getPendingVehicles() if name not in services]
    for name in libsumo.vehicle.getIDList():
        if name in services or not libsumo.vehicle.getLaneID(name):
            continue
        found = _vehicle(name)
        if found is not None:
            vehicles.append(found)
    walkers = [walker for name in libsumo.person.getIDList() if (walker := _walker(name)) is not None]
    lanes: dict[str, LaneFacts] = {}
    for zone in zones:
        for piece in zone.pieces:
            if not piece.lane_id.startswith(":"):
                lanes.setdefault(piece.lane_id, _lane_facts(piece.lane_id))
    ways = [way for way in departures.ways if not way[0].startswith("cityloop.")]
    kinds = sorted({kind for kind, _ in ways} | {vehicle.kind for vehicle in vehicles})
    return Snapshot(
        vehicles=tuple(vehicles),
        walkers=tuple(walkers),
        ways=tuple(ways),
        lanes=lanes,
        classes={kind: libsumo.vehicletype.getVehicleClass(kind) for kind in kinds},
        lengths_m={kind: libsumo.vehicletype.getLength(kind) for kind in kinds},
    )


def _waiting(name: str) -> StartVehicle:
    """Return one that is due and finds no room to set out."""
    of = libsumo.vehicle
    return StartVehicle(
        name=_was(name), kind=of.getTypeID(name), lane="", at_m=0.0, speed_mps=0.0, route=tuple(of.getRoute(name)),
        length_m=of.getLength(name), factor=round(of.getSpeedFactor(name), 4),
    )  # fmt: skip


def _was(name: str) -> str:
    # Flows count from the begin of a run: a name may come again.
    return f"was.{name}"


def _vehicle(name: str) -> StartVehicle | None:
    of = libsumo.vehicle
    lane, at_m = of.getLaneID(name), of.getLanePosition(name)
    route = of.getRoute(name)[max(of.getRouteIndex(name), 0) :]
    for _ in range(_INNER_LANES):
        if not lane.startswith(":"):
            break
        # Inside a junction: it is put where it comes out.
        following = libsumo.lane.getLinks(lane)
        if not following:
            return None
        lane, at_m = following[0][0], _ENTERED_M
    edge = lane.rsplit("_", 1)[0]
    if edge not in route:
        return None
    stops = [
        Stop(stop.lane, stop.endPos, stop.stoppingPlaceID, max(stop.duration, 0.0), stop.stopFlags)
        for stop in of.getStops(name)
        if stop.arrival < 0
    ]
    return StartVehicle(
        name=_was(name),
        kind=of.getTypeID(name),
        lane=lane,
        at_m=round(min(at_m, libsumo.lane.getLength(lane) - 0.1), 2),
        speed_mps=round(of.getSpeed(name), 2),
        route=tuple(route[route.index(edge) :]),
        length_m=of.getLength(name),
        factor=round(of.getSpeedFactor(name), 4),
        stops=tuple(stops),
    )


def _walker(name: str) -> StartWalker | None:
    stage = libsumo.person.getStage(name)
    if stage.type != _WALKING:
        return None
    edges = list(stage.edges)
    here = libsumo.person.getRoadID(name)
    if here.startswith(":"):
        here, at_m = libsumo.person.getNextEdge(name), 0.0
    else:
        at_m = libsumo.person.getLanePosition(name)
    if here not in edges:
        return None
    rest = tuple(edges[edges.index(here) :])
    return StartWalker(
        name=_was(name),
        kind=libsumo.person.getTypeID(name),
        edges=rest,
        at_m=round(at_m, 2),
        arrival_m=stage.arrivalPos,
    )


def _lane_facts(lane: str) -> LaneFacts:
    closed = set(libsumo.lane.getDisallowed(lane))
    allowed = set(libsumo.lane.getAllowed(lane))
    if allowed:
        closed |= set(_CLASSES) - allowed
    links = libsumo.lane.getLinks(lane)
    edges = tuple(dict.fromkeys(link[0].rsplit("_", 1)[0] for link in links))
    return LaneFacts(length_m=libsumo.lane.getLength(lane), next_edges=edges, closed_to=tuple(sorted(closed)))


def put_in(start: StartFile, zones: Sequence[Zone], stages: int) -> Started:
    """Put everybody in before the first step, and return how near that came."""
    driving = sum(_put_vehicle(vehicle, f"start.{number}") for number, vehicle in enumerate(start.vehicles))
    walking = sum(_put_walker(walker) for walker in start.walkers)
    at_lane: dict[str, list[float]] = {}
    running = libsumo.vehicle.getIDList()
    for name in running:
        at_lane.setdefault(libsumo.vehicle.getLaneID(name), []).append(libsumo.vehicle.getLanePosition(name))
    zone_of = {zone.lane_id: zone for zone in zones}
    return Started(
        vehicles=len(running),
        walkers=walking,
        refused=len(start.vehicles) + len(start.walkers) - driving - walking,
        stages=stages,
        approaches=tuple(
            msgspec.structs.replace(one, placed_veh=_within(zone_of[one.lane], one.within_m, at_lane))
            for one in start.approaches
        ),
    )


def _within(zone: Zone, within_m: float, at_lane: Mapping[str, Sequence[float]]) -> int:
    """Return how many vehicles stand or drive so near a stop line."""
    count = 0
    for piece in zone.pieces:
        far_m = piece.offset_m + libsumo.lane.getLength(piece.lane_id)
        count += sum(far_m - at_m <= within_m for at_m in at_lane.get(piece.lane_id, ()))
    return count


def _put_vehicle(vehicle: StartVehicle, route: str) -> bool:
    """Put a vehicle where it is to be, at its speed; tell whether the simulation took it."""
    name, of = vehicle.name, libsumo.vehicle
    try:
        libsumo.route.add(route, list(vehicle.route))
        of.add(name, route, typeID=vehicle.kind, depart="now", departLane="first", departPos="0", departSpeed="0")
        of.setSpeedFactor(name, vehicle.factor)
        if vehicle.lane:
            of.moveTo(name, vehicle.lane, vehicle.at_m)
            of.setPreviousSpeed(name, vehicle.speed_mps)
    except libsumo.TraCIException:
        with suppress(libsumo.TraCIException):
            of.remove(name)
        return False
    for stop in vehicle.stops:
        # A stop that lies behind is over.
        with suppress(libsumo.TraCIException):
            if stop.place:
                of.setBusStop(name, stop.place, duration=stop.duration_s, flags=stop.flags)
            else:
                edge, _, lane = stop.lane.rpartition("_")
                of.setStop(name, edge, stop.at_m, int(lane), stop.duration_s, stop.flags)
    return True


def _put_walker(walker: StartWalker) -> bool:
    of = libsumo.person
    try:
        of.add(walker.name, walker.edges[0], walker.at_m, typeID=walker.kind)
        of.appendWalkingStage(walker.name, list(walker.edges), walker.arrival_m)
    except libsumo.TraCIException:
        return False
    return True
