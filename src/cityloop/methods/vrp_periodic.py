"""Rounds over several days: which of its days each customer is visited on, and the routes, searched together.

A customer has options, each a set of visits on some days with a load for each; a visit is a node of the routing
problem that only the vehicles of its day may serve. One iteration takes some customers out of all of their days and
puts each back with the option that costs least over its days. Days share no vehicle, so the price of an option is
the sum of its visits' prices and exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cityloop.kernel.columns import I32, I64
from cityloop.methods.inventory_order import lean_days, shuffle
from cityloop.methods.vrp import Problem, arrays_of
from cityloop.methods.vrp_insert import draw, put_picked, touch, try_place
from cityloop.methods.vrp_kernel import compiled, new_routes
from cityloop.methods.vrp_moves import keep_best, undo
from cityloop.methods.vrp_reloads import place_reloads
from cityloop.methods.vrp_search import SearchParams, new_store

__all__ = ["Options", "PeriodicPlan", "improve_periodic"]

NO_OPTION = -1
REMOVED_MOST = 12
STRING_SHARE = 0.6
SKIP = 0.15
BLINK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How each customer may be visited."""

    visits: Sequence[Sequence[Sequence[int]]]
    """For every customer and option the nodes of its visits; none is an option too."""
    cost: Sequence[Sequence[int]]
    """What an option costs beside driving."""
    unserved: Sequence[int]
    """Cost of serving a customer by no option."""
    node_day: I32
    """Day of each node, -1 for depots and reload sites."""
    vehicle_day: I32
    """Day of each vehicle."""
    supply: I64 | None = None
    """Load that may leave by the end of each day at the most, counted from the first; None: no bound."""
    lean: float = 0.0
    """How often days are made dearer or cheaper by chance while customers are put back, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class PeriodicPlan:
    """Routes over all days and the option chosen for every customer, -1 for none."""

    routes: tuple[tuple[int, ...], ...]
    chosen: tuple[int, ...]
    cost: int
    iterations: int


class _Choice(NamedTuple):
    """Options as the kernels take them, and what is chosen."""

    begin: I32
    """First option of each customer, and one past the last."""
    visits: I32
    """Nodes of each option's visits, -1 after the last."""
    cost: I64
    unserved: I64
    node_day: I32
    vehicle_day: I32
    customer_of: I32
    near: I32
    supply: I64
    chosen: I32
    saved: I32
    best: I32
    day_load: I64
    lean: I64
    """What a visit seems to cost more by its day."""
    price: I64
    """Cost of the best place of each node looked at."""
    place: I64
    """``Store.pick`` of the best place of each node looked at."""
    out: I32


def improve_periodic(
    problem: Problem,
    options: Options,
    progress: Callable[[int], float],
    rng: np.random.Generator,
    params: SearchParams | None = None,
    start: PeriodicPlan | None = None,
) -> PeriodicPlan:
    """Return the best plan found, from a given one or from none.

    Parameters
    ----------
    progress
        Given the iterations done, the share of the budget spent; the search ends at 1.
    """
    chosen = params or SearchParams()
    arrays = arrays_of(problem, 1)
    n_customers = len(options.visits)
    longest = max((len(route) for route in start.routes), default=0) if start else 0
    routes = new_routes(arrays, max(longest, 2 * n_customers) + 8)
    store = new_store(problem, routes, rng, (), None, 0)
    choice = _choice_of(problem, options)
    for v in range(len(problem.fleet)):
        nodes = [int(problem.fleet.start[v]), *(start.routes[v] if start else ()), int(problem.fleet.end[v])]
        routes.nodes[v, : len(nodes)] = nodes
        routes.length[v] = len(nodes)
        place_reloads(arrays, routes, v)
    if start is not None:
        rows = np.array(start.chosen)
        choice.chosen[:] = np.where(rows >= 0, choice.begin[:-1] + rows, NO_OPTION)
    choice.out[:n_customers] = rng.permutation(n_customers)
    fill(arrays, routes, store, choice)
    legs = max(1, int(routes.length.sum()) - len(routes.length))
    mean_leg = max(1.0, float(routes.cost.sum()) / legs)
    iteration, share = 0, progress(0)
    while True:
        heat = mean_leg * chosen.hot_frac * (chosen.cold_frac / chosen.hot_frac) ** min(share, 1.0)
        anneal_periodic(arrays, routes, store, choice, chosen.block if share < 1 else 0, heat, options.lean)
        if share >= 1:
            break
        iteration += chosen.block
        share = max(share, progress(iteration))
    found = tuple(
        tuple(int(node) for node in store.best_nodes[v, 1 : store.best_length[v] - 1])
        for v in range(len(problem.fleet))
    )
    rows = np.where(choice.best >= 0, choice.best - choice.begin[:-1], NO_OPTION)
    return PeriodicPlan(found, tuple(int(row) for row in rows), int(store.figures[1]), iteration)


def _choice_of(problem: Problem, options: Options) -> _Choice:
    counts = [len(each) for each in options.visits]
    begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    width = max((len(visits) for each in options.visits for visits in each), default=1)
    table = np.full((int(begin[-1]), max(width, 1)), -1, np.int32)
    customer_of = np.full(problem.n_nodes, -1, np.int32)
    at = np.zeros(len(counts), np.int64)
    for customer, each in enumerate(options.visits):
        for row, visits in enumerate(each):
            table[begin[customer] + row, : len(visits)] = visits
            customer_of[list(visits)] = customer
            at[customer] = visits[0] if len(visits) else at[customer]
    both = problem.distance[np.ix_(at, at)].astype(np.int64)
    both = both + both.T
    days = int(options.vehicle_day.max(initial=0)) + 1
    bound = np.full(days, np.int64(1) << 50) if options.supply is None else options.supply.astype(np.int64)
    n = len(counts)
    return _Choice(
        begin=begin,
        visits=table,
        cost=np.array([cost for each in options.cost for cost in each], np.int64),
        unserved=np.array(options.unserved, np.int64),
        node_day=options.node_day.astype(np.int32),
        vehicle_day=options.vehicle_day.astype(np.int32),
        customer_of=customer_of,
        near=np.argsort(both, axis=1, kind="stable").astype(np.int32),
        supply=bound,
        chosen=np.full(n, NO_OPTION, np.int32),
        saved=np.full(n, NO_OPTION, np.int32),
        best=np.full(n, NO_OPTION, np.int32),
        day_load=np.zeros(days, np.int64),
        lean=np.zeros(days, np.int64),
        price=np.zeros(problem.n_nodes, np.int64),
        place=np.zeros((problem.n_nodes, 6), np.int64),
        out=np.zeros(n, np.int32),
    )


@compiled
def _total(problem: Any, routes: Any, choice: Any) -> Any:
    cost = np.int64(0)
    for v in range(len(problem.start)):
        cost += routes.cost[v]
    for c in range(len(choice.chosen)):
        cost += choice.unserved[c] if choice.chosen[c] < 0 else choice.cost[choice.chosen[c]]
    return cost


@compiled
def _count_loads(problem: Any, choice: Any) -> None:
    for d in range(len(choice.day_load)):
        choice.day_load[d] = 0
    for c in range(len(choice.chosen)):
        row = choice.chosen[c]
        if row >= 0:
            for j in range(choice.visits.shape[1]):
                node = choice.visits[row, j]
                if node >= 0:
                    choice.day_load[choice.node_day[node]] += problem.demand[node, 0]


@compiled
def _supplied(problem: Any, choice: Any, row: int) -> bool:
    """Whether there is enough by the end of each day for an option beside what is chosen."""
    left = np.int64(0)
    for d in range(len(choice.day_load)):
        left += choice.day_load[d]
        for j in range(choice.visits.shape[1]):
            node = choice.visits[row, j]
            if node >= 0 and choice.node_day[node] == d:
                left += problem.demand[node, 0]
        if left > choice.supply[d]:
            return False
    return True


@compiled
def _price(problem: Any, routes: Any, store: Any, choice: Any, node: int, blink: float) -> None:
    """Find the best place of a visit on its day."""
    pick = store.pick
    pick[0], pick[1] = np.int64(1) << 50, -1
    into, away = problem.into[node], problem.distance[node]
    idle = False
    for v in range(len(problem.start)):
        if choice.vehicle_day[v] != choice.node_day[node]:
            continue
        if routes.stops[v] == 0:
            if idle:
                continue
            idle = True
        for p in range(routes.length[v] - 1):
            bare = np.int64(into[routes.nodes[v, p]]) + away[routes.nodes[v, p + 1]] - routes.leg[v, p]
            if bare < pick[0] and draw(store.dice) >= blink:
                try_place(problem, routes, store, node, v, p, bare)
    choice.price[node] = pick[0] if pick[1] >= 0 else np.int64(1) << 50
    for i in range(6):
        choice.place[node, i] = pick[i]


@compiled
def _settle(problem: Any, routes: Any, store: Any, choice: Any, c: int, blink: float) -> None:
    """Choose a customer's option and put its visits where they cost least."""
    for row in range(choice.begin[c], choice.begin[c + 1]):
        for j in range(choice.visits.shape[1]):
            node = choice.visits[row, j]
            if node >= 0:
                choice.price[node] = -(np.int64(1) << 50)
    best, least = NO_OPTION, np.int64(choice.unserved[c])
    for row in range(choice.begin[c], choice.begin[c + 1]):
        cost = np.int64(choice.cost[row])
        if not _supplied(problem, choice, row):
            continue
        for j in range(choice.visits.shape[1]):
            node = choice.visits[row, j]
            if node < 0:
                break
            if choice.price[node] == -(np.int64(1) << 50):
                _price(problem, routes, store, choice, node, blink)
            cost += choice.price[node] + choice.lean[choice.node_day[node]]
        if cost < least:
            best, least = row, cost
    choice.chosen[c] = best
    if best < 0:
        return
    for j in range(choice.visits.shape[1]):
        node = choice.visits[best, j]
        if node >= 0:
            for i in range(6):
                store.pick[i] = choice.place[node, i]
            put_picked(problem, routes, store)
            choice.day_load[choice.node_day[node]] += problem.demand[node, 0]


@compiled
def fill(problem: Any, routes: Any, store: Any, choice: Any) -> None:
    """Put in every customer that has no option yet, in the order of ``choice.out``."""
    _count_loads(problem, choice)
    for i in range(len(choice.chosen)):
        c = choice.out[i]
        if choice.chosen[c] < 0:
            _settle(problem, routes, store, choice, c, 0.0)
    for v in range(len(problem.start)):
        store.touched[v] = 0


@compiled
def _take_out(problem: Any, routes: Any, store: Any, choice: Any) -> int:
    """Take customers out of all of their days; return how many."""
    customers = len(choice.chosen)
    seed = int(draw(store.dice) * customers)
    most = 1 + int(draw(store.dice) * min(REMOVED_MOST, customers))
    count = 0
    row = choice.chosen[seed]
    along = draw(store.dice) < STRING_SHARE and row >= 0 and choice.visits[row, 0] >= 0
    if along:
        # Customers that stand beside one another in one route of the first one's days.
        visits = 0
        while visits < choice.visits.shape[1] and choice.visits[row, visits] >= 0:
            visits += 1
        node = choice.visits[row, int(draw(store.dice) * visits)]
        v, at = routes.vehicle_of[node], routes.position_of[node]
        p = max(1, at - int(draw(store.dice) * most))
        while p < routes.length[v] - 1 and count < most:
            if routes.nodes[v, p] >= problem.first_client:
                choice.out[count] = choice.customer_of[routes.nodes[v, p]]
                count += 1
            p += 1
    else:
        for i in range(customers):
            if count >= most:
                break
            if i == 0 or draw(store.dice) >= SKIP:
                choice.out[count] = choice.near[seed, i]
                count += 1
    for i in range(count):
        row = choice.chosen[choice.out[i]]
        if row < 0:
            continue
        for j in range(choice.visits.shape[1]):
            node = choice.visits[row, j]
            if node >= 0:
                v = routes.vehicle_of[node]
                touch(routes, store, v)
                q = 0
                for p in range(routes.length[v]):
                    if routes.nodes[v, p] != node or p == 0 or p == routes.length[v] - 1:
                        routes.nodes[v, q] = routes.nodes[v, p]
                        q += 1
                routes.length[v] = q
                routes.vehicle_of[node] = -1
        choice.chosen[choice.out[i]] = NO_OPTION
    for v in range(len(problem.start)):
        if store.touched[v]:
            place_reloads(problem, routes, v)
    return count


@compiled
def anneal_periodic(
    problem: Any, routes: Any, store: Any, choice: Any, iterations: int, heat: float, lean: float
) -> None:
    """Take customers out, put them back with their best option, accept at a temperature; the best stays stored."""
    cost = _total(problem, routes, choice)
    if store.figures[2] == 0 or cost < store.figures[1]:
        store.figures[1] = cost
        keep_best(routes, store)
        for c in range(len(choice.chosen)):
            choice.best[c] = choice.chosen[c]
    store.figures[2] += 1
    for _ in range(iterations):
        for v in range(len(problem.start)):
            store.touched[v] = 0
        for c in range(len(choice.chosen)):
            choice.saved[c] = choice.chosen[c]
        count = _take_out(problem, routes, store, choice)
        # Customers without an option are tried again each time.
        for c in range(len(choice.chosen)):
            if choice.saved[c] < 0 and count < len(choice.out):
                known = False
                for i in range(count):
                    known = known or choice.out[i] == c
                if not known:
                    choice.out[count] = c
                    count += 1
        _count_loads(problem, choice)
        if lean > 0 and count > 0:
            lean_days(problem, store, choice, lean)
        shuffle(problem, store, choice, count)
        for i in range(count):
            _settle(problem, routes, store, choice, choice.out[i], BLINK)
        legal = True
        for v in range(len(problem.start)):
            if store.touched[v]:
                legal = place_reloads(problem, routes, v) and legal
        fresh = _total(problem, routes, choice)
        if legal and fresh < cost - heat * np.log(max(draw(store.dice), 1e-300)):
            cost = fresh
            if cost < store.figures[1]:
                store.figures[1] = cost
                keep_best(routes, store)
                for c in range(len(choice.chosen)):
                    choice.best[c] = choice.chosen[c]
        else:
            undo(problem, routes, store)
            for c in range(len(choice.chosen)):
                choice.chosen[c] = choice.saved[c]
