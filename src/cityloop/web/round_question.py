"""What the planner would be asked if a truck broke down now, from what the refuse service publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cityloop.domains.refuse.schema import DEPOT, NOTHING, TIP, PlanReason, TruckStatus

__all__ = ["question_of"]

_STOP = 0
_IDLE = (int(TruckStatus.AT_DEPOT), int(TruckStatus.HOME))


def question_of(tables: Mapping[str, Any], capacity_kg: Sequence[float], lost: int) -> dict[str, Any] | None:
    """Return the question as the fields of a ``PlanRound``; None where the truck has nothing left to hand over."""
    trucks, visits, containers = tables["trucks"], tables["visits"], tables["containers"]
    status, bound = _of(trucks, "status"), _of(trucks, "next")
    served, fill = _of(containers, "served_at_ms"), _of(containers, "fill_frac")
    orders: list[list[int]] = [[] for _ in status]
    for truck, kind, container, done in zip(
        *(_of(visits, k) for k in ("truck", "kind", "container", "done")), strict=True
    ):
        if not done and kind != 2 and not (kind == _STOP and container == bound[truck]):
            orders[truck].append(container if kind == _STOP else TIP)
    first = bound[lost]
    if first >= 0 and served[first] < 0 and first not in orders[lost]:
        orders[lost].insert(0, first)
    if not any(visit >= 0 for visit in orders[lost]):
        return None
    out = [one == TruckStatus.BROKEN_DOWN or truck == lost for truck, one in enumerate(status)]
    open_ = [visit for order in orders for visit in order if visit >= 0]
    load_kg = [max(fill[c] or 0.0, 0.02) * capacity_kg[c] for c in open_]
    at = [DEPOT if status[t] in _IDLE or bound[t] == NOTHING else bound[t] for t in range(len(status))]
    payload = _of(trucks, "payload_kg")
    return {
        "round": 0,
        "version": 1,
        "reason": int(PlanReason.BREAKDOWN),
        "containers": open_,
        "load_kg": load_kg,
        "truck_at": at,
        "truck_load_kg": [min(kg, most) for kg, most in zip(_of(trucks, "load_kg"), payload, strict=True)],
        "truck_out": out,
        "orders": orders,
    }


def _of(table: Mapping[str, Any], column: str) -> list[Any]:
    return list(table[column]["values"])
