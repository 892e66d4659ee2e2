"""The units of the event-driven city: where they are, what they drive, when their crews change."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from cityloop.cities.events.calls import Calls
from cityloop.cities.events.case import EmergencyCase
from cityloop.cities.events.conditions import Conditions
from cityloop.cities.events.ledger import Ledger
from cityloop.cities.events.tracks import Recorder
from cityloop.cities.events.trips import Trip
from cityloop.domains.emergency.schema import SiteKind, SiteTable, TravelTimes, UnitStatus, UnitTable
from cityloop.kernel.columns import I32, I64
from cityloop.kernel.errors import InvariantError

__all__ = ["NEVER_MS", "TICK_MS", "Event", "Fleet", "Roster"]

TICK_MS = 300_000
NEVER_MS = 2**62


class Event(IntEnum):
    """What can happen next; at one instant in this order."""

    HANDED_OVER = 0
    SCENE_DONE = 1
    BREAK_DONE = 2
    ARRIVED = 3
    MOBILE = 4
    SHIFT_CHANGE = 5
    CALL_READY = 6
    TICK = 7
    NOTICE = 8
    """A hospital declares something."""
    CALL_CHANGED = 9


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


class Fleet:
    """Units, their trips and the queue of events; what happens at calls is the city's."""

    def __init__(
        self,
        case: EmergencyCase,
        sites: SiteTable,
        times: TravelTimes,
        calls: Calls,
        homes: I32,
        roster: Roster,
        span_ms: tuple[int, int],
        conditions: Conditions,
        record: bool,
    ) -> None:
        self.case, self.times, self.calls = case, times, calls
        self.priority = calls.priority.copy()
        """Of every call, as known now."""
        self.sites = replace(sites, is_open=sites.is_open.copy())
        self.roster, self.turnout = roster, conditions.turnout
        self.chance, self.radio = conditions.chance, conditions.radio
        self.now_ms, self.end_ms = span_ms
        self.recorder = Recorder(record)
        self.ledger = Ledger(len(calls), len(homes))
        self._first_hospital = len(case.stations.node)
        graph = case.roads.graph
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
            capability=np.zeros(n, np.int32) if case.unit_capability is None else case.unit_capability.copy(),
            seen_at_ms=np.zeros(n, np.int64),
        )
        for u in range(n):
            self._new_shift(u, first_change[u] - roster.shift_ms)
        self._change_at = [0] * n
        self._x = [float(self._site_x[h]) for h in homes]
        self._y = [float(self._site_y[h]) for h in homes]
        self._trip: list[Trip | None] = [None] * n
        self._events: list[tuple[int, int, int, int, int]] = []
        self._order = 0
        self._version = [0] * n
        self._drives = [0] * n
        for u in range(n):
            self._push(first_change[u], Event.SHIFT_CHANGE, u, 0)
            self.recorder.event(u, self.now_ms, self._x[u], self._y[u], UnitStatus.STANDING)

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
        siren = call >= 0 and times.response_mode[self.priority[call] - 1] == 0
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
        drive_ms, tail_ms = router.time_ms(source, target), round(offroad_m / speed * 1000)
        self._drives[u] += 1
        slow = self.chance.drive(u, call, self._drives[u], lead_ms + drive_ms + tail_ms)
        self.ledger.fastest = max(self.ledger.fastest, 1.0 / slow)
        trip = Trip(
            router,
            self.now_ms,
            source,
            target,
            lead_ms,
            self._x[u],
            self._y[u],
            tail_ms,
            to_x,
            to_y,
            drive_ms,
            slow,
        )
        self._trip[u] = trip
        self._set(u, status)
        self._push(trip.end_ms, Event.ARRIVED, u, self._version[u])

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
        """Bring the position of every unit under way up to now, as its radio tells it."""
        units = self.units
        late = self.radio.late(self.now_ms, len(units.status))
        units.seen_at_ms[:] = np.where(late, self.now_ms - self.radio.late_ms, self.now_ms)
        for u in np.flatnonzero((units.status == UnitStatus.MOVING) | (units.status == UnitStatus.EN_ROUTE)):
            trip = self._trip[u]
            if trip is not None:
                here = trip.at(max(int(units.seen_at_ms[u]), trip.begin_ms))
                units.node[u], units.node_in_ms[u], units.offroad_m[u] = here.node, here.in_ms, 0.0

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
        changes_ms, at = self.roster.changes_ms[u], self._change_at[u]
        # A crew whose whole shift passed before the unit came home never took over.
        while changes_ms[at + 1] <= self.now_ms:
            at += 1
        begin_ms = int(changes_ms[at])
        self._change_at[u] = at + 1
        units.shift_end_ms[u] = changes_ms[at + 1]
        units.kerb_used_ms[u] = 0
        self._new_shift(u, begin_ms)
        self._push(int(units.shift_end_ms[u]), Event.SHIFT_CHANGE, u, 0)

    def _push(self, at_ms: int, kind: Event, row: int, version: int) -> None:
        if at_ms < self.now_ms:
            raise InvariantError(f"{kind.name} of {row} at {at_ms} ms, before now ({self.now_ms} ms).")
        self._order += 1
        heapq.heappush(self._events, (at_ms, int(kind), self._order, row, version))
