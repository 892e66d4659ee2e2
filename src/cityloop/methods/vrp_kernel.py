"""Compiled bookkeeping of routes: forward and backward times, loads by segment, and whether a client still fits.

A vehicle's clock has one copy for every number of breaks it has taken. ``leave[v, k, p]`` is the earliest tick at
which vehicle ``v`` can leave position ``p`` of its route with ``k`` breaks behind it; ``latest[v, k, p]`` the last
tick at which it may arrive there in that state and still finish legally. Breaks are taken where a vehicle stands
after a visit, so an insertion is checked in constant time and exactly, the break's place included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit

from cityloop.kernel.columns import I32, I64
from cityloop.methods.vrp import Arrays

__all__ = [
    "NEVER",
    "Routes",
    "chain_fits",
    "compiled",
    "find_ready",
    "new_routes",
    "put_after",
    "recount",
    "refresh",
    "trip_fits",
]

NEVER = 1 << 50

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a kernel, which allocates nothing, without counting references: that would cost ten times the work."""
    made: F = njit(cache=True, error_model="numpy", _nrt=False)(function)  # type: ignore[call-overload]  # _nrt is not typed
    return made


class Routes(NamedTuple):
    """Routes of every vehicle with what is known about each position."""

    nodes: I32
    """Shape (n_vehicles, max_length), the start and the end included."""
    length: I32
    leave: I64
    latest: I64
    segment: I64
    """Load of the whole segment that a position lies in, shape (n_vehicles, max_length, n_dims)."""
    prefix: I64
    """Load on board when the position is left; 0 after a reload site."""
    total: I64
    cost: I64
    leg: I32
    """Distance from a position to the next."""
    drive: I32
    """Duration from a position to the next."""
    ready: I64
    """When the loads of the trip that leaves from a position are ready; 0 where none does."""
    stops: I32
    vehicle_of: I32
    position_of: I32
    scratch: I64
    filled: I64
    sites: I32
    """Positions of the reload sites, shape (n_vehicles, max_length), their number in the last column."""
    work: I64
    """Tables of the placing of reload sites, shape (6, max_length)."""


def new_routes(problem: Arrays, max_length: int) -> Routes:
    """Return empty routes."""
    v, k, d = len(problem.start), problem.breaks.shape[1] + 1, problem.demand.shape[1]
    n = len(problem.early)
    i64, i32 = np.int64, np.int32
    return Routes(
        np.zeros((v, max_length), i32), np.zeros(v, i32), np.zeros((v, k, max_length), i64),
        np.zeros((v, k, max_length), i64), np.zeros((v, max_length, d), i64), np.zeros((v, max_length, d), i64),
        np.zeros((v, d), i64), np.zeros(v, i64), np.zeros((v, max_length), i32),
        np.zeros((v, max_length), i32), np.zeros((v, max_length), i64), np.zeros(v, i32),
        np.full(n, -1, i32), np.full(n, -1, i32),
        np.zeros(4, i64), np.zeros(d, i64), np.zeros((v, max_length), i32), np.zeros((6, max_length), i64),
    )  # fmt: skip


@compiled
def _serve(problem: Any, node: int, arrive: int) -> Any:
    """Return when a visit that began with an arrival at ``arrive`` ends."""
    begin = max(arrive, problem.early[node])
    if begin > problem.late[node]:
        return NEVER
    if problem.queued and problem.n_depots <= node < problem.first_client:
        row = node - problem.n_depots
        slots = problem.queue.shape[1]
        at = min(begin // problem.slot, slots - 1)
        wait = np.int64(problem.queue[row, at])
        # Who comes later never leaves earlier: a queue that shrinks at the turn of a slot is waited out.
        if at + 1 < slots:
            turn = (at + 1) * problem.slot + problem.queue[row, at + 1] - begin
            wait = min(wait, max(turn, np.int64(0)))
        return begin + wait + problem.service[node]
    return begin + problem.service[node]


@compiled
def _arrive_by(problem: Any, node: int, leave_by: int) -> Any:
    """Return the last arrival whose visit ends by ``leave_by``; -NEVER when there is none."""
    if leave_by < problem.early[node] + problem.service[node]:
        return -NEVER
    by = min(problem.late[node], leave_by - problem.service[node])
    if not problem.queued or node >= problem.first_client or node < problem.n_depots:
        return by
    # The queue makes leaving a step function of arriving, monotone: halve until the last arrival is found.
    low, high = problem.early[node] - 1, by + 1
    while low + 1 < high:
        middle = (low + high) // 2
        if _serve(problem, node, middle) <= leave_by:
            low = middle
        else:
            high = middle
    return low if low >= problem.early[node] else -NEVER


@compiled
def _take_breaks(problem: Any, v: int, clock: Any) -> None:
    """Let every clock of a vehicle that stands still take its next break, where that is sooner."""
    for k in range(problem.breaks.shape[1]):
        if clock[k] <= problem.breaks[v, k, 1]:
            done = max(clock[k], problem.breaks[v, k, 0]) + problem.breaks[v, k, 2]
            clock[k + 1] = min(clock[k + 1], done)


@compiled
def _wait_for_load(problem: Any, v: int, clock: Any, ready: Any) -> None:
    """Let every clock of a vehicle that stands where a trip begins wait until its loads are ready."""
    for k in range(problem.breaks.shape[1] + 1):
        clock[k] = max(clock[k], ready)
    _take_breaks(problem, v, clock)


@compiled
def find_ready(problem: Any, routes: Any, v: int) -> None:
    """Note for every trip of a route when its loads are ready."""
    ready = np.int64(0)
    for p in range(routes.length[v] - 1, -1, -1):
        node = routes.nodes[v, p]
        routes.ready[v, p] = 0
        if node >= problem.first_client:
            ready = max(ready, problem.release[node])
        else:
            routes.ready[v, p] = ready
            ready = np.int64(0)


@compiled
def recount(problem: Any, routes: Any, v: int) -> bool:
    """Count loads, stops and cost of a route again from its nodes and legs; say whether its loads are legal."""
    nodes, size = routes.nodes[v], routes.length[v]
    legal, stops, cost, sites = True, 0, np.int64(0), 0
    for p in range(size):
        node = nodes[p]
        if p < size - 1:
            cost += routes.leg[v, p]
        if node >= problem.first_client:
            stops += 1
            client = node if node < problem.end_primary else problem.twin[node]
            routes.vehicle_of[client] = v
            routes.position_of[client] = p
        elif 0 < p < size - 1:
            routes.sites[v, sites] = p
            sites += 1
    routes.sites[v, -1] = sites
    for d in range(problem.demand.shape[1]):
        load = problem.load[v, d]
        total = load
        routes.prefix[v, 0, d] = load
        for p in range(1, size):
            node = nodes[p]
            if node >= problem.first_client:
                load += problem.demand[node, d]
                total += problem.demand[node, d]
            elif p < size - 1:
                load = np.int64(0)
            routes.prefix[v, p, d] = load
            legal = legal and load <= problem.capacity[v, d]
        routes.total[v, d] = total
        legal = legal and (size <= 2 or total <= problem.daily[v, d]) and problem.load[v, d] <= problem.capacity[v, d]
        for p in range(size - 1, -1, -1):
            if 0 < p < size - 1 and nodes[p] < problem.first_client:
                load = routes.prefix[v, p - 1, d]
            routes.segment[v, p, d] = load
    routes.stops[v] = stops
    routes.cost[v] = cost + (problem.fixed_cost[v] if stops > 0 else 0)
    return legal and stops <= problem.max_stops[v]


@compiled
def _lay(problem: Any, routes: Any, v: int, begin: int, end: int) -> None:
    """Look up the ways from the positions of a route before ``end``."""
    for p in range(begin, end):
        here, there = routes.nodes[v, p], routes.nodes[v, p + 1]
        routes.leg[v, p] = problem.distance[here, there]
        routes.drive[v, p] = problem.duration[here, there]


@compiled
def _forward(problem: Any, routes: Any, v: int, begin: int, known: int) -> None:
    """Time a route from a position on; from ``known`` on only as far as anything changes."""
    nodes, size, clock = routes.nodes[v], routes.length[v], routes.scratch
    states = problem.breaks.shape[1] + 1
    for p in range(begin, size):
        node = nodes[p]
        for k in range(states):
            if p == 0:
                arrive: Any = problem.open[v] if k == problem.breaks_taken[v] else np.int64(NEVER)
            else:
                arrive = routes.leave[v, k, p - 1] + routes.drive[v, p - 1]
            clock[k] = arrive if p == size - 1 or p == 0 else _serve(problem, node, arrive)
        if p < size - 1:
            _take_breaks(problem, v, clock)
            if problem.released and node < problem.first_client:
                _wait_for_load(problem, v, clock, routes.ready[v, p])
        same = p >= known
        for k in range(states):
            leave = min(clock[k], NEVER)
            same = same and leave == routes.leave[v, k, p]
            routes.leave[v, k, p] = leave
        if same:
            break


@compiled
def _backward(problem: Any, routes: Any, v: int, begin: int, known: int) -> None:
    """Find the last arrivals of a route from a position back; up to ``known`` only as far as anything changes."""
    nodes, clock = routes.nodes[v], routes.scratch
    states = problem.breaks.shape[1] + 1
    for p in range(begin, -1, -1):
        same = p <= known
        for k in range(states - 1, -1, -1):
            by = routes.latest[v, k, p + 1] - routes.drive[v, p]
            if problem.released and by < routes.ready[v, p]:
                by = np.int64(-NEVER)
            if k < states - 1:
                rest = min(clock[k + 1] - problem.breaks[v, k, 2], problem.breaks[v, k, 1])
                if rest >= problem.breaks[v, k, 0]:
                    by = max(by, rest)
            clock[k] = by
            last = _arrive_by(problem, nodes[p], by) if p > 0 else by
            same = same and last == routes.latest[v, k, p]
            routes.latest[v, k, p] = last
        if same:
            break


@compiled
def refresh(problem: Any, routes: Any, v: int) -> bool:
    """Compute everything about one vehicle's route again; say whether it is legal."""
    size = routes.length[v]
    states = problem.breaks.shape[1] + 1
    if problem.released:
        find_ready(problem, routes, v)
    _lay(problem, routes, v, 0, size - 1)
    legal = recount(problem, routes, v)
    _forward(problem, routes, v, 0, size)
    for k in range(states):
        last = problem.close[v]
        if k < states - 1:
            last = min(last, problem.breaks[v, k, 1])
        routes.latest[v, k, size - 1] = last
    _backward(problem, routes, v, size - 2, -1)
    if size > 2:
        some = False
        for k in range(states):
            some = some or routes.leave[v, k, size - 1] <= routes.latest[v, k, size - 1]
        legal = legal and some
    return legal


@compiled
def put_after(problem: Any, routes: Any, v: int, p: int, first: int, second: int) -> None:
    """Put ``first`` (and ``second`` unless -1) after position ``p`` of a route and bring up to date what changes."""
    nodes, grow = routes.nodes[v], 1 if second < 0 else 2
    states = problem.breaks.shape[1] + 1
    for i in range(routes.length[v] - 1, p, -1):
        nodes[i + grow] = nodes[i]
        routes.leg[v, i + grow], routes.drive[v, i + grow] = routes.leg[v, i], routes.drive[v, i]
        for k in range(states):
            routes.leave[v, k, i + grow] = routes.leave[v, k, i]
            routes.latest[v, k, i + grow] = routes.latest[v, k, i]
    nodes[p + 1] = first
    if second >= 0:
        nodes[p + 2] = second
    routes.length[v] += grow
    _lay(problem, routes, v, p, p + grow + 1)
    recount(problem, routes, v)
    begin, unchanged = p + 1, p
    if problem.released:
        # The trip may leave at another time now.
        find_ready(problem, routes, v)
        begin = p
        while begin > 0 and nodes[begin] >= problem.first_client:
            begin -= 1
        unchanged = begin - 1
    _forward(problem, routes, v, begin, p + grow + 1)
    _backward(problem, routes, v, p + grow, unchanged)


@compiled
def chain_fits(problem: Any, routes: Any, v: int, p: int, first: int, second: int) -> bool:
    """Whether ``first`` (and ``second`` unless -1) can be visited right after position ``p`` in time."""
    states = problem.breaks.shape[1] + 1
    clock = routes.scratch
    for k in range(states):
        clock[k] = routes.leave[v, k, p]
    here, node = routes.nodes[v, p], first
    for _ in range(1 if second < 0 else 2):
        drive = problem.duration[here, node]
        for k in range(states):
            clock[k] = _serve(problem, node, clock[k] + drive)
        _take_breaks(problem, v, clock)
        here, node = node, second
    drive = problem.duration[here, routes.nodes[v, p + 1]]
    fits = False
    for k in range(states):
        fits = fits or clock[k] + drive <= routes.latest[v, k, p + 1]
    return fits


@compiled
def trip_fits(problem: Any, routes: Any, v: int, p: int, first: int, second: int) -> bool:
    """As ``chain_fits`` where loads have to be waited for: what is put in may change when its trip leaves.

    The trip is driven again from where it begins, and the load is looked up as far as its end.
    """
    nodes, clock, states = routes.nodes[v], routes.scratch, problem.breaks.shape[1] + 1
    begin = p
    while begin > 0 and nodes[begin] >= problem.first_client:
        begin -= 1
    if second < 0 and problem.release[first] <= routes.ready[v, begin]:
        return chain_fits(problem, routes, v, p, first, second)
    before, after = np.int64(0), np.int64(0)
    for q in range(begin + 1, p + 1):
        before = max(before, problem.release[nodes[q]])
    q = p + 1
    while q < routes.length[v] - 1 and nodes[q] >= problem.first_client:
        after = max(after, problem.release[nodes[q]])
        q += 1
    # A reload site that is put in parts the trip there.
    if first < problem.first_client:
        after = max(after, problem.release[second])
    else:
        before = max(before, problem.release[first])
    if second < 0:
        before = max(before, after)
    for k in range(states):
        if begin == 0:
            clock[k] = problem.open[v] if k == problem.breaks_taken[v] else np.int64(NEVER)
        else:
            arrive = routes.leave[v, k, begin - 1] + problem.duration[nodes[begin - 1], nodes[begin]]
            clock[k] = _serve(problem, nodes[begin], arrive)
    _take_breaks(problem, v, clock)
    _wait_for_load(problem, v, clock, before)
    here = nodes[begin]
    for step in range(p - begin + (1 if second < 0 else 2)):
        put = step - (p - begin)
        node = nodes[begin + 1 + step] if put < 0 else (first if put == 0 else second)
        drive = problem.duration[here, node]
        for k in range(states):
            clock[k] = _serve(problem, node, clock[k] + drive)
        _take_breaks(problem, v, clock)
        if node < problem.first_client:
            _wait_for_load(problem, v, clock, after)
        here = node
    drive = problem.duration[here, nodes[p + 1]]
    fits = False
    for k in range(states):
        fits = fits or clock[k] + drive <= routes.latest[v, k, p + 1]
    return fits
