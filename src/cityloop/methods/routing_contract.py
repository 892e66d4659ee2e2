"""Contraction of a road graph: node order and shortcuts, compiled.

References
----------
.. [1] Geisberger, R., Sanders, P., Schultes, D., Vetter, C. (2012). Exact routing in large road networks using
   contraction hierarchies. Transportation Science, 46(3), 388-404. doi:10.1287/trsc.1110.0401

"""

from __future__ import annotations

import numpy as np
from numba import njit

from cityloop.kernel.columns import BOOL, I32

__all__ = ["SETTLE_MOST", "contract", "empty_order"]

SETTLE_MOST = 60
"""Nodes a witness search settles before it gives up and lets a shortcut be added: more shortcuts,
never a wrong distance."""

_FAR = np.int32(2**30)

_Links = tuple[I32, I32, I32, I32]


@njit(cache=True)
def _push(heap_key: I32, heap_node: I32, size: int, key: int, node: int) -> int:
    """Add an entry to a binary heap held in two arrays and return the new size."""
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if heap_key[up] <= key:
            break
        heap_key[at], heap_node[at] = heap_key[up], heap_node[up]
        at = up
    heap_key[at], heap_node[at] = key, node
    return size + 1


@njit(cache=True)
def _pop(heap_key: I32, heap_node: I32, size: int) -> int:
    """Take the least entry off the heap; it is left at ``size - 1``, which is the new size."""
    size -= 1
    key, node = heap_key[size], heap_node[size]
    heap_key[size], heap_node[size] = heap_key[0], heap_node[0]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and heap_key[down + 1] < heap_key[down]:
            down += 1
        if heap_key[down] >= key:
            break
        heap_key[at], heap_node[at] = heap_key[down], heap_node[down]
        at = down
    if size > 0:
        heap_key[at], heap_node[at] = key, node
    return size


@njit(cache=True)
def _link(first: I32, nxt: I32, other: I32, cost: I32, count: int, at: int, to: int, weight: int) -> int:
    """Add an arc to a linked adjacency, or lessen the one that is there; return the count of entries."""
    entry = first[at]
    while entry >= 0:
        if other[entry] == to:
            if weight < cost[entry]:
                cost[entry] = weight
            return count
        entry = nxt[entry]
    other[count], cost[count], nxt[count] = to, weight, first[at]
    first[at] = count
    return count + 1


@njit(cache=True)
def _witness(source: int, banned: int, most: int, alive: BOOL, graph: _Links, scratch: _Links, settle_most: int) -> int:
    """Settle up to ``settle_most`` nodes from ``source`` without ``banned``; leaves distances in ``far``."""
    first, nxt, other, cost = graph
    far, touched, heap_key, heap_node = scratch
    n_touched = 0
    far[source] = 0
    touched[n_touched] = source
    n_touched += 1
    size = _push(heap_key, heap_node, 0, 0, source)
    settled = 0
    while size > 0 and settled < settle_most:
        size = _pop(heap_key, heap_node, size)
        key, node = heap_key[size], heap_node[size]
        if key > far[node]:
            continue
        if key > most:
            break
        settled += 1
        entry = first[node]
        while entry >= 0:
            to = other[entry]
            if to != banned and alive[to]:
                reach = key + cost[entry]
                if reach < far[to] and reach <= most:
                    if far[to] == _FAR:
                        touched[n_touched] = to
                        n_touched += 1
                    far[to] = reach
                    if size < len(heap_key) - 1:
                        size = _push(heap_key, heap_node, size, reach, to)
            entry = nxt[entry]
    return n_touched


@njit(cache=True)
def _shortcuts(
    v: int, alive: BOOL, out_graph: _Links, in_graph: _Links, scratch: _Links, settle_most: int, found: I32
) -> tuple[int, int]:
    """Count the shortcuts that removing ``v`` needs and write them to ``found``; also count its arcs."""
    far, touched = scratch[0], scratch[1]
    out_first, out_next, out_other, out_cost = out_graph
    in_first, in_next, in_other, in_cost = in_graph
    longest = np.int32(0)
    arcs = 0
    entry = out_first[v]
    while entry >= 0:
        if alive[out_other[entry]]:
            arcs += 1
            longest = max(longest, out_cost[entry])
        entry = out_next[entry]
    count = 0
    entry = in_first[v]
    while entry >= 0:
        u = in_other[entry]
        if alive[u]:
            arcs += 1
            n_touched = _witness(u, v, in_cost[entry] + longest, alive, out_graph, scratch, settle_most)
            leave = out_first[v]
            while leave >= 0:
                w = out_other[leave]
                if alive[w] and w != u:
                    through = in_cost[entry] + out_cost[leave]
                    if far[w] > through and count < len(found):
                        found[count, 0], found[count, 1], found[count, 2] = u, w, through
                        count += 1
                leave = out_next[leave]
            for k in range(n_touched):
                far[touched[k]] = _FAR
        entry = in_next[entry]
    return count, arcs


@njit(cache=True)
def contract(
    n: int, tails: I32, heads: I32, costs: I32, given_order: I32, settle_most: int
) -> tuple[I32, I32, I32, I32]:
    """Order the nodes and return ``(rank, tails, heads, costs)`` of the arcs with all shortcuts.

    Parameters
    ----------
    n
        Number of nodes.
    tails, heads, costs
        Arcs, int32; costs in whole milliseconds, at least 1.
    given_order
        Nodes in the order to contract them, or empty to find one by edge difference, depth and removed neighbours.
    settle_most
        Nodes a witness search settles.

    """
    room = len(tails) * 8 + 1024
    out_first, in_first = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    out_next, in_next = np.empty(room, np.int32), np.empty(room, np.int32)
    out_other, in_other = np.empty(room, np.int32), np.empty(room, np.int32)
    out_cost, in_cost = np.empty(room, np.int32), np.empty(room, np.int32)
    n_out = 0
    n_in = 0
    for a in range(len(tails)):
        if tails[a] != heads[a]:
            n_out = _link(out_first, out_next, out_other, out_cost, n_out, tails[a], heads[a], costs[a])
            n_in = _link(in_first, in_next, in_other, in_cost, n_in, heads[a], tails[a], costs[a])
    out_graph = (out_first, out_next, out_other, out_cost)
    in_graph = (in_first, in_next, in_other, in_cost)
    alive = np.ones(n, np.bool_)
    rank = np.zeros(n, np.int32)
    depth = np.zeros(n, np.int32)
    removed = np.zeros(n, np.int32)
    scratch = (
        np.full(n, _FAR, np.int32),
        np.empty(n, np.int32),
        np.empty(4096, np.int32),
        np.empty(4096, np.int32),
    )
    found = np.empty((65_536, 3), np.int32)
    queue_key, queue_node = np.empty(2 * n + 16, np.int32), np.empty(2 * n + 16, np.int32)
    size = 0
    given = len(given_order) == n
    if not given:
        for v in range(n):
            count, arcs = _shortcuts(v, alive, out_graph, in_graph, scratch, settle_most // 2, found)
            size = _push(queue_key, queue_node, size, 4 * count - 2 * arcs, v)
    done = 0
    while done < n:
        if given:
            v = given_order[done]
        else:
            size = _pop(queue_key, queue_node, size)
            v = queue_node[size]
        count, arcs = _shortcuts(v, alive, out_graph, in_graph, scratch, settle_most, found)
        if not given:
            key = 4 * count - 2 * arcs + 2 * int(depth[v]) + int(removed[v])
            if size > 0 and key > queue_key[0]:
                size = _push(queue_key, queue_node, size, key, v)
                continue
        if n_out + count >= room or n_in + count >= room:
            more = np.empty(room, np.int32)
            out_next, out_other = np.concatenate((out_next, more)), np.concatenate((out_other, more))
            in_next, in_other = np.concatenate((in_next, more)), np.concatenate((in_other, more))
            out_cost, in_cost = np.concatenate((out_cost, more)), np.concatenate((in_cost, more))
            out_graph = (out_first, out_next, out_other, out_cost)
            in_graph = (in_first, in_next, in_other, in_cost)
            room *= 2
        alive[v] = False
        rank[v] = done
        done += 1
        for k in range(count):
            u, w, through = found[k, 0], found[k, 1], found[k, 2]
            n_out = _link(out_first, out_next, out_other, out_cost, n_out, u, w, through)
            n_in = _link(in_first, in_next, in_other, in_cost, n_in, w, u, through)
        for first, nxt, other in ((out_first, out_next, out_other), (in_first, in_next, in_other)):
            entry = first[v]
            while entry >= 0:
                to = other[entry]
                if alive[to]:
                    depth[to] = max(depth[to], depth[v] + 1)
                    removed[to] += 1
                entry = nxt[entry]
    n_arcs = 0
    for v in range(n):
        entry = out_first[v]
        while entry >= 0:
            n_arcs += 1
            entry = out_next[entry]
    all_tails, all_heads = np.empty(n_arcs, np.int32), np.empty(n_arcs, np.int32)
    all_costs = np.empty(n_arcs, np.int32)
    at = 0
    for v in range(n):
        entry = out_first[v]
        while entry >= 0:
            all_tails[at], all_heads[at], all_costs[at] = v, out_other[entry], out_cost[entry]
            at += 1
            entry = out_next[entry]
    return rank, all_tails, all_heads, all_costs


def empty_order() -> I32:
    """Return the order that lets ``contract`` find its own."""
    return np.empty(0, np.int32)
