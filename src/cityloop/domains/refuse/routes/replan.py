"""A new plan while the day goes on: what is done stays done, what a truck drives to stays its own, few stops move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cityloop.domains.refuse.routes.problem import metres_between, problem_of
from cityloop.domains.refuse.routes.reasons import reasons_for
from cityloop.domains.refuse.routes.timing import plan_of
from cityloop.domains.refuse.schema import (
    Breaks,
    RoundCase,
    RoundPlan,
    Route,
    Stops,
    Travel,
    Trucks,
    Visit,
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


@dataclass(slots=True)
class _Standing:
    """Where a truck is committed to go or stand, and with what."""

    place: int
    ready_s: float
    volume_m3: float = 0.0
    mass_kg: float = 0.0
    day_m3: float = 0.0
    day_kg: float = 0.0
    stops: int = 0
    breaks: int = 0
    rest: list[tuple[VisitKind, str]] = field(default_factory=list)


def rest_of_day(case: RoundCase, plan: RoundPlan, event: Disruption) -> tuple[RoundCase, list[list[str]], I32]:
    """Return the case of what is still open, each truck's open visits in order, and each open stop's truck or -1."""
    routes = {route.truck: route for route in plan.routes}
    standing = [_standing(case, routes.get(truck), v, event.now_s) for v, truck in enumerate(case.truck_ids)]
    broken = {v for v, truck in enumerate(case.truck_ids) if truck in event.broken}
    for v in broken:
        route = routes.get(case.truck_ids[v])
        standing[v] = _standing(case, route, v, event.now_s, committed=False)
    rows = {name: row for row, name in enumerate(case.stop_ids)}
    owner = {name: v for v, at in enumerate(standing) for kind, name in at.rest if kind is VisitKind.STOP}
    left = [name for name in plan.left_out if name in rows]
    open_names = [name for name in (*owner, *left) if name not in event.blocked]
    keep = np.array([rows[name] for name in open_names], dtype=np.int64)
    yards = len(case.depot_ids) + len(case.tip_ids)
    places = np.concatenate([np.arange(yards), yards + keep, [at.place for at in standing]]).astype(np.int64)
    metres = metres_between(case)[np.ix_(places, places)]
    seconds = None if case.travel.seconds is None else case.travel.seconds[np.ix_(places, places)]
    count = len(standing)
    stops = Stops(*(getattr(case.stops, name)[keep] for name in Stops.__slots__))
    may_stop = np.ones((count, len(keep)), bool) if case.may_stop is None else case.may_stop[:, keep].copy()
    may_tip = np.ones((count, len(case.tip_ids)), bool) if case.may_tip is None else case.may_tip.copy()
    may_stop[sorted(broken)] = False
    may_tip[:, [case.tip_ids.index(tip) for tip in event.closed_tips]] = False
    rest = replace(
        case,
        stops=stops,
        stop_ids=tuple(open_names),
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
    timed = plan_of(rest, problem, found, reasons)
    timed = replace(timed, left_out=(*timed.left_out, *event.blocked))
    server = {visit.id: route.truck for route in timed.routes for visit in route.visits if visit.kind is VisitKind.STOP}
    named = {name: rest.truck_ids[v] for name, v in zip(rest.stop_ids, home, strict=True) if v >= 0}
    moved = tuple(name for name, truck in named.items() if name in server and server[name] != truck)
    gone = {name for route in plan.routes if route.truck in event.broken for name in _stops(route)}
    taken = tuple(name for name in rest.stop_ids if name in gone and name in server)
    return Replanned(rest, timed, moved, taken, len(named))


def _stops(route: Route) -> Sequence[str]:
    return [visit.id for visit in route.visits if visit.kind is VisitKind.STOP]


def _standing(case: RoundCase, route: Route | None, v: int, now_s: float, *, committed: bool = True) -> _Standing:
    """Follow a truck up to now, and to the end of the visit that it is on or driving to."""
    depot = int(case.trucks.depot[v])
    at = _Standing(depot, max(now_s, float(case.trucks.shift_begin_s[v])))
    at.volume_m3, at.mass_kg = float(case.trucks.loaded_m3[v]), float(case.trucks.loaded_kg[v])
    at.day_m3, at.day_kg = at.volume_m3, at.mass_kg
    if route is None or now_s < route.visits[0].leave_s:
        if route is not None:
            at.rest = _open(route.visits)
        return at
    tips = {name: len(case.depot_ids) + row for row, name in enumerate(case.tip_ids)}
    stops = {name: row for row, name in enumerate(case.stop_ids)}
    begun = True
    for visit in route.visits[1:]:
        if begun and visit.leave_s > now_s:
            begun = False
            if not committed:
                at.rest.append((visit.kind, visit.id))
                continue
        elif not begun:
            at.rest.append((visit.kind, visit.id))
            continue
        at.ready_s = max(now_s, visit.leave_s)
        if visit.kind is VisitKind.BREAK:
            at.breaks += 1
        elif visit.kind is VisitKind.TIP:
            at.place, at.volume_m3, at.mass_kg = tips[visit.id], 0.0, 0.0
        elif visit.kind is VisitKind.DEPOT:
            at.place = depot
        else:
            row = stops[visit.id]
            at.place = len(case.depot_ids) + len(case.tip_ids) + row
            at.volume_m3 += float(case.stops.volume_m3[row])
            at.mass_kg += float(case.stops.mass_kg[row])
            at.day_m3 += float(case.stops.volume_m3[row])
            at.day_kg += float(case.stops.mass_kg[row])
            at.stops += 1
    at.rest = [(kind, name) for kind, name in at.rest if kind in (VisitKind.STOP, VisitKind.TIP)]
    return at


def _open(visits: Sequence[Visit]) -> list[tuple[VisitKind, str]]:
    return [(visit.kind, visit.id) for visit in visits if visit.kind in (VisitKind.STOP, VisitKind.TIP)]


def _trucks(case: RoundCase, standing: Sequence[_Standing], broken: set[int]) -> Trucks:
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


def _breaks(case: RoundCase, standing: Sequence[_Standing]) -> Breaks:
    taken = case.breaks.taken.copy()
    for v, at in enumerate(standing):
        rows = [row for row in np.flatnonzero(case.breaks.truck == v) if not case.breaks.taken[row]]
        taken[rows[: at.breaks]] = True
    return replace(case.breaks, taken=taken)
