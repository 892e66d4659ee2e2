"""Services that are under way when a run begins: units where they were last heard, open calls, trucks on their round.

Places are those that units tell and the dispatch centre lists. What nobody knows yet (how long a crew stays, whether a
patient is taken along, what is thrown in next) is drawn from the run's seed: two worlds of one seed have it alike.
Runs in the twin's child process.
"""

from __future__ import annotations

import math

import libsumo

from cityloop.cities.sumo.fleet_assets import FleetSetup, Kerb
from cityloop.cities.sumo.fleet_calls import Call, call_from_outside, draw_calls
from cityloop.cities.sumo.fleet_case import QUIET, REFUSE, SIREN, CallsCase
from cityloop.cities.sumo.fleet_patients import Unit
from cityloop.cities.sumo.fleet_trucks import TruckFleet
from cityloop.cities.sumo.fleet_units import UnitFleet
from cityloop.cities.sumo.start_file import CallNow, ServicesNow, TruckNow, UnitNow
from cityloop.domains.emergency.schema import TakeCall, UnitStatus
from cityloop.domains.refuse.schema import DEPOT, NOTHING, TIP, TruckStatus

__all__ = ["kerbs_of", "resume_trucks", "resume_units"]

_LEAST_LEFT_MS = 30_000
"""Whoever has been busy for longer than is usual is so for a little while still. [ms]"""
_MEAL_MS = 30 * 60_000
_NUMBERS_A_SEED = 10_000
_OTHER_SEED = 1_000_003
"""What calls under way borrow of the future is not what calls to come have."""
_DAY_MS = 86_400_000
_LED_MS = 20_000
"""A dispatch centre that was led is so until the brain speaks again. [ms]"""
_FAR_M = 500.0


def kerbs_of(now: ServicesNow, setup: FleetSetup) -> dict[str, Kerb]:
    """Return where each unit and truck is put in: on the road nearest to where it was last heard."""
    known = [*setup.sites, *setup.containers, *(one for one in (setup.depot, setup.tip) if one is not None)]
    found = {}
    heard: list[UnitNow | TruckNow] = [*now.units, *now.trucks]
    for one in heard:
        if one.x_m is None or one.y_m is None:
            continue
        at_x_m, at_y_m = one.x_m, one.y_m
        near = min(known, key=lambda kerb: math.hypot(kerb.x_m - at_x_m, kerb.y_m - at_y_m), default=None)
        if near is not None and math.hypot(near.x_m - at_x_m, near.y_m - at_y_m) < 15.0:
            found[one.name] = near
            continue
        kerb = _on_road(at_x_m, at_y_m, setup)
        if kerb is not None:
            found[one.name] = kerb
    return found


def _on_road(x_m: float, y_m: float, setup: FleetSetup) -> Kerb | None:
    """Return the place on the nearest road from which every other is reached."""
    roads = {kerb.edge: kerb for kerb in (*setup.call_kerbs, *setup.containers)}
    try:
        edge, at_m, lane = libsumo.simulation.convertRoad(x_m, y_m, False, "emergency")
    except libsumo.TraCIException:
        edge, at_m, lane = "", 0.0, 0
    road = roads.get(edge)
    if road is None:
        road = min(roads.values(), key=lambda kerb: math.hypot(kerb.x_m - x_m, kerb.y_m - y_m), default=None)
        if road is None or math.hypot(road.x_m - x_m, road.y_m - y_m) > _FAR_M:
            return None
        return road
    room_m = min(8.0, road.edge_m / 3)
    at_m = min(max(at_m, room_m), road.edge_m - room_m)
    return Kerb(edge, lane, at_m, x_m, y_m, road.row, road.edge_m)


def resume_units(fleet: UnitFleet, setup: FleetSetup, now: ServicesNow, seed: int, begin_ms: int) -> None:
    """Put the dispatch centre and its units where they stand."""
    emergency = setup.case.emergency
    assert emergency is not None
    numbers = {call.number for call in now.calls}
    for drawn in fleet.calls:
        if drawn.number in numbers:
            drawn.number += _NUMBERS_A_SEED // 2
    lent = draw_calls(emergency.calls, setup.call_kerbs, seed + _OTHER_SEED, (begin_ms, begin_ms + _DAY_MS))
    calls = {
        one.number: _call(one, emergency.calls, setup, begin_ms, lent[k % len(lent)] if lent else None)
        for k, one in enumerate(now.calls)
    }
    rows = {unit.vehicle.name: row for row, unit in enumerate(fleet.units)}
    for told in now.units:
        if told.name in rows:
            _go_on(fleet.units[rows[told.name]], rows[told.name], told, calls.get(told.call), setup, begin_ms)
    _at_doors(fleet, now, begin_ms)
    fleet.resume(list(calls.values()), begin_ms + _LED_MS)


def _at_doors(fleet: UnitFleet, now: ServicesNow, begin_ms: int) -> None:
    """Put units back at their hospitals' doors as they came, and turn round who drives to a closed one."""
    patients = fleet.patients
    patients.hospitals.resume(now.declared, begin_ms)
    for unit in sorted(fleet.units, key=lambda one: -1 if one.call is None else one.call.at_hospital_ms):
        if not patients.hospitals.is_hospital(unit.site) or unit.call is None:
            continue
        if unit.status is UnitStatus.TRANSPORTING and not patients.hospitals.is_open(unit.site):
            unit.until_ms = max(begin_ms, 1)
        elif unit.status is UnitStatus.AT_HOSPITAL:
            came_ms, until_ms = unit.call.at_hospital_ms, unit.until_ms
            patients.arrive(unit, unit.call, came_ms)
            if unit.call.bay_ms >= 0:
                unit.until_ms = until_ms


def _call(one: CallNow, model: CallsCase, setup: FleetSetup, begin_ms: int, lent: Call | None) -> Call:
    """Return an open call at its place; what will happen at it is lent by one that was drawn."""
    told = TakeCall(
        call=one.number,
        priority=one.priority,
        determinant=one.determinant,
        x_m=one.x_m,
        y_m=one.y_m,
        waited_s=one.waited_s,
    )
    call = call_from_outside(told, model, setup.call_kerbs, begin_ms)
    if lent is not None:
        call.on_scene_ms, call.transport = lent.on_scene_ms, lent.transport
        call.handover_ms, call.needs = lent.handover_ms, lent.needs
    return call


def _go_on(unit: Unit, row: int, told: UnitNow, call: Call | None, setup: FleetSetup, begin_ms: int) -> None:
    """Let a unit go on with what it was last heard to do."""
    since_ms = begin_ms - round(told.since_s * 1000)
    soon_ms = begin_ms + _LEAST_LEFT_MS
    status = UnitStatus(told.status)
    at_site = 0 <= told.site < len(setup.sites)
    busy = (UnitStatus.TURNING_OUT, UnitStatus.EN_ROUTE, UnitStatus.ON_SCENE, UnitStatus.TRANSPORTING)
    if status in (*busy, UnitStatus.AT_HOSPITAL) and call is None:
        status = UnitStatus.STANDING if at_site and status is UnitStatus.AT_HOSPITAL else UnitStatus.FREE_ON_SCENE
    unit.status, unit.site, unit.until_ms = status, told.site if at_site else -1, 0
    if call is not None and status in (*busy, UnitStatus.AT_HOSPITAL):
        unit.call, call.unit, call.dispatched_ms, call.by_brain = call, row, since_ms, True
    match status:
        case UnitStatus.MOVING if at_site:
            unit.vehicle.go(setup.sites[told.site], QUIET)
        case UnitStatus.TURNING_OUT:
            unit.until_ms = begin_ms
        case UnitStatus.EN_ROUTE if call is not None:
            call.mobile_ms = since_ms
            unit.vehicle.go(call.kerb, SIREN if call.priority == 1 else QUIET)
        case UnitStatus.ON_SCENE if call is not None:
            call.arrived_ms = since_ms
            unit.until_ms = max(since_ms + call.on_scene_ms, soon_ms)
        case UnitStatus.TRANSPORTING if call is not None and at_site:
            call.arrived_ms = call.left_scene_ms = since_ms
            call.hospital = told.site
            unit.vehicle.go(setup.sites[told.site], QUIET)
        case UnitStatus.AT_HOSPITAL if call is not None:
            call.arrived_ms = call.left_scene_ms = call.at_hospital_ms = since_ms
            unit.until_ms = max(since_ms + call.handover_ms, soon_ms)
        case UnitStatus.ON_BREAK:
            unit.until_ms = max(since_ms + _MEAL_MS, begin_ms)
        case UnitStatus.STANDING:
            pass
        case _:
            unit.status, unit.site, unit.call = UnitStatus.FREE_ON_SCENE, -1, None


def resume_trucks(fleet: TruckFleet, setup: FleetSetup, now: ServicesNow, begin_ms: int) -> None:
    """Put trucks on their round where they stand, and into containers what is believed to be in them."""
    refuse, places = setup.case.refuse, len(setup.containers)
    assert refuse is not None
    for container, fill_frac in enumerate(now.fill_frac[:places]):
        if fill_frac is not None:
            fleet.fill[container] = fleet.fill_at_begin[container] = max(fill_frac, 0.0)
    by_name = {truck.vehicle.name: truck for truck in fleet.trucks}
    for told in now.trucks:
        truck = by_name.get(told.name)
        if truck is None:
            continue
        truck.status, truck.load_kg = TruckStatus(told.status), told.load_kg
        truck.next = told.next if NOTHING <= told.next < places else NOTHING
        truck.route = [visit for visit in told.route if DEPOT <= visit < places]
        truck.version = 0 if told.planned else -1
        if truck.status is TruckStatus.DRIVING and truck.next != NOTHING:
            truck.vehicle.go(_visited(truck.next, setup), REFUSE)
        elif truck.status is TruckStatus.EMPTYING:
            truck.until_ms = begin_ms + round(refuse.stop_s * 500)
        elif truck.status is TruckStatus.AT_TIP:
            truck.until_ms = begin_ms + round(refuse.tip_s * 500)
        if truck.status is TruckStatus.BROKEN_DOWN:
            fleet.broken_ms = begin_ms


def _visited(visit: int, setup: FleetSetup) -> Kerb:
    assert setup.depot is not None
    assert setup.tip is not None
    return setup.tip if visit == TIP else setup.depot if visit == DEPOT else setup.containers[visit]
