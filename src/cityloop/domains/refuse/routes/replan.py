"""A new plan while the day goes on: what is done stays done, what a truck drives to stays its own, few stops move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cityloop.domains.refuse.routes.day_log import Entry
from cityloop.domains.refuse.routes.problem import metres_between, problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.standing import Standing, bodies_of, divert, give_back, stand
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import (
    Breaks,
    RoundCase,
    RoundPlan,
    Route,
    Stops,
    Travel,
    Trucks,
    VisitKind,
)
from cityloop.kernel.columns import I32
from cityloop.methods.vrp_search import SearchParams, improve

__all__ = ["Disruption", "Replanned", "replan", "rest_of_day"]

MOVE_COST = 50_000
"""Moving another truck's stop has to spare 5 km. [0.1 m]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    """What has happened by an instant of the day."""

    now_s: float
    broken: tuple[str, ...] = ()
    """Trucks that drive no further; what is on board stays there."""
    closed_tips: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    """Stops that cannot be reached for the rest of the day."""
    rejected: tuple[str, ...] = ()
    """Stops with the wrong waste in them: not taken today."""
    missed: tuple[str, ...] = ()
    """Stops that were said to be served and were not: they are open again, and nothing of them is on board."""
    overfull: Mapping[str, float] = field(default_factory=dict)
    """Stops that hold more than was planned, and how much, in cubic metres: open again where they had been served."""
    diverted: Mapping[str, str] = field(default_factory=dict)
    """Trucks whose load is contaminated, and the tip that takes it: they drive there next, before anything else."""
    refused: tuple[tuple[str, str], ...] = ()
    """Trucks and stops that were too heavy for them: another truck may try."""
    logged: Sequence[Entry] | None = None
    """What crews keyed in until now; None: everything planned until now was done as planned."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """The rest of the day, planned anew."""

    case: RoundCase
    """What is left of the day, for the checker."""
    plan: RoundPlan
    moved: tuple[str, ...]
    """Stops that another truck than before serves, those of broken trucks apart."""
    taken_over: tuple[str, ...]
    """Stops of broken trucks that others serve now."""
    other_stops: int
    """Open stops of the trucks that drive on."""


def rest_of_day(case: RoundCase, plan: RoundPlan, event: Disruption) -> tuple[RoundCase, list[list[str]], I32]:
    """Return the case of what is still open, each truck's open visits in order, and each open stop's truck or -1."""
    routes = {route.truck: route for route in plan.routes}
    broken = {v for v, truck in enumerate(case.truck_ids) if truck in event.broken}
    standing = [
        stand(case, routes.get(truck), v, event.now_s, event.logged, committed=v not in broken)
        for v, truck in enumerate(case.truck_ids)
    ]
    rows = {name: row for row, name in enumerate(case.stop_ids)}
    for truck, tip in event.diverted.items():
        divert(case, standing[case.truck_ids.index(truck)], tip)
    volume_m3 = case.stops.volume_m3.copy()
    for name, held_m3 in event.overfull.items():
        volume_m3[rows[name]] = held_m3
    for name in event.missed:
        give_back(case, standing, name)
    owner = {name: v for v, at in enumerate(standing) for kind, name in at.rest if kind is VisitKind.STOP}
    again = [
        name for name in (*event.missed, *event.overfull, *(name for _, name in event.refused)) if name not in owner
    ]
    left = [name for name in plan.left_out if name in rows]
    gone = {*event.blocked, *event.rejected}
    open_names = list(dict.fromkeys(name for name in (*owner, *again, *left) if name not in gone))
    keep = np.array([rows[name] for name in open_names], dtype=np.int64)
    yards = len(case.depot_ids) + len(case.tip_ids)
    places = np.concatenate([np.arange(yards), yards + keep, [at.place for at in standing]]).astype(np.int64)
    metres = metres_between(case)[np.ix_(places, places)]
    seconds = None if case.travel.seconds is None else case.travel.seconds[np.ix_(places, places)]
    count = len(standing)
    stops = replace(Stops(*(getattr(case.stops, name)[keep] for name in Stops.__slots__)), volume_m3=volume_m3[keep])
    may_stop = np.ones((count, len(keep)), bool) if case.may_stop is None else case.may_stop[:, keep].copy()
    may_tip = np.ones((count, len(case.tip_ids)), bool) if case.may_tip is None else case.may_tip.copy()
    may_stop[sorted(broken)] = False
    for truck, name in event.refused:
        if name in open_names:
            may_stop[case.truck_ids.index(truck), open_names.index(name)] = False
    may_tip[:, [case.tip_ids.index(tip) for tip in event.closed_tips]] = False
    rest = replace(
        case,
        stops=stops,
        stop_ids=tuple(open_names),
        bodies=bodies_of(case, standing, keep),
        trucks=_trucks(case, standing, broken),
        breaks=_breaks(case, standing),
        travel=Travel(
            case.travel.metric, case.travel.speed_mps, metres, seconds, np.zeros(count), np.zeros(count)
        ),
        may_stop=may_stop,
        may_tip=may_tip,
        start_place=(yards + len(keep) + np.arange(count)).astype(np.int32),
        half_hours=False,
    )  # fmt: skip
    known = set(open_names) | (set(case.tip_ids) - set(event.closed_tips))
    orders = [[] if v in broken else [name for _, name in at.rest if name in known] for v, at in enumerate(standing)]
    home = np.array([-1 if owner.get(name, -1) in broken else owner.get(name, -1) for name in open_names], np.int32)
    return rest, orders, home


def replan(
    case: RoundCase,
    plan: RoundPlan,
    event: Disruption,
    progress: Callable[[int], float],
    rng: np.random.Generator,
) -> Replanned:
    """Return a legal plan for the rest of the day that moves few stops.

    Parameters
    ----------
    progress
        Given the iterations done, the share of the budget spent.
    """
    rest, orders, home = rest_of_day(case, plan, event)
    problem = problem_of(rest)
    node = {name: problem.n_depots + row for row, name in enumerate(rest.tip_ids)}
    node |= {name: problem.first_client + row for row, name in enumerate(rest.stop_ids)}
    start = [[node[name] for name in order] for order in orders]
    homes = np.full(problem.n_nodes, -1, np.int32)
    homes[problem.first_client :] = home
    found = improve(
        problem, start, progress, rng, SearchParams(hot_frac=0.02, n_near=30, block=50), home=homes, move_cost=MOVE_COST
    )
    reasons = reasons_for(rest, problem, found.left_out)
    blocked = "cannot be reached today; it stays open for another day."
    reasons += [f"stop {name}, blocked: {blocked}" for name in event.blocked]
    wrong = "holds the wrong waste and was not taken; it needs a truck for that, on another day."
    reasons += [f"stop {name}, contaminated: {wrong}" for name in event.rejected]
    reasons += [
        f"truck {truck}, contaminated load: drives to tip {tip} first and goes on from there."
        for truck, tip in event.diverted.items()
    ]
    timed = plan_of(rest, problem, found, reasons)
    timed = replace(timed, left_out=(*timed.left_out, *event.blocked, *event.rejected))
    server = {visit.id: route.truck for route in timed.routes for visit in route.visits if visit.kind is VisitKind.STOP}
    named = {name: rest.truck_ids[v] for name, v in zip(rest.stop_ids, home, strict=True) if v >= 0}
    moved = tuple(name for name, truck in named.items() if name in server and server[name] != truck)
    gone = {name for route in plan.routes if route.truck in event.broken for name in _stops(route)}
    taken = tuple(name for name in rest.stop_ids if name in gone and name in server)
    return Replanned(rest, timed, moved, taken, len(named))


def _stops(route: Route) -> Sequence[str]:
    return [visit.id for visit in route.visits if visit.kind is VisitKind.STOP]


def _trucks(case: RoundCase, standing: Sequence[Standing], broken: set[int]) -> Trucks:
    fleet = case.trucks
    # What was emptied counts for the day but is no longer on board, so the day's bound shrinks by it.
    emptied_m3 = np.array([at.day_m3 - at.volume_m3 for at in standing])
    emptied_kg = np.array([at.day_kg - at.mass_kg for at in standing])
    gone = np.array([v in broken for v in range(len(standing))])
    loaded_m3 = np.array([at.volume_m3 for at in standing])
    loaded_kg = np.array([at.mass_kg for at in standing])
    return replace(
        fleet,
        shift_begin_s=np.array([at.ready_s for at in standing]),
        shift_end_s=np.where(gone, np.maximum(fleet.shift_end_s, 1.0), fleet.shift_end_s),
        daily_volume_m3=np.maximum(fleet.daily_volume_m3 - emptied_m3, 0.0),
        daily_mass_kg=np.maximum(fleet.daily_mass_kg - emptied_kg, 0.0),
        stops_most=np.maximum(fleet.stops_most - np.array([at.stops for at in standing]), 0).astype(np.int32),
        loaded_m3=np.where(gone, 0.0, loaded_m3),
        loaded_kg=np.where(gone, 0.0, loaded_kg),
    )


def _breaks(case: RoundCase, standing: Sequence[Standing]) -> Breaks:
    taken = case.breaks.taken.copy()
    for v, at in enumerate(standing):
        rows = [row for row in np.flatnonzero(case.breaks.truck == v) if not case.breaks.taken[row]]
        taken[rows[: at.breaks]] = True
    return replace(case.breaks, taken=taken)
