"""A round's routes: from what the planner is asked to a case, a plan, and the same checked on the clock.

Used for the morning's plan and for every plan after it: where a truck stands and what it is bound for is what it begins
with, what it has emptied is not named any more, and moving another truck's stop has to be worth it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cityloop.domains.refuse.checker import check_plan
from cityloop.domains.refuse.routes.problem import problem_of
from cityloop.domains.refuse.routes.replan import MOVE_COST
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import (
    DEPOT,
    TIP,
    Breaks,
    Depots,
    Metric,
    PlanReason,
    PlanRound,
    RoundCase,
    RoundsTable,
    Stops,
    Tips,
    Travel,
    Trucks,
    VisitKind,
)
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import InvariantError
from cityloop.methods.vrp_search import SearchParams, improve

__all__ = ["Answer", "case_of_round", "plan_round"]

_LONGER = 1.25
_ROOM_M3 = 1000.0
"""Trucks of these rounds are full by mass; volume binds nothing. [m3]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the planner hands over."""

    round: int
    version: int
    visits: tuple[tuple[int, ...], ...]
    """Of each truck, the tip and the depot at the end included."""
    in_s: tuple[tuple[float, ...], ...]
    """When each is planned, after the question was asked. [s]"""
    moved: tuple[int, ...]
    """Containers that another truck than before empties."""
    taken: tuple[int, ...]
    """Containers of trucks that drive no further, which others empty now."""
    left_out: tuple[int, ...]
    metres: float


def plan_round(
    table: RoundsTable, asked: PlanRound, progress: Callable[[int], float], rng: np.random.Generator
) -> Answer:
    """Return routes for what is asked, checked by code that shares nothing with the search.

    Raises
    ------
    InvariantError
        When the checker finds fault with the plan.
    """
    case = case_of_round(table, asked)
    problem = problem_of(case)
    row_of = {container: row for row, container in enumerate(asked.containers)}
    tip, first = problem.n_depots, problem.first_client
    start = [
        [tip if visit == TIP else first + row_of[visit] for visit in order if visit == TIP or visit in row_of]
        if not out
        else []
        for order, out in zip(asked.orders, asked.truck_out, strict=True)
    ]
    before: I32 = np.full(len(asked.containers), -1, np.int32)
    for truck, order in enumerate(asked.orders):
        for visit in order:
            if visit in row_of:
                before[row_of[visit]] = truck
    home = np.full(problem.n_nodes, -1, np.int32)
    # The last entry stands for no truck.
    gone = np.array([*asked.truck_out, False])
    home[first : first + len(before)] = np.where(gone[before], -1, before)
    hot = 0.3 if asked.reason == PlanReason.MORNING else 0.02
    params = SearchParams(hot_frac=hot, n_near=30, block=50)
    end_s = _even_end_s(table, case, asked)
    while True:
        # A round ends when its last truck is home: trucks share the work, and a longer day is given only where it must.
        case = replace(case, trucks=replace(case.trucks, shift_end_s=np.full(len(asked.truck_at), end_s)))
        problem = problem_of(case)
        found = improve(problem, start, progress, rng, params, home=home, move_cost=MOVE_COST)
        if not found.left_out or end_s >= table.shift_s:
            break
        end_s = min(end_s * _LONGER, table.shift_s)
    plan = plan_of(case, problem, found)
    report = check_plan(case, plan)
    if report.faults:
        raise InvariantError(f"Round {asked.round}, plan {asked.version}: the checker refuses it: {report.faults[0]}")
    visits: list[tuple[int, ...]] = []
    times: list[tuple[float, ...]] = []
    routes = {route.truck: route for route in plan.routes}
    number = dict(zip(case.stop_ids, asked.containers, strict=True))
    server: dict[int, int] = {}
    for truck, name in enumerate(case.truck_ids):
        lines = routes[name].visits[1:] if name in routes else ()
        own = [(number[v.id] if v.kind is VisitKind.STOP else _code(v.kind), v.arrive_s) for v in lines]
        server.update({visit: truck for visit, _ in own if visit >= 0})
        visits.append(tuple(visit for visit, _ in own))
        times.append(tuple(at_s for _, at_s in own))
    owned = {c: int(before[row]) for c, row in row_of.items() if before[row] >= 0}
    return Answer(
        round=asked.round,
        version=asked.version,
        visits=tuple(visits),
        in_s=tuple(times),
        moved=tuple(c for c, v in owned.items() if c in server and server[c] != v and not asked.truck_out[v]),
        taken=tuple(c for c, v in owned.items() if c in server and asked.truck_out[v]),
        left_out=tuple(sorted(set(asked.containers) - set(server))),
        metres=report.metres,
    )


def _even_end_s(table: RoundsTable, case: RoundCase, asked: PlanRound) -> float:
    """Return when the trucks would be home if each had its even share: stops, short hops, the way out, tip and back."""
    trucks = max(sum(not out for out in asked.truck_out), 1)
    hops = np.sort(table.seconds[2:, 2:] + np.diag(np.full(len(table.seconds) - 2, np.inf)), axis=1)
    hop_s = float(np.median(hops[:, 0])) if hops.shape[1] > 1 else 0.0
    share_s = len(asked.containers) / trucks * (table.stop_s + hop_s)
    away_s = float(np.median(table.seconds[0, 2:])) + float(table.seconds[1, 0]) + table.tip_s
    ready_s = float(case.trucks.shift_begin_s.max(initial=0.0))
    return min(share_s + away_s + ready_s, table.shift_s)


def case_of_round(table: RoundsTable, asked: PlanRound) -> RoundCase:
    """Return the case of what is asked; times count from the question."""
    n, trucks = len(asked.containers), len(asked.truck_at)
    at = [_place(table, visit) for visit in asked.truck_at]
    places = np.array([0, 1, *(2 + c for c in asked.containers), *at], np.int64)
    # A truck that is bound for somewhere is taken to be half of its way there, and does there what has to be done.
    ready = [0.0 if visit == DEPOT else (table.tip_s if visit == TIP else table.stop_s) for visit in asked.truck_at]
    none, whole = np.zeros(n), np.full(n, table.shift_s)
    out = np.array(asked.truck_out, np.bool_)
    many = np.ones(trucks)
    own = table.containers
    rows = np.array(asked.containers, np.int64)
    return RoundCase(
        name=f"round {asked.round}, plan {asked.version}",
        depots=Depots(*_one(table.depot_x_m, table.depot_y_m, 0.0, table.shift_s)),
        tips=Tips(*_one(table.tip_x_m, table.tip_y_m, 0.0, table.shift_s, table.tip_s)),
        stops=Stops(
            x_m=own.x_m[rows],
            y_m=own.y_m[rows],
            open_s=none,
            close_s=whole,
            service_s=np.full(n, table.stop_s),
            volume_m3=none,
            mass_kg=np.array(asked.load_kg, np.float64),
            prize_m=np.full(n, np.nan),
        ),
        trucks=Trucks(
            depot=np.zeros(trucks, np.int32),
            shift_begin_s=np.array(ready, np.float64),
            shift_end_s=table.shift_s * many,
            volume_m3=_ROOM_M3 * many,
            payload_kg=table.trucks.payload_kg,
            daily_volume_m3=1e6 * many,
            daily_mass_kg=1e6 * many,
            stops_most=np.full(trucks, 10_000, np.int32),
            fixed_m=np.zeros(trucks),
            loaded_m3=np.zeros(trucks),
            loaded_kg=np.where(out, 0.0, np.array(asked.truck_load_kg, np.float64)),
        ),
        breaks=Breaks(np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)),
        travel=Travel(
            Metric.STRAIGHT,
            1.0,
            table.metres[np.ix_(places, places)],
            table.seconds[np.ix_(places, places)],
            np.zeros(trucks),
            np.zeros(trucks),
        ),
        depot_ids=("depot",),
        tip_ids=("tip",),
        stop_ids=tuple(f"container {c}" for c in asked.containers),
        truck_ids=tuple(f"truck {truck}" for truck in range(trucks)),
        may_stop=np.repeat(~out[:, None], n, axis=1),
        may_tip=~out[:, None],
        start_place=(2 + n + np.arange(trucks)).astype(np.int32),
    )


def _place(table: RoundsTable, visit: int) -> int:
    return 1 if visit == TIP else 0 if visit < 0 else 2 + visit


def _code(kind: VisitKind) -> int:
    return TIP if kind is VisitKind.TIP else DEPOT


def _one(*values: float) -> list[np.ndarray]:
    return [np.array([value]) for value in values]
