"""The cheapest round of one day at given prices: customers in order, and how much of its load each is given.

A walk may return to a customer once it has been far enough away: beside a place only those of its neighbours that lie
behind are remembered [1]_. Every round that calls once at each customer is such a walk, so the cheapest walk costs no
more than the cheapest round. Amounts are whole numbers between the bounds of a kind of visit.

References
----------
.. [1] Baldacci, R., Mingozzi, A. and Roberti, R. (2011). New route relaxation and pricing strategies for the vehicle
   routing problem. Operations Research, 59(5), 1269-1283. doi:10.1287/opre.1110.0975
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.methods.vrp_kernel import compiled

__all__ = ["Kinds", "Memory", "Walk", "memory_of", "new_table", "walks_of"]

_FAR = 1e15


@dataclass(frozen=True, slots=True)
class Kinds:
    """Kinds of visits of one day, ordered by place."""

    begin: I64
    """First kind of each place, and one past the last; row 0, the supplier, has none."""
    low: I64
    """Least amount, 1 or more."""
    high: I64


class Memory(NamedTuple):
    """Which neighbours each place remembers."""

    after: I64
    """Shape (n, sets, n): what is remembered after a move, -1 where it leads to a remembered place."""


class Table(NamedTuple):
    """Costs of walks by load, place and what is remembered."""

    arrived: F64
    """Before the place is served."""
    served: F64
    queue: I64
    """Loads that may come before a kind of visit, those first whose walks cost least."""
    head: I64
    tail: I64


class Walk(NamedTuple):
    """A walk from the supplier and back."""

    price: float
    """Its driving less what its visits are worth."""
    places: tuple[int, ...]
    kinds: tuple[int, ...]
    amounts: tuple[int, ...]


def memory_of(way: F64, neighbours: int) -> Memory:
    """Return which neighbours each place remembers: so many that are nearest."""
    n = len(way)
    many = min(neighbours, max(n - 2, 0))
    near = [[int(o) for o in np.argsort(way[p], kind="stable") if o not in (0, p)][:many] for p in range(n)]
    after = np.full((n, 1 << many, n), -1, np.int64)
    for place in range(1, n):
        for known in range(1 << many):
            behind = {place} | {near[place][bit] for bit in range(many) if known >> bit & 1}
            for then in range(1, n):
                if then not in behind:
                    after[place, known, then] = sum(1 << bit for bit, o in enumerate(near[then]) if o in behind)
    return Memory(after)


def new_table(capacity: int, memory: Memory, kinds: int) -> Table:
    """Return a table for walks of at most so much load."""
    n, sets = memory.after.shape[:2]
    return Table(
        np.zeros((capacity + 1, n, sets)),
        np.zeros((capacity + 1, n, sets)),
        np.zeros((kinds, sets, capacity + 1), np.int64),
        np.zeros((kinds, sets), np.int64),
        np.zeros((kinds, sets), np.int64),
    )


def walks_of(table: Table, memory: Memory, way: F64, kinds: Kinds, worth: F64, rate: F64) -> list[Walk]:
    """Return for every last place the cheapest walk, cheapest first.

    Parameters
    ----------
    way
        Distances less the prices of the legs.
    worth
        What each kind of visit is worth, whatever it brings.
    rate
        What a unit brought by it is worth.
    """
    _fill(table, memory.after, way, kinds.begin, kinds.low, kinds.high, worth, rate)
    closed = table.served + way[:, 0][None, :, None]
    found = []
    for last in range(1, len(way)):
        flat = closed[:, last]
        load, known = divmod(int(flat.argmin()), flat.shape[1])
        if flat[load, known] < _FAR / 2:
            found.append((float(flat[load, known]), last, load, known))
    found.sort()
    stops = np.zeros((len(table.served), 3), np.int64)
    walks = []
    for price, last, load, known in found:
        count = _trace(
            table, memory.after, way, kinds.begin, kinds.low, kinds.high, worth, rate, last, load, known, stops
        )
        places, used, amounts = (tuple(int(v) for v in stops[:count, part][::-1]) for part in range(3))
        walks.append(Walk(price, places, used, amounts))
    return walks


@compiled
def _trace(
    table: Any, after: Any, way: Any, begin: Any, low: Any, high: Any, worth: Any, rate: Any,
    place: int, load: int, known: int, stops: Any,
) -> int:  # fmt: skip
    """Write a walk's places, kinds and amounts, the last first; return how many stops it has."""
    n, sets = after.shape[0], after.shape[1]
    count = 0
    while True:
        best = _FAR
        for kind in range(begin[place], begin[place + 1]):
            for part in range(low[kind], min(high[kind], load) + 1):
                cost = table.arrived[load - part, place, known] - worth[kind] - rate[kind] * part
                if cost < best:
                    best = cost
                    stops[count, 0], stops[count, 1], stops[count, 2] = place, kind, part
        load -= stops[count, 2]
        count += 1
        if load == 0:
            return count
        best, then, kept = _FAR, 0, 0
        for before in range(1, n):
            for memory in range(sets):
                cost = table.served[load, before, memory] + way[before, place]
                if cost < best and after[before, memory, place] == known:
                    best, then, kept = cost, before, memory
        place, known = then, kept


@compiled
def _fill(table: Any, after: Any, way: Any, begin: Any, low: Any, high: Any, worth: Any, rate: Any) -> None:
    n, sets = after.shape[0], after.shape[1]
    most = table.served.shape[0]
    for load in range(most):
        for place in range(n):
            for known in range(sets):
                table.arrived[load, place, known] = _FAR
                table.served[load, place, known] = _FAR
    for kind in range(len(low)):
        for known in range(sets):
            table.head[kind, known] = 0
            table.tail[kind, known] = 0
    for place in range(1, n):
        table.arrived[0, place, 0] = way[0, place]
    for load in range(1, most):
        for place in range(1, n):
            for kind in range(begin[place], begin[place + 1]):
                new = load - low[kind]
                if new < 0:
                    continue
                per = rate[kind]
                for known in range(sets):
                    queue = table.queue[kind, known]
                    head, tail = table.head[kind, known], table.tail[kind, known]
                    if table.arrived[new, place, known] < _FAR:
                        fresh = table.arrived[new, place, known] + per * new
                        while (
                            tail > head
                            and table.arrived[queue[tail - 1], place, known] + per * queue[tail - 1] >= fresh
                        ):
                            tail -= 1
                        queue[tail] = new
                        tail += 1
                    while head < tail and queue[head] < load - high[kind]:
                        head += 1
                    table.head[kind, known], table.tail[kind, known] = head, tail
                    if head < tail:
                        before = queue[head]
                        cost = table.arrived[before, place, known] - worth[kind] - per * (load - before)
                        table.served[load, place, known] = min(table.served[load, place, known], cost)
        for place in range(1, n):
            for known in range(sets):
                cost = table.served[load, place, known]
                if cost >= _FAR:
                    continue
                for then in range(1, n):
                    to = after[place, known, then]
                    if to >= 0 and cost + way[place, then] < table.arrived[load, then, to]:
                        table.arrived[load, then, to] = cost + way[place, then]
