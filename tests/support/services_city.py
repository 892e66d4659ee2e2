"""A small city with ambulances and refuse trucks: a square of streets, no simulation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from cityloop.domains.emergency.schema import (
    CallStatus,
    EmergencyTable,
    Move,
    PlaceTable,
    RosterTable,
    Send,
    SiteKind,
    UnitStatus,
    ZoneTable,
)
from cityloop.domains.refuse.schema import (
    DEPOT,
    NOTHING,
    Containers,
    DriveRoute,
    FleetTable,
    RoundsTable,
    TruckStatus,
)
from cityloop.kernel.batch import Batch, concat, empty_batch
from cityloop.kernel.columns import columns_of
from cityloop.kernel.layout import (
    Approaches,
    Edges,
    Junctions,
    Lanes,
    Layout,
    Movements,
    Passages,
    StreamKind,
    Streams,
    UnitKind,
    Units,
)
from cityloop.kernel.messages import Receipt, ReceiptStatus

__all__ = ["N_UNITS", "ScriptedCity", "call_list", "readings", "services_layout", "unit_words"]

N_UNITS = 2
SIDE_M = 1000.0


def _none(table):
    return table(**{column.name: np.zeros(0, column.dtype) for column in columns_of(table)})


def services_layout(*, containers: int = 6, trucks: int = 2) -> Layout:
    """A square of 1 km sides, driven both ways; stations at two corners, a hospital at a third, containers along it."""
    corner = np.array([[0.0, 0.0], [SIDE_M, 0.0], [SIDE_M, SIDE_M], [0.0, SIDE_M]])
    ends = [(k, (k + 1) % 4) for k in range(4)] + [((k + 1) % 4, k) for k in range(4)]
    a, b = corner[[one for one, _ in ends]], corner[[other for _, other in ends]]
    edges = Edges(np.full(8, SIDE_M), np.full(8, 10.0), a[:, 0], a[:, 1], b[:, 0], b[:, 1])
    turns = [(i, j) for i in range(8) for j in range(8) if ends[i][1] == ends[j][0]]
    passages = Passages(
        np.array([i for i, _ in turns], np.int32),
        np.array([j for _, j in turns], np.int32),
        np.full(len(turns), -1, np.int32),
        np.full(len(turns), 10.0),
        np.ones(len(turns), np.bool_),
    )
    sites = PlaceTable(
        kind=np.array([SiteKind.STATION, SiteKind.STATION, SiteKind.HOSPITAL], np.int32),
        x_m=np.array([500.0, 500.0, 1000.0]),
        y_m=np.array([0.0, 1000.0, 500.0]),
        edge=np.array([0, 2, 1], np.int32),
        edge_m=np.full(3, 500.0),
    )
    emergency = EmergencyTable(
        units=RosterTable(np.array([0, 1], np.int32), np.zeros(N_UNITS, np.int32)),
        sites=sites,
        zones=ZoneTable(
            np.array([500.0, 1000.0, 500.0, 0.0]), np.array([0.0, 500.0, 1000.0, 500.0]),
            np.array([0, 1, 2, 3], np.int32), np.full(4, 0.25),
        ),
        zone="Etc/GMT-7",
        turnout_s=60.0,
        calls_per_h=4.0,
        high_share=0.4,
        busy_share=0.3,
        handover_min=tuple(5.0 + 0.1 * k for k in range(30)),
    )  # fmt: skip
    n = containers
    x, y = np.linspace(100, 900, n), np.where(np.arange(n) % 2 == 0, 0.0, 1000.0)
    places = np.column_stack([np.concatenate([[0.0, 1000.0], x]), np.concatenate([[0.0, 1000.0], y])])
    metres = np.abs(places[:, None] - places[None, :]).sum(axis=2)
    refuse = RoundsTable(
        containers=Containers(x, y, np.full(n, 400.0), np.ones(n, np.int32), np.full(n, 0.25)),
        tip_x_m=1000.0,
        tip_y_m=1000.0,
        depot_x_m=0.0,
        depot_y_m=0.0,
        payload_kg=6000.0,
        trucks=FleetTable(np.full(trucks, 6000.0)),
        metres=metres,
        seconds=metres / 8.0,
        stop_s=40.0,
        tip_s=120.0,
    )
    rows = [(kind, u) for u in range(N_UNITS + trucks) for kind in StreamKind if 20 <= kind <= 25]
    rows += [(kind, 0) for kind in StreamKind if StreamKind.CALL_COUNT <= kind <= StreamKind.CALL_STATUS]
    rows += [(kind, u) for u in range(N_UNITS) for kind in StreamKind if 42 <= kind <= 44]
    rows += [(kind, c) for c in range(n) for kind in (StreamKind.FILL_FRAC, StreamKind.COLLECTED_FRAC)]
    rows += [(kind, t) for t in range(trucks) for kind in StreamKind if 46 <= kind <= 48]
    rows += [(StreamKind.ROUND_OPEN, 0), (StreamKind.PLAN_VERSION, 0)]
    rows += [(kind, t) for t in range(trucks) for kind in (StreamKind.PLAN_VISIT, StreamKind.PLAN_IN_S)]
    rows += [(kind, c) for c in range(n) for kind in (StreamKind.PLAN_MOVED, StreamKind.PLAN_LEFT_OUT)]
    kinds = [int(UnitKind.AMBULANCE)] * N_UNITS + [int(UnitKind.REFUSE_TRUCK)] * trucks
    empty = [_none(t) for t in (Junctions, Lanes, Approaches, Movements)]
    return Layout(
        "services",
        empty[0],
        edges,
        *empty[1:],
        streams=Streams(np.array([k for k, _ in rows], np.int32), np.array([a for _, a in rows], np.int32)),
        tables={
            "units": Units(np.array(kinds, np.int32)),
            "passages": passages,
            "emergency": emergency,
            "refuse": refuse,
        },
        names={
            "edges": tuple(f"e{k}" for k in range(8)),
            "units": tuple(f"unit {k}" for k in range(N_UNITS + trucks)),
            "sites": ("Station A", "Station B", "Hospital"),
            "determinants": ("one", "two", "three"),
            "containers": tuple(f"C{k}" for k in range(n)),
            "trucks": tuple(f"Truck {k}" for k in range(trucks)),
        },
    )


def readings(layout: Layout, told, at_ms: int) -> Batch:
    """Readings of one instant: ``(kind, asset, value)`` each."""
    pairs = list(zip(layout.streams.kind.tolist(), layout.streams.asset.tolist(), strict=True))
    if not told:
        return empty_batch()
    at = np.full(len(told), at_ms, np.int64)
    return Batch(
        np.array([pairs.index((int(kind), asset)) for kind, asset, _ in told], np.int32),
        at,
        at,
        np.array([value for *_, value in told], np.float64),
        np.zeros(len(told), np.uint8),
    )


def call_list(*calls):
    """The dispatch centre's whole list: ``(number, priority, edge, edge_m, waited_s, status)`` each."""
    told = [(StreamKind.CALL_COUNT, 0, float(len(calls)))]
    for number, priority, edge, edge_m, waited_s, status in calls:
        told += [
            (StreamKind.CALL_NUMBER, 0, number),
            (StreamKind.CALL_PRIORITY, 0, priority),
            (StreamKind.CALL_DETERMINANT, 0, priority - 1),
            (StreamKind.CALL_X_M, 0, 0.0),
            (StreamKind.CALL_Y_M, 0, 0.0),
            (StreamKind.CALL_WAITED_S, 0, waited_s),
            (StreamKind.CALL_UNIT, 0, -1),
            (StreamKind.CALL_EDGE, 0, edge),
            (StreamKind.CALL_EDGE_M, 0, edge_m),
            (StreamKind.CALL_STATUS, 0, status),
        ]
    return told


def unit_words(*units):
    """What crews have keyed in: ``(status, call, site)`` each, in the order of the units."""
    told = []
    for row, (status, call, site) in enumerate(units):
        told += [
            (StreamKind.UNIT_STATUS, row, float(status)),
            (StreamKind.UNIT_CALL, row, float(call)),
            (StreamKind.UNIT_SITE, row, float(site)),
        ]
    return told


class ScriptedCity:
    """A city without a simulator whose crews do what they are told, each thing in a minute.

    Parameters
    ----------
    calls
        ``(number, priority, edge, at_s)``: what comes in, and when.
    breaks
        Truck and instant [s] at which it breaks down.
    """

    def __init__(self, calls=(), breaks=(), layout=None):
        self._layout = layout or services_layout()
        self._calls, self._breaks = list(calls), dict(breaks)
        self.now_ms = 0
        self._receipts = []
        self._unit = [[UnitStatus.STANDING, -1, site, 0] for site in range(N_UNITS)]
        self._open = {}
        trucks = len(self._layout.tables["refuse"].trucks.payload_kg)
        self._truck = [[TruckStatus.AT_DEPOT, NOTHING, 0.0, [], 0] for _ in range(trucks)]
        self.commands = []

    def layout(self):
        """Return the square."""
        return self._layout

    def observe(self, until_ms):
        """Let seconds pass."""
        batches, receipts, self._receipts = [], self._receipts, []
        while self.now_ms + 1000 <= until_ms:
            self.now_ms += 1000
            batches.append(readings(self._layout, self._second(), self.now_ms))
        return SimpleNamespace(now_ms=self.now_ms, batch=concat(batches), receipts=tuple(receipts), ended=False)

    def apply(self, commands):
        """Do what is told, at once."""
        for command in commands:
            self.commands.append(command)
            self._receipts.append(
                Receipt(
                    domain=command.domain,
                    target=command.target,
                    sequence=command.sequence,
                    status=ReceiptStatus.ACCEPTED,
                    at_ms=self.now_ms,
                )
            )
            match command.action:
                case Send(call=call):
                    self._unit[command.target] = [UnitStatus.TURNING_OUT, call, -1, self.now_ms + 60_000]
                case Move(site=site):
                    self._unit[command.target] = [UnitStatus.MOVING, -1, site, self.now_ms + 60_000]
                case DriveRoute(visits=visits):
                    truck = self._truck[command.target]
                    truck[3] = list(visits)
                    if truck[1] == NOTHING:
                        self._on(truck)

    def close(self):
        """Nothing to close."""

    def _second(self):
        told = []
        for number, priority, edge, at_s in self._calls:
            if at_s * 1000 == self.now_ms:
                self._open[number] = [priority, edge, self.now_ms, CallStatus.OPEN]
        for unit in self._unit:
            if unit[3] and self.now_ms >= unit[3]:
                self._unit_on(unit)
        for row, truck in enumerate(self._truck):
            if self._breaks.get(row) == self.now_ms / 1000:
                truck[0], truck[3] = TruckStatus.BROKEN_DOWN, []
            elif truck[0] is TruckStatus.DRIVING and self.now_ms >= truck[4]:
                if truck[1] >= 0:
                    told.append((StreamKind.COLLECTED_FRAC, truck[1], 0.7))
                    truck[2] += 280.0
                self._on(truck)
        if self.now_ms % 5000 == 0 or self.now_ms == 1000:
            told += [(StreamKind.FILL_FRAC, c, 0.5 + 0.08 * c) for c in range(len(self._layout.names["containers"]))]
            told.append((StreamKind.ROUND_OPEN, 0, 1.0))
        for row, truck in enumerate(self._truck):
            told += [
                (StreamKind.TRUCK_STATUS, row, float(truck[0])),
                (StreamKind.TRUCK_LOAD_KG, row, truck[2]),
                (StreamKind.TRUCK_NEXT, row, float(truck[1])),
            ]
        told += unit_words(*(unit[:3] for unit in self._unit))
        listed = [
            (number, priority, edge, 300.0, (self.now_ms - at_ms) / 1000, float(status))
            for number, (priority, edge, at_ms, status) in self._open.items()
        ]
        return told + call_list(*listed)

    def _unit_on(self, unit):
        status, call = unit[0], unit[1]
        if status is UnitStatus.TURNING_OUT:
            unit[0], unit[3] = UnitStatus.EN_ROUTE, self.now_ms + 60_000
        elif status is UnitStatus.EN_ROUTE:
            unit[0], unit[3] = UnitStatus.ON_SCENE, self.now_ms + 60_000
            self._open[call][3] = CallStatus.ATTENDED
        elif status is UnitStatus.ON_SCENE:
            del self._open[call]
            unit[:] = [UnitStatus.FREE_ON_SCENE, -1, -1, 0]
        else:
            unit[0], unit[3] = UnitStatus.STANDING, 0

    def _on(self, truck):
        if not truck[3]:
            truck[0], truck[1] = TruckStatus.HOME, DEPOT
            return
        truck[0], truck[1], truck[4] = TruckStatus.DRIVING, truck[3].pop(0), self.now_ms + 60_000
