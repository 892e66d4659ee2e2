"""Read published kerbside instances: capacitated arc routing, and single rounds with tips and turn costs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import InputError
from cityloop.methods.arc_routing import ArcNetwork, Tasks, Turns, arc_problem
from cityloop.methods.vrp import FOREVER, Fleet, Problem

__all__ = ["BEST_KNOWN", "SPARE_TRUCKS", "StreetCase", "carp_case", "read_carp", "read_round", "round_case"]

_STREET = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*coste\s+(\d+)(?:\s+demanda\s+(\d+))?")
SPARE_TRUCKS = 4
ROUND_SCALE = 1000
"""Units of a round's cost in the problem's integers."""

_OPTIMA = {
    "gdb": "316 339 275 287 377 298 325 348 303 275 395 458 536 100 58 127 91 164 55 121 156 200 233",
    "kshs": "14661 9863 9320 11498 10957 10197",
}
_LISTED = {
    "val1": "173 173 245", "val2": "227 259 457", "val3": "81 87 138", "val4": "400 412 428 530",
    "val5": "423 446 474 575", "val6": "223 233 317", "val7": "279 283 334", "val8": "386 395 518",
    "val9": "323 326 332 389", "val10": "428 436 446 525", "egl-e1-": "3548 4498 5595", "egl-e2-": "5018 6317 8335",
    "egl-e3-": "5898 7775 10292", "egl-e4-": "6444 8961 11529", "egl-s1-": "5018 6388 8518",
    "egl-s2-": "9868 13057 16425", "egl-s3-": "10201 13682 17188", "egl-s4-": "12216 16201 20461",
}  # fmt: skip
BEST_KNOWN: dict[str, int] = {
    f"{family}{number + 1}": int(value)
    for family, values in _OPTIMA.items()
    for number, value in enumerate(values.split())
} | {
    f"{family}{'ABCD'[number]}": int(value)
    for family, values in _LISTED.items()
    for number, value in enumerate(values.split())
}
"""Best published cost by instance, for any number of trucks (proved optimal for all of gdb, kshs and val)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetCase:
    """An instance as its file tells it: streets, what is to be served, the depot, tips and trucks."""

    network: ArcNetwork
    tasks: Tasks
    depot: int
    sites: tuple[int, ...]
    site_cost: tuple[float, ...]
    capacity: tuple[int, ...]
    longest: float | None
    """Cost of one truck's day at the most; None: any."""
    scale: int
    """Units of cost in the problem's integers."""

    def problem(self, trucks: int) -> Problem:
        """Return the routing problem for a fleet of so many trucks."""
        close = FOREVER if self.longest is None else round(self.longest * self.scale)
        fleet = _fleet(trucks, self.capacity, close, len(self.tasks.arc))
        return arc_problem(
            self.network, self.tasks, self.depot, list(self.sites), list(self.site_cost), fleet, self.scale
        )

    def trucks_needed(self) -> int:
        """Return the trucks that the loads ask for where there are no tips."""
        return max(
            -(-int(total) // most) for total, most in zip(self.tasks.demand.sum(axis=0), self.capacity, strict=True)
        )


def read_carp(path: Path) -> Problem:
    """Read an instance of the classic sets as a routing problem, with some trucks more than are needed."""
    case = carp_case(path)
    return case.problem(case.trucks_needed() + SPARE_TRUCKS)


def read_round(path: Path, trucks: int = 1) -> Problem:
    """Read a round of the turn-penalty set as a routing problem."""
    return round_case(path).problem(trucks)


def carp_case(path: Path) -> StreetCase:
    """Read an instance of the classic sets (gdb, kshs, bccm, egl): edges, one depot, one capacity."""
    text = _text(path)
    capacity = _value(text, "CAPACIDAD", path)
    depot = _value(text, "DEPOSITO", path)
    streets = [tuple(int(word or 0) for word in match.groups()) for match in _STREET.finditer(text)]
    if not streets:
        raise InputError(f"{path}: no line of the form ( 1, 2) coste 13 demanda 1.")
    required = [row for row, street in enumerate(streets) if street[3] > 0]
    n = len(streets)
    ends = np.array([street[:2] for street in streets], np.int32)
    cost = np.array([street[2] for street in streets], float)
    network = ArcNetwork(
        tail=np.concatenate([ends[:, 0], ends[:, 1]]),
        head=np.concatenate([ends[:, 1], ends[:, 0]]),
        cost=np.concatenate([cost, cost]),
        reverse=np.concatenate([np.arange(n, 2 * n), np.arange(n)]).astype(np.int32),
        leaves_deg=np.full(2 * n, np.nan),
        enters_deg=np.full(2 * n, np.nan),
    )
    tasks = Tasks(
        arc=np.array(required, np.int32),
        both_ways=np.ones(len(required), bool),
        cost=cost[required],
        demand=np.array([[streets[row][3]] for row in required], np.int64),
    )
    return StreetCase(
        network=network, tasks=tasks, depot=depot, sites=(), site_cost=(), capacity=(capacity,), longest=None, scale=1
    )  # fmt: skip


def round_case(path: Path) -> StreetCase:
    """Read a round of the turn-penalty set: edges and arcs, tips, two capacities, a longest day.

    Angles follow from the streets' shapes: a change of bearing of more than 45 degrees is a turn, going back into the
    street just left is turning round. The files name the four costs, not the angles.
    """
    lines = _text(path).splitlines()
    head = {words[0]: words[1:] for line in lines if (words := line.split()) and not line.startswith("LIST_")}
    streets: list[tuple[int, int, float, float, float, float, bool, bool, F64]] = []
    section = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("LIST_"):
            section = line.split()[0]
        elif section and line.strip():
            streets.append(_street(line, section, f"{path}, line {number}"))
    try:
        capacity = [round(float(word) * 10) for word in head["CAPACITY"]]
        dump = [float(word) for word in head["DUMPING_COST"]]
        longest, depot = float(head["MAX_DURATION"][0]), int(head["DEPOT"][0])
        sites = [int(word) for word in head["DUMPING_SITES"]]
        turns = Turns(*(float(word) for word in head["TURN_PENALTY"]))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{path}: header incomplete or not numeric ({error}).") from error
    network, first_arc = _network(streets, turns)
    required = [row for row, street in enumerate(streets) if street[6]]
    tasks = Tasks(
        arc=np.array([first_arc[row] for row in required], np.int32),
        both_ways=np.array([not streets[row][7] for row in required]),
        cost=np.array([streets[row][2] for row in required]),
        demand=np.array([[round(streets[row][4] * 10), round(streets[row][5] * 10)] for row in required], np.int64),
    )
    return StreetCase(
        network=network, tasks=tasks, depot=depot, sites=tuple(sites), site_cost=tuple(dump), capacity=tuple(capacity),
        longest=longest, scale=ROUND_SCALE,
    )  # fmt: skip


def _street(line: str, section: str, where: str) -> tuple[int, int, float, float, float, float, bool, bool, F64]:
    words = line.split("\t")
    try:
        tail, head, service, travel, volume, weight = (float(word) for word in words[:6])
        shape = np.array([[float(x) for x in point.split()] for point in words[6].strip().split(",")])
    except (ValueError, IndexError) as error:
        raise InputError(f"{where}: six numbers and a shape are expected, separated by tabs ({error}).") from error
    required, one_way = not section.startswith("LIST_NOREQ"), "ARCS" in section
    return int(tail), int(head), service, travel, volume, weight, required, one_way, shape


def _network(
    streets: Sequence[tuple[int, int, float, float, float, float, bool, bool, F64]], turns: Turns
) -> tuple[ArcNetwork, list[int]]:
    """Return the directed arcs, and each street's first arc."""
    seen: dict[int, Counter[tuple[float, float]]] = {}
    for tail, head, *_, shape in streets:
        for node in (tail, head):
            points = {(round(float(x), 7), round(float(y), 7)) for x, y in (shape[0], shape[-1])}
            seen.setdefault(node, Counter()).update(points)
    spot = {node: np.array(points.most_common(1)[0][0]) for node, points in seen.items()}
    rows: list[tuple[int, int, float, int, float, float]] = []
    first_arc = []
    for tail, head, _, travel, _, _, _, one_way, shape in streets:
        # A shape may run against its street: it begins at whichever end its first point is nearer to.
        ahead = np.hypot(*(shape[0] - spot[tail])) + np.hypot(*(shape[-1] - spot[head]))
        against = np.hypot(*(shape[0] - spot[head])) + np.hypot(*(shape[-1] - spot[tail]))
        line = shape if ahead <= against else shape[::-1]
        first_arc.append(len(rows))
        leaves, enters = _bearing(line[0], line[1 % len(line)]), _bearing(line[-2 % len(line)], line[-1])
        rows.append((tail, head, travel, -1 if one_way else len(rows) + 1, leaves, enters))
        if not one_way:
            back = (enters + 180) % 360, (leaves + 180) % 360
            rows.append((head, tail, travel, len(rows) - 1, *back))
    columns = list(zip(*rows, strict=True))
    network = ArcNetwork(
        np.array(columns[0], np.int32), np.array(columns[1], np.int32), np.array(columns[2], float),
        np.array(columns[3], np.int32), np.array(columns[4], float), np.array(columns[5], float), turns,
    )  # fmt: skip
    return network, first_arc


def _bearing(a: F64, b: F64) -> float:
    east, north = b[0] - a[0], b[1] - a[1]
    if abs(a[0]) <= 180 and abs(a[1]) <= 90:
        east *= np.cos(np.radians(a[1]))
    return float(np.degrees(np.arctan2(east, north)) % 360)


def _fleet(trucks: int, capacity: Sequence[int], close: int, stops: int) -> Fleet:
    dims = len(capacity)
    zeros = np.zeros(trucks, np.int64)
    return Fleet(
        start=zeros.astype(np.int32), end=zeros.astype(np.int32), open=zeros, close=zeros + close,
        capacity=np.tile(np.array(capacity, np.int64), (trucks, 1)), daily=np.full((trucks, dims), FOREVER),
        max_stops=zeros + stops, fixed_cost=zeros, load=np.zeros((trucks, dims), np.int64),
        allowed=np.ones((trucks, 1), bool), breaks=np.zeros((trucks, 0, 3), np.int64), breaks_taken=zeros,
    )  # fmt: skip


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="latin1")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


def _value(text: str, key: str, path: Path) -> int:
    match = re.search(rf"{key}\s*:\s*(\d+)", text)
    if match is None:
        raise InputError(f"{path}: no line '{key} : number'.")
    return int(match.group(1))
