"""Patients aboard the twin's ambulances: where they are taken, the queue at the door, and what happens when it closes.

The crew decides where to, by what hospitals have declared. When the hospital on the way closes, its word reaches crew
and brain alike; a crew that has heard no advice after a while looks itself, so that nothing depends on the brain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_calls import Call
from cityloop.cities.sumo.fleet_case import QUIET
from cityloop.cities.sumo.fleet_hospitals import Hospitals, Turn
from cityloop.cities.sumo.fleet_vehicle import ServiceVehicle
from cityloop.domains.emergency.schema import Advise, UnitStatus
from cityloop.kernel.layout import StreamKind

__all__ = ["Patients", "Unit"]

_LOOK_MS = 10_000
"""Whose hospital has closed waits so long for advice before the crew looks itself. [ms]"""
_NEVER_MS = 2**62


@dataclass(slots=True)
class Unit:
    """One ambulance."""

    vehicle: ServiceVehicle
    home: int
    site: int
    status: UnitStatus = UnitStatus.STANDING
    call: Call | None = None
    until_ms: int = 0
    """When what it does now is over, where that is a matter of time."""
    way: tuple[str, ...] = ()
    """Edges of the way to its call that it was told; empty leaves it to the crew."""


class Patients:
    """Who is carried where; owns the hospitals' doors and the record of turns."""

    def __init__(self, hospitals: Hospitals, sites: Sequence[Kerb], units: Sequence[Unit]) -> None:
        self.hospitals = hospitals
        self._sites, self._units = sites, units
        self.turns: list[Turn] = []

    def step(self, now_ms: int) -> bool:
        """Let hospitals declare what is due; tell whether there is news."""
        closed, spoke = self.hospitals.step(now_ms)
        for unit in self._units:
            if unit.status is UnitStatus.TRANSPORTING and unit.site in closed:
                unit.until_ms = now_ms + _LOOK_MS
        return spoke

    def set_out(self, unit: Unit, call: Call) -> None:
        """Leave the scene for the hospital that the crew takes to be best."""
        unit.site, door = self.hospitals.advised(call.kerb, call.needs, self._coming(unit))
        call.hospital, call.door = unit.site, int(door)
        unit.vehicle.go(self._sites[unit.site], QUIET)
        unit.status, unit.until_ms = UnitStatus.TRANSPORTING, 0

    def look(self, unit: Unit, call: Call, now_ms: int) -> bool:
        """Let a crew that was given no advice look itself; tell whether it turned."""
        unit.until_ms = 0
        if self.hospitals.is_open(unit.site):
            return False
        place = unit.vehicle.place()
        here = call.kerb if place is None else replace(call.kerb, x_m=place[0], y_m=place[1])
        site, door = self.hospitals.advised(here, call.needs, self._coming(unit))
        return self._turn(unit, call, site, int(door), now_ms, by_brain=False)

    def take(self, unit: Unit, advice: Advise, now_ms: int) -> str:
        """Take advice; return why not, empty when it was taken."""
        name, call = unit.vehicle.name, unit.call
        if unit.status is not UnitStatus.TRANSPORTING or call is None:
            return f"{name} has no patient on the way"
        if not self.hospitals.is_hospital(advice.site):
            return f"site {advice.site} is no hospital"
        if self.hospitals.is_open(unit.site):
            return f"the hospital that {name} drives to is open"
        if not self.hospitals.is_open(advice.site) and advice.site != unit.site:
            return f"hospital {advice.site} is closed"
        self._turn(unit, call, advice.site, advice.door, now_ms, by_brain=True)
        return ""

    def arrive(self, unit: Unit, call: Call, now_ms: int) -> None:
        """Come to the door: begin the handover, or wait for a bay. Who is at a door that has closed is taken in."""
        call.at_hospital_ms = now_ms
        unit.status, unit.until_ms = UnitStatus.AT_HOSPITAL, _NEVER_MS
        if self.hospitals.arrive(unit.site, self._units.index(unit)):
            self._hand_over(unit, now_ms)

    def leave(self, unit: Unit, now_ms: int) -> None:
        """Leave the bay, which the next in the queue takes."""
        following = self.hospitals.leave(unit.site)
        if following >= 0:
            self._hand_over(self._units[following], now_ms)

    def told(self) -> list[tuple[StreamKind, int, float]]:
        """Return the words of hospitals, and what crews say that their patients need."""
        told = self.hospitals.told()
        if told:
            for row, unit in enumerate(self._units):
                aboard = unit.call is not None and unit.status is UnitStatus.TRANSPORTING
                told.append((StreamKind.UNIT_NEEDS, row, float(unit.call.needs) if aboard and unit.call else 0.0))
        return told

    def _turn(self, unit: Unit, call: Call, site: int, door: int, now_ms: int, *, by_brain: bool) -> bool:
        unit.until_ms = 0
        if site == unit.site:
            call.door = door
            return False
        self.turns.append(Turn(now_ms, call.number, self._units.index(unit), unit.site, site, door, by_brain))
        unit.site = call.hospital = site
        call.door = door
        unit.vehicle.go(self._sites[site], QUIET)
        return True

    def _hand_over(self, unit: Unit, now_ms: int) -> None:
        if unit.call is not None:
            unit.call.bay_ms = now_ms
            unit.until_ms = now_ms + unit.call.handover_ms

    def _coming(self, besides: Unit) -> list[int]:
        """Return the sites to which others are on their way with a patient."""
        return [unit.site for unit in self._units if unit.status is UnitStatus.TRANSPORTING and unit is not besides]
