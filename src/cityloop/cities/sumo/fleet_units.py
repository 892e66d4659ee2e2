"""Ambulances and the dispatch centre in the twin: calls come in, crews key in what they do, commands are carried out.

Nothing is decided here while a brain leads. When its lease has run out, the dispatch centre minds itself: whoever has
waited for a while gets the nearest free unit as the crow flies, and who is free drives home.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cityloop.cities.sumo.fleet_assets import FleetSetup, Kerb
from cityloop.cities.sumo.fleet_calls import Call, call_from_outside, draw_calls
from cityloop.cities.sumo.fleet_case import QUIET, SIREN
from cityloop.cities.sumo.fleet_hospitals import Hospitals
from cityloop.cities.sumo.fleet_patients import Patients, Unit
from cityloop.cities.sumo.fleet_vehicle import ServiceVehicle
from cityloop.domains.emergency.schema import Advise, CallStatus, Lead, Move, Send, TakeBreak, TakeCall, UnitStatus
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command

__all__ = ["Unit", "UnitFleet"]

_REPEAT_MS = 10_000
"""The dispatch centre repeats its open calls, and radios their status, so often: a brain that comes back hears all."""
_OWN_PLAN_MS = 45_000
"""Without a brain a call waits this long for a dispatcher to look up who is near. [ms]"""
_MEAL_MS = 30 * 60_000
_FREE = (UnitStatus.STANDING, UnitStatus.MOVING, UnitStatus.FREE_ON_SCENE)
_UNDER_WAY = (UnitStatus.TURNING_OUT, UnitStatus.EN_ROUTE)

Told = list[tuple[StreamKind, int, float]]
"""Readings: kind, asset and value."""


class UnitFleet:
    """All ambulances and calls of a run; owns their truth."""

    def __init__(
        self,
        setup: FleetSetup,
        edges: Sequence[str],
        seed: int,
        span_ms: tuple[int, int],
        kerbs: Mapping[str, Kerb],
    ) -> None:
        self._edges = edges
        emergency = setup.case.emergency
        assert emergency is not None
        self._sites, self._call_kerbs, self._model = setup.sites, setup.call_kerbs, emergency.calls
        self._turnout_ms = round(emergency.turnout_s * 1000)
        number = {site.name: row for row, site in enumerate(emergency.sites)}
        self.units = [
            Unit(ServiceVehicle(unit.name, QUIET, kerbs.get(unit.name, setup.sites[home])), home, -1)
            for unit in emergency.units
            for home in (number[unit.station],)
        ]
        for unit in self.units:
            unit.site = unit.home
        self.patients = Patients(Hospitals(emergency, setup.sites, span_ms[0]), setup.sites, self.units)
        self.calls = draw_calls(emergency.calls, setup.call_kerbs, seed, span_ms)
        self._next = 0
        self._open: list[Call] = []
        self._led_until_ms = -1
        self._repeat_ms = 0
        self._changed = True

    def take(self, command: Command, now_ms: int) -> str:
        """Carry out a command; return why not, empty when it was."""
        if isinstance(command.action, TakeCall):
            self._taken_down(command.action, now_ms)
            return ""
        if now_ms > command.not_after_ms:
            return f"came {now_ms - command.not_after_ms} ms after its end"
        self._led_until_ms = max(self._led_until_ms, command.not_after_ms)
        if isinstance(command.action, Lead):
            return ""
        if not 0 <= command.target < len(self.units):
            return f"there is no unit {command.target}"
        unit = self.units[command.target]
        if isinstance(command.action, Advise):
            refused = self.patients.take(unit, command.action, now_ms)
            self._changed |= not refused
            return refused
        if unit.status not in (*_FREE, *_UNDER_WAY):
            return f"{unit.vehicle.name} is {unit.status.name.lower().replace('_', ' ')}"
        match command.action:
            case Send(call=number, route=route):
                call = next((one for one in self._open if one.number == number and one.waiting), None)
                if call is None:
                    return f"there is no open call {number}"
                self._send(unit, call, now_ms, by_brain=True)
                unit.way = tuple(self._edges[row] for row in route if 0 <= row < len(self._edges))
            case Move(site=site) if 0 <= site < len(self._sites):
                self._move(unit, site)
            case TakeBreak() if unit.status is UnitStatus.STANDING:
                self._set(unit, UnitStatus.ON_BREAK, now_ms + _MEAL_MS)
            case _:
                return "a unit cannot do that now"
        return ""

    def step(self, now_ms: int, running: frozenset[str]) -> Told:
        """Let things happen up to now, and return what is told of them."""
        while self._next < len(self.calls) and self.calls[self._next].ready_ms <= now_ms:
            self._open.append(self.calls[self._next])
            self._next += 1
            self._changed = True
        self._changed |= self.patients.step(now_ms)
        for call in self._open:
            if call.waiting:
                self._triaged_again(call, now_ms)
        for unit in self.units:
            unit.vehicle.step(now_ms, running)
            self._go_on(unit, now_ms)
        if now_ms > self._led_until_ms:
            self._own_plan(now_ms)
        closed = [call for call in self._open if call.free_ms >= 0 or (call.called_off and call.unit < 0)]
        if closed:
            self._open = [call for call in self._open if call not in closed]
            self._changed = True
        if not self._changed and now_ms < self._repeat_ms:
            return []
        self._changed, self._repeat_ms = False, now_ms + _REPEAT_MS
        return self._told(now_ms)

    def resume(self, calls: Sequence[Call], led_until_ms: int) -> None:
        """Begin with calls that are on the list already, led until then."""
        self.calls[:0] = calls
        self._next += len(calls)
        self._open += calls
        self._led_until_ms = led_until_ms

    # ------------------------------------------------------------------ what happens

    def _taken_down(self, told: TakeCall, now_ms: int) -> None:
        """Put a call from outside on the list, or change one that is there; what was said before is said in vain."""
        call = next((one for one in self.calls if one.number == told.call), None)
        if call is None:
            if not told.over:
                call = call_from_outside(told, self._model, self._call_kerbs, now_ms)
                # Drawn calls are taken from the front of the list as their time comes.
                self.calls.insert(self._next, call)
                self._next += 1
                self._open.append(call)
                self._changed = True
            return
        if not call.waiting:
            return
        if told.over:
            call.called_off = True
            if call.unit >= 0:
                self._release(self.units[call.unit])
        else:
            call.priority = call.first_priority = told.priority
            call.determinant = told.determinant
            if call.unit < 0:
                call.kerb = call_from_outside(told, self._model, self._call_kerbs, now_ms).kerb
        self._changed = True

    def _triaged_again(self, call: Call, now_ms: int) -> None:
        if now_ms >= call.cancelled_ms:
            call.called_off = self._changed = True
            if call.unit >= 0:
                self._release(self.units[call.unit])
        elif now_ms >= call.upgraded_ms and call.priority == call.first_priority:
            call.priority -= 1
            call.determinant = call.priority - 1
            self._changed = True

    def _go_on(self, unit: Unit, now_ms: int) -> None:
        call, vehicle = unit.call, unit.vehicle
        match unit.status:
            case UnitStatus.TURNING_OUT if call is not None and now_ms >= unit.until_ms:
                call.mobile_ms = now_ms
                vehicle.go(call.kerb, SIREN if call.priority == 1 else QUIET, unit.way)
                self._set(unit, UnitStatus.EN_ROUTE)
            case UnitStatus.EN_ROUTE if call is not None and vehicle.arrived():
                call.arrived_ms = now_ms
                self._set(unit, UnitStatus.ON_SCENE, now_ms + call.on_scene_ms)
            case UnitStatus.ON_SCENE if call is not None and now_ms >= unit.until_ms:
                call.left_scene_ms = now_ms
                if call.transport:
                    self.patients.set_out(unit, call)
                    self._changed = True
                else:
                    self._free(unit, UnitStatus.FREE_ON_SCENE, now_ms)
            case UnitStatus.TRANSPORTING if call is not None and vehicle.arrived():
                self.patients.arrive(unit, call, now_ms)
                self._changed = True
            case UnitStatus.TRANSPORTING if call is not None and 0 < unit.until_ms <= now_ms:
                self._changed |= self.patients.look(unit, call, now_ms)
            case UnitStatus.AT_HOSPITAL if now_ms >= unit.until_ms:
                self.patients.leave(unit, now_ms)
                self._free(unit, UnitStatus.STANDING, now_ms)
            case UnitStatus.MOVING if vehicle.arrived():
                self._set(unit, UnitStatus.STANDING)
            case UnitStatus.ON_BREAK if now_ms >= unit.until_ms:
                self._set(unit, UnitStatus.STANDING)
            case _:
                pass

    def _own_plan(self, now_ms: int) -> None:
        """Do what a dispatch centre does by itself."""
        waiting = [call for call in self._open if call.waiting and call.unit < 0 and call.kerb.row >= 0]
        for call in sorted(waiting, key=lambda one: (one.priority, one.received_ms)):
            if now_ms - call.ready_ms < _OWN_PLAN_MS:
                continue
            free = [unit for unit in self.units if unit.status in _FREE]
            if free:
                nearest = min(free, key=lambda unit: _apart(unit.vehicle.target, call.kerb))
                self._send(nearest, call, now_ms, by_brain=False)
        for unit in self.units:
            if unit.status is UnitStatus.FREE_ON_SCENE or (
                unit.status is UnitStatus.STANDING and unit.site != unit.home
            ):
                self._move(unit, unit.home)

    # ------------------------------------------------------------------ what is done

    def _send(self, unit: Unit, call: Call, now_ms: int, *, by_brain: bool) -> None:
        if unit.call is call:
            return
        if call.unit >= 0:
            self._release(self.units[call.unit])
        if unit.call is not None:
            unit.call.unit = -1
        standing = unit.status is UnitStatus.STANDING
        call.unit, call.dispatched_ms, call.by_brain = self.units.index(unit), now_ms, by_brain
        unit.call, unit.site, unit.way = call, -1, ()
        self._set(unit, UnitStatus.TURNING_OUT, now_ms + (self._turnout_ms if standing else 0))

    def _move(self, unit: Unit, site: int) -> None:
        if unit.status in _UNDER_WAY and unit.call is not None:
            self._release(unit)
        if unit.status is UnitStatus.STANDING and unit.site == site:
            return
        unit.site = site
        unit.vehicle.go(self._sites[site], QUIET)
        self._set(unit, UnitStatus.MOVING)

    def _release(self, unit: Unit) -> None:
        """Take a unit off its call; it stops where it can and is free there."""
        if unit.call is not None:
            unit.call.unit = -1
        turning_out = unit.status is UnitStatus.TURNING_OUT
        unit.call = None
        if turning_out and unit.vehicle.arrived():
            unit.site = self._at(unit)
            self._set(unit, UnitStatus.STANDING if unit.site >= 0 else UnitStatus.FREE_ON_SCENE)
        else:
            unit.vehicle.halt()
            self._set(unit, UnitStatus.FREE_ON_SCENE)

    def _free(self, unit: Unit, status: UnitStatus, now_ms: int) -> None:
        if unit.call is not None:
            unit.call.free_ms = now_ms
        unit.call = None
        if status is UnitStatus.FREE_ON_SCENE:
            unit.site = -1
        self._set(unit, status)

    def _set(self, unit: Unit, status: UnitStatus, until_ms: int = 0) -> None:
        unit.status, unit.until_ms = status, until_ms
        self._changed = True

    def _at(self, unit: Unit) -> int:
        return next((row for row, kerb in enumerate(self._sites) if kerb == unit.vehicle.target), -1)

    # ------------------------------------------------------------------ what is told

    def _told(self, now_ms: int) -> Told:
        told: Told = []
        for row, unit in enumerate(self.units):
            told.append((StreamKind.UNIT_STATUS, row, float(unit.status)))
            told.append((StreamKind.UNIT_CALL, row, -1.0 if unit.call is None else float(unit.call.number)))
            told.append((StreamKind.UNIT_SITE, row, float(unit.site)))
        told += self.patients.told()
        listed = [call for call in self._open if not call.called_off]
        told.append((StreamKind.CALL_COUNT, 0, float(len(listed))))
        for call in listed:
            told += [(kind, 0, value) for kind, value in _facts(call, now_ms)]
        return told


def _facts(call: Call, now_ms: int) -> Sequence[tuple[StreamKind, float]]:
    return (
        (StreamKind.CALL_NUMBER, float(call.number)),
        (StreamKind.CALL_PRIORITY, float(call.priority)),
        (StreamKind.CALL_DETERMINANT, float(call.determinant)),
        (StreamKind.CALL_X_M, call.kerb.x_m),
        (StreamKind.CALL_Y_M, call.kerb.y_m),
        (StreamKind.CALL_WAITED_S, (now_ms - call.received_ms) / 1000),
        (StreamKind.CALL_UNIT, float(call.unit)),
        (StreamKind.CALL_EDGE, float(call.kerb.row)),
        (StreamKind.CALL_EDGE_M, call.kerb.at_m),
        (StreamKind.CALL_STATUS, float(CallStatus.ATTENDED if call.arrived_ms >= 0 else CallStatus.OPEN)),
    )


def _apart(one: Kerb, other: Kerb) -> float:
    return math.hypot(one.x_m - other.x_m, one.y_m - other.y_m)
