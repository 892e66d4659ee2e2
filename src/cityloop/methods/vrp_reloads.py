"""Compiled settling of a route whose order of clients is given: its directions, and where it visits reload sites."""

from __future__ import annotations

from typing import Any

import numpy as np

from cityloop.methods.vrp_kernel import NEVER, compiled, refresh

__all__ = ["orient", "place_reloads"]


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
