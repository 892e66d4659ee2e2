"""Hub labels over a contracted graph: a distance is the best meeting of two short sorted lists.

References
----------
.. [1] Abraham, I., Delling, D., Goldberg, A. V., Werneck, R. F. (2012). Hierarchical hub labelings for shortest paths.
   ESA 2012, LNCS 7501, 24-35. doi:10.1007/978-3-642-33090-2_4

"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import I32, I64

__all__ = ["FAR_MS", "Labels", "build_labels", "descend", "distance", "many_to_one", "one_to_many"]

FAR_MS = np.int32(2**30)
SCATTER_LEAST = 24
"""From so many targets on, scattering a source's label over all nodes costs less than merging labels one by one."""
"""No way. [ms]"""

Labels = tuple[I32, I64, I32, I32, I32, I32]
"""Place of every node in the order, label starts by side, hubs and costs outwards, hubs and costs inwards."""


@njit(cache=True)
def build_labels(
    order: I32, up_start: I64, up_to: I32, up_cost: I32, down_start: I64, down_to: I32, down_cost: I32
) -> Labels:
    """Return the pruned labels of both directions as ``(start, hub, cost)`` twice, hubs ascending by importance.

    ``order`` lists nodes from the most important down. ``up_*`` are a node's arcs to more important nodes; ``down_*``
    are the arcs from more important nodes into it. Hubs are numbered by their place in ``order``.
    """
    n = len(order)
    place = np.empty(n, np.int32)
    for k in range(n):
        place[order[k]] = k
    starts = np.zeros((2, n + 1), np.int64)
    room = 64 * n + 1024
    hubs = (np.empty(room, np.int32), np.empty(room, np.int32))
    costs = (np.empty(room, np.int32), np.empty(room, np.int32))
    hub_f, hub_b, cost_f, cost_b = hubs[0], hubs[1], costs[0], costs[1]
    near = np.full(n, FAR_MS, np.int32)
    touched = np.empty(n, np.int32)
    used_f = 0
    used_b = 0
    for k in range(n):
        v = order[k]
        for side in range(2):
            if side == 0:
                arc_start, arc_to, arc_cost, mine_hub, mine_cost, their_hub, their_cost = (
                    up_start,
                    up_to,
                    up_cost,
                    hub_f,
                    cost_f,
                    hub_b,
                    cost_b,
                )
            else:
                arc_start, arc_to, arc_cost, mine_hub, mine_cost, their_hub, their_cost = (
                    down_start,
                    down_to,
                    down_cost,
                    hub_b,
                    cost_b,
                    hub_f,
                    cost_f,
                )
            near[k] = 0
            touched[0] = k
            count = 1
            for a in range(arc_start[v], arc_start[v + 1]):
                at = place[arc_to[a]]
                for e in range(starts[side, at], starts[side, at + 1]):
                    reach = arc_cost[a] + mine_cost[e]
                    hub = mine_hub[e]
                    if near[hub] == FAR_MS:
                        touched[count] = hub
                        count += 1
                    if reach < near[hub]:
                        near[hub] = reach
            listed = np.sort(touched[:count])
            used = used_f if side == 0 else used_b
            if used + count > len(mine_hub):
                more = np.empty(len(mine_hub), np.int32)
                mine_hub, mine_cost = np.concatenate((mine_hub, more)), np.concatenate((mine_cost, more))
                if side == 0:
                    hub_f, cost_f = mine_hub, mine_cost
                else:
                    hub_b, cost_b = mine_hub, mine_cost
            for t in range(count):
                hub = listed[t]
                keep = True
                if hub != k:
                    for e in range(starts[1 - side, hub], starts[1 - side, hub + 1]):
                        if near[their_hub[e]] + their_cost[e] < near[hub]:
                            keep = False
                            break
                if keep:
                    mine_hub[used], mine_cost[used] = hub, near[hub]
                    used += 1
            for t in range(count):
                near[listed[t]] = FAR_MS
            starts[side, k + 1] = used
            if side == 0:
                used_f = used
            else:
                used_b = used
    return place, starts, hub_f[:used_f].copy(), cost_f[:used_f].copy(), hub_b[:used_b].copy(), cost_b[:used_b].copy()


@njit(cache=True)
def distance(labels: Labels, u: int, v: int) -> int:
    """Return the least time from node ``u`` to node ``v``. [ms]"""
    place, starts, hub_f, cost_f, hub_b, cost_b = labels
    i, i_end = starts[0, place[u]], starts[0, place[u] + 1]
    j, j_end = starts[1, place[v]], starts[1, place[v] + 1]
    best = int(FAR_MS)
    while i < i_end and j < j_end:
        a, b = hub_f[i], hub_b[j]
        if a == b:
            best = min(best, int(cost_f[i]) + int(cost_b[j]))
            i += 1
            j += 1
        elif a < b:
            i += 1
        else:
            j += 1
    return best


@njit(cache=True)
def _spread(
    place: I32,
    starts: I64,
    hub: I32,
    cost: I32,
    own: int,
    other_starts: I64,
    other_hub: I32,
    other_cost: I32,
    others: I32,
    near: I32,
    out: I32,
) -> None:
    """Write the times between one node and many, by scattering the one's label."""
    at = place[own]
    for e in range(starts[at], starts[at + 1]):
        near[hub[e]] = cost[e]
    for k in range(len(others)):
        best = FAR_MS
        to = place[others[k]]
        for e in range(other_starts[to], other_starts[to + 1]):
            best = min(best, near[other_hub[e]] + other_cost[e])
        out[k] = best
    for e in range(starts[at], starts[at + 1]):
        near[hub[e]] = FAR_MS


@njit(cache=True)
def one_to_many(labels: Labels, sources: I32, targets: I32, near: I32) -> I32:
    """Return the least times, shape (n_sources, n_targets). [ms]

    ``near`` is room to work in, ``FAR_MS`` for every node; it is left so.
    """
    place, starts, hub_f, cost_f, hub_b, cost_b = labels
    out = np.empty((len(sources), len(targets)), np.int32)
    if len(targets) < SCATTER_LEAST:
        for s in range(len(sources)):
            for t in range(len(targets)):
                out[s, t] = distance(labels, sources[s], targets[t])
        return out
    for s in range(len(sources)):
        _spread(place, starts[0], hub_f, cost_f, sources[s], starts[1], hub_b, cost_b, targets, near, out[s])
    return out


@njit(cache=True)
def many_to_one(labels: Labels, sources: I32, target: int) -> I32:
    """Return the least times from every source to one node. [ms]"""
    out = np.empty(len(sources), np.int32)
    for s in range(len(sources)):
        out[s] = distance(labels, sources[s], target)
    return out


@njit(cache=True)
def descend(
    labels: Labels, out_start: I32, out_head: I32, out_cost: I32, source: int, target: int, near: I32
) -> tuple[I32, I32]:
    """Return the nodes and arcs of a least-time way, by stepping to the neighbour from which the rest is shortest.

    ``near`` is room to work in, ``FAR_MS`` for every node; it is left so.
    """
    place, starts, hub_f, cost_f, hub_b, cost_b = labels
    first, last = starts[1, place[target]], starts[1, place[target] + 1]
    for e in range(first, last):
        near[hub_b[e]] = cost_b[e]
    nodes, arcs = _steps(place, starts, hub_f, cost_f, out_start, out_head, out_cost, source, target, near)
    for e in range(first, last):
        near[hub_b[e]] = FAR_MS
    return nodes, arcs


@njit(cache=True)
def _rest(place: I32, starts: I64, hub_f: I32, cost_f: I32, node: int, near: I32) -> int:
    """Return the least time to the node whose label is scattered."""
    best = int(FAR_MS)
    for e in range(starts[0, place[node]], starts[0, place[node] + 1]):
        best = min(best, int(cost_f[e]) + int(near[hub_f[e]]))
    return best


@njit(cache=True)
def _steps(
    place: I32,
    starts: I64,
    hub_f: I32,
    cost_f: I32,
    out_start: I32,
    out_head: I32,
    out_cost: I32,
    source: int,
    target: int,
    near: I32,
) -> tuple[I32, I32]:
    left = _rest(place, starts, hub_f, cost_f, source, near)
    if left >= FAR_MS:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    nodes = np.empty(256, np.int32)
    arcs = np.empty(256, np.int32)
    nodes[0], arcs[0] = source, -1
    count = 1
    at = source
    while at != target:
        for a in range(out_start[at], out_start[at + 1]):
            rest = left - out_cost[a]
            if rest >= 0 and _rest(place, starts, hub_f, cost_f, out_head[a], near) == rest:
                if count == len(nodes):
                    nodes = np.concatenate((nodes, np.empty(count, np.int32)))
                    arcs = np.concatenate((arcs, np.empty(count, np.int32)))
                at, left = out_head[a], rest
                nodes[count], arcs[count] = at, a
                count += 1
                break
        else:
            return np.empty(0, np.int32), np.empty(0, np.int32)
    return nodes[:count].copy(), arcs[:count].copy()
