"""Compiled ruin and recreate: strings of clients leave neighbouring routes and are put back one by one.

This is slack induction by string removals [1]_ with these additions: reload sites are placed exactly after every
change (``vrp_reloads.place_reloads``), clients are put back only beside their nearest neighbours, reload sites and
route ends, and clients may stay out at the cost of their prize. Of those that stay out, the ones near the strings are
tried again; now and then an idle vehicle is sent to one of them whatever that costs, since a round that pays seldom
begins with a client that pays alone.

References
----------
.. [1] Christiaens, J. and Vanden Berghe, G. (2020). Slack induction by string removals for vehicle routing
   problems. Transportation Science, 54(2), 417-433. doi:10.1287/trsc.2019.0914
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import F64, I8, I32, I64
from cityloop.methods.vrp import MUST
from cityloop.methods.vrp_insert import client_of, copy_route, draw, insert_client, kept, laid, open_round, touch
from cityloop.methods.vrp_kernel import compiled, find_ready, recount
from cityloop.methods.vrp_reloads import orient, place_reloads

__all__ = ["Store", "anneal", "keep_best", "total_cost", "undo"]

MEAN_REMOVED = 10.0
LONGEST_STRING = 10
SPLIT_SHARE = 0.5
SPLIT_KEEP = 0.01
BLINK = 0.01
TRIED_AGAIN = 8
"""Clients left out that are tried again in an iteration, drawn from all of them."""
TRIED_NEAR = 10
"""As many again, at the most, from those near the strings; where they have to be served, too."""
NEAR_SHARE = 0.5
"""Chance of each of these, the nearest first."""
TRIED_FAR = 0.1
"""Chance that a client without a place nearby is tried in every vehicle."""
OPEN_SHARE = 0.05
"""Chance of sending an idle vehicle to a client that may stay out."""


class Store(NamedTuple):
    """What one search remembers besides its routes."""

    saved_nodes: I32
    saved_length: I32
    saved_leg: I32
    saved_drive: I32
    saved_leave: I64
    saved_latest: I64
    touched: I8
    """Vehicles changed in this iteration."""
    out: I32
    """Clients left out: a list and its length in the last entry."""
    saved_out: I32
    best_nodes: I32
    best_length: I32
    best_out: I32
    pool: I32
    order: F64
    dice: npt.NDArray[np.uint64]
    fixed: I8
    """Clients that may not be removed."""
    asked: I8
    """Clients on their way back in this iteration."""
    home: I32
    """Vehicle that a client belongs to, or -1."""
    move_cost: I64
    """Cost of serving a client with another vehicle than ``home``, one entry."""
    places: I32
    """Places to try, shape (n, 2)."""
    seen: I64
    """Mark of each vehicle that was looked at, and the mark now in use."""
    pick: I64
    """Cost, vehicle, position, reload site, where it goes and node of the best place so far."""
    missed: I64
    """How often a client that must be served was left out."""
    figures: I64
    """Cost now, best cost, iterations done."""


@compiled
def total_cost(problem: Any, routes: Any, store: Any) -> Any:
    """Return distance, fixed costs, prizes left behind and what changing vehicles costs."""
    cost = np.int64(0)
    for v in range(len(problem.start)):
        cost += routes.cost[v]
        if store.move_cost[0] > 0:
            for p in range(1, routes.length[v] - 1):
                node = client_of(problem, routes.nodes[v, p])
                if store.home[node] >= 0 and store.home[node] != v:
                    cost += store.move_cost[0]
    for i in range(store.out[-1]):
        cost += problem.prize[store.out[i]]
    return cost


@compiled
def _ruin(problem: Any, routes: Any, store: Any, seed: int) -> int:
    """Take strings of clients out of routes near a client into the pool; return how many."""
    first = problem.first_client
    in_use, clients = 0, 0
    for v in range(len(problem.start)):
        if routes.stops[v] > 0:
            in_use += 1
            clients += routes.stops[v]
    count = 0
    if in_use == 0:
        return 0
    longest = min(LONGEST_STRING, max(1.0, clients / in_use))
    strings_most = 4.0 * MEAN_REMOVED / (1.0 + longest) - 1.0
    strings = int(1.0 + draw(store.dice) * strings_most)
    done = 0
    for i in range(-1, problem.near.shape[1]):
        if done >= strings:
            break
        client = seed if i < 0 else problem.near[seed, i]
        if client < 0 or routes.vehicle_of[client] < 0:
            continue
        v = routes.vehicle_of[client]
        if store.touched[v]:
            continue
        touch(routes, store, v)
        done += 1
        m = routes.stops[v]
        # The string lies in the order of clients, reload sites apart.
        rank, at = 0, 0
        for p in range(1, routes.length[v] - 1):
            node = routes.nodes[v, p]
            if client_of(problem, node) == client:
                at = rank
            if node >= first:
                rank += 1
        size = int(1.0 + draw(store.dice) * min(float(m), longest))
        size = min(size, m)
        kept = 0
        if size > 1 and size < m and draw(store.dice) < SPLIT_SHARE:
            kept = 1
            while size + kept < m and draw(store.dice) > SPLIT_KEEP:
                kept += 1
                if kept >= 10:
                    break
        span = size + kept
        low = max(0, at - span + 1)
        high = min(at, m - span)
        begin = low + int(draw(store.dice) * (high - low + 1))
        hole = begin + 1 + int(draw(store.dice) * (size - 1)) if kept > 0 else begin + span
        rank, q = 0, 1
        for p in range(1, routes.length[v] - 1):
            node = routes.nodes[v, p]
            goes = False
            if node >= first:
                inside = rank >= begin and rank < begin + span
                stays = kept > 0 and rank >= hole and rank < hole + kept
                goes = inside and not stays and not store.fixed[client_of(problem, node)]
                rank += 1
            if goes:
                store.pool[count] = client_of(problem, node)
                count += 1
                routes.vehicle_of[store.pool[count - 1]] = -1
            else:
                routes.nodes[v, q] = node
                q += 1
        routes.nodes[v, q] = problem.end[v]
        routes.length[v] = q + 1
        place_reloads(problem, routes, v)
    return count


@compiled
def _ask(problem: Any, store: Any, count: int, seed: int) -> int:
    """Let clients left out join the pool: some near the strings, some from anywhere; return the pool's size."""
    out, asked, pool = store.out[-1], store.asked, store.pool
    for i in range(count):
        asked[pool[i]] = 1
    removed = count
    if out > TRIED_AGAIN:
        for i in range(out):
            asked[store.out[i]] = 2
        for i in range(-1, problem.near.shape[1]):
            client = seed if i < 0 else problem.near[seed, i]
            if count - removed >= TRIED_NEAR:
                break
            if client >= 0 and asked[client] == 2 and draw(store.dice) < NEAR_SHARE:
                asked[client] = 1
                pool[count] = client
                count += 1
        most = TRIED_AGAIN if problem.prize[store.out[0]] >= MUST else 2
        for _ in range(most):
            client = store.out[int(draw(store.dice) * out)]
            if asked[client] == 2:
                asked[client] = 1
                pool[count] = client
                count += 1
    else:
        for i in range(out):
            asked[store.out[i]] = 1
            pool[count] = store.out[i]
            count += 1
    left = 0
    for i in range(out):
        client = store.out[i]
        if asked[client] == 2:
            store.out[left] = client
            left += 1
        asked[client] = 0
    store.out[-1] = left
    for i in range(removed):
        asked[pool[i]] = 0
    return count


@compiled
def _recreate(problem: Any, routes: Any, store: Any, count: int, seed: int) -> None:
    """Put the pool and the clients left out back, in one of five orders."""
    may_open = store.out[-1] > 0 and problem.prize[store.out[0]] < MUST
    count = _ask(problem, store, count, seed)
    left = store.out[-1]
    way = draw(store.dice) * 11.0
    order = store.order
    depot = problem.start[0]
    for i in range(count):
        u = store.pool[i]
        if way < 4.0:
            order[i] = draw(store.dice)
        elif way < 8.0:
            order[i] = -float(problem.demand[u, 0])
        elif way < 10.0:
            order[i] = -float(problem.distance[depot, u])
        elif way < 10.5:
            order[i] = float(problem.distance[depot, u])
        else:
            order[i] = float(problem.late[u] - problem.early[u])
    for i in range(1, count):
        key, u = order[i], store.pool[i]
        j = i - 1
        while j >= 0 and order[j] > key:
            order[j + 1], store.pool[j + 1] = order[j], store.pool[j]
            j -= 1
        order[j + 1], store.pool[j + 1] = key, u
    opened = -1
    if may_open and count > 0 and draw(store.dice) < OPEN_SHARE:
        u = store.pool[int(draw(store.dice) * count)]
        if open_round(problem, routes, store, u):
            opened = u
    for i in range(count):
        u = store.pool[i]
        if u == opened:
            continue
        if not insert_client(problem, routes, store, u, 1 if draw(store.dice) < TRIED_FAR else 0, BLINK):
            store.out[left] = u
            left += 1
    store.out[-1] = left


@compiled
def _missed(problem: Any, store: Any, out: Any) -> Any:
    """Return how hard the clients left out have proved to place; those that may stay out do not count."""
    missed = np.int64(0)
    for i in range(out[-1]):
        if problem.prize[out[i]] >= MUST:
            missed += store.missed[out[i]]
    return missed


@compiled
def undo(problem: Any, routes: Any, store: Any) -> None:
    """Bring back the routes that this iteration touched, as they were before it."""
    for v in range(len(problem.start)):
        if store.touched[v]:
            routes.length[v] = store.saved_length[v]
            copy_route(v, routes.length[v], kept(store), laid(routes))
            recount(problem, routes, v)
            if problem.released:
                find_ready(problem, routes, v)
    count = store.saved_out[-1]
    store.out[-1] = count
    for i in range(count):
        store.out[i] = store.saved_out[i]
        routes.vehicle_of[store.out[i]] = -1


@compiled
def keep_best(routes: Any, store: Any) -> None:
    """Remember the routes as the best so far."""
    for v in range(len(routes.length)):
        size = routes.length[v]
        store.best_length[v] = size
        for p in range(size):
            store.best_nodes[v, p] = routes.nodes[v, p]
    store.best_out[-1] = store.out[-1]
    for i in range(store.out[-1]):
        store.best_out[i] = store.out[i]


@compiled
def anneal(problem: Any, routes: Any, store: Any, iterations: int, hot: float, cold: float) -> None:
    """Ruin, recreate and accept by simulated annealing; the best stays in the store.

    Parameters
    ----------
    hot, cold
        Temperature of the first and after the last of these iterations, in units of distance.
    """
    cost = total_cost(problem, routes, store)
    store.figures[0] = cost
    if store.figures[2] == 0 or cost < store.figures[1]:
        store.figures[1] = cost
        keep_best(routes, store)
    for i in range(iterations):
        heat = hot * (cold / hot) ** (i / iterations)
        for v in range(len(problem.start)):
            store.touched[v] = 0
        store.saved_out[-1] = store.out[-1]
        for j in range(store.out[-1]):
            store.saved_out[j] = store.out[j]
        seed = problem.first_client + int(draw(store.dice) * (problem.end_primary - problem.first_client))
        count = _ruin(problem, routes, store, seed)
        _recreate(problem, routes, store, count, seed)
        legal = True
        for v in range(len(problem.start)):
            if store.touched[v]:
                if problem.end_primary < len(problem.early):
                    orient(problem, routes, v)
                legal = place_reloads(problem, routes, v) and legal
        fresh = total_cost(problem, routes, store)
        better = fresh < cost - heat * np.log(max(draw(store.dice), 1e-300))
        if 0 < store.saved_out[-1] <= TRIED_AGAIN and not better:
            # While some stay out, those that are easy to place make room for those that have long been hard to.
            better = _missed(problem, store, store.out) < _missed(problem, store, store.saved_out)
        for j in range(store.out[-1]):
            store.missed[store.out[j]] += 1
        if legal and better:
            cost = fresh
            if cost < store.figures[1]:
                store.figures[1] = cost
                keep_best(routes, store)
        else:
            undo(problem, routes, store)
        store.figures[2] += 1
    store.figures[0] = cost
