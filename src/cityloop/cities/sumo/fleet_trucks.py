"""Refuse trucks and containers in the twin: containers fill, trucks drive what they are told, one may break down.

The depot opens a round when a run begins. Crews who are told nothing set out after a while on rounds of their own:
every second container, by the side of the depot on which it lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cityloop.cities.sumo.fleet_assets import FleetSetup, Kerb
from cityloop.cities.sumo.fleet_case import REFUSE
from cityloop.cities.sumo.fleet_units import Told
from cityloop.cities.sumo.fleet_vehicle import ServiceVehicle
from cityloop.domains.refuse.schema import DEPOT, NOTHING, TIP, DriveRoute, TruckStatus
from cityloop.kernel.columns import F64, I64
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command

__all__ = ["Lift", "TruckFleet"]

_LEVEL_EVERY_MS = 15 * 60_000
_REPEAT_MS = 30_000
_OWN_ROUND_MS = 240_000
"""Crews wait this long for a plan before they set out on their own. [ms]"""
_DAY_MS = 86_400_000
_DISPERSION = 0.03
"""Variance over mean of what is thrown in, as a share of capacity."""
_LEVEL_NOISE = 0.02


@dataclass(frozen=True, slots=True)
class Lift:
    """A container that was emptied."""

    container: int
    truck: int
    at_ms: int
    fill_frac: float


@dataclass(slots=True)
class _Truck:
    """One truck."""

    vehicle: ServiceVehicle
    payload_kg: float
    status: TruckStatus = TruckStatus.AT_DEPOT
    next: int = NOTHING
    """Bound for, or there."""
    route: list[int] = field(default_factory=list)
    load_kg: float = 0.0
    until_ms: int = 0
    version: int = -1
    stops: int = 0
    tips: int = 0


class TruckFleet:
    """All trucks and containers of a run; owns their truth."""

    def __init__(self, setup: FleetSetup, seed: int, span_ms: tuple[int, int], kerbs: Mapping[str, Kerb]) -> None:
        refuse = setup.case.refuse
        assert refuse is not None
        assert setup.depot is not None
        assert setup.tip is not None
        self._file, self._depot, self._tip, self._kerbs = refuse, setup.depot, setup.tip, setup.containers
        self.trucks = [
            _Truck(ServiceVehicle(truck.name, REFUSE, kerbs.get(truck.name, setup.depot)), truck.payload_kg)
            for truck in refuse.trucks
        ]
        rng, noise = (np.random.default_rng(c) for c in np.random.SeedSequence([seed, 0x726566]).spawn(2))
        self._noise = noise
        self._rate: F64 = np.array(refuse.rate_per_day)
        self._capacity_kg: F64 = np.array(refuse.capacity_kg)
        gathered_days = rng.uniform(0.3, 4.4, len(self._rate))
        self.fill: F64 = rng.gamma(np.maximum(self._rate * gathered_days, 1e-6) / _DISPERSION, _DISPERSION)
        self.fill_at_begin: F64 = self.fill.copy()
        # What is thrown in is known from the begin, so that the same falls into it whoever collects when.
        minutes = math.ceil((span_ms[1] - span_ms[0]) / 60_000) + 1
        mean = np.maximum(self._rate / 1440.0, 1e-9)
        self._thrown: F64 = rng.gamma(np.tile(mean / _DISPERSION, (minutes, 1)), _DISPERSION)
        self.tomorrow: F64 = rng.gamma(np.maximum(self._rate, 1e-6) / _DISPERSION, _DISPERSION)
        """What falls into each in the day after."""
        self._begin_ms, self._minute = span_ms[0], 0
        self.round = seed
        self._level_due_ms: I64 = span_ms[0] + 1000 * np.arange(1, len(self._rate) + 1, dtype=np.int64)
        self._repeat_ms = 0
        self._changed = True
        self.lifts: list[Lift] = []
        self.broken_ms = -1

    def take(self, command: Command, now_ms: int) -> str:
        """Carry out a command; return why not, empty when it was."""
        action = command.action
        if now_ms > command.not_after_ms:
            return f"came {now_ms - command.not_after_ms} ms after its end"
        if not isinstance(action, DriveRoute):
            return "a truck is told visits and nothing else"
        if not 0 <= command.target < len(self.trucks):
            return f"there is no truck {command.target}"
        truck = self.trucks[command.target]
        if truck.status is TruckStatus.BROKEN_DOWN:
            return f"{truck.vehicle.name} has broken down"
        if action.round != self.round:
            return f"round {action.round} is not open"
        if any(visit < DEPOT or visit >= len(self._kerbs) for visit in action.visits):
            return "names a container that is not there"
        truck.route, truck.version = list(action.visits), action.version
        if truck.status in (TruckStatus.AT_DEPOT, TruckStatus.HOME) or truck.next == DEPOT:
            self._on(truck)
        return ""

    def step(self, now_ms: int, running: frozenset[str]) -> Told:
        """Let things happen up to now, and return what is told of them."""
        self._fill_up(now_ms)
        told: Told = []
        for row, truck in enumerate(self.trucks):
            truck.vehicle.step(now_ms, running)
            told += self._go_on(row, truck, now_ms)
        breakdown = self._file.breakdown
        if breakdown is not None and self.broken_ms < 0 and now_ms >= self._begin_ms + breakdown.after_s * 1000:
            self._break(next(t for t in self.trucks if t.vehicle.name == breakdown.truck), now_ms)
        if now_ms - self._begin_ms >= _OWN_ROUND_MS and all(truck.version < 0 for truck in self.trucks):
            self._own_round()
        told += self._levels(now_ms)
        if self._changed or now_ms >= self._repeat_ms:
            self._changed, self._repeat_ms = False, now_ms + _REPEAT_MS
            told.append((StreamKind.ROUND_OPEN, 0, float(self.round)))
            for row, truck in enumerate(self.trucks):
                told.append((StreamKind.TRUCK_STATUS, row, float(truck.status)))
                told.append((StreamKind.TRUCK_LOAD_KG, row, truck.load_kg))
                told.append((StreamKind.TRUCK_NEXT, row, float(truck.next)))
        return told

    # ------------------------------------------------------------------ what happens

    def _fill_up(self, now_ms: int) -> None:
        minute = (now_ms - self._begin_ms) // 60_000
        while self._minute < min(minute, len(self._thrown)):
            self.fill += self._thrown[self._minute]
            self._minute += 1

    def _go_on(self, row: int, truck: _Truck, now_ms: int) -> Told:
        told: Told = []
        if truck.status is TruckStatus.DRIVING and truck.vehicle.arrived():
            if truck.next == DEPOT:
                self._set(truck, TruckStatus.HOME)
            elif truck.next == TIP:
                self._set(truck, TruckStatus.AT_TIP, now_ms + round(self._file.tip_s * 1000))
            else:
                self._set(truck, TruckStatus.EMPTYING, now_ms + round(self._file.stop_s * 1000))
        elif truck.status is TruckStatus.AT_TIP and now_ms >= truck.until_ms:
            truck.load_kg, truck.tips = 0.0, truck.tips + 1
            self._on(truck)
        elif truck.status is TruckStatus.EMPTYING and now_ms >= truck.until_ms:
            container, room_kg = truck.next, truck.payload_kg - truck.load_kg
            found = min(float(self.fill[container]), room_kg / float(self._capacity_kg[container]))
            truck.load_kg += found * float(self._capacity_kg[container])
            truck.stops += 1
            self.fill[container] -= found
            self.lifts.append(Lift(container, row, now_ms, found))
            self._level_due_ms[container] = now_ms + 2000
            told.append((StreamKind.COLLECTED_FRAC, container, found))
            self._on(truck)
        return told

    def _on(self, truck: _Truck) -> None:
        """Set out for the next visit; home when there is none."""
        if not truck.route and truck.next == DEPOT and truck.status is TruckStatus.DRIVING:
            return
        truck.next = truck.route.pop(0) if truck.route else DEPOT
        truck.vehicle.go(self._kerb(truck.next), REFUSE)
        self._set(truck, TruckStatus.DRIVING)

    def _break(self, truck: _Truck, now_ms: int) -> None:
        self.broken_ms = now_ms
        if truck.status is TruckStatus.DRIVING:
            truck.vehicle.halt()
        truck.route = []
        self._set(truck, TruckStatus.BROKEN_DOWN)

    def _own_round(self) -> None:
        """Send every truck on its standing round."""
        rows = [row for row in range(len(self._kerbs)) if (row + self.round) % 2 == 0]
        rows.sort(key=lambda row: _bearing(self._depot, self._kerbs[row]))
        each = math.ceil(len(rows) / len(self.trucks))
        for number, truck in enumerate(self.trucks):
            if truck.status is TruckStatus.AT_DEPOT:
                truck.route, truck.version = [*rows[number * each : (number + 1) * each], TIP, DEPOT], 0
                self._on(truck)

    def _set(self, truck: _Truck, status: TruckStatus, until_ms: int = 0) -> None:
        truck.status, truck.until_ms = status, until_ms
        self._changed = True

    def _kerb(self, visit: int) -> Kerb:
        return self._tip if visit == TIP else self._depot if visit == DEPOT else self._kerbs[visit]

    def _levels(self, now_ms: int) -> Told:
        """Return what level sensors tell: every quarter of an hour each, and once a container was emptied."""
        told: Told = []
        for container in np.flatnonzero(self._level_due_ms <= now_ms).tolist():
            self._level_due_ms[container] = now_ms + _LEVEL_EVERY_MS
            if self._file.sensed[container]:
                level = float(self.fill[container]) + float(self._noise.normal(0.0, _LEVEL_NOISE))
                told.append((StreamKind.FILL_FRAC, container, min(max(level, 0.0), 1.5)))
        return told


def _bearing(here: Kerb, there: Kerb) -> float:
    return math.atan2(there.y_m - here.y_m, there.x_m - here.x_m)
