"""Hand a routing problem to PyVRP and bring its answer back.

PyVRP knows reload depots, prizes and time windows, but neither breaks, daily caps nor a last visit to a reload site.
So the break is cut out of the clock, the way home leads over the nearest reload site, and the daily cap bounds the
number of reloads; ``vrp_search`` then re-times and mends the answer on the real clock.

References
----------
.. [1] Wouda, N. A., Lan, L. and Kool, W. (2024). PyVRP: a high-performance VRP solver package. INFORMS Journal on
   Computing, 36(4), 943-955. doi:10.1287/ijoc.2023.0055
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyvrp

from cityloop.kernel.columns import I64
from cityloop.methods.vrp import FOREVER, Plan, Problem

__all__ = ["solve_with_pyvrp"]

_HUGE = 1 << 40


class _Stop:
    """PyVRP's stopping criterion over a count of iterations."""

    def __init__(self, should_stop: Callable[[int], bool]) -> None:
        self._should_stop = should_stop
        self._iteration = -1

    def __call__(self, best_cost: float) -> bool:
        """Tell PyVRP whether to stop."""
        self._iteration += 1
        return self._should_stop(self._iteration)

    def fraction_remaining(self) -> float | None:
        """Say nothing about what is left."""
        return None


def solve_with_pyvrp(problem: Problem, should_stop: Callable[[int], bool], seed: int) -> Plan:
    """Return PyVRP's plan; it may need mending where the problem has what PyVRP does not model.

    Parameters
    ----------
    should_stop
        Given the iterations done, whether to stop.
    """
    data, vehicles = _data(problem)
    result = pyvrp.solve(data, _Stop(should_stop), seed=seed, collect_stats=False, display=False)
    routes: list[tuple[int, ...]] = [()] * len(problem.fleet)
    cost = 0
    for route in result.best.routes():
        visits: list[int] = []
        for step in route:
            if step.is_client():
                visits.append(problem.first_client + step.idx)
            elif step.idx >= problem.n_depots:
                visits.append(step.idx)
        vehicle = vehicles[route.vehicle_type()].pop()
        if visits and problem.n_reloads and visits[-1] >= problem.first_client:
            visits.append(_last_reload(problem, visits[-1], int(problem.fleet.end[vehicle])))
        routes[vehicle] = tuple(visits)
        nodes = [int(problem.fleet.start[vehicle]), *visits, int(problem.fleet.end[vehicle])]
        cost += int(problem.distance[nodes[:-1], nodes[1:]].sum()) + int(problem.fleet.fixed_cost[vehicle])
    served = {node for route in routes for node in route}
    left = tuple(node for node in range(problem.first_client, problem.n_nodes) if node not in served)
    return Plan(tuple(routes), left, cost + int(problem.prize[list(left)].sum()), result.num_iterations)


def _last_reload(problem: Problem, client: int, end: int) -> int:
    sites = np.arange(problem.n_depots, problem.first_client)
    return int(sites[np.argmin(problem.distance[client, sites].astype(np.int64) + problem.distance[sites, end])])


def _data(problem: Problem) -> tuple[pyvrp.ProblemData, list[list[int]]]:
    """Return PyVRP's problem and, for each of its vehicle types, our vehicles in reverse order."""
    fleet = problem.fleet
    first, n = problem.first_client, problem.n_nodes
    cut = _common_break(problem)
    distance = problem.distance.astype(np.int64)
    duration = problem.duration.astype(np.int64)
    if problem.n_reloads:
        _go_home_by_reload(problem, distance, duration)
    early, late = _cut(problem.early, cut), _cut(problem.late, cut)
    depots = [pyvrp.Depot(node) for node in range(problem.n_depots)]
    depots += [
        pyvrp.Depot(node, int(early[node]), int(min(late[node], _HUGE)), int(problem.service[node]))
        for node in range(problem.n_depots, first)
    ]
    clients = [
        pyvrp.Client(
            node,
            pickup=[int(load) for load in problem.demand[node]],
            service_duration=int(problem.service[node]),
            tw_early=int(early[node]),
            tw_late=int(min(late[node], _HUGE)),
            release_time=0 if problem.release is None else int(problem.release[node]),
            prize=int(problem.prize[node]),
            required=False,
        )
        for node in range(first, n)
    ]
    types: dict[tuple[object, ...], list[int]] = {}
    for v in range(len(fleet)):
        key = (
            int(fleet.start[v]), int(fleet.end[v]), int(fleet.open[v]), int(fleet.close[v]),
            tuple(int(x) for x in fleet.capacity[v]), tuple(int(x) for x in fleet.daily[v]), int(fleet.fixed_cost[v]),
        )  # fmt: skip
        types.setdefault(key, []).append(v)
    kinds, members = [], []
    for rows in types.values():
        v = rows[0]
        close = _cut(fleet.close[[v]], cut)[0] if cut else fleet.close[v] - fleet.breaks[v, :, 2].sum()
        reloads = int(min(fleet.daily[v] / np.maximum(fleet.capacity[v], 1)) - 1e-9)
        kinds.append(
            pyvrp.VehicleType(
                num_available=len(rows),
                capacity=[int(load) for load in fleet.capacity[v]],
                start_depot=int(fleet.start[v]),
                end_depot=int(fleet.end[v]),
                fixed_cost=int(fleet.fixed_cost[v]),
                tw_early=int(_cut(fleet.open[[v]], cut)[0]),
                tw_late=int(max(close, fleet.open[v])),
                reload_depots=list(range(problem.n_depots, first)),
                max_reloads=min(reloads, 1000),
            )
        )
        members.append(rows[::-1])
    locations = [pyvrp.Location(0, 0) for _ in range(n)]
    # PyVRP's own types ask for arrays of `int`, which NumPy has none of.
    matrices: list[Any] = [distance, duration]
    return pyvrp.ProblemData(locations, clients, depots, kinds, matrices[:1], matrices[1:]), members


def _go_home_by_reload(problem: Problem, distance: I64, duration: I64) -> None:
    """Make the way from a client to a depot lead over the reload site of least detour, its service included."""
    first = problem.first_client
    sites = np.arange(problem.n_depots, first)
    for depot in range(problem.n_depots):
        total = distance[first:][:, sites] + distance[sites, depot]
        best = sites[np.argmin(total, axis=1)]
        distance[first:, depot] = total.min(axis=1)
        duration[first:, depot] = duration[np.arange(first, len(duration)), best] + problem.service[best]
        duration[first:, depot] += problem.duration[best, depot]


def _common_break(problem: Problem) -> tuple[int, int] | None:
    """Return latest start and length of the one break that all vehicles share, or None."""
    breaks = problem.fleet.breaks
    if breaks.shape[1] != 1 or len(breaks) == 0 or (breaks != breaks[0]).any() or problem.fleet.breaks_taken.any():
        return None
    return int(breaks[0, 0, 1]), int(breaks[0, 0, 2])


def _cut(ticks: I64, cut: tuple[int, int] | None) -> I64:
    """Return instants on a clock that leaves the break out."""
    if cut is None:
        return np.minimum(ticks, FOREVER)
    at, length = cut
    return np.where(ticks <= at, ticks, np.where(ticks >= at + length, ticks - length, at))
