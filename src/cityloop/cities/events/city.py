"""The event-driven city: calls arrive, units drive, crews change; nothing is decided here.

Time passes inside ``advance``, up to the next instant at which something could be decided. What a policy may see is in
``units`` and ``open_calls``; what will happen at a call is not.
"""

from __future__ import annotations

import heapq

import numpy as np

from cityloop.cities.events.calls import Calls
from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.conditions import PLAIN, Conditions
from cityloop.cities.events.fleet import NEVER_MS, TICK_MS, Event, Roster
from cityloop.cities.events.ledger import Changed
from cityloop.cities.events.transport import Transport
from cityloop.domains.emergency.schema import (
    CallChange,
    CallStatus,
    CallTable,
    Move,
    Send,
    SiteTable,
    TakeBreak,
    TravelTimes,
    UnitStatus,
)
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import InvariantError
from cityloop.kernel.messages import Action
from cityloop.methods.hospital_doors import Doors

__all__ = ["EventCity", "Roster"]


class EventCity(Transport):
    """One run of one seed's calls. Owns the truth about where every unit is."""

    def __init__(
        self,
        case: EmergencyCase,
        sites: SiteTable,
        times: TravelTimes,
        calls: Calls,
        homes: I32,
        roster: Roster,
        span_ms: tuple[int, int],
        conditions: Conditions = PLAIN,
        record: bool = False,
    ) -> None:
        super().__init__(case, sites, times, calls, homes, roster, span_ms, conditions, record)
        self._reason = [0] * len(homes)
        self.call_status = np.full(len(calls), CallStatus.TAKING, np.int32)
        self.call_unit = np.full(len(calls), -1, np.int32)
        self._call_eta_ms = np.zeros(len(calls), np.int64)
        self._live: list[int] = []
        self._waiting = len(calls)
        for c in range(len(calls)):
            self._push(int(calls.ready_ms[c]), Event.CALL_READY, c, 0)
        self._push(self.now_ms, Event.TICK, 0, 0)
        plan = conditions.hospitals
        self.doors = None if plan is None else Doors(plan)
        self.notices = () if plan is None else plan.notices
        for k, notice in enumerate(self.notices):
            self._push(notice.at_ms, Event.NOTICE, k, 0)
        self._changes = conditions.changes
        for k, at_ms in enumerate(() if self._changes is None else self._changes.at_ms.tolist()):
            self._push(at_ms, Event.CALL_CHANGED, k, 0)

    def advance(self) -> bool:
        """Let time pass to the next instant at which there is something to decide; false at the end."""
        while self._events:
            now_ms = self._events[0][0]
            if now_ms >= self.end_ms and self._waiting == 0:
                break
            self.now_ms = now_ms
            decide = False
            while self._events and self._events[0][0] == now_ms:
                _, kind, _, row, version = heapq.heappop(self._events)
                decide |= self._happen(kind, row, version)
            if decide:
                self._locate()
                return True
        self._finish()
        return False

    def open_calls(self) -> CallTable:
        """Return the calls without a unit on scene that may be dispatched to."""
        rows, calls = np.array(self._live, np.int64), self.calls
        return CallTable(
            call=rows,
            priority=self.priority[rows],
            node=calls.node[rows],
            offroad_m=calls.offroad_m[rows],
            received_ms=calls.received_ms[rows],
            ready_ms=calls.ready_ms[rows],
            unit=self.call_unit[rows],
            eta_ms=self._call_eta_ms[rows],
            needs=calls.needs[rows],
        )

    def apply(self, unit: int, action: Action, reason: int = 0) -> None:
        """Do what was decided for one unit, now."""
        match action:
            case Send(call=call):
                self._send(unit, call, reason)
            case Move(site=site):
                self._move(unit, site)
            case TakeBreak():
                self._stop(unit, UnitStatus.ON_BREAK)
                self.units.meal_from_ms[unit] = NEVER_MS
                self.ledger.breaks_taken += 1
                self._push(self.now_ms + self.roster.meal_ms, Event.BREAK_DONE, unit, self._version[unit])
            case _:
                raise InvariantError(f"Unit {unit}: no such action here: {action!r}.")

    def take_off(self, call: int) -> None:
        """Take the unit off a call that goes on waiting."""
        unit = int(self.call_unit[call])
        self.call_unit[call] = -1
        self.call_status[call] = CallStatus.OPEN
        self.ledger.bumped[call] += 1
        self.ledger.first_unit_off(call)
        if unit >= 0:
            self._ended(unit, arrived=False)
            self.units.call[unit] = -1

    # ------------------------------------------------------------------ what happens

    def _happen(self, kind: int, row: int, version: int) -> bool:
        """Let one event happen; tell whether there is something to decide now."""
        units = self.units
        if kind == Event.CALL_READY:
            if self.call_status[row] == CallStatus.CLOSED:
                return False
            self.call_status[row] = CallStatus.OPEN
            self._live.append(row)
        elif kind == Event.TICK:
            self._push(self.now_ms + TICK_MS, Event.TICK, 0, 0)
        elif kind == Event.CALL_CHANGED:
            return self._changed(row)
        elif kind == Event.NOTICE:
            self._noticed(self.notices[row])
        elif kind == Event.SHIFT_CHANGE:
            if units.status[row] == UnitStatus.STANDING and units.site[row] == units.home[row]:
                self._change_crew(row)
        elif version != self._version[row]:
            return False
        elif kind == Event.ARRIVED:
            return self._arrived(row)
        elif kind == Event.MOBILE:
            self._go_to_call(row)
            return False
        elif kind == Event.SCENE_DONE:
            call = int(units.call[row])
            if self.calls.transport[call]:
                self._to_hospital(row, call)
                return False
            self._free(row, call, at_site=False)
        elif kind == Event.HANDED_OVER:
            self._bay_free(int(units.site[row]))
            self._free(row, int(units.call[row]), at_site=True)
        elif kind == Event.BREAK_DONE:
            units.kerb_used_ms[row] = 0
            self._set(row, UnitStatus.STANDING)
        return True

    def _arrived(self, u: int) -> bool:
        units, status = self.units, UnitStatus(int(self.units.status[u]))
        trip = self._trip[u]
        if trip is None:
            raise InvariantError(f"Unit {u} arrived without a trip.")
        self.recorder.drove(u, trip, self.now_ms, status)
        self._x[u], self._y[u] = trip.to_x_m, trip.to_y_m
        self._driven(u, trip, self.now_ms)
        self._trip[u] = None
        call = int(units.call[u])
        match status:
            case UnitStatus.EN_ROUTE:
                self.call_status[call] = CallStatus.ATTENDED
                self.ledger.arrived_ms[call] = self.now_ms
                self.ledger.unit[call] = u
                self._live.remove(call)
                self._waiting -= 1
                self._ended(u, arrived=True)
                units.offroad_m[u] = self.calls.offroad_m[call]
                self._set(u, UnitStatus.ON_SCENE)
                self._push(self.now_ms + int(self.calls.on_scene_ms[call]), Event.SCENE_DONE, u, self._version[u])
                return False
            case UnitStatus.TRANSPORTING:
                units.offroad_m[u] = self.sites.offroad_m[units.site[u]]
                self._at_door(u, call)
                return False
            case UnitStatus.MOVING:
                site = int(units.site[u])
                units.offroad_m[u] = self.sites.offroad_m[site]
                self._set(u, UnitStatus.STANDING)
                if site == units.home[u] and self.now_ms >= units.shift_end_ms[u]:
                    self._change_crew(u)
                return True
            case _:
                raise InvariantError(f"Unit {u} arrived while {status.name}.")

    def _free(self, u: int, call: int, at_site: bool) -> None:
        self.call_status[call] = CallStatus.CLOSED
        self.ledger.free_ms[call] = self.now_ms
        self.units.call[u] = -1
        self.units.diverted[u] = False
        self.units.kerb_used_ms[u] = 0
        if not at_site:
            self.units.site[u] = -1
        self._set(u, UnitStatus.STANDING if at_site else UnitStatus.FREE_ON_SCENE)

    def _changed(self, k: int) -> bool:
        """Let the dispatch centre learn more of a call; tell whether there is something to decide now."""
        changes = self._changes
        if changes is None:
            return False
        call, kind = int(changes.call[k]), CallChange(int(changes.kind[k]))
        status, unit = int(self.call_status[call]), int(self.call_unit[call])
        in_time = status not in (CallStatus.ATTENDED, CallStatus.CLOSED)
        self.ledger.changes.append(Changed(self.now_ms, call, int(kind), in_time))
        if not in_time:
            return False
        if kind in (CallChange.UPGRADED, CallChange.DOWNGRADED):
            self.priority[call] = changes.priority[k]
            if unit >= 0 and self.units.status[unit] == UnitStatus.EN_ROUTE:
                # It drives on as the new priority is driven.
                self._drive(unit, UnitStatus.EN_ROUTE, -1, call)
                self._call_eta_ms[call] = self._expected_ms(unit)
            return True
        self.ledger.cancelled_ms[call] = self.now_ms
        self._waiting -= 1
        if status != CallStatus.TAKING:
            self._live.remove(call)
        if unit >= 0:
            self._release(unit)
            self.call_unit[call] = -1
            self.ledger.first_unit_off(call)
        self.call_status[call] = CallStatus.CLOSED
        if kind is CallChange.DUPLICATE:
            # The call that goes on is as urgent as the more urgent of the two.
            of = int(changes.of[k])
            self.priority[of] = min(self.priority[of], self.priority[call])
        return True

    # ------------------------------------------------------------------ what is done

    def _send(self, u: int, call: int, reason: int) -> None:
        units = self.units
        before = int(units.call[u])
        if before >= 0 and before != call:
            self.take_off(before)
            units.diverted[u] = True
            self.ledger.diversions += 1
        if self.call_unit[call] >= 0:
            self._release(int(self.call_unit[call]))
            self.ledger.swaps += 1
        status = UnitStatus(int(units.status[u]))
        driving = status in (UnitStatus.MOVING, UnitStatus.FREE_ON_SCENE)
        self._leave_kerb(u)
        self.call_unit[call], self.call_status[call] = u, CallStatus.ASSIGNED
        units.call[u] = call
        self._reason[u] = reason
        self.ledger.sent(call, u, self.now_ms)
        wait_ms = self.turnout.driving_ms if driving else self.turnout.standing_ms
        if wait_ms > 0 and status != UnitStatus.EN_ROUTE:
            if driving:
                self._cut(u)
                units.site[u] = -1
            self._set(u, UnitStatus.TURNING_OUT)
            took_ms = self.chance.turnout_ms(u, call, wait_ms)
            self._push(self.now_ms + took_ms, Event.MOBILE, u, self._version[u])
        else:
            self._go_to_call(u)
        self._call_eta_ms[call] = self.now_ms + wait_ms if self._trip[u] is None else self._expected_ms(u)

    def _expected_ms(self, u: int) -> int:
        """Return when a unit under way is expected; how slow its drive will be is not known to anybody."""
        trip = self._trip[u]
        return self.now_ms if trip is None else trip.begin_ms + trip.lead_ms + trip.drive_ms + trip.tail_ms

    def _release(self, u: int) -> None:
        """Take a unit off a call that another takes over or nobody needs any more; it is free where it is."""
        self._ended(u, arrived=False)
        self.units.call[u] = -1
        if self.units.status[u] == UnitStatus.TURNING_OUT and self.units.site[u] >= 0:
            self._set(u, UnitStatus.STANDING)
            return
        # It rolls on to the next node and is told where to go in the same round.
        self._cut(u)
        self.units.site[u] = -1
        self._set(u, UnitStatus.FREE_ON_SCENE)

    def _ended(self, u: int, arrived: bool) -> None:
        call = int(self.units.call[u])
        self.recorder.sent.append(
            (
                call,
                u,
                int(self.priority[call]),
                int(self.ledger.sent_ms[u]),
                int(self.ledger.unit_mobile_ms[u]),
                self.now_ms,
                int(arrived),
                self._reason[u],
            )
        )

    def _go_to_call(self, u: int) -> None:
        call = int(self.units.call[u])
        self.ledger.mobile(call, u, self.now_ms)
        self._drive(u, UnitStatus.EN_ROUTE, -1, call)
        self._call_eta_ms[call] = self._expected_ms(u)

    def _move(self, u: int, site: int) -> None:
        if self.units.status[u] == UnitStatus.STANDING and self.units.site[u] == site:
            return
        self._leave_kerb(u)
        if self.units.site[u] != site or self.units.status[u] != UnitStatus.MOVING:
            self.ledger.moves += 1
        self._drive(u, UnitStatus.MOVING, site)
        self.units.site[u] = site

    def _finish(self) -> None:
        for u, trip in enumerate(self._trip):
            if trip is not None:
                self.recorder.drove(u, trip, self.now_ms, int(self.units.status[u]))
