"""A plan as the JSON object that planners and checkers exchange, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, Visit, VisitKind
from cityloop.kernel.errors import InputError

__all__ = ["METRES_PER_UNIT", "plan_from_json", "plan_to_json"]

METRES_PER_UNIT = {"km": 1000.0, "mi": 1609.344, "m": 1.0}


def plan_to_json(case: RoundCase, plan: RoundPlan) -> dict[str, Any]:
    """Return a plan as plain values; ids that are numbers in the case are numbers here."""
    return {
        "instance": plan.case,
        "distance": round(plan.metres / METRES_PER_UNIT[case.unit], 4),
        "unit": case.unit,
        "routes": [
            {
                "vehicle": route.truck,
                "visits": [
                    {
                        "kind": visit.kind.value,
                        "id": int(visit.id) if visit.id.isdigit() and str(int(visit.id)) == visit.id else visit.id,
                        "arrive_s": round(visit.arrive_s, 3),
                        "leave_s": round(visit.leave_s, 3),
                    }
                    for visit in route.visits
                ],
            }
            for route in plan.routes
        ],
        "left_out": list(plan.left_out),
        "reasons": list(plan.reasons),
    }


def plan_from_json(raw: object, source: str) -> RoundPlan:
    """Read a plan; ``source`` is the file that a complaint names."""
    if not isinstance(raw, Mapping):
        raise InputError(f"{source}: a plan is a JSON object with instance, distance, unit and routes.")
    unit = raw.get("unit", "km")
    if unit not in METRES_PER_UNIT:
        raise InputError(f"{source}: unit {unit!r}, must be one of {', '.join(METRES_PER_UNIT)}.")
    routes = raw.get("routes")
    if not isinstance(routes, list):
        raise InputError(f"{source}: routes is missing or not a list.")
    return RoundPlan(
        case=str(raw.get("instance", "")),
        routes=tuple(_route(route, f"{source}, routes[{row}]") for row, route in enumerate(routes)),
        left_out=tuple(str(name) for name in raw.get("left_out", ())),
        reasons=tuple(str(text) for text in raw.get("reasons", ())),
        metres=_number(raw.get("distance", 0.0), f"{source}, distance") * METRES_PER_UNIT[unit],
    )


def _route(raw: object, where: str) -> Route:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("visits"), list):
        raise InputError(f"{where}: must be an object with vehicle and visits.")
    visits = tuple(_visit(visit, f"{where}.visits[{i}]") for i, visit in enumerate(raw["visits"]))
    return Route(str(raw.get("vehicle", "")), visits)


def _visit(raw: object, where: str) -> Visit:
    if not isinstance(raw, Mapping):
        raise InputError(f"{where}: must be an object with kind, id, arrive_s and leave_s.")
    try:
        kind = VisitKind(str(raw.get("kind")))
    except ValueError:
        kinds = ", ".join(kind.value for kind in VisitKind)
        raise InputError(f"{where}.kind: {raw.get('kind')!r}, must be one of {kinds}.") from None
    return Visit(
        kind,
        str(raw.get("id", "")),
        _number(raw.get("arrive_s"), f"{where}.arrive_s"),
        _number(raw.get("leave_s"), f"{where}.leave_s"),
    )


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where}: {value!r}, must be a finite number of seconds.")
    return float(value)
