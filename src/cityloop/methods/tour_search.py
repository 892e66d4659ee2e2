"""The compiled half of the quick tour builder: savings and local search on small distance matrices.

Node 0 is the base; routes are rows of a matrix of node numbers, filled from the left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.kernel.columns import F64, I64

__all__ = ["improve", "savings", "straighten"]

Matrix = npt.NDArray[np.float64]
_LEAST_M = 1e-6
_PASSES = 50


@njit(cache=True)
def savings(d: Matrix, load: F64, capacity: float, neighbours: I64) -> tuple[I64, I64]:
    """Merge trips of one stop each, greatest saving first, among near neighbours."""
    n = d.shape[0] - 1
    near = neighbours.shape[1]
    gain = np.empty(n * near)
    first = np.empty(n * near, np.int64)
    second = np.empty(n * near, np.int64)
    m = 0
    for i in range(1, n + 1):
        for q in range(near):
            j = neighbours[i - 1, q]
            saved = d[0, i] + d[0, j] - d[i, j]
            if saved > 0.0:
                gain[m], first[m], second[m] = saved, i, j
                m += 1
    order = np.argsort(-gain[:m], kind="mergesort")
    route_of = np.arange(n + 1) - 1
    following = np.zeros(n + 1, np.int64)
    before = np.zeros(n + 1, np.int64)
    head = np.arange(n + 1)[1:].copy()
    tail = head.copy()
    carried = load[1:].copy()
    for o in order:
        i, j = first[o], second[o]
        a, b = route_of[i], route_of[j]
        if a == b or carried[a] + carried[b] > capacity:
            continue
        if (i != head[a] and i != tail[a]) or (j != head[b] and j != tail[b]):
            continue
        if i != tail[a]:
            _turn(a, head, tail, following, before)
        if j != head[b]:
            _turn(b, head, tail, following, before)
        following[i], before[j] = j, i
        tail[a] = tail[b]
        carried[a] += carried[b]
        carried[b] = 0.0
        k = j
        while k != 0:
            route_of[k] = a
            k = following[k]
        head[b] = 0
    count = 0
    for r in range(n):
        if head[r] != 0:
            count += 1
    routes = np.zeros((count + 1, n), np.int64)
    lengths = np.zeros(count + 1, np.int64)
    at = 0
    for r in range(n):
        if head[r] == 0:
            continue
        k = head[r]
        while k != 0:
            routes[at, lengths[at]] = k
            lengths[at] += 1
            k = following[k]
        at += 1
    return routes, lengths


@njit(cache=True)
def _turn(r: int, head: I64, tail: I64, following: I64, before: I64) -> None:
    k = head[r]
    while k != 0:
        after = following[k]
        following[k], before[k] = before[k], after
        k = after
    head[r], tail[r] = tail[r], head[r]


@njit(cache=True)
def _refresh(r: int, routes: I64, lengths: I64, load: F64, route_of: I64, place: I64, upto: Matrix) -> None:
    total = 0.0
    for p in range(lengths[r]):
        k = routes[r, p]
        route_of[k] = r
        place[k] = p
        total += load[k]
        upto[r, p] = total


@njit(cache=True)
def _at(routes: I64, lengths: I64, r: int, p: int) -> int:
    if p < 0 or p >= lengths[r]:
        return 0
    return int(routes[r, p])


@njit(cache=True)
def _weight(lengths: I64, upto: Matrix, r: int) -> float:
    return upto[r, lengths[r] - 1] if lengths[r] > 0 else 0.0


@njit(cache=True)
def _move(routes: I64, lengths: I64, a: int, p: int, size: int, b: int, q: int, flip: bool) -> None:
    """Take ``size`` stops from place ``p`` of trip ``a`` and put them behind place ``q`` of trip ``b``."""
    held = routes[a, p : p + size].copy()
    if flip:
        held = held[::-1].copy()
    for k in range(p, lengths[a] - size):
        routes[a, k] = routes[a, k + size]
    lengths[a] -= size
    if a == b and q > p:
        q -= size
    for k in range(lengths[b] - 1, q, -1):
        routes[b, k + size] = routes[b, k]
    for k in range(size):
        routes[b, q + 1 + k] = held[k]
    lengths[b] += size


@njit(cache=True)
def improve(
    d: Matrix, load: F64, capacity: float, neighbours: I64, routes: I64, lengths: I64, rounds: int
) -> tuple[I64, I64]:
    """Apply improving moves until none is left or ``rounds`` passes are done."""
    n = d.shape[0] - 1
    near = neighbours.shape[1]
    route_of = np.zeros(n + 1, np.int64)
    place = np.zeros(n + 1, np.int64)
    upto = np.zeros(routes.shape)
    for r in range(len(lengths)):
        _refresh(r, routes, lengths, load, route_of, place, upto)
    for _ in range(rounds):
        changed = False
        for u in range(1, n + 1):
            for q in range(near):
                v = neighbours[u - 1, q]
                if _try_pair(u, v, d, load, capacity, routes, lengths, route_of, place, upto):
                    changed = True
                    break
        if not changed:
            break
    return routes, lengths


@njit(cache=True)
def _try_pair(
    u: int,
    v: int,
    d: Matrix,
    load: F64,
    capacity: float,
    routes: I64,
    lengths: I64,
    route_of: I64,
    place: I64,
    upto: Matrix,
) -> bool:
    """Try every move that would put ``u`` next to ``v``; apply the first that shortens."""
    a, b, p, q = route_of[u], route_of[v], place[u], place[v]
    before_u, after_u = _at(routes, lengths, a, p - 1), _at(routes, lengths, a, p + 1)
    before_v, after_v = _at(routes, lengths, b, q - 1), _at(routes, lengths, b, q + 1)
    # Move u, or u with its successor, beside v.
    for size in (1, 2):
        if size == 2 and after_u == 0:
            continue
        last = u if size == 1 else after_u
        beyond = after_u if size == 1 else _at(routes, lengths, a, p + 2)
        if v == last:
            continue
        weight = load[u] if size == 1 else load[u] + load[after_u]
        if a != b and _weight(lengths, upto, b) + weight > capacity:
            continue
        gone = d[before_u, u] + d[last, beyond] - d[before_u, beyond]
        if v != before_u and after_v != u:
            # v, u, last, after_v
            change = d[v, u] + d[last, after_v] - d[v, after_v] - gone
            if change < -_LEAST_M:
                _move(routes, lengths, a, p, size, b, q, False)
                _refresh(a, routes, lengths, load, route_of, place, upto)
                _refresh(b, routes, lengths, load, route_of, place, upto)
                return True
        if before_v != last and v != beyond:
            # before_v, last, u, v
            change = d[before_v, last] + d[u, v] - d[before_v, v] - gone
            if change < -_LEAST_M:
                _move(routes, lengths, a, p, size, b, q - 1, True)
                _refresh(a, routes, lengths, load, route_of, place, upto)
                _refresh(b, routes, lengths, load, route_of, place, upto)
                return True
    if a == b:
        # Reverse what lies between u and v.
        if p < q:
            change = d[u, v] + d[after_u, after_v] - d[u, after_u] - d[v, after_v]
            if change < -_LEAST_M:
                routes[a, p + 1 : q + 1] = routes[a, p + 1 : q + 1][::-1].copy()
                _refresh(a, routes, lengths, load, route_of, place, upto)
                return True
        else:
            change = d[u, v] + d[before_u, before_v] - d[before_u, u] - d[before_v, v]
            if change < -_LEAST_M:
                routes[a, q:p] = routes[a, q:p][::-1].copy()
                _refresh(a, routes, lengths, load, route_of, place, upto)
                return True
        return False
    # Exchange the stop after v with u.
    if after_v != 0:
        x, beyond_x = after_v, _at(routes, lengths, b, q + 2)
        change = (
            d[v, u]
            + d[u, beyond_x]
            + d[before_u, x]
            + d[x, after_u]
            - d[v, x]
            - d[x, beyond_x]
            - d[before_u, u]
            - d[u, after_u]
        )
        if (
            change < -_LEAST_M
            and _weight(lengths, upto, a) - load[u] + load[x] <= capacity
            and _weight(lengths, upto, b) - load[x] + load[u] <= capacity
        ):
            routes[a, p], routes[b, q + 1] = x, u
            _refresh(a, routes, lengths, load, route_of, place, upto)
            _refresh(b, routes, lengths, load, route_of, place, upto)
            return True
    # Swap tails: v then u onwards.
    change = d[v, u] + d[before_u, after_v] - d[before_u, u] - d[v, after_v]
    if change < -_LEAST_M:
        head_a = upto[a, p] - load[u]
        tail_a = _weight(lengths, upto, a) - head_a
        tail_b = _weight(lengths, upto, b) - upto[b, q]
        if upto[b, q] + tail_a <= capacity and head_a + tail_b <= capacity:
            kept_a, kept_b = routes[a, p : lengths[a]].copy(), routes[b, q + 1 : lengths[b]].copy()
            for k in range(len(kept_b)):
                routes[a, p + k] = kept_b[k]
            for k in range(len(kept_a)):
                routes[b, q + 1 + k] = kept_a[k]
            lengths[a], lengths[b] = p + len(kept_b), q + 1 + len(kept_a)
            _refresh(a, routes, lengths, load, route_of, place, upto)
            _refresh(b, routes, lengths, load, route_of, place, upto)
            return True
    # Heads joined: v's head reversed onto u's tail reversed (u and v become neighbours as ends).
    change = d[u, v] + d[after_u, after_v] - d[u, after_u] - d[v, after_v]
    if change < -_LEAST_M:
        tail_a = _weight(lengths, upto, a) - upto[a, p]
        tail_b = _weight(lengths, upto, b) - upto[b, q]
        if upto[a, p] + upto[b, q] <= capacity and tail_a + tail_b <= capacity:
            rest_a, head_b = routes[a, p + 1 : lengths[a]].copy(), routes[b, : q + 1].copy()
            rest_b = routes[b, q + 1 : lengths[b]].copy()
            for k in range(len(head_b)):
                routes[a, p + 1 + k] = head_b[len(head_b) - 1 - k]
            lengths[a] = p + 1 + len(head_b)
            for k in range(len(rest_a)):
                routes[b, k] = rest_a[len(rest_a) - 1 - k]
            for k in range(len(rest_b)):
                routes[b, len(rest_a) + k] = rest_b[k]
            lengths[b] = len(rest_a) + len(rest_b)
            _refresh(a, routes, lengths, load, route_of, place, upto)
            _refresh(b, routes, lengths, load, route_of, place, upto)
            return True
    return False


@njit(cache=True)
def straighten(d: Matrix) -> I64:
    """Return the order of a path from the first to the last row of ``d`` that no turned or moved piece shortens."""
    n = d.shape[0]
    path = np.arange(n)
    for _ in range(_PASSES):
        gained = False
        for i in range(1, n - 2):
            for j in range(i + 1, n - 1):
                a, b, c, e = path[i - 1], path[i], path[j], path[j + 1]
                if d[a, c] + d[b, e] < d[a, b] + d[c, e] - _LEAST_M:
                    path[i : j + 1] = path[i : j + 1][::-1].copy()
                    gained = True
        for size in range(1, 4):
            for i in range(1, n - size):
                j = i + size - 1
                before, first, last, after = path[i - 1], path[i], path[j], path[j + 1]
                spared = d[before, first] + d[last, after] - d[before, after]
                best, place = _LEAST_M, -1
                for k in range(n - 1):
                    if i - 1 <= k <= j:
                        continue
                    a, b = path[k], path[k + 1]
                    gain = spared - (d[a, first] + d[last, b] - d[a, b])
                    if gain > best:
                        best, place = gain, k
                if place >= 0:
                    piece = path[i : j + 1].copy()
                    if place > j:
                        path[i : place - size + 1] = path[j + 1 : place + 1].copy()
                        path[place - size + 1 : place + 1] = piece
                    else:
                        path[place + 1 + size : j + 1] = path[place + 1 : i].copy()
                        path[place + 1 : place + 1 + size] = piece
                    gained = True
        if not gained:
            break
    return path
