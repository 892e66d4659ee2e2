"""A start for the search: compact rounds built by savings, each about as long as a vehicle's day.

The search begins from any start, but what it finds in a short time depends on it; searches side by side begin from
different ones.
"""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import F64
from cityloop.methods.tour import build_trips
from cityloop.methods.vrp import FOREVER, Problem

__all__ = ["start_by_savings"]

_FILL = 0.97
_NEAREST = 3
_TIGHTER = 1.05


def start_by_savings(problem: Problem) -> list[tuple[int, ...]]:
    """Return one route a vehicle, without reload sites; what fits none is in no route.

    Every client takes a share of a vehicle's day: of its hours, with a usual way to the next client and its part of
    the reloads, or of its daily load, whichever is more.
    """
    first, last = problem.first_client, problem.end_primary
    vehicles, clients = len(problem.fleet), np.arange(first, last)
    if vehicles == 0 or len(clients) == 0:
        return []
    share = _day_share(problem)
    share *= _FILL * vehicles / share.sum()
    depot = int(problem.fleet.start[0])
    rows: list[tuple[int, ...]] = []
    for _ in range(4):
        trips = build_trips(problem.distance.astype(np.float32), depot, clients, share, 1.0).stops
        rows = sorted((tuple(int(clients[i]) for i in trip) for trip in trips), key=len, reverse=True)
        if len(rows) <= vehicles:
            break
        share /= _TIGHTER
    return rows[:vehicles]


def _day_share(problem: Problem) -> F64:
    fleet = problem.fleet
    first, last = problem.first_client, problem.end_primary
    ways = (
        np.partition(problem.duration[first:last, first:last].astype(np.float64), _NEAREST, axis=1)
        if (last - first > _NEAREST)
        else np.zeros((last - first, _NEAREST + 1))
    )
    load = problem.demand[first:last].astype(np.float64)
    trips = (load / np.maximum(fleet.capacity[0], 1)).max(axis=1)
    spent = problem.service[first:last] + ways[:, 1 : _NEAREST + 1].mean(axis=1)
    if problem.n_reloads:
        sites = slice(problem.n_depots, first)
        there = problem.duration[first:last, sites].min(axis=1).mean() + problem.duration[sites, first:last].min()
        spent = spent + trips * (there + float(problem.service[sites].mean()))
    hours = float(fleet.close[0] - fleet.open[0] - fleet.breaks[0, :, 2].sum())
    by_time = spent / max(hours, 1.0) if fleet.close[0] < FOREVER else np.zeros(last - first)
    by_load = (load / np.maximum(fleet.daily[0], 1)).max(axis=1)
    share: F64 = by_time if by_time.sum() > by_load.sum() else by_load
    return np.maximum(share, 1e-9)
