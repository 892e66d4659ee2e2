"""Vehicle routing with reload sites, breaks and daily caps: the problem, and what a plan of it is.

Everything is integer: distances in any unit of length, times in any tick. Nodes are numbered depots first, then
reload sites (where a vehicle empties itself), then clients. ``vrp_pyvrp`` hands a problem to PyVRP, ``vrp_search``
improves a plan by removing and putting back clients; both answer with a ``Plan``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import BOOL, I32, I64

__all__ = ["FOREVER", "MUST", "Arrays", "Fleet", "Plan", "Problem", "arrays_of"]

FOREVER = 1 << 40
"""A tick after everything."""

MUST = 20_000_000
"""Prize from which on a client has to be served: leaving it out is never worth it."""

MAX_BREAKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The vehicles, one row each."""

    start: I32
    """Node where each begins, shape (n_vehicles,)."""
    end: I32
    """Node where each ends."""
    open: I64
    """Earliest departure. [tick]"""
    close: I64
    """Latest return. [tick]"""
    capacity: I64
    """Between two reloads, shape (n_vehicles, n_dims)."""
    daily: I64
    """Over the whole day, shape (n_vehicles, n_dims)."""
    max_stops: I64
    """Clients a day."""
    fixed_cost: I64
    """Cost of using it at all, in units of distance."""
    load: I64
    """Load already on board, shape (n_vehicles, n_dims); it counts towards ``capacity`` and ``daily``."""
    allowed: BOOL
    """Which node it may visit, shape (n_vehicles, n_nodes)."""
    breaks: I64
    """Earliest start, latest start and length of each break, shape (n_vehicles, n_breaks, 3). A vehicle that is home
    by a break's latest start need not take it. [tick]"""
    breaks_taken: I64
    """How many of them lie behind it already, shape (n_vehicles,)."""

    def __len__(self) -> int:
        """Return the number of vehicles."""
        return len(self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A day's routing problem. One row a node: depots, reload sites, clients."""

    n_depots: int
    n_reloads: int
    distance: I32
    """Shape (n_nodes, n_nodes)."""
    duration: I32
    """Shape (n_nodes, n_nodes). [tick]"""
    early: I64
    """Service begins at this tick at the earliest."""
    late: I64
    """Service begins at this tick at the latest."""
    service: I64
    """[tick]"""
    demand: I64
    """Shape (n_nodes, n_dims)."""
    prize: I64
    """Cost of leaving a client out, in units of distance; ``MUST`` where it may not be left out."""
    fleet: Fleet
    queue: I32
    """Wait before service at a reload site by arrival slot, shape (n_reloads, n_slots). [tick]"""
    slot: int
    """Length of a slot of ``queue``. [tick]"""
    twin: I32 | None = None
    """For clients that can be served in two ways, as a street in two directions: the node of the other way, or -1.
    Nodes from ``n_primary`` on are such other ways only."""
    n_primary: int = 0
    """Nodes before the other ways; 0: there are none, every node is one of its own."""
    release: I64 | None = None
    """When each node's load is ready: what leaves a depot or a reload site to serve it leaves no sooner. None: any
    time. Shape (n_nodes,). [tick]"""

    def __post_init__(self) -> None:
        """Refuse shapes that do not belong together."""
        n = len(self.early)
        if self.distance.shape != (n, n) or self.duration.shape != (n, n) or len(self.demand) != n:
            raise ValueError(f"{n} nodes, but distance {self.distance.shape}, duration {self.duration.shape}")
        if self.fleet.breaks.shape[1] > MAX_BREAKS:
            raise ValueError(f"{self.fleet.breaks.shape[1]} breaks a vehicle, must be {MAX_BREAKS} or fewer")
        if self.slot <= 0:
            raise ValueError("slot must be positive")

    @property
    def first_client(self) -> int:
        """Node number of the first client."""
        return self.n_depots + self.n_reloads

    @property
    def n_nodes(self) -> int:
        """Nodes of all kinds."""
        return len(self.early)

    @property
    def end_primary(self) -> int:
        """One past the last client; other ways of serving a client come after it."""
        return self.n_primary or self.n_nodes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a solver found: the nodes that each vehicle visits between its start and its end."""

    routes: tuple[tuple[int, ...], ...]
    """One a vehicle, in the fleet's order; empty for a vehicle that stays."""
    left_out: tuple[int, ...]
    """Clients that no route serves."""
    cost: int
    """Distance, fixed costs and the prizes of clients left out."""
    iterations: int = field(default=0, compare=False)

    def clients(self, first_client: int) -> int:
        """Return how many clients are served."""
        return sum(node >= first_client for route in self.routes for node in route)


class Arrays(NamedTuple):
    """A problem as the compiled kernels take it."""

    n_depots: int
    first_client: int
    distance: I32
    into: I32
    """``distance`` with its sides exchanged: the row of a node holds the ways that lead to it."""
    duration: I32
    early: I64
    late: I64
    service: I64
    demand: I64
    prize: I64
    queue: I32
    slot: int
    start: I32
    end: I32
    open: I64
    close: I64
    capacity: I64
    daily: I64
    max_stops: I64
    fixed_cost: I64
    load: I64
    allowed: BOOL
    breaks: I64
    breaks_taken: I64
    near: I32
    twin: I32
    end_primary: int
    release: I64
    released: bool
    """Whether any load has to be waited for."""
    queued: bool
    """Whether anybody has to wait at a reload site."""


def arrays_of(problem: Problem, n_near: int = 60) -> Arrays:
    """Return a problem's arrays, with each client's nearest clients.

    Parameters
    ----------
    n_near
        How many neighbours a client is listed with; the search puts clients back only beside these, beside reload
        sites and at the ends of routes.
    """
    fleet = problem.fleet
    distance: I32 = _whole(problem.distance, np.int32)
    into = distance if np.array_equal(distance, distance.T) else np.ascontiguousarray(distance.T)
    alone = np.full(problem.n_nodes, -1, np.int32)
    twin: I32 = alone if problem.twin is None else _whole(problem.twin, np.int32)
    ready = np.zeros(problem.n_nodes, np.int64) if problem.release is None else _whole(problem.release, np.int64)
    return Arrays(
        problem.n_depots, problem.first_client,
        distance, into, _whole(problem.duration, np.int32),
        _whole(problem.early, np.int64), _whole(problem.late, np.int64), _whole(problem.service, np.int64),
        _whole(problem.demand, np.int64), _whole(problem.prize, np.int64), _whole(problem.queue, np.int32),
        int(problem.slot), _whole(fleet.start, np.int32), _whole(fleet.end, np.int32), _whole(fleet.open, np.int64),
        _whole(fleet.close, np.int64), _whole(fleet.capacity, np.int64), _whole(fleet.daily, np.int64),
        _whole(fleet.max_stops, np.int64), _whole(fleet.fixed_cost, np.int64), _whole(fleet.load, np.int64),
        _whole(fleet.allowed, np.bool_), _whole(fleet.breaks, np.int64), _whole(fleet.breaks_taken, np.int64),
        _nearest(problem, n_near), twin, problem.end_primary,
        ready, bool(ready.any()), bool(problem.queue.any()),
    )  # fmt: skip


def _whole(values: npt.NDArray[Any], kind: type) -> Any:
    return np.ascontiguousarray(values, dtype=kind)


def _nearest(problem: Problem, n_near: int) -> I32:
    first, last = problem.first_client, problem.end_primary
    k = max(1, min(n_near, last - first - 1))
    near = np.full((last, k), -1, dtype=np.int32)
    for client in range(first, last):
        cost = _way(problem, client)
        if problem.twin is not None and problem.twin[client] >= 0:
            cost = np.minimum(cost, _way(problem, int(problem.twin[client])))
        cost[client - first] = np.iinfo(np.int64).max
        if len(cost) > 1:
            best = np.argpartition(cost, min(k, len(cost) - 1))[:k]
            near[client, : len(best)] = first + best[np.argsort(cost[best], kind="stable")]
    return near


def _way(problem: Problem, node: int) -> I64:
    """Return the shorter of the ways to and from every client, in its better direction."""
    first, last = problem.first_client, problem.end_primary
    there, back = problem.distance[node].astype(np.int64), problem.distance[:, node].astype(np.int64)
    if problem.twin is None:
        both: I64 = np.add(there[first:last], back[first:last])
        return both
    way: I64 = np.minimum(there, back)
    other = problem.twin[first:last]
    least: I64 = np.where(other >= 0, np.minimum(way[first:last], way[other]), way[first:last])
    return least
