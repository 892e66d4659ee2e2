"""Improve a routing plan by ruin and recreate under a given budget.

The compiled part is in ``vrp_moves``. Chance comes from the generator handed in and the budget from
``progress(iteration)``, a share of the work done: the caller counts iterations or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import I32
from cityloop.methods.vrp import MUST, Fleet, Plan, Problem, arrays_of
from cityloop.methods.vrp_insert import insert_client
from cityloop.methods.vrp_kernel import Routes, new_routes
from cityloop.methods.vrp_moves import Store, anneal, total_cost
from cityloop.methods.vrp_reloads import place_reloads

__all__ = ["SearchParams", "improve", "new_store", "warm_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParams:
    """How the search cools and how far it looks."""

    hot_frac: float = 0.3
    """First temperature as a share of the mean leg of the plan."""
    cold_frac: float = 0.003
    """Last temperature as a share of the mean leg of the plan."""
    n_near: int = 50
    """Neighbours beside which a client is put back."""
    block: int = 500
    """Iterations between two looks at the budget."""

    def __post_init__(self) -> None:
        """Refuse temperatures that do not fall."""
        if not 0 < self.cold_frac <= self.hot_frac or self.n_near < 1 or self.block < 1:
            raise ValueError("0 < cold_frac <= hot_frac, n_near >= 1 and block >= 1 must hold")


def improve(
    problem: Problem,
    start: Sequence[Sequence[int]],
    progress: Callable[[int], float],
    rng: np.random.Generator,
    params: SearchParams | None = None,
    *,
    frozen: Sequence[int] = (),
    home: I32 | None = None,
    move_cost: int = 0,
    on_better: Callable[[Plan], None] | None = None,
) -> Plan:
    """Return the best plan found from a start.

    Parameters
    ----------
    start
        One route a vehicle, without its start and end; clients in none are put in first where they fit.
    progress
        Given the iterations done, the share of the budget spent; the search ends at 1.
    frozen
        Clients that stay in the route they stand in.
    home
        Vehicle of each node before a re-plan, or -1; serving it with another costs ``move_cost``.
    on_better
        Told the best plan so far between two blocks, whenever it has improved.
    """
    chosen = params or SearchParams()
    arrays = arrays_of(problem, chosen.n_near)
    first, n = problem.first_client, problem.end_primary
    most = int(min(n - first, int(problem.fleet.max_stops.max(initial=0))))
    room = min(2 * most, most + max(40, max((len(route) for route in start), default=0) - most)) + 8
    routes = new_routes(arrays, max(room, max((len(route) for route in start), default=0) + 8))
    store = new_store(problem, routes, rng, frozen, home, move_cost)
    _load(problem, arrays, routes, store, start)
    legs = max(1, int(routes.length.sum()) - len(routes.length))
    mean_leg = max(1.0, float(routes.cost.sum()) / legs)
    iteration, told = 0, 1 << 62
    share = progress(0)
    while share < 1 and n > first:
        heat = mean_leg * chosen.hot_frac * (chosen.cold_frac / chosen.hot_frac) ** share
        anneal(arrays, routes, store, chosen.block, heat, heat)
        iteration += chosen.block
        share = max(share, progress(iteration))
        if on_better is not None and store.figures[1] < told:
            told = int(store.figures[1])
            on_better(_best(problem, store, iteration))
    if iteration == 0:
        anneal(arrays, routes, store, 0, 1.0, 1.0)
    return _best(problem, store, iteration)


def new_store(
    problem: Problem,
    routes: Routes,
    rng: np.random.Generator,
    frozen: Sequence[int],
    home: I32 | None,
    move_cost: int,
) -> Store:
    """Return an empty memory for a search over these routes."""
    n = problem.n_nodes
    fixed = np.zeros(n, np.int8)
    fixed[list(frozen)] = 1
    return Store(
        saved_nodes=np.zeros_like(routes.nodes),
        saved_length=np.zeros_like(routes.length),
        saved_leg=np.zeros_like(routes.leg),
        saved_drive=np.zeros_like(routes.drive),
        saved_leave=np.zeros_like(routes.leave),
        saved_latest=np.zeros_like(routes.latest),
        touched=np.zeros(len(routes.length), np.int8),
        out=np.zeros(n + 1, np.int32),
        saved_out=np.zeros(n + 1, np.int32),
        best_nodes=np.zeros_like(routes.nodes),
        best_length=np.zeros_like(routes.length),
        best_out=np.zeros(n + 1, np.int32),
        pool=np.zeros(2 * n + 1, np.int32),
        order=np.zeros(2 * n + 1),
        dice=np.array([rng.integers(1, 1 << 63)], np.uint64),
        fixed=fixed,
        asked=np.zeros(n, np.int8),
        home=np.full(n, -1, np.int32) if home is None else np.ascontiguousarray(home, np.int32),
        move_cost=np.array([move_cost], np.int64),
        places=np.zeros((len(routes.length) * routes.nodes.shape[1] + 2 * n + 200, 2), np.int32),
        seen=np.zeros(len(routes.length) + 1, np.int64),
        pick=np.zeros(6, np.int64),
        missed=np.ones(n, np.int64),
        figures=np.zeros(3, np.int64),
    )


def _load(problem: Problem, arrays: object, routes: Routes, store: Store, start: Sequence[Sequence[int]]) -> None:
    """Fill the routes with a start; where a route is not legal, its tail is cut off and put back elsewhere."""
    fleet = problem.fleet
    loose: list[int] = []
    other = np.full(problem.n_nodes, -1) if problem.twin is None else problem.twin

    def client_of(node: int) -> int:
        return node if node < problem.end_primary else int(other[node])

    seen: set[int] = set()
    for v in range(len(fleet)):
        given = list(start[v]) if v < len(start) else []
        # A start may have been made for any vehicle: what this one may not visit is put in elsewhere.
        mine = [node for node in given if fleet.allowed[v, node]]
        middle = [node for node in mine if node < problem.first_client or client_of(node) not in seen]
        clients = [client_of(node) for node in middle if node >= problem.first_client]
        seen.update(clients)
        if not _set_route(problem, arrays, routes, v, middle):
            kept = _set_longest(problem, arrays, routes, v, middle)
            rest = [client_of(node) for node in middle[kept:] if node >= problem.first_client]
            routes.vehicle_of[rest] = -1
            loose += rest
    loose += [client for client in range(problem.first_client, problem.end_primary) if client not in seen]
    # The farthest first: they fill one vehicle after another, and those on their way find room later.
    home = int(fleet.end[0]) if len(fleet) else 0
    loose.sort(key=lambda client: -int(problem.distance[home, client]))
    left = [
        client
        for client in loose
        if not insert_client(arrays, routes, store, client, 1, 0.0)
        and not insert_client(arrays, routes, store, client, 2, 0.0)
    ]
    store.out[: len(left)] = left
    store.out[-1] = len(left)
    store.touched[:] = 0
    store.figures[0] = total_cost(arrays, routes, store)


def _set_route(problem: Problem, arrays: object, routes: Routes, v: int, middle: list[int]) -> bool:
    nodes = [int(problem.fleet.start[v]), *middle, int(problem.fleet.end[v])]
    routes.nodes[v, : len(nodes)] = nodes
    routes.length[v] = len(nodes)
    legal: bool = place_reloads(arrays, routes, v)
    return legal


def _set_longest(problem: Problem, arrays: object, routes: Routes, v: int, middle: list[int]) -> int:
    """Set the route to a long legal beginning of a given one, found by halving; return its length."""
    low, high = 0, len(middle)
    while low + 1 < high:
        half = (low + high) // 2
        if _set_route(problem, arrays, routes, v, middle[:half]):
            low = half
        else:
            high = half
    if not _set_route(problem, arrays, routes, v, middle[:low]):
        _set_route(problem, arrays, routes, v, [])
        return 0
    return low


def _best(problem: Problem, store: Store, iterations: int) -> Plan:
    routes = tuple(
        tuple(int(node) for node in store.best_nodes[v, 1 : store.best_length[v] - 1])
        for v in range(len(problem.fleet))
    )
    left = tuple(sorted(int(client) for client in store.best_out[: store.best_out[-1]]))
    return Plan(routes, left, int(store.figures[1]), iterations)


def warm_up(rng: np.random.Generator) -> None:
    """Compile the kernels on a problem of two clients, so that a budget of seconds is not spent on that."""
    n, some = 4, np.ones((1, 1), np.int64)
    fleet = Fleet(
        start=np.zeros(1, np.int32), end=np.zeros(1, np.int32), open=np.zeros(1, np.int64), close=100 * some[0],
        capacity=2 * some, daily=2 * some, max_stops=2 * some[0], fixed_cost=np.zeros(1, np.int64), load=0 * some,
        allowed=np.ones((1, n), bool), breaks=np.zeros((1, 0, 3), np.int64), breaks_taken=np.zeros(1, np.int64),
    )  # fmt: skip
    ways = np.ones((n, n), np.int32)
    problem = Problem(
        n_depots=1, n_reloads=1, distance=ways, duration=ways, early=np.zeros(n, np.int64), late=np.full(n, 100),
        service=np.zeros(n, np.int64), demand=np.array([[0], [0], [1], [1]]), prize=np.full(n, MUST), fleet=fleet,
        queue=np.zeros((1, 1), np.int32), slot=100,
    )  # fmt: skip
    improve(problem, (), lambda iteration: iteration / 10, rng, SearchParams(block=10))
