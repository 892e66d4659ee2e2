"""The event-driven city: calls arrive, units drive, crews change; nothing is decided here.

Time passes inside ``advance``, up to the next instant at which something could be decided. What a policy may see is in
``units`` and ``open_calls``; what will happen at a call is not.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.cities.events.calls import Calls
from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.ledger import Ledger
from cityloop.cities.events.tracks import Recorder
from cityloop.cities.events.trips import Trip
from cityloop.domains.emergency.schema import (
    CallStatus,
    CallTable,
    Move,
    Send,
    SiteKind,
    SiteTable,
    TakeBreak,
    TravelTimes,
    UnitStatus,
    UnitTable,
)
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import InvariantError
from cityloop.kernel.messages import Action

__all__ = ["EventCity", "Roster", "Turnout"]

TICK_MS = 300_000
NEVER_MS = 2**62
HOUR_MS = 3_600_000


class _Event(IntEnum):
    """What can happen next; at one instant in this order."""

    HANDED_OVER = 0
    SCENE_DONE = 1
    BREAK_DONE = 2
    ARRIVED = 3
    MOBILE = 4
    SHIFT_CHANGE = 5
    CALL_READY = 6
    TICK = 7


@dataclass(frozen=True, slots=True)
class Turnout:
    """From dispatch to wheels turning, by where the unit is. [ms]"""

    standing_ms: int = 0
    driving_ms: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """Changes of crews, and when a crew may eat."""

    changes_ms: tuple[I64, ...]
    """Instants of every unit's changes."""
    meal_ms: int
    meal_from_ms: int
    """After the shift's begin."""
    meal_until_ms: int
    shift_ms: int


class EventCity:
    """One run of one seed's calls. Owns the truth about where every unit is."""

    def __init__(
        self,
        case: EmergencyCase,
        sites: SiteTable,
        times: TravelTimes,
        calls: Calls,
        homes: I32,
        roster: Roster,
        turnout: Turnout,
        span_ms: tuple[int, int],
        record: bool = False,
    ) -> None:
        self.case, self.sites, self.times, self.calls = case, sites, times, calls
        self.roster, self.turnout = roster, turnout
        self.now_ms, self.end_ms = span_ms
        self.recorder = Recorder(record)
        self.ledger = Ledger(len(calls), len(homes))
        graph = case.roads.graph
        self._graph = graph
        self._site_x = np.concatenate(
            (case.stations.x_m, case.hospitals.x_m, graph.x_m[sites.node[sites.kind == SiteKind.KERB]])
        )
        self._site_y = np.concatenate(
            (case.stations.y_m, case.hospitals.y_m, graph.y_m[sites.node[sites.kind == SiteKind.KERB]])
        )
        n = len(homes)
        first_change = [int(changes[0]) for changes in roster.changes_ms]
        self.units = UnitTable(
            status=np.full(n, UnitStatus.STANDING, np.int32),
            node=sites.node[homes].copy(),
            node_in_ms=np.zeros(n, np.int64),
            offroad_m=sites.offroad_m[homes].copy(),
            site=homes.copy(),
            call=np.full(n, -1, np.int64),
            since_ms=np.full(n, self.now_ms, np.int64),
            home=homes.copy(),
            kerb_used_ms=np.zeros(n, np.int64),
            shift_end_ms=np.array(first_change, np.int64),
            meal_from_ms=np.zeros(n, np.int64),
            meal_until_ms=np.zeros(n, np.int64),
            diverted=np.zeros(n, np.bool_),
            capability=np.zeros(n, np.int32),
            seen_at_ms=np.zeros(n, np.int64),
        )
        for u in range(n):
            self._new_shift(u, first_change[u] - roster.shift_ms)
        self._change_at = [0] * n
        self._x = [float(self._site_x[h]) for h in homes]
        self._y = [float(self._site_y[h]) for h in homes]
        self._trip: list[Trip | None] = [None] * n
        self._reason = [0] * n
        self._events: list[tuple[int, int, int, int, int]] = []
        self._order = 0
        self._version = [0] * n
        self.call_status = np.full(len(calls), CallStatus.TAKING, np.int32)
        self.call_unit = np.full(len(calls), -1, np.int32)
        self._call_eta_ms = np.zeros(len(calls), np.int64)
        self._live: list[int] = []
        self._waiting = len(calls)
        for c in range(len(calls)):
            self._push(int(calls.ready_ms[c]), _Event.CALL_READY, c, 0)
        for u in range(n):
            self._push(first_change[u], _Event.SHIFT_CHANGE, u, 0)
            self.recorder.event(u, self.now_ms, self._x[u], self._y[u], UnitStatus.STANDING)
        self._push(self.now_ms, _Event.TICK, 0, 0)

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
            priority=calls.priority[rows],
            node=calls.node[rows],
            offroad_m=calls.offroad_m[rows],
            received_ms=calls.received_ms[rows],
            ready_ms=calls.ready_ms[rows],
            unit=self.call_unit[rows],
            eta_ms=self._call_eta_ms[rows],
            needs=np.zeros(len(rows), np.int32),
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
                self._push(self.now_ms + self.roster.meal_ms, _Event.BREAK_DONE, unit, self._version[unit])
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
        if kind == _Event.CALL_READY:
            self.call_status[row] = CallStatus.OPEN
            self._live.append(row)
        elif kind == _Event.TICK:
            self._push(self.now_ms + TICK_MS, _Event.TICK, 0, 0)
        elif kind == _Event.SHIFT_CHANGE:
            if units.status[row] == UnitStatus.STANDING and units.site[row] == units.home[row]:
                self._change_crew(row)
        elif version != self._version[row]:
            return False
        elif kind == _Event.ARRIVED:
            return self._arrived(row)
        elif kind == _Event.MOBILE:
            self._go_to_call(row)
            return False
        elif kind == _Event.SCENE_DONE:
            call = int(units.call[row])
            if self.calls.transport[call]:
                self._to_hospital(row, call)
                return False
            self._free(row, call, at_site=False)
        elif kind == _Event.HANDED_OVER:
            self._free(row, int(units.call[row]), at_site=True)
        elif kind == _Event.BREAK_DONE:
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
                self._push(self.now_ms + int(self.calls.on_scene_ms[call]), _Event.SCENE_DONE, u, self._version[u])
                return False
            case UnitStatus.TRANSPORTING:
                units.offroad_m[u] = self.sites.offroad_m[units.site[u]]
                self.ledger.at_hospital_ms[call] = self.now_ms
                self._set(u, UnitStatus.AT_HOSPITAL)
                self._push(self.now_ms + int(self.calls.handover_ms[call]), _Event.HANDED_OVER, u, self._version[u])
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

    def _to_hospital(self, u: int, call: int) -> None:
        sites = self.sites
        rows = np.flatnonzero((sites.kind == SiteKind.HOSPITAL) & sites.is_open)
        node = int(self.calls.node[call])
        times = self.times.ordinary.matrix_ms([node], sites.node[rows])[0]
        site = int(rows[int(times.argmin())])
        self.ledger.left_scene_ms[call] = self.now_ms
        self.units.site[u] = site
        self._drive(u, UnitStatus.TRANSPORTING, site)

    # ------------------------------------------------------------------ what is done

    def _send(self, u: int, call: int, reason: int) -> None:
        units = self.units
        before = int(units.call[u])
        if before >= 0 and before != call:
            self.take_off(before)
            units.diverted[u] = True
            self.ledger.diversions += 1
        if self.call_unit[call] >= 0:
            self._release(int(self.call_unit[call]), call)
        driving = units.status[u] in (UnitStatus.MOVING, UnitStatus.EN_ROUTE, UnitStatus.FREE_ON_SCENE)
        self._leave_kerb(u)
        self.call_unit[call], self.call_status[call] = u, CallStatus.ASSIGNED
        units.call[u] = call
        self._reason[u] = reason
        self.ledger.sent(call, u, self.now_ms)
        wait_ms = self.turnout.driving_ms if driving else self.turnout.standing_ms
        if wait_ms > 0 and not driving:
            self._set(u, UnitStatus.TURNING_OUT)
            self._push(self.now_ms + wait_ms, _Event.MOBILE, u, self._version[u])
        else:
            self._go_to_call(u)
        self._call_eta_ms[call] = self.now_ms + wait_ms if self._trip[u] is None else self._trip_end(u)

    def _trip_end(self, u: int) -> int:
        trip = self._trip[u]
        return self.now_ms if trip is None else trip.end_ms

    def _release(self, u: int, call: int) -> None:
        """Take a unit off a call that another takes over; it is free where it is."""
        self._ended(u, arrived=False)
        self.units.call[u] = -1
        self.ledger.swaps += 1
        if self.units.status[u] == UnitStatus.TURNING_OUT:
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
                int(self.calls.priority[call]),
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
        self._call_eta_ms[call] = self._trip_end(u)

    def _move(self, u: int, site: int) -> None:
        if self.units.status[u] == UnitStatus.STANDING and self.units.site[u] == site:
            return
        self._leave_kerb(u)
        if self.units.site[u] != site or self.units.status[u] != UnitStatus.MOVING:
            self.ledger.moves += 1
        self._drive(u, UnitStatus.MOVING, site)
        self.units.site[u] = site

    def _leave_kerb(self, u: int) -> None:
        units = self.units
        site = int(units.site[u])
        if units.status[u] != UnitStatus.STANDING or site < 0:
            return
        stood_ms = self.now_ms - int(units.since_ms[u])
        if self.sites.kind[site] == SiteKind.KERB:
            units.kerb_used_ms[u] += stood_ms
            self.ledger.kerb_longest_ms = max(self.ledger.kerb_longest_ms, int(units.kerb_used_ms[u]))
            self.ledger.kerb_ms += stood_ms
        elif stood_ms >= 15 * 60_000:
            units.kerb_used_ms[u] = 0

    def _drive(self, u: int, status: UnitStatus, site: int, call: int = -1) -> None:
        """Send a unit on its way to a site or a call, from wherever it is."""
        self._cut(u)
        units, times = self.units, self.times
        siren = call >= 0 and times.response_mode[self.calls.priority[call] - 1] == 0
        router = times.siren if siren else times.ordinary
        speed = times.siren_offroad_mps if siren else times.ordinary_offroad_mps
        if call >= 0:
            target, offroad_m = int(self.calls.node[call]), float(self.calls.offroad_m[call])
            to_x, to_y = float(self.calls.x_m[call]), float(self.calls.y_m[call])
        else:
            target, offroad_m = int(self.sites.node[site]), float(self.sites.offroad_m[site])
            to_x, to_y = float(self._site_x[site]), float(self._site_y[site])
        source = int(units.node[u])
        lead_ms = int(units.node_in_ms[u]) + round(float(units.offroad_m[u]) / speed * 1000)
        trip = Trip(
            router,
            self.now_ms,
            source,
            target,
            lead_ms,
            self._x[u],
            self._y[u],
            round(offroad_m / speed * 1000),
            to_x,
            to_y,
            router.time_ms(source, target),
        )
        self._trip[u] = trip
        self._set(u, status)
        self._push(trip.end_ms, _Event.ARRIVED, u, self._version[u])

    def _cut(self, u: int) -> None:
        """End the trip a unit is on: from now it is between two nodes, bound for the next."""
        trip = self._trip[u]
        if trip is None:
            return
        units = self.units
        self.recorder.drove(u, trip, self.now_ms, int(units.status[u]))
        here = trip.at(self.now_ms)
        self._driven(u, trip, self.now_ms)
        units.node[u], units.node_in_ms[u], units.offroad_m[u] = here.node, here.in_ms, 0.0
        self._x[u], self._y[u] = here.x_m, here.y_m
        self._trip[u] = None

    def _driven(self, u: int, trip: Trip, until_ms: int) -> None:
        if self.units.status[u] == UnitStatus.MOVING and self.recorder.enabled:
            self.ledger.repositioned_m += trip.length_m(until_ms)
        if until_ms >= trip.end_ms:
            self.units.node[u], self.units.node_in_ms[u] = trip.target, 0

    def _stop(self, u: int, status: UnitStatus) -> None:
        self._leave_kerb(u)
        self._set(u, status)

    def _set(self, u: int, status: UnitStatus) -> None:
        self.units.status[u] = status
        self.units.since_ms[u] = self.now_ms
        self._version[u] += 1
        self.recorder.event(u, self.now_ms, self._x[u], self._y[u], status)

    def _locate(self) -> None:
        """Bring the position of every unit under way up to now."""
        units = self.units
        for u in np.flatnonzero((units.status == UnitStatus.MOVING) | (units.status == UnitStatus.EN_ROUTE)):
            trip = self._trip[u]
            if trip is not None:
                here = trip.at(self.now_ms)
                units.node[u], units.node_in_ms[u], units.offroad_m[u] = here.node, here.in_ms, 0.0
        units.seen_at_ms[:] = self.now_ms

    # ------------------------------------------------------------------ crews

    def _new_shift(self, u: int, begin_ms: int) -> None:
        self.units.meal_from_ms[u] = begin_ms + self.roster.meal_from_ms
        self.units.meal_until_ms[u] = begin_ms + self.roster.meal_until_ms

    def _change_crew(self, u: int) -> None:
        units, ledger = self.units, self.ledger
        late_ms = max(self.now_ms - int(units.shift_end_ms[u]), 0)
        ledger.shifts += 1
        ledger.late_ms += late_ms
        ledger.late_finishes += late_ms > 15 * 60_000
        ledger.breaks_missed += int(units.meal_from_ms[u]) != NEVER_MS
        begin_ms = int(units.shift_end_ms[u])
        self._change_at[u] += 1
        units.shift_end_ms[u] = self.roster.changes_ms[u][self._change_at[u]]
        units.kerb_used_ms[u] = 0
        self._new_shift(u, begin_ms)
        self._push(int(units.shift_end_ms[u]), _Event.SHIFT_CHANGE, u, 0)

    def _finish(self) -> None:
        for u, trip in enumerate(self._trip):
            if trip is not None:
                self.recorder.drove(u, trip, self.now_ms, int(self.units.status[u]))

    def _push(self, at_ms: int, kind: _Event, row: int, version: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_ms, int(kind), self._order, row, version))
