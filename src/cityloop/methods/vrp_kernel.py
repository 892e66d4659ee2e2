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

__all__ = ["NEVER", "Routes", "chain_fits", "compiled", "new_routes", "orient", "place_reloads", "refresh"]

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
        np.zeros((v, d), i64), np.zeros(v, i64), np.zeros((v, max_length), i32), np.zeros(v, i32),
        np.full(n, -1, i32), np.full(n, -1, i32),
        np.zeros(4, i64), np.zeros(d, i64), np.zeros((v, max_length), i32), np.zeros((6, max_length), i64),
    )  # fmt: skip


@compiled
def _serve(problem: Any, node: int, arrive: int) -> Any:
    """Return when a visit that began with an arrival at ``arrive`` ends."""
    begin = max(arrive, problem.early[node])
    if begin > problem.late[node]:
        return NEVER
    if node < problem.first_client and node >= problem.n_depots:
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
    if node >= problem.first_client or node < problem.n_depots:
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
def refresh(problem: Any, routes: Any, v: int) -> bool:
    """Compute everything about one vehicle's route again; say whether it is legal."""
    nodes, size = routes.nodes[v], routes.length[v]
    states = problem.breaks.shape[1] + 1
    dims = problem.demand.shape[1]
    legal = True
    for d in range(dims):
        routes.prefix[v, 0, d] = problem.load[v, d]
        routes.total[v, d] = problem.load[v, d]
    stops, cost = 0, np.int64(0)
    routes.sites[v, -1] = 0
    for p in range(size):
        node = nodes[p]
        before = nodes[max(p - 1, 0)]
        if p > 0:
            way = problem.distance[before, node]
            routes.leg[v, p - 1] = way
            cost += way
        is_client = node >= problem.first_client
        for d in range(dims):
            if is_client:
                routes.prefix[v, p, d] = routes.prefix[v, p - 1, d] + problem.demand[node, d]
                routes.total[v, d] += problem.demand[node, d]
            elif p == size - 1:
                routes.prefix[v, p, d] = routes.prefix[v, p - 1, d]
            elif p > 0:
                routes.prefix[v, p, d] = 0
            if routes.prefix[v, p, d] > problem.capacity[v, d]:
                legal = False
        if is_client:
            stops += 1
            client = node if node < problem.end_primary else problem.twin[node]
            routes.vehicle_of[client] = v
            routes.position_of[client] = p
        elif 0 < p < size - 1:
            routes.sites[v, routes.sites[v, -1]] = p
            routes.sites[v, -1] += 1
        drive = problem.duration[before, node] if p > 0 else 0
        for k in range(states):
            if p == 0:
                arrive: Any = problem.open[v] if k == problem.breaks_taken[v] else np.int64(NEVER)
            else:
                arrive = routes.leave[v, k, p - 1] + drive
            routes.scratch[k] = arrive if p == size - 1 or p == 0 else _serve(problem, node, arrive)
        if p < size - 1:
            _take_breaks(problem, v, routes.scratch)
        for k in range(states):
            routes.leave[v, k, p] = min(routes.scratch[k], NEVER)
    for d in range(dims):
        if size > 2 and routes.total[v, d] > problem.daily[v, d]:
            legal = False
        load = routes.prefix[v, size - 1, d]
        for p in range(size - 1, -1, -1):
            node = nodes[p]
            routes.segment[v, p, d] = load
            if p < size - 1 and p > 0 and node < problem.first_client:
                load = routes.prefix[v, p - 1, d]
                routes.segment[v, p, d] = load
    routes.stops[v] = stops
    if stops > problem.max_stops[v]:
        legal = False
    routes.cost[v] = cost + (problem.fixed_cost[v] if stops > 0 else 0)
    for k in range(states):
        last = problem.close[v]
        if k < states - 1:
            last = min(last, problem.breaks[v, k, 1])
        routes.latest[v, k, size - 1] = last
    for p in range(size - 2, -1, -1):
        node = nodes[p]
        drive = problem.duration[node, nodes[p + 1]]
        for k in range(states - 1, -1, -1):
            by = routes.latest[v, k, p + 1] - drive
            if k < states - 1:
                rest = min(routes.scratch[k + 1] - problem.breaks[v, k, 2], problem.breaks[v, k, 1])
                if rest >= problem.breaks[v, k, 0]:
                    by = max(by, rest)
            routes.scratch[k] = by
            routes.latest[v, k, p] = _arrive_by(problem, node, by) if p > 0 else by
    if size > 2:
        some = False
        for k in range(states):
            some = some or routes.leave[v, k, size - 1] <= routes.latest[v, k, size - 1]
        legal = legal and some
    return legal


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
def orient(problem: Any, routes: Any, v: int) -> None:
    """Choose the direction of every client of a route for the least distance in its order (a shortest path)."""
    nodes, size = routes.nodes[v], routes.length[v]
    here, there = routes.work[0], routes.work[1]
    cost_here, cost_there = np.int64(0), np.int64(NEVER)
    for p in range(1, size):
        node, before = nodes[p], nodes[p - 1]
        twin, twin_before = problem.twin[node], problem.twin[before]
        straight = cost_here + problem.distance[before, node]
        here[p] = 0
        if twin_before >= 0 and cost_there + problem.distance[twin_before, node] < straight:
            straight = cost_there + problem.distance[twin_before, node]
            here[p] = 1
        turned = np.int64(NEVER)
        there[p] = 0
        if twin >= 0:
            turned = cost_here + problem.distance[before, twin]
            if twin_before >= 0 and cost_there + problem.distance[twin_before, twin] < turned:
                turned = cost_there + problem.distance[twin_before, twin]
                there[p] = 1
        cost_here, cost_there = straight, turned
    way = 0
    for p in range(size - 1, 0, -1):
        back = here[p] if way == 0 else there[p]
        if way == 1:
            nodes[p] = problem.twin[nodes[p]]
        way = back


@compiled
def _cut(problem: Any, routes: Any, v: int, m: int) -> bool:
    """Cut the ``m`` clients in ``routes.work[0]`` into loads and lay the route out; say whether that can be done.

    A shortest path over "reloaded after client j": the window of clients that fit one load slides along the route,
    and a monotone queue keeps its cheapest begin, so the work grows with the length of the route alone.
    """
    nodes = routes.nodes[v]
    dims = problem.demand.shape[1]
    clients, cost, back = routes.work[0], routes.work[1], routes.work[2]
    site, queue, load = routes.work[3], routes.work[4], routes.filled
    cost[0], back[0], queue[0] = 0, -1, 0
    head, tail, low = 0, 1, 0
    for d in range(dims):
        load[d] = problem.load[v, d]
    # Without any client on the way there is one site left to find: j = 0.
    for j in range(0 if m == 0 else 1, m + 1):
        over = False
        if j > 0:
            for d in range(dims):
                load[d] += problem.demand[clients[j - 1], d]
                over = over or load[d] > problem.capacity[v, d]
        while over and low < j:
            over = False
            for d in range(dims):
                gone = problem.load[v, d] if low == 0 else np.int64(0)
                load[d] -= gone + problem.demand[clients[low], d]
                over = over or load[d] > problem.capacity[v, d]
            low += 1
        while head < tail and queue[head] < low:
            head += 1
        if head == tail:
            return False
        before = problem.start[v] if j == 0 else clients[j - 1]
        after = problem.end[v] if j == m else clients[j]
        detour = np.int64(NEVER)
        site[j] = -1
        for reload in range(problem.n_depots, problem.first_client):
            extra = np.int64(problem.distance[before, reload]) + problem.distance[reload, after]
            extra -= problem.distance[before, after]
            if problem.allowed[v, reload] and extra < detour:
                site[j], detour = reload, extra
        if j > 0:
            back[j] = queue[head]
            cost[j] = cost[queue[head]] + detour
            while tail > head and cost[queue[tail - 1]] >= cost[j]:
                tail -= 1
            queue[tail] = j
            tail += 1
    if site[m] < 0:
        return False
    count, j = 1 if m == 0 else 0, m
    while j > 0:
        count += 1
        j = back[j]
    if m + count + 2 > nodes.shape[0]:
        return False
    p = m + count + 1
    routes.length[v] = p + 1
    nodes[0], nodes[1], nodes[p] = problem.start[v], site[0], problem.end[v]
    j = m
    while j > 0:
        p -= 1
        nodes[p] = site[j]
        for i in range(j - 1, back[j] - 1, -1):
            p -= 1
            nodes[p] = clients[i]
        j = back[j]
    return True


@compiled
def place_reloads(problem: Any, routes: Any, v: int) -> bool:
    """Put the reload sites of a route where they cost least for its order of clients; say whether it is legal."""
    nodes, size = routes.nodes[v], routes.length[v]
    clients, keep = routes.work[0], routes.work[5]
    m = 0
    loaded = False
    for d in range(problem.demand.shape[1]):
        loaded = loaded or problem.load[v, d] > 0
    for p in range(size):
        keep[p] = nodes[p]
        if 0 < p < size - 1 and nodes[p] >= problem.first_client:
            clients[m] = nodes[p]
            m += 1
    needs_sites = problem.n_depots < problem.first_client and (m > 0 or loaded)
    legal = False
    for attempt in range(2):
        if legal or (attempt == 1 and not needs_sites):
            break
        if not needs_sites:
            nodes[0], nodes[m + 1] = problem.start[v], problem.end[v]
            for j in range(m):
                nodes[j + 1] = clients[j]
            routes.length[v] = m + 2
        elif attempt == 0:
            if not _cut(problem, routes, v, m):
                continue
        else:
            # The cheapest places are not in time, or the order cannot be cut: keep what stood, without idle reloads.
            q, full = 0, loaded
            for p in range(size):
                node = np.int32(keep[p])
                is_site = 0 < p < size - 1 and node < problem.first_client
                if not is_site or full:
                    nodes[q] = node
                    q += 1
                full = (full or node >= problem.first_client) and not is_site
            routes.length[v] = q
        legal = refresh(problem, routes, v)
    return legal
