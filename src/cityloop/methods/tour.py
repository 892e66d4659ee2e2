"""A quick tour builder: capacitated trips between a base and its stops, good to a few per cent in milliseconds.

Savings [1]_, then a local search over neighbour lists: moves of one or two stops within and between trips, exchanges,
reversals and tail swaps. It is meant for simulations that need some hundred thousand days of routes, the same for every
policy compared; a day that is driven is planned by a full solver.

References
----------
.. [1] Clarke, G. & Wright, J. W. (1964). Scheduling of vehicles from a central depot to a number of delivery points.
   Operations Research 12, 568-581.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import F64, I64
from cityloop.methods.tour_search import improve, savings, straighten

__all__ = ["Day", "DayLimits", "Trips", "build_trips", "plan_day"]


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips from the base, through stops, to the base."""

    stops: tuple[I64, ...]
    """Positions in the list of stops that was given, in driving order."""
    length_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """What one truck can do in a day."""

    payload_kg: float
    shift_s: float = 7.5 * 3600
    speed_mps: float = 25 / 3.6
    """Mean driving speed, halts at lights included."""
    service_s: float = 180.0
    """At a stop: find a place, lift, empty, set down."""
    tip_s: float = 900.0
    """Weighbridge, queue and emptying."""

    def __post_init__(self) -> None:
        if min(self.payload_kg, self.shift_s, self.speed_mps) <= 0 or min(self.service_s, self.tip_s) < 0:
            raise ValueError(f"Limits of a day must be positive: {self}.")


@dataclass(frozen=True, slots=True)
class Day:
    """Trucks of a day, each leaving the depot, driving its trips over the tip, and coming home."""

    trucks: tuple[tuple[I64, ...], ...]
    """By truck, its trips in order."""
    length_m: float
    haul_m: float
    """Of which between the depot or tip and the first or last stop of a trip, and home."""
    duration_s: tuple[float, ...]

    @property
    def trips(self) -> int:
        """Number of loads tipped."""
        return sum(len(truck) for truck in self.trucks)


def build_trips(
    distance_m: npt.NDArray[np.float32], base: int, nodes: I64, load: F64, capacity: float, rounds: int = 30
) -> Trips:
    """Build trips that serve every node from one base, none above the capacity.

    Parameters
    ----------
    distance_m
        Between all nodes of the city, shape (n, n). Taken as symmetric. [m]
    nodes, load
        Stops to serve, rows of ``distance_m``, and what each puts on the truck. Above the capacity, it travels alone.
    rounds
        At most so many passes of the local search.
    """
    n = len(nodes)
    if n == 0:
        return Trips((), 0.0)
    order = np.concatenate([[base], nodes]).astype(np.int64)
    local = np.ascontiguousarray(distance_m[np.ix_(order, order)], dtype=np.float64)
    carried = np.concatenate([[0.0], np.minimum(load, capacity)])
    near = min(16, n - 1)
    inner = local[1:, 1:].copy()
    np.fill_diagonal(inner, np.inf)
    if near > 0:
        neighbours = np.argpartition(inner, near - 1, axis=1)[:, :near]
        rank = np.take_along_axis(inner, neighbours, axis=1).argsort(axis=1, kind="stable")
        neighbours = np.take_along_axis(neighbours, rank, axis=1).astype(np.int64) + 1
    else:
        neighbours = np.zeros((n, 0), np.int64)
    routes, lengths = savings(local, carried, float(capacity), neighbours)
    routes, lengths = improve(local, carried, float(capacity), neighbours, routes, lengths, rounds)
    trips: list[I64] = []
    total = 0.0
    for r in np.flatnonzero(lengths > 0):
        sequence = routes[r, : lengths[r]]
        path = np.concatenate([[0], sequence, [0]])
        total += float(local[path[:-1], path[1:]].sum())
        trips.append(sequence - 1)
    return Trips(tuple(trips), total)


def plan_day(
    distance_m: npt.NDArray[np.float32], depot: int, tip: int, nodes: I64, load: F64, limits: DayLimits
) -> Day:
    """Plan a day: trips around the tip, shared out to trucks that start and end at the depot.

    Trips are given to trucks longest first, to the first truck with time left; each truck begins with the trip that is
    cheapest to enter from the depot rather than from the tip, its stops put in order anew for the way between these.
    """
    trips = build_trips(distance_m, tip, nodes, load, limits.payload_kg).stops
    if not trips:
        return Day((), 0.0, 0.0, ())
    inner_m = [float(distance_m[nodes[t][:-1], nodes[t][1:]].sum()) for t in trips]
    spent_s = [
        (inner + float(distance_m[tip, nodes[t][0]] + distance_m[nodes[t][-1], tip])) / limits.speed_mps
        + len(t) * limits.service_s
        + limits.tip_s
        for t, inner in zip(trips, inner_m, strict=True)
    ]
    to_and_from_s = 2.0 * float(distance_m[depot, tip]) / limits.speed_mps
    trucks: list[list[int]] = []
    used_s: list[float] = []
    for k in sorted(range(len(trips)), key=lambda k: -spent_s[k]):
        for truck, used in enumerate(used_s):
            if used + spent_s[k] <= limits.shift_s:
                trucks[truck].append(k)
                used_s[truck] += spent_s[k]
                break
        else:
            trucks.append([k])
            used_s.append(to_and_from_s + spent_s[k])
    planned: list[tuple[I64, ...]] = []
    length_m, haul_m = 0.0, 0.0
    for truck, members in enumerate(trucks):
        best_gain, best, turned = -np.inf, members[0], False
        for k in members:
            for end, flip in ((0, False), (-1, True)):
                stop = nodes[trips[k][end]]
                gain = float(distance_m[tip, stop] - distance_m[depot, stop])
                if gain > best_gain:
                    best_gain, best, turned = gain, k, flip
        begun = _on_the_way(distance_m, depot, tip, nodes, trips[best][::-1] if turned else trips[best])
        ordered = (begun, *(trips[k] for k in members if k != best))
        planned.append(ordered)
        ends_m = inside_m = 0.0
        for k, trip in enumerate(ordered):
            at = nodes[trip]
            ends_m += float(distance_m[tip if k else depot, at[0]] + distance_m[at[-1], tip])
            inside_m += float(distance_m[at[:-1], at[1:]].sum())
        ends_m += float(distance_m[tip, depot])
        length_m, haul_m = length_m + ends_m + inside_m, haul_m + ends_m
        used_s[truck] = (ends_m + inside_m) / limits.speed_mps + sum(
            len(trip) * limits.service_s + limits.tip_s for trip in ordered
        )
    return Day(tuple(planned), length_m, haul_m, tuple(used_s))


def _on_the_way(distance_m: npt.NDArray[np.float32], start: int, end: int, nodes: I64, trip: I64) -> I64:
    """Put the stops of a trip in order for the way from one place to another."""
    path = np.concatenate([[start], nodes[trip], [end]])
    order = straighten(np.ascontiguousarray(distance_m[np.ix_(path, path)], dtype=np.float64))
    return np.asarray(trip[order[1:-1] - 1])
