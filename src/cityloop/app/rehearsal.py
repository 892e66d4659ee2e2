"""A few ticks of made-up readings before the clock runs, so that the first call is not what code is compiled for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.emergency.schema import CallStatus, UnitStatus
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.domains.refuse.schema import NOTHING, TruckStatus
from cityloop.kernel.batch import Batch
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.messages import Decision
from cityloop.kernel.tick import Brain, start, tick

__all__ = ["rehearse"]

_TICKS = 3
_CALL_M = 1.0
"""How far along its edge the made-up call is."""


def rehearse(brain: Brain, layout: Layout) -> tuple[Decision, ...]:
    """Let a brain decide on a made-up call and an open round, in a state that nobody keeps; return what it decides."""
    state = start(brain, layout, 0)
    decided: list[Decision] = []
    for second in range(1, _TICKS + 1):
        ticked = tick(brain, state, _readings(layout, second * 1000), (), second * 1000)
        state = ticked.state
        decided += ticked.decisions
    return tuple(decided)


def _readings(layout: Layout, at_ms: int) -> Batch:
    """Return what services would say of a quiet morning with one call."""
    row = {
        pair: n for n, pair in enumerate(zip(layout.streams.kind.tolist(), layout.streams.asset.tolist(), strict=True))
    }
    said: list[tuple[StreamKind, int, float]] = []
    if EMERGENCY in layout.tables:
        said += _emergency(layout.tables[EMERGENCY])
    if REFUSE in layout.tables:
        said += _refuse(layout.tables[REFUSE])
    known = [(row[int(kind), asset], value) for kind, asset, value in said if (int(kind), asset) in row]
    at = np.full(len(known), at_ms, np.int64)
    return Batch(
        np.array([stream for stream, _ in known], np.int32),
        at,
        at.copy(),
        np.array([value for _, value in known], np.float64),
        np.zeros(len(known), np.uint8),
    )


def _emergency(table: Any) -> Iterator[tuple[StreamKind, int, float]]:
    sites, zones = table.sites, table.zones
    for unit, site in enumerate(table.units.home.tolist()):
        yield StreamKind.UNIT_STATUS, unit, float(UnitStatus.STANDING)
        yield StreamKind.UNIT_CALL, unit, -1.0
        yield StreamKind.UNIT_SITE, unit, float(site)
        yield StreamKind.UNIT_X_M, unit, float(sites.x_m[site])
        yield StreamKind.UNIT_Y_M, unit, float(sites.y_m[site])
        yield StreamKind.UNIT_SPEED_MPS, unit, 0.0
        yield StreamKind.UNIT_HEADING_DEG, unit, 0.0
        yield StreamKind.UNIT_EDGE, unit, float(sites.edge[site])
        yield StreamKind.UNIT_EDGE_M, unit, float(sites.edge_m[site])
    yield StreamKind.CALL_COUNT, 0, 1.0
    yield StreamKind.CALL_NUMBER, 0, 1.0
    yield StreamKind.CALL_PRIORITY, 0, 1.0
    yield StreamKind.CALL_DETERMINANT, 0, 0.0
    yield StreamKind.CALL_X_M, 0, float(zones.x_m[0])
    yield StreamKind.CALL_Y_M, 0, float(zones.y_m[0])
    yield StreamKind.CALL_WAITED_S, 0, 1.0
    yield StreamKind.CALL_UNIT, 0, -1.0
    yield StreamKind.CALL_EDGE, 0, float(zones.edge[0])
    yield StreamKind.CALL_EDGE_M, 0, _CALL_M
    yield StreamKind.CALL_STATUS, 0, float(CallStatus.OPEN)


def _refuse(table: Any) -> Iterator[tuple[StreamKind, int, float]]:
    yield StreamKind.ROUND_OPEN, 0, 1.0
    for truck in range(len(table.trucks.payload_kg)):
        yield StreamKind.TRUCK_STATUS, truck, float(TruckStatus.AT_DEPOT)
        yield StreamKind.TRUCK_LOAD_KG, truck, 0.0
        yield StreamKind.TRUCK_NEXT, truck, float(NOTHING)
    for container in range(len(table.containers.x_m)):
        yield StreamKind.FILL_FRAC, container, 0.7
