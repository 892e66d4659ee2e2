"""Compiled insertion: where a client costs least, with a reload site beside it where it is needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from cityloop.methods.vrp_kernel import NEVER, chain_fits, compiled, put_after, trip_fits

__all__ = [
    "client_of",
    "copy_route",
    "draw",
    "insert_client",
    "kept",
    "laid",
    "open_round",
    "put_picked",
    "touch",
    "try_place",
]


@compiled
def draw(dice: Any) -> float:
    """Return a uniform number in [0, 1) (xorshift64*)."""
    x = dice[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    dice[0] = x
    return np.float64((x * np.uint64(2685821657736338717)) >> np.uint64(11)) / 9007199254740992.0


@compiled
def client_of(problem: Any, node: int) -> int:
    """Return the client that a node serves, in whichever direction."""
    return node if node < problem.end_primary else problem.twin[node]


@compiled
def copy_route(v: int, size: int, source: Any, target: Any) -> None:
    """Copy a route from one set of ``(nodes, leg, drive, leave, latest)`` to another."""
    for p in range(size):
        target[0][v, p], target[1][v, p], target[2][v, p] = source[0][v, p], source[1][v, p], source[2][v, p]
    for k in range(source[3].shape[1]):
        for p in range(size):
            target[3][v, k, p], target[4][v, k, p] = source[3][v, k, p], source[4][v, k, p]


@compiled
def laid(routes: Any) -> Any:
    """Return what ``copy_route`` copies of routes."""
    return routes.nodes, routes.leg, routes.drive, routes.leave, routes.latest


@compiled
def kept(store: Any) -> Any:
    """Return where ``copy_route`` keeps routes."""
    return store.saved_nodes, store.saved_leg, store.saved_drive, store.saved_leave, store.saved_latest


@compiled
def touch(routes: Any, store: Any, v: int) -> None:
    """Keep a route as it was before this iteration changes it."""
    if store.touched[v]:
        return
    store.touched[v] = 1
    store.saved_length[v] = routes.length[v]
    copy_route(v, routes.length[v], laid(routes), kept(store))


@compiled
def try_place(problem: Any, routes: Any, store: Any, u: int, v: int, p: int, bare: int) -> None:
    """Price putting ``u`` after position ``p`` of vehicle ``v``, with a reload beside it where it is needed.

    ``bare`` is the detour that the client alone makes there.
    """
    pick = store.pick
    if not problem.allowed[v, u] or routes.stops[v] >= problem.max_stops[v]:
        return
    if routes.length[v] + 2 > routes.nodes.shape[1]:
        return
    a, b = routes.nodes[v, p], routes.nodes[v, p + 1]
    last_leg = p + 1 == routes.length[v] - 1
    gain = bare - np.int64(problem.distance[u, b])
    if routes.stops[v] == 0:
        gain += problem.fixed_cost[v]
    home = store.home[client_of(problem, u)]
    if home >= 0 and home != v:
        gain += store.move_cost[0]
    if gain + problem.distance[u, b] >= pick[0]:
        return
    dims = problem.demand.shape[1]
    fits = True
    for d in range(dims):
        if routes.total[v, d] + problem.demand[u, d] > problem.daily[v, d]:
            return
        if routes.segment[v, p + 1, d] + problem.demand[u, d] > problem.capacity[v, d]:
            fits = False
    has_sites = problem.first_client > problem.n_depots
    plain = fits and not (last_leg and has_sites)
    after, before = True, (a >= problem.first_client or p == 0) and not last_leg
    for d in range(dims):
        q = problem.demand[u, d]
        after = after and routes.prefix[v, p, d] + q <= problem.capacity[v, d]
        before = before and routes.segment[v, p + 1, d] - routes.prefix[v, p, d] + q <= problem.capacity[v, d]
    # Either the client alone, or each reload site after it and then each before it.
    sites = problem.first_client - problem.n_depots
    for way in range(1 if plain else 2 * sites):
        site, first, second, kind = -1, u, -1, 0
        cost = gain + problem.distance[u, b]
        if not plain:
            kind = 1 if way < sites else 2
            site = problem.n_depots + way % sites
            if not problem.allowed[v, site] or not (after if kind == 1 else before):
                continue
            if kind == 1:
                second = site
                cost = gain + problem.distance[u, site] + problem.distance[site, b]
            else:
                first, second = site, u
                cost += problem.distance[a, site] + problem.distance[site, u] - problem.distance[a, u]
        if cost >= pick[0]:
            continue
        if problem.released:
            in_time = trip_fits(problem, routes, v, p, first, second)
        else:
            in_time = chain_fits(problem, routes, v, p, first, second)
        if in_time:
            pick[0], pick[1], pick[2], pick[3], pick[4], pick[5] = cost, v, p, site, kind, u


@compiled
def put_picked(problem: Any, routes: Any, store: Any) -> None:
    """Carry out the picked insertion."""
    v, p, site, kind, u = store.pick[1], store.pick[2], store.pick[3], store.pick[4], store.pick[5]
    touch(routes, store, v)
    if site < 0:
        put_after(problem, routes, v, p, u, -1)
    elif kind == 1:
        put_after(problem, routes, v, p, u, site)
    else:
        put_after(problem, routes, v, p, site, u)


@compiled
def _ends(routes: Any, store: Any, v: int, count: int) -> int:
    """List the places of a vehicle beside its start, its reload sites and its end; return the longer list's length."""
    places, sites = store.places, routes.sites[v, -1]
    places[count, 0], places[count, 1] = v, 0
    count += 1
    for i in range(2 * sites):
        places[count, 0], places[count, 1] = v, routes.sites[v, i // 2] - i % 2
        count += 1
    if sites == 0:
        places[count, 0], places[count, 1] = v, routes.length[v] - 2
        count += 1
    return count


@compiled
def _places(problem: Any, routes: Any, store: Any, u: int, reach: int, blink: float) -> int:
    """List the places worth a look for a client as (vehicle, position); return their number.

    Parameters
    ----------
    reach
        0: beside the nearest clients, and at the ends and reload sites of the vehicles that these are in; 1: at the
        ends and reload sites of every other vehicle; 2: everywhere.
    """
    places, count, seen = store.places, 0, store.seen
    # Near ones first: they soon give a cost that most others need not be looked at for.
    if reach == 0:
        seen[-1] += 1
        for i in range(problem.near.shape[1]):
            w = problem.near[u, i]
            if w >= 0 and routes.vehicle_of[w] >= 0:
                v = routes.vehicle_of[w]
                seen[v] = seen[-1]
                for before in range(2):
                    if draw(store.dice) >= blink:
                        places[count, 0], places[count, 1] = v, routes.position_of[w] - before
                        count += 1
    idle = -1
    for v in range(len(problem.start)):
        if routes.stops[v] == 0:
            if reach != 1 and (idle < 0 or not _alike(problem, v, idle, u)):
                places[count, 0], places[count, 1] = v, 0
                count += 1
            idle = v
        elif reach == 2:
            for p in range(routes.length[v] - 1):
                places[count, 0], places[count, 1] = v, p
                count += 1
        elif (seen[v] == seen[-1]) == (reach == 0):
            count = _ends(routes, store, v, count)
    return count


@compiled
def _alike(problem: Any, v: int, w: int, u: int) -> Any:
    """Whether two idle vehicles make no difference to a client."""
    same = problem.start[v] == problem.start[w] and problem.end[v] == problem.end[w]
    same = same and problem.open[v] == problem.open[w] and problem.close[v] == problem.close[w]
    same = same and problem.fixed_cost[v] == problem.fixed_cost[w] and problem.allowed[v, u] == problem.allowed[w, u]
    for d in range(problem.demand.shape[1]):
        same = same and problem.capacity[v, d] == problem.capacity[w, d] and problem.load[v, d] == problem.load[w, d]
    return same


@compiled
def insert_client(problem: Any, routes: Any, store: Any, u: int, reach_most: int, blink: float) -> bool:
    """Put one client where it costs least; say whether there was such a place cheaper than leaving it out.

    Parameters
    ----------
    reach_most
        How far to look when there is no place nearer by, as in ``_places``; 2 looks everywhere at once.
    """
    pick = store.pick
    pick[0], pick[1] = problem.prize[u], -1
    ways = 1 if problem.twin[u] < 0 else 2
    for reach in range(2 if reach_most == 2 else 0, reach_most + 1):
        count = _places(problem, routes, store, u, reach, blink)
        for way in range(ways):
            node = u if way == 0 else problem.twin[u]
            into, out = problem.into[node], problem.distance[node]
            for i in range(count):
                v, p = store.places[i, 0], store.places[i, 1]
                bare = np.int64(into[routes.nodes[v, p]]) + out[routes.nodes[v, p + 1]] - routes.leg[v, p]
                if bare < pick[0]:
                    try_place(problem, routes, store, node, v, p, bare)
        if pick[1] >= 0:
            break
    if pick[1] < 0:
        return False
    put_picked(problem, routes, store)
    return True


@compiled
def open_round(problem: Any, routes: Any, store: Any, u: int) -> bool:
    """Send the first idle vehicle that can serve a client to it, whatever that costs; say whether there is one."""
    pick = store.pick
    for v in range(len(problem.start)):
        if routes.stops[v] == 0:
            pick[0], pick[1] = NEVER, -1
            for way in range(1 if problem.twin[u] < 0 else 2):
                node = u if way == 0 else problem.twin[u]
                bare = np.int64(problem.distance[problem.start[v], node]) + problem.distance[node, problem.end[v]]
                try_place(problem, routes, store, node, v, 0, bare - routes.leg[v, 0])
            if pick[1] >= 0:
                put_picked(problem, routes, store)
                return True
    return False
