"""Kerbside rounds of a user's own streets: read from a file, planned, walked again, and written as a round book.

The file is a JSON object: ``nodes`` (``id`` and a place), ``streets``, ``depot`` (a node), ``tips`` (``id``, ``node``,
``service_min``), ``trucks`` (``count``, ``volume_m3``, ``payload_kg``, ``shift_begin``, ``shift_end``), ``turns``
(``straight_s``, ``right_s``, ``left_s``, and ``back_s``, null where nobody may turn round) and seconds a household
(``household_s``) and an assisted lift (``assisted_s``). Costs are seconds of a truck.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.domains.refuse.routes.case_rows import Row
from cityloop.domains.refuse.routes.ground import Ground
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import InputError
from cityloop.methods.arc_routing import ArcNetwork, Tasks, Turns
from cityloop.studies.refuse_streets import StreetCase

__all__ = ["Book", "read_streets"]

_NO_TURN_S = 86_400.0
"""Turning round where nobody may: dearer than any day."""
_SIDES = ("either", "each")
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Book:
    """A case along streets, with the names and places that a round book has."""

    case: StreetCase
    trucks: int
    begin_s: float
    street_ids: tuple[str, ...]
    """Of every task; a street with a pass on each side stands there twice."""
    tip_ids: tuple[str, ...]
    node_ids: tuple[str, ...]
    x_m: F64
    """Of the nodes."""
    y_m: F64
    origin: tuple[float, float] | None
    kg: F64
    """Of every task."""
    m3: F64


def read_streets(raw: object, source: str, day: str | None) -> Book:
    """Return the streets of a file, those of one weekday alone if one is given."""
    top = Row(raw, source)
    nodes, streets, tips = (_rows(top, key) for key in ("nodes", "streets", "tips"))
    ground = Ground.of(nodes, {}, source)
    x_m, y_m = ground.columns(nodes)
    number = {str(row.raw["id"]): n for n, row in enumerate(nodes)}
    speed_mps = top.number("speed_kmh", 30.0, low=1.0) / 3.6
    house_s, lift_s = top.number("household_s", 12.0), top.number("assisted_s", 60.0)
    arcs: list[tuple[int, int, float, int]] = []
    tasks: list[tuple[str, int, bool, float, float, float]] = []
    for row in streets:
        ends = _node(row, "from", number), _node(row, "to", number)
        metres = row.number("length_m", math.dist(*((float(x_m[n]), float(y_m[n])) for n in ends)))
        seconds = metres / (row.number("speed_kmh", speed_mps * 3.6, low=1.0) / 3.6)
        one_way = _flag(row, "one_way")
        first = len(arcs)
        arcs.append((*ends, seconds, -1 if one_way else first + 1))
        if not one_way:
            arcs.append((ends[1], ends[0], seconds, first))
        tasks += _tasks(row, first, seconds, day, one_way=one_way, house_s=house_s, lift_s=lift_s)
    if not tasks:
        raise InputError(f"{source}: no street is to be served{f' on {day}' if day else ''}; give streets households.")
    fleet = Row(top.raw.get("trucks"), f"{source}, trucks")
    begin_s, end_s = fleet.window("shift_begin", "shift_end")
    count = fleet.number("count", 1.0, low=1.0)
    tail, head, cost, reverse = (np.array(column) for column in zip(*arcs, strict=True))
    bearing = np.degrees(np.arctan2(x_m[head] - x_m[tail], y_m[head] - y_m[tail])) % 360
    network = ArcNetwork(
        tail.astype(np.int32), head.astype(np.int32), cost.astype(float), reverse.astype(np.int32), bearing, bearing,
        _turns(top, source),
    )  # fmt: skip
    capacity = round(1000 * fleet.number("volume_m3")), round(fleet.number("payload_kg"))
    case = StreetCase(
        network=network,
        tasks=Tasks(
            np.array([task[1] for task in tasks], np.int32), np.array([task[2] for task in tasks]),
            np.array([task[3] for task in tasks]),
            np.array([[math.ceil(1000 * task[4]), math.ceil(task[5])] for task in tasks], np.int64),
        ),
        depot=_node(top, "depot", number), sites=tuple(_node(row, "node", number) for row in tips),
        site_cost=tuple(60 * row.number("service_min", 15.0) for row in tips), capacity=capacity,
        longest=end_s - begin_s, scale=10,
    )  # fmt: skip
    ids = tuple(task[0] for task in tasks)
    _check_loads(case, ids, source)
    return Book(
        case, int(count), begin_s, ids, tuple(str(row.raw["id"]) for row in tips), tuple(number), x_m, y_m,
        ground.origin, np.array([task[5] for task in tasks]), np.array([task[4] for task in tasks]),
    )  # fmt: skip


def _rows(top: Row, key: str) -> list[Row]:
    given = top.raw.get(key)
    if not isinstance(given, list) or not given:
        raise InputError(f"{top.where}, {key}: must be a list with one entry at least.")
    rows = [Row(raw, f"{top.where}, {key}[{number}]") for number, raw in enumerate(given)]
    seen: set[str] = set()
    for row in rows:
        name = str(row.raw.get("id", ""))
        if not name or name in seen:
            raise InputError(f"{row.where}: needs an id of its own.")
        seen.add(name)
    return rows


def _node(row: Row, key: str, number: dict[str, int]) -> int:
    name = str(row.raw.get(key))
    if name not in number:
        raise InputError(f"{row.where}.{key}: {name!r}, must be the id of a node.")
    return number[name]


def _flag(row: Row, key: str) -> bool:
    value = row.raw.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{row.where}.{key}: {value!r}, must be true or false.")
    return value


def _tasks(
    row: Row, arc: int, seconds: float, day: str | None, *, one_way: bool, house_s: float, lift_s: float
) -> list[tuple[str, int, bool, float, float, float]]:
    """Return what is to be served of a street: nothing, one pass, or one on each side."""
    households = row.number("households", 0.0)
    own = row.raw.get("day")
    if own is not None and own not in _WEEK:
        raise InputError(f"{row.where}.day: {own!r}, must be one of {', '.join(_WEEK)}.")
    if not households or (day is not None and own is not None and own != day):
        return []
    sides = row.raw.get("sides", "either")
    if sides not in _SIDES:
        raise InputError(f"{row.where}.sides: {sides!r}, must be either (one pass) or each (a pass on its own side).")
    parts = 2 if sides == "each" and not one_way else 1
    service = seconds + (households * house_s + row.number("assisted", 0.0) * lift_s) / parts
    load = row.number("m3", 0.0) / parts, row.number("kg", 0.0) / parts
    name = str(row.raw["id"])
    return [(name, arc + part, parts == 1 and not one_way, service, *load) for part in range(parts)]


def _turns(top: Row, source: str) -> Turns:
    given = top.raw.get("turns", {})
    row = Row(given, f"{source}, turns")
    back = _NO_TURN_S if "back_s" in row.raw and row.raw["back_s"] is None else row.number("back_s", 45.0)
    return Turns(row.number("straight_s", 0.0), row.number("right_s", 4.0), row.number("left_s", 8.0), back)


def _check_loads(case: StreetCase, ids: Sequence[str], source: str) -> None:
    for name, load in zip(ids, case.tasks.demand.tolist(), strict=True):
        for what, held, most, scale in zip(("m3", "kg"), load, case.capacity, (1000, 1), strict=True):
            if held > most:
                raise InputError(
                    f"{source}, street {name}.{what}: {held / scale:g}, a truck holds {most / scale:g}; split the "
                    "street or take a larger truck."
                )
