"""The city's services in the simulation: commands of emergency and refuse are carried out, crews and sensors tell.

Runs in the twin's child process. What happened is written beside SUMO's own outputs when the simulation closes: for
scorecards, and for nobody who decides.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.faults import Readings
from cityloop.cities.sumo.fleet_assets import FleetSetup
from cityloop.cities.sumo.fleet_start import kerbs_of, resume_trucks, resume_units
from cityloop.cities.sumo.fleet_trucks import TruckFleet
from cityloop.cities.sumo.fleet_units import Told, UnitFleet
from cityloop.cities.sumo.start_file import ServicesNow
from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.kernel.columns import I32
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command

__all__ = ["SERVICES_FILE", "ServiceFleet"]

SERVICES_FILE = "services.json"
"""Truth of a run's calls, stops and containers, beside SUMO's outputs."""


class ServiceFleet:
    """Ambulances and trucks of one simulation."""

    def __init__(
        self,
        setup: FleetSetup,
        layout: Layout,
        seed: int,
        span_ms: tuple[int, int],
        now: ServicesNow | None = None,
    ) -> None:
        edges, streams = layout.names["edges"], layout.streams
        self._span_ms, self._seed = span_ms, seed
        kerbs = {} if now is None else kerbs_of(now, setup)
        self.units = UnitFleet(setup, edges, seed, span_ms, kerbs) if setup.case.emergency is not None else None
        self.trucks = TruckFleet(setup, seed, span_ms, kerbs) if setup.case.refuse is not None else None
        if now is not None:
            if self.units is not None:
                resume_units(self.units, setup, now, seed, span_ms[0])
            if self.trucks is not None:
                resume_trucks(self.trucks, setup, now, span_ms[0])
        pairs = zip(streams.kind.tolist(), streams.asset.tolist(), strict=True)
        self._row = {pair: row for row, pair in enumerate(pairs)}

    def leads(self, command: Command) -> bool:
        """Tell whether a command is for these services."""
        return (command.domain == EMERGENCY and self.units is not None) or (
            command.domain == REFUSE and self.trucks is not None
        )

    def take(self, command: Command, now_ms: int) -> str:
        """Carry out a command; return why not, empty when it was."""
        fleet = self.units if command.domain == EMERGENCY else self.trucks
        return "this city has no such service" if fleet is None else fleet.take(command, now_ms)

    def step(self, now_ms: int, running: frozenset[str]) -> Readings:
        """Let things happen up to now, and return the readings of it."""
        told: Told = []
        for fleet in (self.units, self.trucks):
            if fleet is not None:
                told += fleet.step(now_ms, running)
        stream: I32 = np.array([self._row[int(kind), asset] for kind, asset, _ in told], np.int32)
        instants = np.full(len(told), now_ms, np.int64)
        return stream, instants, instants, np.array([value for _, _, value in told], np.float64)

    def names(self) -> frozenset[str]:
        """Return the names of all vehicles of the services."""
        units = [] if self.units is None else [unit.vehicle.name for unit in self.units.units]
        trucks = [] if self.trucks is None else [truck.vehicle.name for truck in self.trucks.trucks]
        return frozenset([*units, *trucks])

    def off_road(self) -> frozenset[str]:
        """Return the vehicles that stand beside the road."""
        vehicles = [unit.vehicle for unit in self.units.units] if self.units is not None else []
        vehicles += [truck.vehicle for truck in self.trucks.trucks] if self.trucks is not None else []
        return frozenset(vehicle.name for vehicle in vehicles if vehicle.arrived())

    def write(self, folder: Path, now_ms: int) -> None:
        """Write what happened."""
        found: dict[str, object] = {"seed": self._seed, "begin_ms": self._span_ms[0], "end_ms": now_ms}
        if self.units is not None:
            names = [unit.vehicle.name for unit in self.units.units]
            found["emergency"] = {
                "units": names,
                "calls": [
                    {
                        "number": call.number,
                        "priority": call.first_priority,
                        "priority_last": call.priority,
                        "x_m": round(call.kerb.x_m, 1),
                        "y_m": round(call.kerb.y_m, 1),
                        "received_ms": call.received_ms,
                        "ready_ms": call.ready_ms,
                        "dispatched_ms": call.dispatched_ms,
                        "mobile_ms": call.mobile_ms,
                        "arrived_ms": call.arrived_ms,
                        "left_scene_ms": call.left_scene_ms,
                        "at_hospital_ms": call.at_hospital_ms,
                        "bay_ms": call.bay_ms,
                        "needs": call.needs,
                        "hospital": call.hospital,
                        "door": call.door,
                        "free_ms": call.free_ms,
                        "unit": call.unit,
                        "by_brain": call.by_brain,
                        "called_off": call.called_off,
                    }
                    for call in self.units.calls
                    if call.received_ms <= now_ms
                ],
                "turns": [asdict(turn) for turn in self.units.patients.turns],
            }
        if self.trucks is not None:
            trucks = self.trucks
            found["refuse"] = {
                "trucks": [truck.vehicle.name for truck in trucks.trucks],
                "stops": [truck.stops for truck in trucks.trucks],
                "status": [int(truck.status) for truck in trucks.trucks],
                "broken_ms": trucks.broken_ms,
                "lifts": [
                    {"container": lift.container, "truck": lift.truck, "at_ms": lift.at_ms, "fill": lift.fill_frac}
                    for lift in trucks.lifts
                ],
                "fill_at_begin": [round(value, 4) for value in trucks.fill_at_begin.tolist()],
                "fill_at_end": [round(value, 4) for value in trucks.fill.tolist()],
                "thrown_next_day": [round(value, 4) for value in trucks.tomorrow.tolist()],
            }
        (folder / SERVICES_FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
